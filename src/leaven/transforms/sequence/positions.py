"""Draws events of histories, uniformly or weighted by popularity, recency or gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

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
NO_EVENT_REASON = "no event that can be drawn"


class EventChoice(Protocol):
    """The fields of configs that draw events."""

    @property
    def share_range(self) -> tuple[float, float]: ...
    @property
    def positions(self) -> str: ...
    @property
    def p(self) -> float: ...


def check_marks(kind: str, share_range: tuple[float, float], positions: str, p: float) -> None:
    """Raise SpecError unless the three fields that select events are valid."""
    check_range(f"{kind}.share_range", share_range, 0, 1)
    check_word(f"{kind}.positions", positions, POSITIONS)
    check_share(f"{kind}.p", p)


@dataclass(frozen=True, eq=False)
class Marker:
    """Draws a share of each row's events, rounded stochastically.

    share_range, p    range of the share (× strength); probability that a row is changed
    positions         one of POSITIONS: weights of the events
    bounds            (shortest row, events at the end that are never drawn, events that must remain)
    selectable_items  bool (n_items + 2,): items that may be drawn
    item_counts       float32 (n_items + 2,): events of each item in real training rows
    """

    share: tuple[float, float]
    p: float
    positions: str
    bounds: tuple[int, int, int]
    able: npt.NDArray[np.bool_]
    counts: Weights

    @classmethod
    def fit(cls, config: EventChoice, train: Histories, bounds: tuple[int, int, int]) -> Marker:
        """From a config with share_range, positions and p; all items but the mask are selectable.

        Raises DataError for "gap" where the data has no timestamps.
        """
        if config.positions == "gap":
            last_second("positions = 'gap'", train)
        able = np.ones(train.n_items + 2, bool)
        able[[0, train.mask_id]] = False
        share = (float(config.share_range[0]), float(config.share_range[1]))
        counts = item_counts(train).astype(np.float32) if config.positions == "popularity" else np.zeros(0, np.float32)
        return cls(share, float(config.p), config.positions, bounds, able, counts)

    def __call__(
        self, rows: Histories, keys: Keys, strength: Strength
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """(bool (events,): drawn events, int64 (rows,): their number in each row)."""
        from leaven.arrays.parallel import frozen, over_rows
        from leaven.kernels.batch import batch
        from leaven.kernels.event_masks import mark_events

        marked, counts = space(len(rows.items), bool), space(len(rows), np.int64)
        # without forbidden items the kernel skips the lookup: the same events, faster
        able = self.able[:0] if self._selects_all(rows) else self.able
        read, able, weights = batch(rows, keys, strength), frozen(able), frozen(self._weigh_events(rows))
        over_rows(mark_events, len(rows), read, self.share, self.p, self.bounds, able, weights, marked, counts)
        return marked, counts

    @property
    def all_able(self) -> bool:
        """Whether all items but padding and mask are selectable."""
        return bool(self.able[1:-1].all())

    def _selects_all(self, rows: Histories) -> bool:
        """Whether the items of all events of these rows are selectable."""
        from leaven.arrays.ragged import span_of

        return self.all_able and span_of(rows.items)[1] <= rows.n_items

    def _weigh_events(self, rows: Histories) -> Weights:
        """float32 (events,), above 0; empty for equal weights."""
        if self.positions == "popularity":
            return self.counts[rows.items] + np.float32(1.0)
        if self.positions == "recency":
            position = np.arange(len(rows.items)) - np.repeat(rows.starts[:-1], rows.lengths)
            return (position + 1).astype(np.float32)
        if self.positions == "gap":
            return _measure_gaps(rows)
        return np.zeros(0, np.float32)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, and rows without a selectable item."""
        last = np.maximum(rows.starts[1:] - self.bounds[1], rows.starts[:-1])
        n_selectable = last - rows.starts[:-1]
        if not self._selects_all(rows):
            cumulative = np.concatenate([[0], np.cumsum(self.able[rows.items])])
            n_selectable = cumulative[last] - cumulative[rows.starts[:-1]]
        short = too_short(rows, self.bounds[0])
        none = (n_selectable == 0) & (rows.lengths >= self.bounds[0])
        return {**short, NO_EVENT_REASON: none}


def _measure_gaps(rows: Histories) -> Weights:
    """float32 (events,): seconds since the event before (0 for first events), plus one."""
    gaps = np.zeros(len(rows.items), np.float32)
    gaps[1:] = np.diff(rows.times)
    gaps[rows.starts[:-1][rows.lengths > 0]] = 0
    return gaps + np.float32(1.0)


def item_counts(train: Histories) -> npt.NDArray[np.int64]:
    """int64 (n_items + 2,): events of each item in real rows; 0 for the mask."""
    rows = train if train.is_real.all() else train.real_only()
    counts = np.bincount(rows.items, minlength=train.n_items + 2)[: train.n_items + 2]
    counts[[0, train.mask_id]] = 0
    return counts.astype(np.int64)
