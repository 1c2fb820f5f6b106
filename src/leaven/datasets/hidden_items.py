"""Items of a user's full history that a shortened row lacks, and their ranks in recommendation lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories, coded

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Items = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Unused:
    """Pairs (row, item) of items that are in the user's full history but not in the row.

    codes int64 (pairs,): encoded pairs, ascending, distinct; taken int64: encoded pairs of the full histories.
    """

    codes: Codes
    taken: Codes
    rows: int
    n_items: int

    @classmethod
    def of(cls, whole: Histories, rows: Histories, row: npt.NDArray[np.int64] | None = None) -> Unused:
        """whole: the full histories of the rows with these indices; by default one for each row."""
        owner = whole.row_of_event() if row is None else np.repeat(row, whole.lengths)
        taken = coded(owner, whole.items, rows.n_items)
        hidden = np.setdiff1d(taken, coded(rows.row_of_event(), rows.items, rows.n_items))
        return cls(hidden, taken, len(rows), rows.n_items)

    @property
    def row(self) -> npt.NDArray[np.int64]:
        """int64 (pairs,): the row of each pair."""
        return self.codes // (self.n_items + 2)

    @property
    def items(self) -> Items:
        """int32 (pairs,): the item of each pair."""
        return (self.codes % (self.n_items + 2)).astype(np.int32)

    def took(self, items: Items) -> npt.NDArray[np.bool_]:
        """bool (rows,): whether the item (int32 (rows,)) is in the full history of the row's user."""
        return np.isin(coded(np.arange(self.rows), items, self.n_items), self.taken)

    def best(self, listed: Items, held: npt.NDArray[np.bool_] | None = None) -> Floats:
        """float64 (rows,): rank, from 1, of the first hidden item in each row's list.

        listed int32 (rows, k): best first, 0 for none; held bool (rows, k): entries in the row, which are not counted.
        Infinite where no hidden item is listed, NaN where the row has none.
        """
        ranks = np.full(self.rows, np.nan)
        ranks[self.row] = np.inf
        hit = np.isin(coded(np.arange(self.rows)[:, None], listed, self.n_items), self.codes)
        rank = np.arange(1.0, listed.shape[1] + 1) if held is None else np.cumsum(~held, axis=1).astype(np.float64)
        first: Floats = np.where(hit, rank, np.inf).min(axis=1, initial=np.inf)
        return np.where(hit.any(axis=1), first, ranks)

    def drawn(self, listed: Items, shares: Floats, u: Floats, fine: npt.NDArray[np.bool_]) -> Items:
        """int32 (rows,): a random hidden item of each row, 0 for none.

        listed int32 (rows, k), ascending; shares float64 (rows, k): relative probability of listed items; uniform where
        no hidden item is listed. u float64 (rows,): uniform draws; fine bool (pairs,): pairs that may be drawn.
        """
        codes, row = self.codes[fine], self.row[fine]
        flat = coded(np.arange(self.rows)[:, None], listed, self.n_items).ravel()
        position = np.minimum(np.searchsorted(flat, codes), max(flat.size - 1, 0))
        share = np.where(flat[position] == codes, shares.ravel()[position], 0.0) if flat.size else np.zeros(len(codes))
        share = np.where(np.bincount(row, share, self.rows)[row] > 0, share, 1.0)
        cumulative = np.concatenate([[0.0], np.cumsum(share)])
        starts = np.searchsorted(row, np.arange(self.rows + 1))
        threshold = cumulative[starts[:-1]] + u * (cumulative[starts[1:]] - cumulative[starts[:-1]])
        pair = np.clip(np.searchsorted(cumulative, threshold, side="right") - 1, starts[:-1], starts[1:] - 1)
        drawn = np.zeros(self.rows, np.int32)
        has_any = starts[:-1] < starts[1:]
        drawn[has_any] = self.items[fine][pair[has_any]]
        return drawn
