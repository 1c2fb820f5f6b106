"""Provides the fitted form of transforms that learn nothing from training rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.protocols import Keys, Strength

Reasons = Mapping[str, npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class Unlearned:
    """A fitted transform that is one function of rows, keys and strength; shorter rows than `min_events` stay."""

    change: Callable[[Histories, Keys, Strength], Histories]
    shortest: int

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """One new row for each row."""
        return self.change(rows, keys, strength)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short."""
        return too_short(rows, self.shortest)


def too_short(rows: Histories, shortest: int) -> dict[str, npt.NDArray[np.bool_]]:
    """The reason that all transforms share, with bool (rows,); empty where rows of any length change.

    >>> too_short(Histories.of([[1, 2, 3], [2]], n_items=3), 2)
    {'shorter than 2 events': array([False,  True])}
    """
    return {f"shorter than {shortest} events": rows.lengths < shortest} if shortest > 0 else {}


def same_events(rows: Histories) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """int64 (events,): each event's own index as its source; empty without extra columns."""
    return np.arange(len(rows.items) if rows.extra else 0)
