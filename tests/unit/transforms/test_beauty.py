"""Transforms on the histories of real buyers."""

import os
from pathlib import Path

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.transforms.sequence.neighbor_table import NeighborTableConfig
from leaven.transforms.sequence.random_choice import TrivialAugment
from leaven.transforms.sequence.substitution import Substitute

FILE = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "sequences" / "Beauty.txt"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FILE.exists(), reason=f"{FILE} is missing: name the folder of the data in LEAVEN_DATA"),
]


@pytest.fixture(scope="module")
def buyers() -> Histories:
    rows = [[int(word) for word in line.split()[1:]] for line in FILE.read_text().splitlines()]
    return Histories.from_lists(rows, max(map(max, rows)))


def head(buyers: Histories) -> Histories:
    """The buyers' histories without their last event."""
    keep = np.ones(buyers.n_events, bool)
    keep[buyers.starts[1:] - 1] = False
    source = np.flatnonzero(keep)
    starts = np.concatenate([[0], np.cumsum(buyers.lengths - 1)])
    return buyers.replace_events(starts, buyers.items[source], buyers.times[source], source)


def test_neighbors_of_the_last_item_hit_the_next_item_more_often_than_popular_items(buyers) -> None:
    train = head(buyers)
    table = NeighborTableConfig().fit(train)
    last, following = train.items[train.starts[1:] - 1], buyers.items[buyers.starts[1:] - 1]
    hits = np.mean([b in table.get_neighbors(a) for a, b in zip(last.tolist(), following.tolist(), strict=True)])
    popular = np.argsort(-np.bincount(train.items, minlength=train.n_items + 1), kind="stable")[:20]
    assert hits > 2.5 * np.isin(following, popular).mean()
    assert (np.diff(table.starts)[1:] > 0).mean() > 0.99


def test_substitutes_do_not_leak_future_items(buyers) -> None:
    train = head(buyers)
    following = np.repeat(buyers.items[buyers.starts[1:] - 1], train.lengths)
    wish = Substitute(share_range=(1.0, 1.0))
    keys, ones = rng.derive_row_keys(1, train.row_ids), np.ones(len(train), np.float32)
    blind = wish.fit(train)(train, keys, ones)
    knowing = wish.fit(buyers)(train, keys, ones)
    assert 0 < (blind.items == following).mean() < (knowing.items == following).mean()


def test_trivial_augment_changes_more_than_half_of_the_buyers(buyers) -> None:
    keys, ones = rng.derive_row_keys(1, buyers.row_ids), np.ones(len(buyers), np.float32)
    new = TrivialAugment().fit(buyers)(buyers, keys, ones).validate()
    same = [new.row_items(i).tobytes() == buyers.row_items(i).tobytes() for i in range(0, len(buyers), 20)]
    assert np.mean(same) < 0.5
