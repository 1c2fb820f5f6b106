"""Mixes events of two users' histories.

Donors are the real training rows, drawn by the row's key and independent of the batch. No row is its own donor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from leaven.arrays.buffer_pool import space
from leaven.datasets.histories import Histories, offsets
from leaven.protocols import Keys, Strength
from leaven.transforms.sequence.positions import Marker, check_marks
from leaven.transforms.stateless import Reasons, too_short
from leaven.transforms.validation import check_range, check_share, check_word

if TYPE_CHECKING:
    from leaven.kernels.history_mixing import Donors

LENDERS = ("all", "long")
SEAMS = ("shared_item", "end")
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

    share_range: tuple[float, float] = (0.1, 0.3)
    lenders: str = "all"
    positions: str = "uniform"
    p: float = 1.0
    shortest: ClassVar[int] = 2
    borrows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_marks("mixup", self.share_range, self.positions, self.p)
        check_word("mixup.donors", self.lenders, LENDERS)

    def fit(self, train: Histories) -> Mixing:
        """Keeps the real training rows of the donors."""
        return Mixing(Marker.fit(self, train, bounds=(2, 1, 1)), Lenders.fit(self.lenders, train))


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

    keep_range: tuple[float, float] = (0.5, 0.8)
    seam: str = "shared_item"
    lenders: str = "all"
    p: float = 1.0
    shortest: ClassVar[int] = 3
    borrows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_range("splice.keep_range", self.keep_range, 0, 1)
        check_word("splice.cut_at", self.seam, SEAMS)
        check_word("splice.donors", self.lenders, LENDERS)
        check_share("splice.p", self.p)

    def fit(self, train: Histories) -> Splicing:
        """Keeps the real training rows of the donors."""
        return Splicing(self, Lenders.fit(self.lenders, train))


@dataclass(frozen=True, eq=False)
class Lenders:
    """Donor rows, and the largest row that may borrow from them.

    rows                 real training rows of two events or more
    max_borrower_events  longer rows do not borrow; 0: all rows do
    occurrence_starts    int64 (n_items + 2,), occurrences int64: the events of each item in `rows`
    """

    rows: Histories
    longest: int
    found: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]

    @classmethod
    def fit(cls, lenders: str, train: Histories) -> Lenders:
        """The donors of one of DONOR_GROUPS."""
        from leaven.arrays.parallel import frozen
        from leaven.kernels.cooccurrence import occurrences

        lengths, longest = train.lengths, 0
        is_donor = train.is_real & (lengths >= 2)
        if lenders == "long" and is_donor.any():
            longest = int(np.quantile(lengths[is_donor], 1 - LONG_SHARE, method="inverted_cdf"))
            is_donor &= lengths > longest
        rows = replace(train.take(is_donor), extra={}, catalog=None)
        starts, places = occurrences(frozen(rows.items), rows.n_items)
        return cls(rows, longest, starts, places)

    def donors(self) -> Donors:
        """The rows in the form of the kernels."""
        from leaven.arrays.parallel import frozen
        from leaven.kernels.history_mixing import Donors

        rows = self.rows
        row = frozen(rows.row_of_event().astype(np.int32))
        items, times, starts, keys = frozen(rows.items), frozen(rows.times), frozen(rows.starts), frozen(rows.keys)
        return Donors(items, times, starts, keys, row, frozen(self.found), frozen(self.places), self.longest)

    def reasons(self, rows: Histories) -> dict[str, npt.NDArray[np.bool_]]:
        """Rows without a donor."""
        is_alone = np.full(len(rows), len(self.rows) == 0)
        if len(self.rows) == 1:
            is_alone = rows.parents == self.rows.keys[0]
        if self.longest:
            too_long = f"longer than {self.longest} events: a donor itself"
            return {too_long: rows.lengths > self.longest, _NO_DONOR: is_alone}
        return {_NO_DONOR: is_alone}


@dataclass(frozen=True, eq=False)
class Mixing:
    """Replaces the events that its selector draws by those of a donor."""

    marker: Marker
    lenders: Lenders

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """Rows of the same lengths; extra columns of donor events are 0 or empty."""
        from leaven.arrays.parallel import frozen, over_rows
        from leaven.kernels.batch import batch
        from leaven.kernels.history_mixing import mix_marked

        marked, _ = self.marker(rows, keys, strength)
        items, borrowed = space(len(rows.items), np.int32), space(len(rows.items), bool)
        read, parents, donors = batch(rows, keys, strength), frozen(rows.parents), self.lenders.donors()
        over_rows(mix_marked, len(rows), read, parents, frozen(marked), donors, items, borrowed)
        source = np.where(borrowed, -1, np.arange(len(items))) if rows.extra else np.zeros(0, np.int64)
        return rows.rebuilt(rows.starts, items, rows.times, source)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, fully masked, or without a donor."""
        return {**self.marker.reasons(rows), **self.lenders.reasons(rows)}


@dataclass(frozen=True, eq=False)
class Splicing:
    """Puts a donor's events before the last events of a row."""

    wish: Splice
    lenders: Lenders

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """Rows of the same lengths or shorter; extra columns of donor events are 0 or empty."""
        from leaven.arrays.parallel import frozen, over_rows
        from leaven.kernels.batch import batch, room
        from leaven.kernels.history_mixing import plan_splices, splice

        read, donors, at_shared = batch(rows, keys, strength), self.lenders.donors(), self.wish.seam == "shared_item"
        cuts, borrowed, kept = (space(len(rows), np.int64) for _ in range(3))
        keep, p = (float(self.wish.keep_range[0]), float(self.wish.keep_range[1])), float(self.wish.p)
        parents = frozen(rows.parents)
        over_rows(plan_splices, len(rows), read, parents, keep, at_shared, p, donors, cuts, borrowed, kept)
        starts = offsets(borrowed + kept)
        items, times = space(starts[-1], np.int32), space(starts[-1], np.int64)
        source = room(rows, int(starts[-1]))
        cuts, borrowed, starts = frozen(cuts), frozen(borrowed), frozen(starts)
        over_rows(splice, len(rows), read, donors, at_shared, cuts, borrowed, starts, items, times, source)
        return rows.rebuilt(starts, items, times, source)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, or without a donor."""
        return {**too_short(rows, self.wish.shortest), **self.lenders.reasons(rows)}
