"""Masks or drops events of histories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leaven.arrays.buffer_pool import space
from leaven.datasets.histories import Histories
from leaven.protocols import Keys, Strength
from leaven.transforms.sequence.positions import Marker, check_marks
from leaven.transforms.stateless import Reasons, same_events


@dataclass(frozen=True)
class Mask:
    """Replace some events by the mask, never the last event (Xie and others, CL4SRec, ICDE 2022, 3.2.2).

    share_range  share of the events that is masked, drawn per row (× strength), rounded stochastically
    positions    weights of the events: "uniform", "popularity" (popular items more often), "recency" (late events),
                 "gap" (events after a long gap)
    p            probability that a row is changed

    Where we differ: the mask id (`Histories.mask_id`) is not the padding id; the last event stays, as the target of
    training.

    >>> rows = Histories.of([[1, 2, 3]], n_items=3)
    >>> mask = Mask(share_range=(1.0, 1.0)).fit(rows)
    >>> mask(rows, rows.keys, np.ones(1, np.float32)).items.tolist()
    [4, 4, 3]
    """

    share_range: tuple[float, float] = (0.1, 0.3)
    positions: str = "uniform"
    p: float = 1.0
    shortest: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_marks("mask", self.share_range, self.positions, self.p)

    def fit(self, train: Histories) -> Masking:
        """Learns item counts where `positions` is "popularity"."""
        return Masking(Marker.fit(self, train, bounds=(2, 1, 1)))


@dataclass(frozen=True, eq=False)
class Masking:
    """Masks the events that its selector draws."""

    marker: Marker

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """Rows of the same lengths; extra columns of masked events stay."""
        from leaven.arrays.parallel import frozen, over_rows
        from leaven.kernels.batch import batch
        from leaven.kernels.event_masks import hide_marked

        marked, _ = self.marker(rows, keys, strength)
        items = space(len(rows.items), np.int32)
        over_rows(hide_marked, len(rows), batch(rows, keys, strength), frozen(marked), rows.mask_id, items)
        return rows.rebuilt(rows.starts, items, rows.times, same_events(rows))

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, or masked already."""
        return self.marker.reasons(rows)


@dataclass(frozen=True)
class Drop:
    """Drop some events ("subset-split" in Dang and others, DA4Rec, WWW 2024).

    share_range  share of the events that is dropped, drawn per row (× strength), rounded stochastically
    positions    as in `Mask`
    keep_last    the last event always stays
    p            probability that a row is changed

    At least two events stay.
    """

    share_range: tuple[float, float] = (0.1, 0.3)
    positions: str = "uniform"
    keep_last: bool = True
    p: float = 1.0
    shortest: ClassVar[int] = 3

    def __post_init__(self) -> None:
        check_marks("drop", self.share_range, self.positions, self.p)

    def fit(self, train: Histories) -> Dropping:
        """Learns item counts where `positions` is "popularity"."""
        return Dropping(Marker.fit(self, train, bounds=(3, int(self.keep_last), 2)))


@dataclass(frozen=True, eq=False)
class Dropping:
    """Drops the events that its selector draws."""

    marker: Marker

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """Shorter rows."""
        from leaven.arrays.parallel import frozen, over_rows
        from leaven.arrays.ragged import shifted
        from leaven.kernels.batch import batch, room
        from leaven.kernels.event_masks import copy_unmarked

        marked, counts = self.marker(rows, keys, strength)
        starts = shifted(rows.starts, counts, -1)
        items, times = space(starts[-1], np.int32), space(starts[-1], np.int64)
        source = room(rows, int(starts[-1]))
        read = batch(rows, keys, strength)
        over_rows(copy_unmarked, len(rows), read, frozen(marked), frozen(starts), items, times, source)
        return rows.rebuilt(starts, items, times, source)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, or fully masked."""
        return self.marker.reasons(rows)
