"""Masks or drops events of histories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leaven.arrays.buffer_pool import allocate_array
from leaven.datasets.histories import Histories
from leaven.protocols import OperatorTraits, RngKeys, Strength
from leaven.transforms.sequence.positions import EventSelector, check_event_choice
from leaven.transforms.stateless import Reasons, index_same_events, write_events


@dataclass(frozen=True)
class Mask:
    """Replace some events by the mask, never the last event (Xie and others, CL4SRec, ICDE 2022, 3.2.2).

    share_range  share of the events that is masked, drawn per row (× strength), rounded stochastically
    positions    weights of the events: "uniform", "popularity" (popular items more often), "recency" (late events),
                 "gap" (events after a long gap)
    p            probability that a row is changed

    Where we differ: the mask id (`Histories.mask_id`) is not the padding id; the last event stays, as the target of
    training.

    >>> rows = Histories.from_lists([[1, 2, 3]], n_items=3)
    >>> mask = Mask(share_range=(1.0, 1.0)).fit(rows)
    >>> mask(rows, rows.row_ids, np.ones(1, np.float32)).items.tolist()
    [4, 4, 3]
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("mask")
    share_range: tuple[float, float] = (0.1, 0.3)
    positions: str = "uniform"
    p: float = 1.0
    min_events: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_event_choice("mask", self.share_range, self.positions, self.p)

    def fit(self, train: Histories) -> FittedMask:
        """Learns item counts where `positions` is "popularity"."""
        return FittedMask(EventSelector.fit(self, train, bounds=(2, 1, 1)))


@dataclass(frozen=True, eq=False)
class FittedMask:
    """Masks the events that its selector draws."""

    selector: EventSelector

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """Rows of the same lengths; extra columns of masked events stay."""
        from leaven.arrays.parallel import freeze_array, run_over_rows
        from leaven.kernels.batch import make_batch
        from leaven.kernels.event_masks import mask_marked

        marked, _ = self.selector(rows, keys, strength)
        items = allocate_array(len(rows.items), np.int32)
        run_over_rows(
            mask_marked, len(rows), make_batch(rows, keys, strength), freeze_array(marked), rows.mask_id, items
        )
        return rows.replace_events(rows.starts, items, rows.times, index_same_events(rows))

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, or masked already."""
        return self.selector.reasons(rows)


@dataclass(frozen=True)
class Drop:
    """Drop some events ("subset-split" in Dang and others, DA4Rec, WWW 2024).

    share_range  share of the events that is dropped, drawn per row (× strength), rounded stochastically
    positions    as in `Mask`
    keep_last    the last event always stays
    p            probability that a row is changed

    At least two events stay.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("drop")
    share_range: tuple[float, float] = (0.1, 0.3)
    positions: str = "uniform"
    keep_last: bool = True
    p: float = 1.0
    min_events: ClassVar[int] = 3

    def __post_init__(self) -> None:
        check_event_choice("drop", self.share_range, self.positions, self.p)

    def fit(self, train: Histories) -> FittedDrop:
        """Learns item counts where `positions` is "popularity"."""
        return FittedDrop(EventSelector.fit(self, train, bounds=(3, int(self.keep_last), 2)))


@dataclass(frozen=True, eq=False)
class FittedDrop:
    """Drops the events that its selector draws."""

    selector: EventSelector

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """Shorter rows."""
        from leaven.arrays.parallel import freeze_array
        from leaven.arrays.ragged import shift_offsets
        from leaven.kernels.batch import make_batch
        from leaven.kernels.event_masks import copy_unmarked

        marked, counts = self.selector(rows, keys, strength)
        starts, read = shift_offsets(rows.starts, counts, -1), make_batch(rows, keys, strength)
        return write_events(copy_unmarked, rows, starts, read, freeze_array(marked))

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, or fully masked."""
        return self.selector.reasons(rows)
