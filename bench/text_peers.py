"""How do our operators on words compare with nlpaug's, on the same titles, on one core, in one run?

    python -m bench.peers nlpaug      # once: an environment of its own
    python -m bench.text_peers

Titles of Beauty from the folder LEAVEN_DATA, met for the first time by an operator that has met others, and read again
as views in every epoch do: the pieces of texts are remembered, as long as they are not too many. Synonyms of both come
from our lexicon alone, and from WordNet where its files lie here (Debian's wordnet-base and wordnet-sense-index, which
NLTK wants); nlpaug's are given without protection, filters, part of speech or reasons, ours with all that is on by
default. Chinese: nlpaug has no operator.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from bench.peers import python_of
from bench.text_operators import catalog
from leaven import registry
from leaven.transforms.text import derive_item_ids
from leaven.transforms.text.lexicon import Lexicon
from leaven.transforms.text.text_views import transform_texts
from leaven.transforms.text.wordnet import find_wordnet_folder as wordnet_folder

OURS: dict[str, tuple[str, dict[str, Any]]] = {
    "delete": ("delete", {"share_range": (0.1, 0.3)}),
    "swap": ("swap", {"share_range": (0.1, 0.3)}),
    "misspell": ("misspell", {}),
    "synonyms": ("synonyms", {"sources": ("lexicon",)}),
    "synonyms, WordNet too": ("synonyms", {}),
}
WANTED, ROUNDS, TURNS, TITLES = 10, 7, 5, 3_000


def ours(texts: list[str]) -> dict[str, dict[str, float]]:
    """operator -> titles a second of CPU time, of titles that it meets and of those that it has met, and the share that
    changed."""
    items = catalog("beauty")
    keys, told = derive_item_ids(items)[: len(texts)], {}
    others = list(items.texts["title"])[len(texts) :]
    for name, (kind, fields) in OURS.items():
        fitted = registry.create_config("text_transforms", kind, fields).fit(items)
        transform_texts(fitted, others, derive_item_ids(items)[len(texts) :])
        begun = time.process_time()
        made = transform_texts(fitted, texts, keys)
        first, best = time.process_time() - begun, float("inf")
        for _ in range(TURNS):
            begun = time.process_time()
            made = transform_texts(fitted, texts, keys)
            best = min(best, time.process_time() - begun)
        share = sum(a != b for a, b in zip(made, texts, strict=True)) / len(texts)
        told[name] = {"speed": len(texts) / best, "first": len(texts) / first, "changed": share}
    return told


def theirs(texts: list[str]) -> dict[str, dict[str, float]]:
    """The same of nlpaug, in its own Python."""
    python = python_of("nlpaug")
    if not python.exists():
        raise SystemExit("nlpaug has no environment yet: python -m bench.peers nlpaug")
    with tempfile.TemporaryDirectory() as folder:
        titles, synonyms = Path(folder) / "titles.txt", Path(folder) / "synonyms.txt"
        titles.write_text("\n".join(texts), encoding="utf-8")
        pairs = [(word, other) for word, others in Lexicon.load_default().synonyms.items() for other in others]
        synonyms.write_text("".join(f"[JJ] ||| {a} ||| {b} ||| AGigaSim=0.9 ||| x ||| y\n" for a, b in pairs))
        arm = Path(__file__).parent / "nlpaug_peer.py"
        place = wordnet_folder()
        call = [python, arm, titles, synonyms, *([place] if place and (place / "index.sense").exists() else [])]
        done = subprocess.run(call, check=True, text=True, stdout=subprocess.PIPE)
    told: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return told


def show() -> None:
    """Print the table: the middle of several rounds, in each of which both arms are measured."""
    texts = list(catalog("beauty").texts["title"])[:TITLES]
    rounds = [(ours(texts), theirs(texts)) for _ in range(ROUNDS)]
    print(f"{len(texts):,} titles, one core; the middle of {ROUNDS} rounds, the best of several turns in each.\n")
    heads = (
        "ours, titles/s",
        "met first",
        "nlpaug, titles/s",
        "ratio",
        "met first",
        "wanted",
        "changed, ours",
        "nlpaug",
    )
    print(f"| operator | {' | '.join(heads)} |\n|{'---|' * 9}")
    for kind in (kind for kind in OURS if kind in rounds[0][1]):
        pairs = [(one[kind], other[kind]) for one, other in rounds]
        speeds = [median(one[how] for one, _ in pairs) for how in ("speed", "first")]
        ratios = [median(one[how] / other["speed"] for one, other in pairs) for how in ("speed", "first")]
        cells = [f"{speed:,.0f}" for speed in (*speeds, median(other["speed"] for _, other in pairs))]
        cells += [
            *(f"{ratio:.1f} x" for ratio in ratios),
            f"{WANTED} x",
            *(f"{arm['changed']:.0%}" for arm in pairs[0]),
        ]
        print(f"| {kind} | {' | '.join(cells)} |")


if __name__ == "__main__":
    sys.exit(show())
