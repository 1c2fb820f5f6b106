"""Measures text operators next to those of nlpaug, on the same titles, on one core, in the same run.

    python -m bench.peers nlpaug      # once: its environment
    python -m bench.text_peers

Titles of Beauty from the folder LEAVEN_DATA, new to a warmed-up operator, and repeated as in views of later epochs,
where token results are cached up to a limit. Synonyms of both libraries come from the lexicon of leaven, and from
WordNet if its files are installed (Debian packages wordnet-base and wordnet-sense-index, required by NLTK); nlpaug runs
without protected words, filters, part of speech and reasons, leaven with its defaults. nlpaug has no operator for
Chinese.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from bench.peers import locate_python
from bench.text_operators import load_catalog
from leaven import registry
from leaven.transforms.text import derive_item_ids
from leaven.transforms.text.lexicon import Lexicon
from leaven.transforms.text.text_views import transform_texts
from leaven.transforms.text.wordnet import find_wordnet_folder

OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "delete": ("delete", {"share_range": (0.1, 0.3)}),
    "swap": ("swap", {"share_range": (0.1, 0.3)}),
    "misspell": ("misspell", {}),
    "synonyms": ("synonyms", {"sources": ("lexicon",)}),
    "synonyms, WordNet too": ("synonyms", {}),
}
TARGET, ROUNDS, REPEATS, TITLES = 10, 7, 5, 3_000


def measure_leaven(texts: list[str]) -> dict[str, dict[str, float]]:
    """Return operator -> titles per second of CPU time, new and repeated, and the share of changed titles."""
    items = load_catalog("beauty")
    keys, results = derive_item_ids(items)[: len(texts)], {}
    others = list(items.texts["title"])[len(texts) :]
    for name, (kind, fields) in OPERATORS.items():
        fitted = registry.create_config("text_transforms", kind, fields).fit(items)
        transform_texts(fitted, others, derive_item_ids(items)[len(texts) :])
        start = time.process_time()
        changed = transform_texts(fitted, texts, keys)
        first, best = time.process_time() - start, float("inf")
        for _ in range(REPEATS):
            start = time.process_time()
            changed = transform_texts(fitted, texts, keys)
            best = min(best, time.process_time() - start)
        share = sum(a != b for a, b in zip(changed, texts, strict=True)) / len(texts)
        results[name] = {"speed": len(texts) / best, "first": len(texts) / first, "changed": share}
    return results


def measure_nlpaug(texts: list[str]) -> dict[str, dict[str, float]]:
    """Return the same figures of nlpaug, run in its environment."""
    python = locate_python("nlpaug")
    if not python.exists():
        raise SystemExit("nlpaug has no environment yet: python -m bench.peers nlpaug")
    with tempfile.TemporaryDirectory() as folder:
        titles, synonyms = Path(folder) / "titles.txt", Path(folder) / "synonyms.txt"
        titles.write_text("\n".join(texts), encoding="utf-8")
        pairs = [(word, other) for word, others in Lexicon.load_default().synonyms.items() for other in others]
        synonyms.write_text("".join(f"[JJ] ||| {a} ||| {b} ||| AGigaSim=0.9 ||| x ||| y\n" for a, b in pairs))
        script = Path(__file__).parent / "nlpaug_peer.py"
        wordnet = find_wordnet_folder()
        call = [python, script, titles, synonyms]
        if wordnet and (wordnet / "index.sense").exists():
            call.append(wordnet)
        done = subprocess.run(call, check=True, text=True, stdout=subprocess.PIPE)
    results: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return results


def print_table() -> None:
    """Print the medians of several rounds, each of which measures both libraries."""
    texts = list(load_catalog("beauty").texts["title"])[:TITLES]
    rounds = [(measure_leaven(texts), measure_nlpaug(texts)) for _ in range(ROUNDS)]
    print(f"{len(texts):,} titles, one core; medians of {ROUNDS} rounds, the best of several repeats in each.\n")
    heads = (
        "leaven, titles/s",
        "new titles",
        "nlpaug, titles/s",
        "ratio",
        "new titles",
        "target",
        "changed, leaven",
        "nlpaug",
    )
    print(f"| operator | {' | '.join(heads)} |\n|{'---|' * 9}")
    for kind in (kind for kind in OPERATORS if kind in rounds[0][1]):
        pairs = [(one[kind], other[kind]) for one, other in rounds]
        speeds = [median(one[how] for one, _ in pairs) for how in ("speed", "first")]
        ratios = [median(one[how] / other["speed"] for one, other in pairs) for how in ("speed", "first")]
        cells = [f"{speed:,.0f}" for speed in (*speeds, median(other["speed"] for _, other in pairs))]
        cells += [
            *(f"{ratio:.1f} x" for ratio in ratios),
            f"{TARGET} x",
            *(f"{figures['changed']:.0%}" for figures in pairs[0]),
        ]
        print(f"| {kind} | {' | '.join(cells)} |")


if __name__ == "__main__":
    print_table()
