"""Substitutes items of histories, or inserts further items."""

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
from leaven.transforms.sequence.positions import NO_EVENT_REASON, Marker, check_marks
from leaven.transforms.stateless import Reasons, same_events, too_short
from leaven.transforms.validation import check_count, check_word

Marks = npt.NDArray[np.bool_]
Put = Callable[[Histories, Marks, Ints, Items], Histories]
"""(rows, marked events, their number in each row, a candidate for each marked event) -> the new rows."""


@dataclass(frozen=True)
class Substitute:
    """Substitute some items, never the last (Liu and others, CoSeRec, 2021, section 3.2).

    share_range  share of the events, drawn per row (× strength), rounded stochastically
    source       of the new items: "similar" (by confidence), "popular", "random", the same "category" (by popularity),
                 or the user's own "recent" items
    positions    weights of the events: "uniform", "popularity", "recency" or "gap", as in `Mask`
    neighbors    config of the neighbor table for "similar"
    n_recent     "recent": number of own last items to draw from
    p            probability that a row is changed

    Where we differ: one of the `max_neighbors` most similar items is drawn by confidence, not always the first; events
    without a candidate are not drawn.
    """

    share_range: tuple[float, float] = (0.1, 0.3)
    by: str = "similar"
    positions: str = "uniform"
    neighbours: Neighbours = field(default_factory=Neighbours)
    recent: int = 10
    p: float = 1.0
    shortest: ClassVar[int] = 2

    def __post_init__(self) -> None:
        _check_config("substitute", self)

    def fit(self, train: Histories) -> Placing:
        """Learns candidates, and item counts where `positions` is "popularity", from real training rows."""
        return _fit_config(self, train, bounds=(2, 1, 1), put=_replace_marked)


@dataclass(frozen=True)
class Insert:
    """Insert items before events to which they are similar (CoSeRec, section 3.2).

    share_range  number of new items as a share of the events, drawn per row (× strength), rounded stochastically
    source, positions, neighbors, n_recent, p  as in `Substitute`

    A new item comes before the drawn event, half-way in time to the previous event, so that the last event stays the
    last.
    """

    share_range: tuple[float, float] = (0.1, 0.3)
    by: str = "similar"
    positions: str = "uniform"
    neighbours: Neighbours = field(default_factory=Neighbours)
    recent: int = 10
    p: float = 1.0
    shortest: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _check_config("insert", self)

    def fit(self, train: Histories) -> Placing:
        """Learns candidates, and item counts where `positions` is "popularity", from real training rows."""
        return _fit_config(self, train, bounds=(1, 0, 0), put=_insert_before_marked)


def _check_config(kind: str, config: Substitute | Insert) -> None:
    check_marks(kind, config.share_range, config.positions, config.p)
    check_word(f"{kind}.source", config.by, SOURCES)
    check_count(f"{kind}.n_recent", config.recent, 1)


def _fit_config(config: Substitute | Insert, train: Histories, bounds: tuple[int, int, int], put: Put) -> Placing:
    candidates = Candidates.fit(config.by, config.neighbours, config.recent, train)
    return Placing(replace(Marker.fit(config, train, bounds), able=candidates.able), candidates, put)


@dataclass(frozen=True, eq=False)
class Placing:
    """Replaces the events that its selector draws by candidates, or inserts candidates before them."""

    marker: Marker
    candidates: Candidates
    put: Put

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """One new row for each row.

        Raises DataError for rows with other item ids than the fit.
        """
        self.candidates.check(rows)
        marked, counts = self.marker(rows, keys, strength)
        return self.put(rows, marked, counts, _draw_candidates(self.candidates, rows, keys, marked))

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, or hold no item with a candidate."""
        none = self.marker.reasons(rows)[NO_EVENT_REASON]
        return {**too_short(rows, self.marker.bounds[0]), "no item with a candidate": none}


def _replace_marked(rows: Histories, marked: Marks, counts: Ints, drawn: Items) -> Histories:
    """Rows of the same lengths; extra columns of replaced events stay, except the price."""
    return rows.rebuilt(rows.starts, drawn, rows.times, same_events(rows))


def _insert_before_marked(rows: Histories, marked: Marks, counts: Ints, drawn: Items) -> Histories:
    """Longer rows; extra columns of new events are 0 or empty."""
    from leaven.arrays.parallel import frozen, over_rows
    from leaven.arrays.ragged import shifted
    from leaven.kernels.batch import batch, room
    from leaven.kernels.candidate_sampling import insert_before_marked

    starts = shifted(rows.starts, counts, 1)
    items, times = space(starts[-1], np.int32), space(starts[-1], np.int64)
    source = room(rows, int(starts[-1]))
    read = batch(rows, rows.keys, np.zeros(0, np.float32))
    marked, drawn, starts = frozen(marked), frozen(drawn), frozen(starts)
    over_rows(insert_before_marked, len(rows), read, marked, drawn, starts, items, times, source)
    return rows.rebuilt(starts, items, times, source)


def _draw_candidates(candidates: Candidates, rows: Histories, keys: Keys, marked: Marks) -> Items:
    """int32 (events,): a candidate for each marked event, else the event's own item."""
    from leaven.arrays.parallel import frozen, over_rows
    from leaven.kernels.batch import batch
    from leaven.kernels.candidate_sampling import Pools, draw_for_marked

    pool, starts, slots = (frozen(array) for array in (candidates.pool, candidates.starts, candidates.slots))
    drawn = space(len(rows.items), np.int32)
    read = batch(rows, keys, np.zeros(0, np.float32))
    over_rows(draw_for_marked, len(rows), read, frozen(marked), Pools(pool, starts, slots, candidates.recent), drawn)
    return drawn
