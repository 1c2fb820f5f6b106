"""Which items could have stood in a history instead, or besides?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven.arrays.buffer_pool import space
from leaven.datasets.histories import Histories, Ints, Items
from leaven.protocols import Keys, Strength
from leaven.transforms.sequence.candidates import SOURCES, Candidates
from leaven.transforms.sequence.neighbor_table import Neighbours
from leaven.transforms.sequence.positions import Marker, check_marks
from leaven.transforms.stateless import Reasons, same_events, too_short
from leaven.transforms.validation import check_count, check_word

Marks = npt.NDArray[np.bool_]
Put = Callable[[Histories, Marks, Ints, Items], Histories]
"""(rows, marked events, how many of each row, a candidate for each marked event) -> the new rows."""


@dataclass(frozen=True)
class Substitute:
    """Put other items in the place of some, never of the last (Liu and others, CoSeRec, 2021, section 3.2).

    share_range  share of the events, drawn per row (× strength), rounded by lot
    by           where the others come from: "similar" items (by their confidence), "popular" ones, "random" ones,
                 the same "category" (by popularity), or the user's own "recent" items
    positions    which events: "uniform", or more often "popularity", "recency", "gap" (after a long wait)
    neighbours   how similarity is learned
    recent       how far back the user's own items are taken from
    p            chance that a row is changed

    Where we differ: not always the most similar item but one of the `top`, by confidence; events without a
    candidate are not chosen.
    """

    share_range: tuple[float, float] = (0.1, 0.3)
    by: str = "similar"
    positions: str = "uniform"
    neighbours: Neighbours = field(default_factory=Neighbours)
    recent: int = 10
    p: float = 1.0
    shortest: ClassVar[int] = 2

    def __post_init__(self) -> None:
        _check("substitute", self)

    def fit(self, train: Histories) -> Placing:
        """Candidates, and popularity where asked, from real training rows."""
        return _fit(self, train, bounds=(2, 1, 1), put=_in_place)


@dataclass(frozen=True)
class Insert:
    """Put further items between the events of a history, each before the one that it goes with (CoSeRec, 3.2).

    share_range  how many, as a share of the events, drawn per row (× strength), rounded by lot
    by, positions, neighbours, recent, p  as in `Substitute`

    A new item stands before the chosen event, half-way in time to the event before it, so that the last event
    stays the last.
    """

    share_range: tuple[float, float] = (0.1, 0.3)
    by: str = "similar"
    positions: str = "uniform"
    neighbours: Neighbours = field(default_factory=Neighbours)
    recent: int = 10
    p: float = 1.0
    shortest: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _check("insert", self)

    def fit(self, train: Histories) -> Placing:
        """Candidates, and popularity where asked, from real training rows."""
        return _fit(self, train, bounds=(1, 0, 0), put=_before)


def _check(kind: str, wish: Substitute | Insert) -> None:
    check_marks(kind, wish.share_range, wish.positions, wish.p)
    check_word(f"{kind}.by", wish.by, SOURCES)
    check_count(f"{kind}.recent", wish.recent, 1)


def _fit(wish: Substitute | Insert, train: Histories, bounds: tuple[int, int, int], put: Put) -> Placing:
    candidates = Candidates.fit(wish.by, wish.neighbours, wish.recent, train)
    return Placing(replace(Marker.fit(wish, train, bounds), able=candidates.able), candidates, put)


@dataclass(frozen=True, eq=False)
class Placing:
    """Puts candidates in the place of the events that its marker chooses, or before them."""

    marker: Marker
    candidates: Candidates
    put: Put

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """One row a row.

        Raises DataError for rows over other ids than the fit.
        """
        self.candidates.check(rows)
        marked, counts = self.marker(rows, keys, strength)
        return self.put(rows, marked, counts, _drawn(self.candidates, rows, keys, marked))

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, or hold no item with a candidate."""
        none = self.marker.reasons(rows)["no event that can be chosen"]
        return {**too_short(rows, self.marker.bounds[0]), "no item with a candidate": none}


def _in_place(rows: Histories, marked: Marks, counts: Ints, drawn: Items) -> Histories:
    """Rows of the same lengths; other columns of a replaced event stay, but its price."""
    return rows.rebuilt(rows.starts, drawn, rows.times, same_events(rows))


def _before(rows: Histories, marked: Marks, counts: Ints, drawn: Items) -> Histories:
    """Longer rows; other columns of a new event are 0 or empty."""
    from leaven.arrays.parallel import frozen, over_rows
    from leaven.arrays.ragged import shifted
    from leaven.kernels.batch import batch, room
    from leaven.kernels.candidate_sampling import insert_before_marked

    starts = shifted(rows.starts, counts, 1)
    items, times = space(starts[-1], np.int32), space(starts[-1], np.int64)
    source = room(rows, int(starts[-1]))
    read = (batch(rows, rows.keys, np.zeros(0, np.float32)), frozen(marked), frozen(drawn), frozen(starts))
    over_rows(insert_before_marked, len(rows), *read, items, times, source)
    return rows.rebuilt(starts, items, times, source)


def _drawn(candidates: Candidates, rows: Histories, keys: Keys, marked: Marks) -> Items:
    """int32 (events,): a candidate for each marked event, the event's own item elsewhere."""
    from leaven.arrays.parallel import frozen, over_rows
    from leaven.kernels.batch import batch
    from leaven.kernels.candidate_sampling import Pools, draw_for_marked

    pool, starts, slots = (frozen(array) for array in (candidates.pool, candidates.starts, candidates.slots))
    drawn = space(len(rows.items), np.int32)
    read = batch(rows, keys, np.zeros(0, np.float32))
    over_rows(draw_for_marked, len(rows), read, frozen(marked), Pools(pool, starts, slots, candidates.recent), drawn)
    return drawn
