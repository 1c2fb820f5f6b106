"""What do small nets write that have read a shop's own titles? Beauty's 12,101, a tenth of them unseen.

    python -m bench.titles --piece "net (GPT)"    # one of them, kept in runs/titles; minutes on one core
    python -m bench.titles                        # all that are missing, then the table

Needs `beauty/` in the folder LEAVEN_DATA. Every net has the same rows of words, width and steps of likelihood; the one
trained against a judge has steps of that beside.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.generators.sequence.autoregressive import Autoregressive
from leaven.generators.sequence.gan import Gan
from leaven.generators.sequence.markov import Markov
from leaven.generators.sequence.vae import Vae
from leaven.generators.text.catalog_language_model import (
    CatalogLanguageModel,
    FittedLanguageModel,
    train_language_model,
)
from leaven.metrics.synthetic import memorization
from leaven.quality.text_rows import build_text_rows

FOLDER = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "beauty"
KEPT, COUNT, VIEWS = Path("runs/titles"), 1_000, 300
SIZES: dict[str, Any] = {"width": 96, "length": 40, "steps": 500, "dropout": 0.1}
KINDS: dict[str, Any] = {
    "Markov chain of two words": Markov(),
    "net (GPT)": Autoregressive(**SIZES),
    "net (GPT), top_p 0.9": Autoregressive(**SIZES, top_p=0.9),
    "vae": Vae(**SIZES, latent=32),
    "gan, as written": Gan(**SIZES, loss="source"),
    "gan, relativistic": Gan(**SIZES),
}
REAL = "unseen real titles"


def titles() -> tuple[list[str], list[str]]:
    """(nine tenths that are learned from, the tenth that is not), by the items' own keys."""
    if not FOLDER.exists():
        raise SystemExit(f"{FOLDER} is missing: name the folder of the data in LEAVEN_DATA")
    with (FOLDER / "items.csv").open(encoding="utf-8") as file:
        found = [(row["item_id"], row["title"]) for row in csv.DictReader(file) if row["title"].strip()]
    lot = rng.draw_uniform(
        rng.derive_row_keys(rng.derive_key(7, "titles"), rng.derive_user_ids([one for one, _ in found])), 0
    )
    known = [title for (_, title), draw in zip(found, lot, strict=True) if draw >= 0.1]
    unseen = dict.fromkeys(title for (_, title), draw in zip(found, lot, strict=True) if draw < 0.1)
    return known, [title for title in unseen if title not in set(known)]


def measured(name: str) -> dict[str, Any]:
    """How likely unseen titles are to it, what it writes of its own, and how many views of titles pass the checks."""
    known, unseen = titles()
    keys = rng.derive_row_keys(rng.derive_key(1, "bench"), rng.mix_bits(np.arange(COUNT, dtype=np.uint64)))
    if name == REAL:
        return looks(unseen[:COUNT], known) | {"examples": unseen[:3]}
    wish = CatalogLanguageModel(model=KINDS[name], max_new_tokens=30)
    begun = time.process_time()
    learned = train_language_model(wish, known, [0] * len(known))
    seconds = time.process_time() - begun
    made = learned.generate_texts([[1]] * COUNT, keys)
    found: dict[str, Any] = looks(made, known) | {"seconds": seconds, "examples": made[:3]}
    if hasattr(learned.generator, "log_likelihood"):
        found["perplexity"] = math.exp(learned.compute_surprisal(unseen, [0] * len(unseen)))
    writer = FittedLanguageModel.from_catalog(
        wish, learned, Catalog([str(n) for n in range(len(known))], {"title": known})
    )
    asked = unseen[:VIEWS]
    views = writer(asked, keys[:VIEWS], np.ones(len(asked), np.float32))
    pairs = [(a, b) for a, b in zip(asked, views, strict=True) if a != b]
    refused = Counter(writer.outcomes.values()).most_common(1)
    return found | {"views": len(pairs) / len(asked), "pairs": pairs[:2], "refused": refused[0][0] if refused else ""}


def looks(made: list[str], known: list[str]) -> dict[str, float]:
    """Words, distinct and novel runs of them, and copies."""
    new, old = (one.tokens for one in build_text_rows([[text for text in made if text], known]))
    return {
        "words": float(new.lengths.mean()),
        "distinct": memorization.compute_distinct_share(new, 2),
        "novel": float(np.nanmean(memorization.compute_novel_share(new, old, 3))),
        "copies": float(memorization.is_exact_copy(new, old).mean()),
        "near": float(memorization.is_near_copy(new, old).mean()),
    }


def piece(name: str) -> dict[str, Any]:
    """One of them, from its file where it is there."""
    path = KEPT / f"{''.join(letter if letter.isalnum() else '-' for letter in name)}.json"
    if not path.exists():
        found = measured(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found))
    kept: dict[str, Any] = json.loads(path.read_text())
    return kept


def show(arguments: list[str] | None = None) -> None:
    """Print the table, and what was written, training what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--piece", choices=[REAL, *KINDS])
    asked = parser.parse_args(arguments)
    if asked.piece:
        print(json.dumps(piece(asked.piece), indent=1))
        return
    found = {name: piece(name) for name in (REAL, *KINDS)}
    known, unseen = titles()
    print(f"{len(known):,} titles were learned from, {len(unseen):,} not; {COUNT:,} written by each from nothing, and")
    print(f"views of {VIEWS} unseen ones. Perplexity: of an id, which is a word or a letter of a rare one, of unseen")
    print("titles; the vae's is an upper bound.\n")
    heads = ("perplexity", "words", "distinct pairs of words", "novel runs of three", "copies", "near copies")
    print(f"| | {' | '.join(heads)} | views that pass | CPU seconds |\n|---|{'---|' * (len(heads) + 2)}")
    for name, one in found.items():
        shares = [f"{one[key]:.1%}" for key in ("distinct", "novel", "copies", "near")]
        rest = [f"{one['views']:.0%}" if "views" in one else "", f"{one['seconds']:.0f}" if "seconds" in one else ""]
        perplexity = f"{one['perplexity']:.0f}" if "perplexity" in one else ""
        cells = [perplexity, f"{one['words']:.1f}", *shares, *rest]
        print(f"| {name} | {' | '.join(cells)} |")
    print("\nWhat they wrote:\n")
    for name, one in found.items():
        print(f"- {name}: {'; '.join(f'*{_shown(text)}*' for text in one['examples'])}")
    print("\nViews, before → after, and why most others were refused:\n")
    for name, one in found.items():
        for before, after in one.get("pairs", [])[:1]:
            print(f"- {name}: *{_shown(before)}* → *{_shown(after)}*; {one['refused']}")


def _shown(text: str) -> str:
    return text.replace("*", "").replace("|", "/")[:90]


if __name__ == "__main__":
    show()
