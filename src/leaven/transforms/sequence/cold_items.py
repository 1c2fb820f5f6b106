"""Who could have taken the items that nobody, or hardly anybody, took yet?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories, Ints, Items, offsets
from leaven.encoders.tfidf import TfIdf
from leaven.errors import DataError
from leaven.protocols import Encoder, Keys, Strength
from leaven.transforms.stateless import Reasons, too_short
from leaven.transforms.validation import check_count, check_share

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ColdItems:
    """End a history with a cold item, where one like it was taken; the likeness becomes the weight of the row.

    by           what tells likeness: an encoder of the items' words, attributes or pictures
    cold_events  up to how many events in training rows an item counts as cold; 0: those that nobody took
    top          taken items that a cold one may stand for, the likest first
    least        cosine below which nothing is like it
    p            chance that a row is changed (× strength)

    One event is drawn among those, after the first, whose item some cold item is like; that cold item stands in its
    place, and the row ends there: it is the only target. Rows without such an event stay, so give the step
    `keep = ["copies"]`. The idea of pseudo-interactions by content is old (Melville and others, AAAI 2002); rows of
    weight cosine × the step's own are ours. Unlike every other transform it names items that training rows may lack:
    it needs a catalogue that knows them, and knows of them nothing else. As many rows as there are users, at the
    step's full weight, fill lists with cold items at the cost of all others (`python -m bench.cold`): give few, or
    light ones.
    """

    by: Encoder = field(default_factory=TfIdf)
    cold_events: int = 3
    top: int = 5
    least: float = 0.3
    p: float = 1.0
    shortest: ClassVar[int] = 2
    weighs_rows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_count("cold_items.cold_events", self.cold_events, 0)
        check_count("cold_items.top", self.top, 1)
        check_share("cold_items.least", self.least)
        check_share("cold_items.p", self.p)

    def fit(self, train: Histories) -> Pairing:
        """Which cold items are like which taken ones, from the catalogue and the real rows' counts.

        Raises DataError where there is no catalogue that the encoder can read, no cold item, or none like a taken one.
        """
        real = train if train.is_real.all() else train.real_only()
        catalog = _readable(self.by, train)
        counts = np.bincount(real.items, minlength=train.n_items + 2)[: train.n_items + 1]
        cold = np.flatnonzero(counts[1:] <= self.cold_events) + 1
        warm = np.flatnonzero(counts[1:] > self.cold_events) + 1
        if not (len(cold) and len(warm)):
            got = f"{len(cold)} cold items and {len(warm)} others"
            raise DataError("cold_items.cold_events", "some cold items and some others", got, "move the bound")
        vectors = self.by.fit(catalog)(catalog)
        others, sure = _likest(vectors[cold - 1], vectors[warm - 1], self.top)
        there = sure >= max(self.least, 1e-6)
        if not there.any():
            raise DataError("cold_items.least", "a cold item that is like another", "none", "lower least")
        taken, called, how = warm[others[there]], np.repeat(cold, there.sum(1)), sure[there]
        order = np.lexsort((called, taken))
        starts = np.searchsorted(taken[order], np.arange(train.n_items + 3))
        return Pairing(self, starts.astype(np.int64), called[order].astype(np.int32), how[order])


def _readable(encoder: Encoder, train: Histories) -> Catalog:
    if train.catalog is None or not encoder.knows(train.catalog):
        fix = "name a table of items and its columns in [data]"
        raise DataError("cold_items.by", f"items with {encoder.modality}", "none", fix)
    return train.catalog


def _likest(cold: Floats, warm: Floats, top: int) -> tuple[Ints, Floats]:
    """(places (cold items, top) among the warm ones, cosines), block by block."""
    top, size = min(top, len(warm)), max(16_000_000 // max(len(warm), 1), 1)
    places, sure = [np.zeros((0, top), np.int64)], [np.zeros((0, top), np.float32)]
    one, other = (part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12) for part in (cold, warm))
    for begin in range(0, len(one), size):
        cosines = one[begin : begin + size] @ other.T
        best = np.sort(np.argpartition(-cosines, top - 1, axis=1)[:, :top], axis=1)
        places.append(best)
        sure.append(np.minimum(np.take_along_axis(cosines, best, 1), np.float32(1)))
    return np.concatenate(places), np.concatenate(sure)


@dataclass(frozen=True, eq=False)
class Pairing:
    """The fitted transform: for each taken item the cold ones that are like it.

    starts int64 (n_items + 3,): item i has starts[i]:starts[i + 1]; cold int32, sure float32 (pairs,): cosines
    """

    wish: ColdItems
    starts: Ints
    cold: Items
    sure: Floats

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """One row a row: up to the drawn event, which is the cold item now; the others as they are."""
        able, count = self._able(rows)
        going = (rng.uniform(keys, 0) < self.wish.p * strength.astype(np.float64)) & (count > 0)
        nth = np.minimum((rng.uniform(keys, 1) * count).astype(np.int64), np.maximum(count - 1, 0))
        first = np.cumsum(count) - count
        base, end = rows.starts[:-1], rows.starts[1:].copy()
        event = able[first[going] + nth[going]]
        end[going] = event + 1
        lengths = end - base
        starts = offsets(lengths)
        source = np.arange(starts[-1]) + np.repeat(base - starts[:-1], lengths)
        items, weight, targets = rows.items[source], rows.weight.copy(), rows.targets.copy()
        pair = self._drawn(rows.items[event], rng.uniform(keys[going], 2))
        items[starts[1:][going] - 1] = self.cold[pair]
        weight[going] *= self.sure[pair]
        targets[going] = 1
        return replace(rows.rebuilt(starts, items, rows.times[source], source), weight=weight, targets=targets)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, or hold no item that a cold one is like."""
        return {**too_short(rows, 2), "no event that a cold item is like": self._able(rows)[1] == 0}

    def _able(self, rows: Histories) -> tuple[Ints, Ints]:
        """(events that may go, in order; how many each row has)."""
        likes = np.diff(self.starts)[rows.items] > 0
        row = rows.row_of_event()
        likes &= np.arange(len(rows.items)) > rows.starts[:-1][row]
        return np.flatnonzero(likes), np.bincount(row[likes], minlength=len(rows))

    def _drawn(self, taken: Items, lots: npt.NDArray[np.float64]) -> Ints:
        """A pair of each taken item, drawn by its cosine."""
        passed = np.concatenate([[0.0], np.cumsum(self.sure.astype(np.float64))])
        low, high = passed[self.starts[taken]], passed[self.starts[taken + 1]]
        pair = np.searchsorted(passed, low + lots * (high - low), side="right") - 1
        drawn: Ints = np.clip(pair, self.starts[taken], self.starts[taken + 1] - 1)
        return drawn
