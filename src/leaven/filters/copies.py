"""A filter of exact and near copies of real rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.kernels.ngram_hashes import hash_item_multisets, hash_ngrams
from leaven.protocols import FilterResult

Hashes = npt.NDArray[np.uint64]
_SHARED = np.uint64(0)


@dataclass(frozen=True)
class CopyFilter:
    """Reject exact and near copies of real rows.

    A run of `run_length` items that several real users share is common; a run of a single user is a trace of that user.
    A row is a near copy if more than `max_share` of its runs are traces of users other than its parent (a continuation
    holds the runs of its parent by design), or if it holds the items of a real row in another order, from
    `min_set_events` items on (shorter rows match by chance).
    """

    run_length: int = 4
    max_share: float = 0.5
    min_set_events: int = 4

    def __post_init__(self) -> None:
        if self.run_length < 2 or not 0.0 <= self.max_share <= 1.0 or self.min_set_events < 1:
            got = f"run {self.run_length}, most {self.max_share}, set_events {self.min_set_events}"
            raise SpecError("copies", "run from 2, most in 0..1, set_events from 1", got, "")

    def fit(self, train: Histories, key: int) -> FittedCopies:
        """Return hashes of the real rows, of their item sets and of their runs."""
        long = train.lengths >= self.min_set_events
        hashes, row = hash_ngrams(train.items, train.starts, self.run_length)
        runs, owners = _find_owners(hashes, train.parents[row])
        sets = np.unique(hash_item_multisets(train.items, train.starts)[long])
        return FittedCopies(self, np.unique(_hash_rows(train)), sets, runs, owners)


@dataclass(frozen=True, eq=False)
class FittedCopies:
    """rows, sets: sorted hashes; runs: sorted hashes, with the parent id of the only row of each in owners (0: several
    rows).
    """

    config: CopyFilter
    rows: Hashes
    sets: Hashes
    runs: Hashes
    owners: Hashes

    def __call__(self, new: Histories) -> FilterResult:
        long = new.lengths >= self.config.min_set_events
        reasons = {
            "an exact copy of a real row": np.isin(_hash_rows(new), self.rows) & (new.lengths > 0),
            "the items of a real row in another order": long
            & np.isin(hash_item_multisets(new.items, new.starts), self.sets),
            f"mostly runs of {self.config.run_length} items of a single real user": self._measure_traces(new)
            > self.config.max_share,
        }
        return FilterResult.from_reasons(len(new), reasons)

    def row_statistics(self, new: Histories) -> dict[str, npt.NDArray[np.float64]]:
        """Return the share of a row's runs that belong to a single other real user."""
        return {f"share of runs of {self.config.run_length} items of a single other user": self._measure_traces(new)}

    def _measure_traces(self, new: Histories) -> npt.NDArray[np.float64]:
        hashes, row = hash_ngrams(new.items, new.starts, self.config.run_length)
        place = np.minimum(np.searchsorted(self.runs, hashes), max(len(self.runs) - 1, 0))
        owner = (
            np.where(np.isin(hashes, self.runs), self.owners[place], _SHARED) if len(self.runs) else hashes * _SHARED
        )
        traces = (owner != _SHARED) & (owner != new.parents[row])
        found = np.bincount(row[traces], minlength=len(new))
        return found / np.maximum(np.bincount(row, minlength=len(new)), 1)


def _find_owners(hashes: Hashes, rows: Hashes) -> tuple[Hashes, Hashes]:
    """Return the distinct hashes, sorted, and the row of each if it is the only one, else 0."""
    order = np.lexsort((rows, hashes))
    hashes, rows = hashes[order], rows[order]
    begins = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))[: len(hashes)]
    ends = np.concatenate([begins[1:], [len(hashes)]])[: len(begins)] - 1
    return hashes[begins], np.where(rows[begins] == rows[ends], rows[begins], _SHARED)


def _hash_rows(rows: Histories) -> Hashes:
    """Return a hash of each row's items in order, uint64 (rows,)."""
    return hash_item_multisets(rows.items, rows.starts, rows.event_positions())
