"""Is this row new, or one of the real rows again?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.filters.rejection_reasons import kept
from leaven.kernels.ngram_hashes import multisets, run_hashes
from leaven.protocols import Kept

Hashes = npt.NDArray[np.uint64]
_NOBODY = np.uint64(0)


@dataclass(frozen=True)
class Copies:
    """No exact copy of a real row, and none that is nearly one.

    A run of `run` items that several real users share is a habit; one that a single user has is a trace of this
    user. A row is a near copy when more than `most` of its runs are traces of others than its parent (a row
    that continues its parent holds the parent's runs by right), or when it holds the items of a real row in
    another order, from `set_events` items on (shorter ones are alike by chance).
    """

    run: int = 4
    most: float = 0.5
    set_events: int = 4

    def __post_init__(self) -> None:
        if self.run < 2 or not 0.0 <= self.most <= 1.0 or self.set_events < 1:
            got = f"run {self.run}, most {self.most}, set_events {self.set_events}"
            raise SpecError("copies", "run from 2, most in 0..1, set_events from 1", got, "")

    def fit(self, train: Histories, key: int) -> FittedCopies:
        """Remember the hashes of the real rows, of their items in any order, and of their runs."""
        long = train.lengths >= self.set_events
        hashes, row = run_hashes(train.items, train.starts, self.run)
        runs, owners = _owned(hashes, train.parents[row])
        sets = np.unique(multisets(train.items, train.starts)[long])
        return FittedCopies(self, np.unique(_whole(train)), sets, runs, owners)


@dataclass(frozen=True, eq=False)
class FittedCopies:
    """rows, sets: hashes, ascending; runs: hashes, ascending, with the one row that has each (0: several)."""

    wish: Copies
    rows: Hashes
    sets: Hashes
    runs: Hashes
    owners: Hashes

    def __call__(self, new: Histories) -> Kept:
        long = new.lengths >= self.wish.set_events
        refused = {
            "an exact copy of a real row": _within(_whole(new), self.rows) & (new.lengths > 0),
            "the items of a real row in another order": long & _within(multisets(new.items, new.starts), self.sets),
            f"mostly runs of {self.wish.run} that one real user has": self._traced(new),
        }
        return kept(len(new), refused)

    def measured(self, new: Histories) -> dict[str, npt.NDArray[np.float64]]:
        """The share of a row's runs that one other real user has."""
        return {f"share of runs of {self.wish.run} that one other user has": self._traces(new)}

    def _traced(self, new: Histories) -> npt.NDArray[np.bool_]:
        return self._traces(new) > self.wish.most

    def _traces(self, new: Histories) -> npt.NDArray[np.float64]:
        hashes, row = run_hashes(new.items, new.starts, self.wish.run)
        place = np.minimum(np.searchsorted(self.runs, hashes), max(len(self.runs) - 1, 0))
        owner = (
            np.where(_within(hashes, self.runs), self.owners[place], _NOBODY) if len(self.runs) else hashes * _NOBODY
        )
        traces = (owner != _NOBODY) & (owner != new.parents[row])
        found = np.bincount(row[traces], minlength=len(new))
        return found / np.maximum(np.bincount(row, minlength=len(new)), 1)


def _owned(hashes: Hashes, rows: Hashes) -> tuple[Hashes, Hashes]:
    """Each hash once, and the row that has it where there is only one, else 0."""
    order = np.lexsort((rows, hashes))
    hashes, rows = hashes[order], rows[order]
    begins = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))[: len(hashes)]
    ends = np.concatenate([begins[1:], [len(hashes)]])[: len(begins)] - 1
    return hashes[begins], np.where(rows[begins] == rows[ends], rows[begins], _NOBODY)


def _whole(rows: Histories) -> Hashes:
    """uint64 (rows,): a hash of each row's items in their order."""
    place = np.arange(rows.events) - np.repeat(rows.starts[:-1], rows.lengths)
    return multisets(rows.items, rows.starts, place)


def _within(hashes: Hashes, known: Hashes) -> npt.NDArray[np.bool_]:
    return np.isin(hashes, known)
