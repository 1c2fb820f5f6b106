"""Substitutes items of histories, or inserts further items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven.arrays.buffer_pool import allocate_array
from leaven.datasets.histories import Histories, Ints, Items
from leaven.field_checks import check_choice, check_count
from leaven.protocols import OperatorTraits, RngKeys, Strength
from leaven.transforms.sequence.candidates import CANDIDATE_SOURCES, CandidateTable
from leaven.transforms.sequence.neighbor_table import NeighborTableConfig
from leaven.transforms.sequence.positions import NO_EVENT_REASON, EventSelector, check_event_choice
from leaven.transforms.sequence.repeat_rule import RepeatRule
from leaven.transforms.stateless import Reasons, find_short_rows, index_same_events, write_events

Bools = npt.NDArray[np.bool_]
WriteCandidates = Callable[[Histories, Bools, Ints, Items], Histories]
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
    without a candidate are not drawn. Where no training row has an item twice, or twice in a row, no new item creates
    such a repeat: it is drawn again, or the event stays.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("substitute")
    share_range: tuple[float, float] = (0.1, 0.3)
    source: str = "similar"
    positions: str = "uniform"
    neighbors: NeighborTableConfig = field(default_factory=NeighborTableConfig)
    n_recent: int = 10
    p: float = 1.0
    min_events: ClassVar[int] = 2

    def __post_init__(self) -> None:
        _check_config("substitute", self)

    def fit(self, train: Histories) -> FittedSubstitution:
        """Learns candidates, and item counts where `positions` is "popularity", from real training rows."""
        return _fit_config(self, train, bounds=(2, 1, 1), put=_replace_marked)


@dataclass(frozen=True)
class Insert:
    """Insert items before events to which they are similar (CoSeRec, section 3.2).

    share_range  number of new items as a share of the events, drawn per row (× strength), rounded stochastically
    source, positions, neighbors, n_recent, p  as in `Substitute`

    A new item comes before the drawn event, half-way in time to the previous event, so that the last event stays the
    last. Repeats are avoided as in `Substitute`.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("insert")
    share_range: tuple[float, float] = (0.1, 0.3)
    source: str = "similar"
    positions: str = "uniform"
    neighbors: NeighborTableConfig = field(default_factory=NeighborTableConfig)
    n_recent: int = 10
    p: float = 1.0
    min_events: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _check_config("insert", self)

    def fit(self, train: Histories) -> FittedSubstitution:
        """Learns candidates, and item counts where `positions` is "popularity", from real training rows."""
        return _fit_config(self, train, bounds=(1, 0, 0), put=_insert_before_marked)


def _check_config(kind: str, config: Substitute | Insert) -> None:
    check_event_choice(kind, config.share_range, config.positions, config.p)
    check_choice(f"{kind}.source", config.source, CANDIDATE_SOURCES)
    check_count(f"{kind}.n_recent", config.n_recent, 1)


def _fit_config(
    config: Substitute | Insert, train: Histories, bounds: tuple[int, int, int], put: WriteCandidates
) -> FittedSubstitution:
    candidates = CandidateTable.fit(config.source, config.neighbors, config.n_recent, train)
    return FittedSubstitution(
        replace(EventSelector.fit(config, train, bounds), selectable_items=candidates.replaceable_items),
        candidates,
        put,
        RepeatRule.fit(train, inserts=put is _insert_before_marked, draws_own_items=config.source == "recent"),
    )


@dataclass(frozen=True, eq=False)
class FittedSubstitution:
    """Replaces the events that its selector draws by candidates, or inserts candidates before them."""

    selector: EventSelector
    candidates: CandidateTable
    write: WriteCandidates
    repeat_rule: RepeatRule

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """One new row for each row.

        Raises DataError for rows with other item ids than the fit.
        """
        self.candidates.check_item_ids(rows)
        selected, counts = self.selector(rows, keys, strength)

        def draw(row_keys: RngKeys, marked: Bools) -> Items:
            return _draw_candidates(self.candidates, rows, row_keys, marked)

        marked, drawn = self.repeat_rule.draw_items(rows, keys, selected, draw)
        if marked is not selected:
            counts = np.diff(np.append(0, np.cumsum(marked))[rows.starts])
        return self.write(rows, marked, counts, drawn)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, or hold no item with a candidate."""
        none = self.selector.reasons(rows)[NO_EVENT_REASON]
        return {**find_short_rows(rows, self.selector.bounds[0]), "no item with a candidate": none}


def _replace_marked(rows: Histories, marked: Bools, counts: Ints, drawn: Items) -> Histories:
    """Rows of the same lengths; extra columns of replaced events stay, except the price."""
    return rows.replace_events(rows.starts, drawn, rows.times, index_same_events(rows))


def _insert_before_marked(rows: Histories, marked: Bools, counts: Ints, drawn: Items) -> Histories:
    """Longer rows; extra columns of new events are missing."""
    from leaven.arrays.parallel import freeze_array
    from leaven.arrays.ragged import shift_offsets
    from leaven.kernels.batch import make_batch
    from leaven.kernels.candidate_sampling import insert_candidates

    starts = shift_offsets(rows.starts, counts, 1)
    read = make_batch(rows, rows.row_ids, np.zeros(0, np.float32))
    return write_events(insert_candidates, rows, starts, read, freeze_array(marked), freeze_array(drawn))


def _draw_candidates(candidates: CandidateTable, rows: Histories, keys: RngKeys, marked: Bools) -> Items:
    """int32 (events,): a candidate for each marked event, else the event's own item."""
    from leaven.arrays.parallel import freeze_array, run_over_rows
    from leaven.kernels.batch import make_batch
    from leaven.kernels.candidate_sampling import CandidatePools, draw_candidates

    pool, starts = freeze_array(candidates.pool_of_item), freeze_array(candidates.starts)
    pools = CandidatePools(pool, starts, freeze_array(candidates.alias_slots), candidates.n_recent)
    drawn = allocate_array(len(rows.items), np.int32)
    read = make_batch(rows, keys, np.zeros(0, np.float32))
    run_over_rows(draw_candidates, len(rows), read, freeze_array(marked), pools, drawn)
    return drawn
