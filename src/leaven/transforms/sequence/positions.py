"""Which events of a history are chosen: evenly, or popular, recent, long-awaited ones first?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.arrays.buffer_pool import space
from leaven.datasets.histories import Histories
from leaven.protocols import Keys, Strength
from leaven.transforms.sequence.time_warping import last_second
from leaven.transforms.stateless import Reasons, too_short
from leaven.transforms.validation import check_range, check_share, check_word

Weights = npt.NDArray[np.float32]

POSITIONS = ("uniform", "popularity", "recency", "gap")


def check_marks(kind: str, share_range: tuple[float, float], positions: str, p: float) -> None:
    """SpecError unless the three fields of every choice of events are right."""
    check_range(f"{kind}.share_range", share_range, 0, 1)
    check_word(f"{kind}.positions", positions, POSITIONS)
    check_share(f"{kind}.p", p)


@dataclass(frozen=True, eq=False)
class Marker:
    """Chooses a share of each row's events, rounded by lot.

    share, p   range of the share (× strength); chance that a row is changed
    positions  one of POSITIONS: weights of the events
    bounds     (shortest row, events at the end that are never chosen, events that must remain)
    able       bool (n_items + 2,): items that may be chosen
    counts     float32 (n_items + 2,): how often each item occurs in real training rows
    """

    share: tuple[float, float]
    p: float
    positions: str
    bounds: tuple[int, int, int]
    able: npt.NDArray[np.bool_]
    counts: Weights

    @classmethod
    def fit(cls, wish: Any, train: Histories, bounds: tuple[int, int, int]) -> Marker:
        """From a wish with share_range, positions and p; every item but the mask may be chosen.

        Raises DataError where the longest waits are asked for and the data has no clock.
        """
        if wish.positions == "gap":
            last_second("positions = 'gap'", train)
        able = np.ones(train.n_items + 2, bool)
        able[[0, train.mask_id]] = False
        share = (float(wish.share_range[0]), float(wish.share_range[1]))
        counts = item_counts(train).astype(np.float32) if wish.positions == "popularity" else np.zeros(0, np.float32)
        return cls(share, float(wish.p), wish.positions, bounds, able, counts)

    def __call__(
        self, rows: Histories, keys: Keys, strength: Strength
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """(bool (events,): which are chosen, int64 (rows,): how many of each row)."""
        from leaven.arrays.parallel import frozen, over_rows
        from leaven.kernels.batch import batch
        from leaven.kernels.event_masks import mark_events

        marked, counts = space(len(rows.items), bool), space(len(rows), np.int64)
        # where all may be chosen the kernel need not look at the items: the same events, sooner
        able = self.able[:0] if self._takes_all(rows) else self.able
        read = (batch(rows, keys, strength), self.share, self.p, self.bounds)
        over_rows(mark_events, len(rows), *read, frozen(able), frozen(self._weights(rows)), marked, counts)
        return marked, counts

    @property
    def all_able(self) -> bool:
        """Whether every item but padding and mask may be chosen."""
        return bool(self.able[1:-1].all())

    def _takes_all(self, rows: Histories) -> bool:
        """Whether each event of these rows may be chosen, by its item."""
        from leaven.arrays.ragged import span_of

        return self.all_able and span_of(rows.items)[1] <= rows.n_items

    def _weights(self, rows: Histories) -> Weights:
        """float32 (events,), above 0; empty where all are alike."""
        if self.positions == "popularity":
            return self.counts[rows.items] + np.float32(1.0)
        if self.positions == "recency":
            place = np.arange(len(rows.items)) - np.repeat(rows.starts[:-1], rows.lengths)
            return (place + 1).astype(np.float32)
        if self.positions == "gap":
            return _waits(rows)
        return np.zeros(0, np.float32)

    def reasons(self, rows: Histories) -> Reasons:
        """Which rows are too short, and which hold no item that may be chosen."""
        last = np.maximum(rows.starts[1:] - self.bounds[1], rows.starts[:-1])
        ables = last - rows.starts[:-1]
        if not self._takes_all(rows):
            so_far = np.concatenate([[0], np.cumsum(self.able[rows.items])])
            ables = so_far[last] - so_far[rows.starts[:-1]]
        short = too_short(rows, self.bounds[0])
        none = (ables == 0) & (rows.lengths >= self.bounds[0])
        return {**short, "no event that can be chosen": none}


def _waits(rows: Histories) -> Weights:
    """float32 (events,): seconds since the event before (first ones: 0), plus one."""
    waits = np.zeros(len(rows.items), np.float32)
    waits[1:] = np.diff(rows.times)
    waits[rows.starts[:-1][rows.lengths > 0]] = 0
    return waits + np.float32(1.0)


def item_counts(train: Histories) -> npt.NDArray[np.int64]:
    """int64 (n_items + 2,): how often each item occurs in real rows; 0 for the mask."""
    rows = train if train.is_real.all() else train.real_only()
    counts = np.bincount(rows.items, minlength=train.n_items + 2)[: train.n_items + 2]
    counts[[0, train.mask_id]] = 0
    return counts.astype(np.int64)
