"""Mixes events of two users' histories.

Donors are the real training rows, drawn by the row's key and independent of the batch. No row is its own donor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from leaven.arrays.buffer_pool import allocate_array
from leaven.datasets.histories import Histories, compute_offsets
from leaven.field_checks import check_choice, check_range, check_share
from leaven.protocols import OperatorTraits, RngKeys, Strength
from leaven.transforms.sequence.positions import EventSelector, check_event_choice
from leaven.transforms.stateless import Reasons, find_short_rows, write_events

if TYPE_CHECKING:
    from leaven.kernels.history_mixing import DonorHistories

DONOR_GROUPS = ("all", "long")
CUT_POINTS = ("shared_item", "end")
LONG_SHARE = 0.2
"""Share of the users, those with the longest histories, that counts as long."""
_NO_DONOR = "no other history as donor"


@dataclass(frozen=True)
class Mixup:
    """Replace some events, never the last, by a donor's events at the same relative position (BASRec, AAAI 2025).

    share_range  share of the events, drawn per row (× strength), rounded stochastically
    donors       "all" rows, or the "long" ones (the longest fifth), which then stay unchanged themselves
    positions    weights of the events, as in `Mask`
    p            probability that a row is changed

    Where we differ: items are mixed and not their embeddings, so that the result is data for any recommender.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("mixup", mixes_users=True)
    share_range: tuple[float, float] = (0.1, 0.3)
    donors: str = "all"
    positions: str = "uniform"
    p: float = 1.0
    min_events: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_event_choice("mixup", self.share_range, self.positions, self.p)
        check_choice("mixup.donors", self.donors, DONOR_GROUPS)

    def fit(self, train: Histories) -> FittedMixup:
        """Keeps the real training rows of the donors."""
        return FittedMixup(EventSelector.fit(self, train, bounds=(2, 1, 1)), DonorPool.fit(self.donors, train))


