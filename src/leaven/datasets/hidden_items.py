"""Items of a user's full history that a shortened row lacks, and their ranks in recommendation lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories, encode_pairs

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Items = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class HiddenItems:
    """Pairs (row, item) of items that are in the user's full history but not in the row.

    codes int64 (pairs,): encoded pairs, ascending, distinct; taken_codes int64: encoded pairs of the full histories.
    """

    codes: Codes
    taken_codes: Codes
    n_rows: int
    n_items: int

    @classmethod
    def from_histories(
        cls, full_histories: Histories, rows: Histories, row_indices: npt.NDArray[np.int64] | None = None
    ) -> HiddenItems:
        """full_histories: those of the rows with these indices; by default one for each row."""
        owner = full_histories.event_rows() if row_indices is None else np.repeat(row_indices, full_histories.lengths)
        taken = encode_pairs(owner, full_histories.items, rows.n_items)
        hidden = np.setdiff1d(taken, encode_pairs(rows.event_rows(), rows.items, rows.n_items))
        return cls(hidden, taken, len(rows), rows.n_items)

    @property
    def pair_rows(self) -> npt.NDArray[np.int64]:
        """int64 (pairs,): the row of each pair."""
        return self.codes // (self.n_items + 2)

    @property
    def pair_items(self) -> Items:
        """int32 (pairs,): the item of each pair."""
        return (self.codes % (self.n_items + 2)).astype(np.int32)

    def is_taken(self, items: Items) -> npt.NDArray[np.bool_]:
        """bool (rows,): whether the item (int32 (rows,)) is in the full history of the row's user."""
        return np.isin(encode_pairs(np.arange(self.n_rows), items, self.n_items), self.taken_codes)

    def find_first_rank(self, ranked_items: Items, in_history: npt.NDArray[np.bool_] | None = None) -> Floats:
        """float64 (rows,): rank, from 1, of the first hidden item in each row's list.

        ranked_items int32 (rows, k): best first, 0 for none; in_history bool (rows, k): entries that are not counted.
        Infinite where no hidden item is listed, NaN where the row has none.
        """
        ranks = np.full(self.n_rows, np.nan)
        ranks[self.pair_rows] = np.inf
        hit = np.isin(encode_pairs(np.arange(self.n_rows)[:, None], ranked_items, self.n_items), self.codes)
        rank = (
            np.arange(1.0, ranked_items.shape[1] + 1)
            if in_history is None
            else np.cumsum(~in_history, axis=1).astype(np.float64)
        )
        first: Floats = np.where(hit, rank, np.inf).min(axis=1, initial=np.inf)
        return np.where(hit.any(axis=1), first, ranks)

    def sample_items(self, candidates: Items, weights: Floats, u: Floats, allowed: npt.NDArray[np.bool_]) -> Items:
        """int32 (rows,): a random hidden item of each row, 0 for none.

        candidates int32 (rows, k), ascending; weights float64 (rows, k): their relative probability; uniform where no
        hidden item is a candidate. u float64 (rows,): uniform draws; allowed bool (pairs,): pairs that may be drawn.
        """
        codes, row = self.codes[allowed], self.pair_rows[allowed]
        flat = encode_pairs(np.arange(self.n_rows)[:, None], candidates, self.n_items).ravel()
        position = np.minimum(np.searchsorted(flat, codes), max(flat.size - 1, 0))
        share = np.where(flat[position] == codes, weights.ravel()[position], 0.0) if flat.size else np.zeros(len(codes))
        share = np.where(np.bincount(row, share, self.n_rows)[row] > 0, share, 1.0)
        cumulative = np.concatenate([[0.0], np.cumsum(share)])
        starts = np.searchsorted(row, np.arange(self.n_rows + 1))
        threshold = cumulative[starts[:-1]] + u * (cumulative[starts[1:]] - cumulative[starts[:-1]])
        pair = np.clip(np.searchsorted(cumulative, threshold, side="right") - 1, starts[:-1], starts[1:] - 1)
        drawn = np.zeros(self.n_rows, np.int32)
        has_any = starts[:-1] < starts[1:]
        drawn[has_any] = self.pair_items[allowed][pair[has_any]]
        return drawn
