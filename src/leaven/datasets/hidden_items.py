"""Which items that its user took does a row not hold, and how far down a list do they stand?"""

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
    """codes int64: pairs of a row and an item that its user took and it does not hold, ascending, each once.
    taken: all pairs of a row and an item that its user took.
    """

    codes: Codes
    taken: Codes
    rows: int
    n_items: int

    @classmethod
    def of(cls, whole: Histories, rows: Histories, row: npt.NDArray[np.int64] | None = None) -> Unused:
        """whole: what a user took, for the rows of these indices, all of them where none are given."""
        whose = whole.row_of_event() if row is None else np.repeat(row, whole.lengths)
        taken = coded(whose, whole.items, rows.n_items)
        left = np.setdiff1d(taken, coded(rows.row_of_event(), rows.items, rows.n_items))
        return cls(left, taken, len(rows), rows.n_items)

    @property
    def row(self) -> npt.NDArray[np.int64]:
        """int64 (pairs,)."""
        return self.codes // (self.n_items + 2)

    @property
    def items(self) -> Items:
        """int32 (pairs,)."""
        return (self.codes % (self.n_items + 2)).astype(np.int32)

    def took(self, items: Items) -> npt.NDArray[np.bool_]:
        """bool (rows,): whether each row's user took this item (int32 (rows,))."""
        return np.isin(coded(np.arange(self.rows), items, self.n_items), self.taken)

    def best(self, listed: Items, held: npt.NDArray[np.bool_] | None = None) -> Floats:
        """float64 (rows,): the place, from 1, of the first of them in each row's list (int32 (rows, k), best first,
        0: none), not counting what the row holds (bool (rows, k)); infinite: none is listed; NaN: none is left.
        """
        found = np.full(self.rows, np.nan)
        found[self.row] = np.inf
        hit = np.isin(coded(np.arange(self.rows)[:, None], listed, self.n_items), self.codes)
        place = np.arange(1.0, listed.shape[1] + 1) if held is None else np.cumsum(~held, axis=1).astype(np.float64)
        first: Floats = np.where(hit, place, np.inf).min(axis=1, initial=np.inf)
        return np.where(hit.any(axis=1), first, found)

    def drawn(self, listed: Items, shares: Floats, u: Floats, fine: npt.NDArray[np.bool_]) -> Items:
        """int32 (rows,): one of them, 0 where none is left.

        listed int32 (rows, k), ascending; shares float64 (rows, k): how likely each listed one is against others that
        are listed; all are alike where none is. u (rows,): the draws; fine bool (pairs,): which of them are asked for.
        """
        codes, row = self.codes[fine], self.row[fine]
        flat = coded(np.arange(self.rows)[:, None], listed, self.n_items).ravel()
        place = np.minimum(np.searchsorted(flat, codes), max(flat.size - 1, 0))
        share = np.where(flat[place] == codes, shares.ravel()[place], 0.0) if flat.size else np.zeros(len(codes))
        share = np.where(np.bincount(row, share, self.rows)[row] > 0, share, 1.0)
        passed = np.concatenate([[0.0], np.cumsum(share)])
        begins = np.searchsorted(row, np.arange(self.rows + 1))
        aim = passed[begins[:-1]] + u * (passed[begins[1:]] - passed[begins[:-1]])
        at = np.clip(np.searchsorted(passed, aim, side="right") - 1, begins[:-1], begins[1:] - 1)
        found = np.zeros(self.rows, np.int32)
        some = begins[:-1] < begins[1:]
        found[some] = self.items[fine][at[some]]
        return found