@dataclass(frozen=True)
class Splice:
    """Replace the first events of a history by those of a donor ("cut and splice").

    keep_range  share of the row's own last events that stay, drawn per row (1 - strength × (1 - share)); as many
                events as are removed come from the donor, where it has them
    cut_at      "shared_item": the donor is cut at the item that the kept part begins with; "end": its last events
                are taken
    donors      as in `Mixup`
    p           probability that a row is changed

    Donor events keep the gaps between them and come before the kept ones.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("splice", mixes_users=True)
    keep_range: tuple[float, float] = (0.5, 0.8)
    cut_at: str = "shared_item"
    donors: str = "all"
    p: float = 1.0
    min_events: ClassVar[int] = 3

    def __post_init__(self) -> None:
        check_range("splice.keep_range", self.keep_range, 0, 1)
        check_choice("splice.cut_at", self.cut_at, CUT_POINTS)
        check_choice("splice.donors", self.donors, DONOR_GROUPS)
        check_share("splice.p", self.p)

    def fit(self, train: Histories) -> FittedSplice:
        """Keeps the real training rows of the donors."""
        return FittedSplice(self, DonorPool.fit(self.donors, train))


@dataclass(frozen=True, eq=False)
class DonorPool:
    """Donor rows, and the largest row that may borrow from them.

    rows                 real training rows of two events or more
    max_borrower_events  longer rows do not borrow; 0: all rows do
    occurrence_starts    int64 (n_items + 2,), occurrences int64: the events of each item in `rows`
    """

    rows: Histories
    max_borrower_events: int
    occurrence_starts: npt.NDArray[np.int64]
    occurrences: npt.NDArray[np.int64]

    @classmethod
    def fit(cls, group: str, train: Histories) -> DonorPool:
        """The donors of one of DONOR_GROUPS."""
        from leaven.arrays.parallel import freeze_array
        from leaven.kernels.cooccurrence import index_occurrences

        lengths, longest = train.lengths, 0
        is_donor = train.is_real & (lengths >= 2)
        if group == "long" and is_donor.any():
            longest = int(np.quantile(lengths[is_donor], 1 - LONG_SHARE, method="inverted_cdf"))
            is_donor &= lengths > longest
        rows = replace(train.take(is_donor), extra={}, catalog=None)
        starts, places = index_occurrences(freeze_array(rows.items), rows.n_items)
        return cls(rows, longest, starts, places)

    def to_kernel_donors(self) -> DonorHistories:
        """The rows in the form of the kernels."""
        from leaven.arrays.parallel import freeze_array
        from leaven.kernels.history_mixing import DonorHistories

        rows = self.rows
        return DonorHistories(
            items=freeze_array(rows.items),
            times=freeze_array(rows.times),
            starts=freeze_array(rows.starts),
            row_ids=freeze_array(rows.row_ids),
            event_rows=freeze_array(rows.event_rows().astype(np.int32)),
            item_starts=freeze_array(self.occurrence_starts),
            item_positions=freeze_array(self.occurrences),
            max_events=self.max_borrower_events,
        )

    def reasons(self, rows: Histories) -> dict[str, npt.NDArray[np.bool_]]:
        """Rows without a donor."""
        is_alone = np.full(len(rows), len(self.rows) == 0)
        if len(self.rows) == 1:
            is_alone = rows.parents == self.rows.row_ids[0]
        if self.max_borrower_events:
            too_long = f"longer than {self.max_borrower_events} events: a donor itself"
            return {too_long: rows.lengths > self.max_borrower_events, _NO_DONOR: is_alone}
        return {_NO_DONOR: is_alone}


@dataclass(frozen=True, eq=False)
class FittedMixup:
    """Replaces the events that its selector draws by those of a donor."""

    selector: EventSelector
    pool: DonorPool

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """Rows of the same lengths; extra columns of donor events are missing."""
        from leaven.arrays.parallel import freeze_array, run_over_rows
        from leaven.kernels.batch import make_batch
        from leaven.kernels.history_mixing import mix_marked

        marked, _ = self.selector(rows, keys, strength)
        items, borrowed = allocate_array(len(rows.items), np.int32), allocate_array(len(rows.items), bool)
        read, donors = make_batch(rows, keys, strength), self.pool.to_kernel_donors()
        parents = freeze_array(rows.parents)
        run_over_rows(mix_marked, len(rows), read, parents, freeze_array(marked), donors, items, borrowed)
        source = np.where(borrowed, -1, np.arange(len(items))) if rows.extra else np.zeros(0, np.int64)
        return rows.replace_events(rows.starts, items, rows.times, source)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, fully masked, or without a donor."""
        return {**self.selector.reasons(rows), **self.pool.reasons(rows)}


@dataclass(frozen=True, eq=False)
class FittedSplice:
    """Puts a donor's events before the last events of a row."""

    config: Splice
    pool: DonorPool

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """Rows of the same lengths or shorter; extra columns of donor events are missing."""
        from leaven.arrays.parallel import freeze_array, run_over_rows
        from leaven.kernels.batch import make_batch
        from leaven.kernels.history_mixing import plan_splices, splice_histories

        read, donors = make_batch(rows, keys, strength), self.pool.to_kernel_donors()
        at_shared = self.config.cut_at == "shared_item"
        cuts, borrowed, kept = (allocate_array(len(rows), np.int64) for _ in range(3))
        keep, p = (float(self.config.keep_range[0]), float(self.config.keep_range[1])), float(self.config.p)
        parents = freeze_array(rows.parents)
        run_over_rows(plan_splices, len(rows), read, parents, keep, at_shared, p, donors, cuts, borrowed, kept)
        starts, cuts, borrowed = compute_offsets(borrowed + kept), freeze_array(cuts), freeze_array(borrowed)
        return write_events(splice_histories, rows, starts, read, donors, at_shared, cuts, borrowed)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, or without a donor."""
        return {**find_short_rows(rows, self.config.min_events), **self.pool.reasons(rows)}
