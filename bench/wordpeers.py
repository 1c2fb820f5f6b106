"""How do our operators on words compare with nlpaug's, on the same titles, on one core, in one run?

    python -m bench.peers nlpaug      # once: an environment of its own
    python -m bench.wordpeers

Titles of Beauty from the folder LEAVEN_DATA. Synonyms of both come from our lexicon alone; nlpaug's are given without
protection, filters, part of speech or reasons, ours with all that is on by default. Chinese: nlpaug has no operator.
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
    """operator -> titles a second of CPU time, and the share that changed."""
    items = catalog("beauty")
    keys, told = item_keys(items)[: len(texts)], {}
    for kind, fields in OURS.items():
        fitted = registry.made("text_transforms", kind, fields).fit(items)
        changed(fitted, texts, keys)
        best, made = float("inf"), texts
        for _ in range(TURNS):
            begun = time.process_time()
            made = changed(fitted, texts, keys)
            best = min(best, time.process_time() - begun)
        share = sum(a != b for a, b in zip(made, texts, strict=True)) / len(texts)
        told[kind] = {"speed": len(texts) / best, "changed": share}
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
    print("| operator | ours, titles/s | nlpaug, titles/s | ratio | wanted | changed, ours | nlpaug |")
    print("|---|---|---|---|---|---|---|")
    for kind in OURS:
        ratio = one[kind]["speed"] / other[kind]["speed"]
        shares = " | ".join(f"{arm[kind]['changed']:.0%}" for arm in (one, other))
        speeds = " | ".join(f"{arm[kind]['speed']:,.0f}" for arm in (one, other))
        print(f"| {kind} | {speeds} | {ratio:.1f} x | {WANTED} x | {shares} |")


if __name__ == "__main__":
    sys.exit(show())
