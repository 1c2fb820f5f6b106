"""How fast are the operators on words, and how often is a synonym right?

    python -m bench text_operators             titles a second of CPU time, for each operator, on Beauty's 12,101 titles
    python -m bench.text_operators --sample    the replacements that docs/words.md judges, 100 English and 50 Chinese

The folder that LEAVEN_DATA names holds the public data. One core; the best of several turns; fitting is told apart.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from leaven import registry, rng
from leaven.datasets.catalog import Catalog
from leaven.simulator import Simulator
from leaven.transforms.text import Synonyms, derive_item_ids, wordnet
from leaven.transforms.text.text_views import count_unchanged_texts, transform_texts

DATA = Path(os.environ.get("LEAVEN_DATA", "../shared/data"))
WANTED = {"delete": 100_000, "swap": 100_000, "insert": 100_000, "synonyms": 50_000}
TURNS = 7
SEED = 31
ENGLISH = {"beauty": 50, "retail": 30, "grocery": 20}
CHINESE = 50


def table(name: str, columns: tuple[str, ...]) -> list[str]:
    """The texts of some columns of a table of the public data, each text once."""
    path = DATA / name
    if not path.exists():
        raise SystemExit(f"{path} is missing: name the folder of the data in LEAVEN_DATA")
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", errors="replace") as lines:
        return list(dict.fromkeys(row[column].strip() for row in csv.DictReader(lines) for column in columns))


def catalog(name: str) -> Catalog:
    """The titles of one of the public data sets, or of the simulated shop in Chinese."""
    if name == "beauty":
        texts = table("beauty/items.csv", ("title",))
    elif name == "retail":
        texts = sorted(table("online_retail.csv.gz", ("Description",)))
    elif name == "grocery":
        texts = table("grocery/items.csv", ("title", "description"))
    else:
        texts = Simulator(users=20, items=600).build_world().catalog().texts["title_zh"]
    return Catalog([str(place) for place in range(len(texts))], {"title": list(texts)})


def main() -> None:
    """Print titles a second for every operator, and what stayed unchanged."""
    path = DATA / "beauty/items.csv"
    if not path.exists():
        raise SystemExit(f"{path} is missing: name the folder of the data in LEAVEN_DATA")
    with path.open() as lines:
        texts = [row["title"] for row in csv.DictReader(lines)]
    items = Catalog([str(place) for place in range(len(texts))], {"title": texts})
    keys = derive_item_ids(items)
    print(f"WordNet: {wordnet.find_wordnet_folder() or 'not on this machine'}\n")
    print(f"{'operator':<16}{'titles/s':>12}{'wanted':>10}{'fit, s':>8}{'changed':>9}")
    for kind in registry.list_kinds("text_transforms"):
        begun = time.process_time()
        fitted = registry.create_config("text_transforms", kind).fit(items)
        fit = time.process_time() - begun
        best = np.inf
        for _ in range(TURNS):
            begun = time.process_time()
            after = transform_texts(fitted, texts, keys)
            best = min(best, time.process_time() - begun)
        same = sum(count_unchanged_texts(fitted, texts, after).values())
        wanted = f"{WANTED[kind]:,}" if kind in WANTED else ""
        share = f"{1 - same / len(texts):.0%}"
        print(f"{kind:<16}{len(texts) / best:>12,.0f}{wanted:>10}{fit:>8.2f}{share:>9}")


def sample(name: str, count: int) -> Iterator[tuple[str, str, str]]:
    """(title, word, what took its place): the first change of the first changed titles in a drawn order."""
    items = catalog(name)
    texts, keys = list(items.texts["title"]), derive_item_ids(items)
    chance = rng.derive_row_keys(rng.derive_key(SEED, "sample"), keys)
    changes = Synonyms().fit(items).list_changes(texts, chance, np.ones(len(texts), np.float32))
    first = {row: (word, new) for row, word, new in reversed(changes)}
    order = np.argsort(rng.draw_uniform(keys, SEED), kind="stable").tolist()
    for place in itertools.islice((place for place in order if place in first), count):
        yield texts[place], *first[place]


def show(arguments: list[str] | None = None) -> None:
    """Print the speeds, or the sample as lines of a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", action="store_true", help="the replacements that docs/words.md judges")
    if not parser.parse_args(arguments).sample:
        main()
        return
    for name, count in (*ENGLISH.items(), ("shop in Chinese", CHINESE)):
        print(f"\n{name}")
        for number, (title, gone, come) in enumerate(sample(name, count), 1):
            print(f"{number:>3} | {gone} → {come} | {title}")


if __name__ == "__main__":
    show()
