"""Keeps new items from repeating an item of their row, in logs where no user has an item twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories, Items, encode_pairs
from leaven.protocols import RngKeys

Bools = npt.NDArray[np.bool_]
DrawItems = Callable[[RngKeys, Bools], Items]
"""(keys of the rows, marked events) -> int32 (events,): a candidate for each marked event, else the event's item."""
_N_REDRAWS = 3
_REDRAW = 1 << 40  # far from the draws that choose events and candidates


@dataclass(frozen=True)
class RepeatRule:
    """The repeats that new items must not create, as the training rows have none.

    allows_adjacent  whether an item may follow itself
    allows_any       whether a row may have an item twice
    inserts          whether new items come before the marked events, instead of replacing theirs
    """

    allows_adjacent: bool
    allows_any: bool
    inserts: bool

    @classmethod
    def fit(cls, train: Histories, inserts: bool, draws_own_items: bool) -> RepeatRule:
        """The rule for real training rows. draws_own_items: candidates are the user's own, so that they all repeat.

        >>> RepeatRule.fit(Histories.from_lists([[1, 2, 1], [2]], n_items=2), inserts=False, draws_own_items=False)
        RepeatRule(allows_adjacent=False, allows_any=True, inserts=False)
        """
        row = train.event_rows()
        has_adjacent = bool(((train.items[1:] == train.items[:-1]) & (row[1:] == row[:-1])).any())
        if has_adjacent or draws_own_items:
            return cls(has_adjacent, True, inserts)
        pairs = encode_pairs(row, train.items, train.n_items)
        return cls(False, len(np.unique(pairs)) < len(pairs), inserts)

    def draw_items(self, rows: Histories, keys: RngKeys, marked: Bools, draw: DrawItems) -> tuple[Bools, Items]:
        """(events that stay marked, their new items): repeats are drawn again, and left out after three times."""
        drawn = draw(keys, marked)
        if self.allows_adjacent:
            return marked, drawn
        for attempt in range(_N_REDRAWS):
            repeats = self._find_repeats(rows, marked, drawn)
            if not repeats.any():
                return marked, drawn
            drawn = np.where(repeats, draw(rng.draw_bits(keys, _REDRAW + attempt), repeats), drawn)
        while (repeats := self._find_repeats(rows, marked, drawn)).any():
            marked, drawn = marked & ~repeats, np.where(repeats, rows.items, drawn)
        return marked, drawn

    def _find_repeats(self, rows: Histories, marked: Bools, drawn: Items) -> Bools:
        """bool (events,): marked events whose new item would be a repeat."""
        row = rows.event_rows()
        is_new = marked if self.inserts else marked & (drawn != rows.items)
        items = rows.items if self.inserts else np.where(is_new, drawn, rows.items)
        repeats = (drawn == rows.items) & self.inserts
        repeats[1:] |= (drawn[1:] == items[:-1]) & (row[1:] == row[:-1])
        if not self.inserts:
            repeats[:-1] |= (items[:-1] == items[1:]) & (row[1:] == row[:-1])
        if not self.allows_any:
            added = np.flatnonzero(is_new) if self.inserts else np.zeros(0, np.int64)
            pairs = encode_pairs(np.append(row, row[added]), np.append(items, drawn[added]), rows.n_items)
            _, place, counts = np.unique(pairs, return_inverse=True, return_counts=True)
            is_double = counts[place] > 1
            if self.inserts:
                repeats[added] |= is_double[len(row) :]
            else:
                repeats |= is_double
        return np.asarray(is_new & repeats, np.bool_)
