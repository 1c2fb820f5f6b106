"""What if two users' histories were one?

Donors are the real training rows, drawn by the row's key: whose rows stand in the same batch does not
matter. Nobody borrows from themselves.
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
SEAMS = ("meeting", "anywhere")
LONG_SHARE = 0.2
"""The share of users with the longest histories that counts as long."""
_ALONE = "no other history to borrow from"


@dataclass(frozen=True)
class Mixup:
    """Replace some events, never the last, by what another user took at the same point of theirs (BASRec, AAAI 2025).

    share_range  share of the events, drawn per row (× strength), rounded by lot
    lenders      "all" users, or only those with "long" histories (the longest fifth), whom the others borrow from
    positions    which events, as in `Mask`
    p            chance that a row is changed

    Where we differ: items are mixed, not their vectors (that needs the recommender), so the result is data.
    """

    share_range: tuple[float, float] = (0.1, 0.3)
    lenders: str = "all"
    positions: str = "uniform"
    p: float = 1.0
    shortest: ClassVar[int] = 2
    borrows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_marks("mixup", self.share_range, self.positions, self.p)
        check_word("mixup.lenders", self.lenders, LENDERS)

    def fit(self, train: Histories) -> Mixing:
        """Keeps the real training rows that lend."""
        return Mixing(Marker.fit(self, train, bounds=(2, 1, 1)), Lenders.fit(self.lenders, train))


@dataclass(frozen=True)
class Splice:
    """Let another user's history lead into the end of this one ("cut and splice").

    keep_range  share of the own events, the last ones, that stays; drawn per row (1 - strength × (1 - share)). As many
                events as left are borrowed, where the other has them
    seam        "meeting": the other history is cut at the item that the kept part begins with; "anywhere": its
                end leads in
    lenders     as in `Mixup`
    p           chance that a row is changed

    Borrowed events keep their waits and lie before the kept ones.
    """

    keep_range: tuple[float, float] = (0.5, 0.8)
    seam: str = "meeting"
    lenders: str = "all"
    p: float = 1.0
    shortest: ClassVar[int] = 3
    borrows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_range("splice.keep_range", self.keep_range, 0, 1)
        check_word("splice.seam", self.seam, SEAMS)
        check_word("splice.lenders", self.lenders, LENDERS)
        check_share("splice.p", self.p)

    def fit(self, train: Histories) -> Splicing:
        """Keeps the real training rows that lend."""
        return Splicing(self, Lenders.fit(self.lenders, train))


@dataclass(frozen=True, eq=False)
class Lenders:
    """Rows to borrow from, and which rows do.

    rows     real training rows of two events or more
    longest  longer rows do not borrow; 0: all may
    found    int64 (n_items + 2,), places int64: where each item stands in `rows`
    """

    rows: Histories
    longest: int
    found: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]

    @classmethod
    def fit(cls, lenders: str, train: Histories) -> Lenders:
        """The lenders of a word of LENDERS."""
        from leaven.arrays.parallel import frozen
        from leaven.kernels.cooccurrence import occurrences

        lengths, longest = train.lengths, 0
        able = train.is_real & (lengths >= 2)
        if lenders == "long" and able.any():
            longest = int(np.quantile(lengths[able], 1 - LONG_SHARE, method="inverted_cdf"))
            able &= lengths > longest
        rows = replace(train.take(able), extra={}, catalog=None)
        return cls(rows, longest, *occurrences(frozen(rows.items), rows.n_items))

    def donors(self) -> Donors:
        """The rows as kernels take them."""
        from leaven.arrays.parallel import frozen
        from leaven.kernels.history_mixing import Donors

        rows = self.rows
        events = (frozen(rows.items), frozen(rows.times), frozen(rows.starts), frozen(rows.keys))
        where = frozen(rows.row_of_event().astype(np.int32))
        return Donors(*events, where, frozen(self.found), frozen(self.places), self.longest)

    def reasons(self, rows: Histories) -> dict[str, npt.NDArray[np.bool_]]:
        """Rows that have nobody to borrow from."""
        alone = np.full(len(rows), len(self.rows) == 0)
        if len(self.rows) == 1:
            alone = rows.parents == self.rows.keys[0]
        if self.longest:
            long = f"longer than {self.longest} events: lends, does not borrow"
            return {long: rows.lengths > self.longest, _ALONE: alone}
        return {_ALONE: alone}


@dataclass(frozen=True, eq=False)
class Mixing:
    """Replaces the events that its marker chooses by those of a donor."""

    marker: Marker
    lenders: Lenders

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """Rows of the same lengths; other columns of a borrowed event are 0 or empty."""
        from leaven.arrays.parallel import frozen, over_rows
        from leaven.kernels.batch import batch
        from leaven.kernels.history_mixing import mix_marked

        marked, _ = self.marker(rows, keys, strength)
        items, borrowed = space(len(rows.items), np.int32), space(len(rows.items), bool)
        read = (batch(rows, keys, strength), frozen(rows.parents), frozen(marked), self.lenders.donors())
        over_rows(mix_marked, len(rows), *read, items, borrowed)
        source = np.where(borrowed, -1, np.arange(len(items))) if rows.extra else np.zeros(0, np.int64)
        return rows.rebuilt(rows.starts, items, rows.times, source)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, hold nothing but masks, or have nobody to borrow from."""
        return {**self.marker.reasons(rows), **self.lenders.reasons(rows)}


@dataclass(frozen=True, eq=False)
class Splicing:
    """Puts a donor's events before a row's last ones."""

    wish: Splice
    lenders: Lenders

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """Rows no longer than they were; other columns of a borrowed event are 0 or empty."""
        from leaven.arrays.parallel import frozen, over_rows
        from leaven.kernels.batch import batch, room
        from leaven.kernels.history_mixing import plan_splices, splice

        read, donors, meet = batch(rows, keys, strength), self.lenders.donors(), self.wish.seam == "meeting"
        seams, borrowed, kept = (space(len(rows), np.int64) for _ in range(3))
        keep = (float(self.wish.keep_range[0]), float(self.wish.keep_range[1]))
        wish = (frozen(rows.parents), keep, meet, float(self.wish.p), donors)
        over_rows(plan_splices, len(rows), read, *wish, seams, borrowed, kept)
        starts = offsets(borrowed + kept)
        items, times = space(starts[-1], np.int32), space(starts[-1], np.int64)
        source, plan = room(rows, int(starts[-1])), (frozen(seams), frozen(borrowed), frozen(starts))
        over_rows(splice, len(rows), read, donors, meet, *plan, items, times, source)
        return rows.rebuilt(starts, items, times, source)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, or have nobody to borrow from."""
        return {**too_short(rows, self.wish.shortest), **self.lenders.reasons(rows)}
