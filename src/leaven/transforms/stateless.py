"""What does a transform look like that has nothing to learn from training rows?"""

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
    """A fitted transform that is one function of rows, keys and strength.

    shortest is the length below which a row stays as it is.
    """

    change: Callable[[Histories, Keys, Strength], Histories]
    shortest: int

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """New rows, one a row."""
        return self.change(rows, keys, strength)

    def reasons(self, rows: Histories) -> Reasons:
        """Which rows are too short."""
        return too_short(rows, self.shortest)


def too_short(rows: Histories, shortest: int) -> dict[str, npt.NDArray[np.bool_]]:
    """The reason that every transform has; none where it changes rows of any length.

    >>> too_short(Histories.of([[1, 2, 3], [2]], n_items=3), 2)
    {'shorter than 2 events': array([False,  True])}
    """
    return {f"shorter than {shortest} events": rows.lengths < shortest} if shortest > 0 else {}


def same_events(rows: Histories) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """int64: every event comes from itself; empty where no column asks."""
    return np.arange(len(rows.items) if rows.extra else 0)
