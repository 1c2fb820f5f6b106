"""Measures the speed of text operators and samples synonym replacements for manual evaluation.

    python -m bench text_operators             # titles per second of CPU time, on 12,101 titles of Beauty
    python -m bench.text_operators --sample  # 100 English, 50 Chinese replacements: docs/text-operators.md

The folder LEAVEN_DATA holds the public data. One core; the best of several rounds; fitting is measured separately.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaven import registry, rng
from leaven.datasets.catalog import Catalog
from leaven.simulator import Simulator
from leaven.transforms.text import Synonyms, derive_item_ids, wordnet
from leaven.transforms.text.text_views import count_unchanged_texts, transform_texts

DATA = Path(os.environ.get("LEAVEN_DATA", "../shared/data"))
TARGETS = {"delete": 100_000, "swap": 100_000, "insert": 100_000, "synonyms": 50_000}
ROUNDS = 7
SEED = 31
ENGLISH = {"beauty": 50, "retail": 30, "grocery": 20}
CHINESE = 50


def read_texts(name: str, columns: tuple[str, ...]) -> list[str]:
    """Return the distinct texts of some columns of a public table."""
    path = DATA / name
    if not path.exists():
        raise SystemExit(f"{path} is missing: set LEAVEN_DATA to the folder of public data")
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", errors="replace") as lines:
        return list(dict.fromkeys(row[column].strip() for row in csv.DictReader(lines) for column in columns))


def load_catalog(name: str) -> Catalog:
    """Return the titles of a public data set, or Chinese titles of the simulated shop."""
    if name == "beauty":
        texts = read_texts("beauty/items.csv", ("title",))
    elif name == "retail":
        texts = sorted(read_texts("online_retail.csv.gz", ("Description",)))
    elif name == "grocery":
        texts = read_texts("grocery/items.csv", ("title", "description"))
    else:
        texts = Simulator(users=20, items=600).build_world().catalog().texts["title_zh"]
    return Catalog([str(index) for index in range(len(texts))], {"title": list(texts)})


def main() -> None:
    """Print titles per second and the share of changed titles for every operator."""
    path = DATA / "beauty/items.csv"
    if not path.exists():
        raise SystemExit(f"{path} is missing: set LEAVEN_DATA to the folder of public data")
    with path.open() as lines:
        texts = [row["title"] for row in csv.DictReader(lines)]
    items = Catalog([str(index) for index in range(len(texts))], {"title": texts})
    keys = derive_item_ids(items)
    print(f"WordNet: {wordnet.find_wordnet_folder() or 'not on this machine'}\n")
    print(f"{'operator':<16}{'titles/s':>12}{'target':>10}{'fit, s':>8}{'changed':>9}")
    for kind in registry.list_kinds("text_transforms"):
        start = time.process_time()
        fitted = registry.create_config("text_transforms", kind).fit(items)
        fit = time.process_time() - start
        best = np.inf
        for _ in range(ROUNDS):
            start = time.process_time()
            after = transform_texts(fitted, texts, keys)
            best = min(best, time.process_time() - start)
        same = sum(count_unchanged_texts(fitted, texts, after).values())
        target = f"{TARGETS[kind]:,}" if kind in TARGETS else ""
        share = f"{1 - same / len(texts):.0%}"
        print(f"{kind:<16}{len(texts) / best:>12,.0f}{target:>10}{fit:>8.2f}{share:>9}")


@dataclass(frozen=True)
class Replacement:
    """One replaced word of a title."""

    title: str
    word: str
    synonym: str


def sample_replacements(name: str, count: int) -> Iterator[Replacement]:
    """Yield the first change of each of `count` changed titles in random order."""
    items = load_catalog(name)
    texts, keys = list(items.texts["title"]), derive_item_ids(items)
    row_keys = rng.derive_row_keys(rng.derive_key(SEED, "sample"), keys)
    changes = Synonyms().fit(items).list_changes(texts, row_keys, np.ones(len(texts), np.float32))
    first = {row: (word, new) for row, word, new in reversed(changes)}
    order = np.argsort(rng.draw_uniform(keys, SEED), kind="stable").tolist()
    for row in itertools.islice((row for row in order if row in first), count):
        yield Replacement(texts[row], *first[row])


def print_selected(arguments: list[str] | None = None) -> None:
    """Print the speeds or the sampled replacements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", action="store_true", help="the replacements rated in docs/text-operators.md")
    if not parser.parse_args(arguments).sample:
        main()
        return
    for name, count in (*ENGLISH.items(), ("shop in Chinese", CHINESE)):
        print(f"\n{name}")
        for number, one in enumerate(sample_replacements(name, count), 1):
            print(f"{number:>3} | {one.word} → {one.synonym} | {one.title}")


if __name__ == "__main__":
    print_selected()
