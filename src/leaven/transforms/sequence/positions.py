"""Draws events of histories, uniformly or weighted by popularity, recency or gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from leaven.arrays.buffer_pool import allocate_array
from leaven.datasets.histories import Histories
from leaven.field_checks import check_choice, check_range, check_share
from leaven.protocols import RngKeys, Strength
from leaven.transforms.sequence.time_warping import find_last_second
from leaven.transforms.stateless import Reasons, find_short_rows

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


def check_event_choice(kind: str, share_range: tuple[float, float], positions: str, p: float) -> None:
    """Raise SpecError unless the three fields that select events are valid."""
    check_range(f"{kind}.share_range", share_range, 0, 1)
    check_choice(f"{kind}.positions", positions, POSITIONS)
    check_share(f"{kind}.p", p)


@dataclass(frozen=True, eq=False)
class EventSelector:
    """Draws a share of each row's events, rounded stochastically.

    share_range, p    range of the share (× strength); probability that a row is changed
    positions         one of POSITIONS: weights of the events
    bounds            (shortest row, events at the end that are never drawn, events that must remain)
    selectable_items  bool (n_items + 2,): items that may be drawn
    item_counts       float32 (n_items + 2,): events of each item in real training rows
    """

    share_range: tuple[float, float]
    p: float
    positions: str
    bounds: tuple[int, int, int]
    selectable_items: npt.NDArray[np.bool_]
    item_counts: Weights

    @classmethod
    def fit(cls, config: EventChoice, train: Histories, bounds: tuple[int, int, int]) -> EventSelector:
        """From a config with share_range, positions and p; all items but the mask are selectable.

        Raises DataError for "gap" where the data has no timestamps.
        """
        if config.positions == "gap":
            find_last_second("positions = 'gap'", train)
        able = np.ones(train.n_items + 2, bool)
        able[[0, train.mask_id]] = False
        share = (float(config.share_range[0]), float(config.share_range[1]))
        counts = (
            count_item_events(train).astype(np.float32) if config.positions == "popularity" else np.zeros(0, np.float32)
        )
        return cls(share, float(config.p), config.positions, bounds, able, counts)

    def __call__(
        self, rows: Histories, keys: RngKeys, strength: Strength
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """(bool (events,): drawn events, int64 (rows,): their number in each row)."""
        from leaven.arrays.parallel import freeze_array, run_over_rows
        from leaven.kernels.batch import make_batch
        from leaven.kernels.event_masks import mark_events

        marked, counts = allocate_array(len(rows.items), bool), allocate_array(len(rows), np.int64)
        # without forbidden items the kernel skips the lookup: the same events, faster
        able = self.selectable_items[:0] if self._selects_all(rows) else self.selectable_items
        read, able, weights = (
            make_batch(rows, keys, strength),
            freeze_array(able),
            freeze_array(self._weigh_events(rows)),
        )
        run_over_rows(
            mark_events, len(rows), read, self.share_range, self.p, self.bounds, able, weights, marked, counts
        )
        return marked, counts

    @property
    def selects_all_items(self) -> bool:
        """Whether all items but padding and mask are selectable."""
        return bool(self.selectable_items[1:-1].all())

    def _selects_all(self, rows: Histories) -> bool:
        """Whether the items of all events of these rows are selectable."""
        from leaven.arrays.ragged import find_item_range

        return self.selects_all_items and find_item_range(rows.items)[1] <= rows.n_items

    def _weigh_events(self, rows: Histories) -> Weights:
        """float32 (events,), above 0; empty for equal weights."""
        if self.positions == "popularity":
            return self.item_counts[rows.items] + np.float32(1.0)
        if self.positions == "recency":
            return (rows.event_positions() + 1).astype(np.float32)
        if self.positions == "gap":
            # seconds since the event before (0 for first events), plus one
            gaps = np.zeros(len(rows.items), np.float32)
            gaps[1:] = np.diff(rows.times)
            gaps[rows.starts[:-1][rows.lengths > 0]] = 0
            return gaps + np.float32(1.0)
        return np.zeros(0, np.float32)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, and rows without a selectable item."""
        last = np.maximum(rows.starts[1:] - self.bounds[1], rows.starts[:-1])
        n_selectable = last - rows.starts[:-1]
        if not self._selects_all(rows):
            cumulative = np.concatenate([[0], np.cumsum(self.selectable_items[rows.items])])
            n_selectable = cumulative[last] - cumulative[rows.starts[:-1]]
        short = find_short_rows(rows, self.bounds[0])
        none = (n_selectable == 0) & (rows.lengths >= self.bounds[0])
        return {**short, NO_EVENT_REASON: none}


def count_item_events(train: Histories) -> npt.NDArray[np.int64]:
    """int64 (n_items + 2,): events of each item in real rows; 0 for the mask."""
    rows = train if train.is_real.all() else train.select_real()
    counts = np.bincount(rows.items, minlength=train.n_items + 2)[: train.n_items + 2]
    counts[[0, train.mask_id]] = 0
    return counts.astype(np.int64)
