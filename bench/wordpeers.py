"""How do our operators on words compare with nlpaug's, on the same titles, on one core, in one run?

    python -m bench.peers nlpaug      # once: an environment of its own
    python -m bench.wordpeers

Titles of Beauty from the folder LEAVEN_DATA, met for the first time by an operator that has met others, and read again
as views in every epoch do: the pieces of texts are remembered, as long as they are not too many. Synonyms of both come
from our lexicon alone; nlpaug's are given without protection, filters, part of speech or reasons, ours with all that is
on by default. Chinese: nlpaug has no operator.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.peers import python_of
from bench.words import catalog
from leaven import registry
from leaven.transforms.text import item_keys
from leaven.transforms.text.lexicon import Lexicon
from leaven.transforms.text.views import changed

OURS: dict[str, dict[str, Any]] = {
    "delete": {"share_range": (0.1, 0.3)},
    "swap": {"share_range": (0.1, 0.3)},
    "misspell": {},
    "synonyms": {"sources": ("lexicon",)},
}
WANTED, TURNS, TITLES = 10, 5, 3_000


def ours(texts: list[str]) -> dict[str, dict[str, float]]:
    """operator -> titles a second of CPU time, of titles that it meets and of those that it has met, and the share that
    changed."""
    items = catalog("beauty")
    keys, told = item_keys(items)[: len(texts)], {}
    others = list(items.words["title"])[len(texts) :]
    for kind, fields in OURS.items():
        fitted = registry.made("text_transforms", kind, fields).fit(items)
        changed(fitted, others, item_keys(items)[len(texts) :])
        begun = time.process_time()
        made = changed(fitted, texts, keys)
        first, best = time.process_time() - begun, float("inf")
        for _ in range(TURNS):
            begun = time.process_time()
            made = changed(fitted, texts, keys)
            best = min(best, time.process_time() - begun)
        share = sum(a != b for a, b in zip(made, texts, strict=True)) / len(texts)
        told[kind] = {"speed": len(texts) / best, "first": len(texts) / first, "changed": share}
    return told


def theirs(texts: list[str]) -> dict[str, dict[str, float]]:
    """The same of nlpaug, in its own Python."""
    python = python_of("nlpaug")
    if not python.exists():
        raise SystemExit("nlpaug has no environment yet: python -m bench.peers nlpaug")
    with tempfile.TemporaryDirectory() as folder:
        titles, synonyms = Path(folder) / "titles.txt", Path(folder) / "synonyms.txt"
        titles.write_text("\n".join(texts), encoding="utf-8")
        pairs = [(word, other) for word, others in Lexicon.ours().synonyms.items() for other in others]
        synonyms.write_text("".join(f"[JJ] ||| {a} ||| {b} ||| AGigaSim=0.9 ||| x ||| y\n" for a, b in pairs))
        arm = Path(__file__).parent / "nlpaug_arm.py"
        done = subprocess.run([python, arm, titles, synonyms], check=True, text=True, stdout=subprocess.PIPE)
    told: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return told


def show() -> None:
    """Print the table."""
    texts = list(catalog("beauty").words["title"])[:TITLES]
    one, other = ours(texts), theirs(texts)
    print(f"{len(texts):,} titles, one core, the best of several turns.\n")
    heads = (
        "operator",
        "ours, titles/s",
        "met for the first time",
        "nlpaug, titles/s",
        "ratio",
        "first time",
        "wanted",
    )
    print(f"| {' | '.join(heads)} | changed, ours | nlpaug |\n|{'---|' * 9}")
    for kind in OURS:
        ratios = " | ".join(f"{one[kind][how] / other[kind]['speed']:.1f} x" for how in ("speed", "first"))
        shares = " | ".join(f"{arm[kind]['changed']:.0%}" for arm in (one, other))
        speeds = " | ".join(f"{n:,.0f}" for n in (one[kind]["speed"], one[kind]["first"], other[kind]["speed"]))
        print(f"| {kind} | {speeds} | {ratios} | {WANTED} x | {shares} |")


if __name__ == "__main__":
    sys.exit(show())
