"""Per-row consistency: categories, prices, first days of sale, predictability of the last item.

Every function returns one figure per row, float64 (rows,); NaN for rows without anything to check.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.protocols import FittedRecommender

Values = npt.NDArray[np.float64]

_MIN_PRICES = 20  # minimum number of priced training events of a category
_BATCH_ROWS = 2_000  # rows per call of the recommender


def compute_category_agreement(rows: Histories, category: npt.NDArray[np.int32]) -> Values:
    """Return the share of events after the first whose category occurs earlier in the row.

    category int32 (n_items + 1,): code of each item, 0 unknown; events of unknown category are ignored.
    """
    codes = np.append(category, 0)[rows.items].astype(np.int64)
    row = rows.event_rows()
    known = np.flatnonzero(codes > 0)
    pairs = row[known] * (int(category.max()) + 1) + codes[known]
    is_first = np.zeros(len(known), bool)
    is_first[np.unique(pairs, return_index=True)[1]] = True
    later = np.concatenate([[False], row[known][1:] == row[known][:-1]])[: len(known)]
    n_checked = np.bincount(row[known][later], minlength=len(rows))
    n_repeated = np.bincount(row[known][later & ~is_first], minlength=len(rows))
    return np.where(n_checked > 0, n_repeated / np.maximum(n_checked, 1), np.nan)


@dataclass(frozen=True, eq=False)
class PriceRanges:
    """low, high float64 (codes,): bounds of 99 % of the training prices of a category; NaN for rare categories."""

    category: npt.NDArray[np.int32]
    low: Values
    high: Values

    @classmethod
    def fit(cls, train: Histories, category: npt.NDArray[np.int32]) -> PriceRanges | None:
        """Return the price ranges of the training events; None if they have no prices."""
        price = train.extra.get("price")
        if price is None:
            return None
        codes = np.append(category, 0)[train.items]
        bounds = np.full((2, int(category.max()) + 1), np.nan)
        for code in np.unique(codes[codes > 0]):
            paid = np.asarray(price, np.float64)[codes == code]
            paid = paid[np.isfinite(paid) & (paid > 0)]
            if len(paid) >= _MIN_PRICES:
                bounds[:, code] = np.quantile(paid, (0.005, 0.995))
        return cls(category, bounds[0], bounds[1])

    def compute_outlier_share(self, rows: Histories) -> Values:
        """Return the share of priced events outside the price range of their item's category.

        A price that is not above 0 is missing: rows generated from noise have none.
        """
        price = rows.extra.get("price")
        if price is None:
            return np.full(len(rows), np.nan)
        codes = np.append(self.category, 0)[rows.items]
        paid = np.asarray(price, np.float64)
        is_checked = np.isfinite(paid) & (paid > 0) & np.isfinite(self.low[codes])
        return _compute_share(is_checked & ((paid < self.low[codes]) | (paid > self.high[codes])), is_checked, rows)


def compute_before_sale_share(rows: Histories, born: npt.NDArray[np.int64]) -> Values:
    """Return the share of events before the first second of sale of their item.

    born int64 (n_items + 1,): the smallest number if unknown.
    """
    known = np.append(born, np.iinfo(np.int64).min)[rows.items]
    is_checked = known > np.iinfo(np.int64).min
    return _compute_share(is_checked & (rows.times < known), is_checked, rows)


def compute_reciprocal_ranks(rows: Histories, fitted: FittedRecommender, max_rank: int = 100) -> Values:
    """Return 1 / rank of the last item among the recommendations after the items before it.

    0 beyond rank `max_rank`; NaN for rows of one event. Items of the row may be recommended again, as real rows repeat
    items. (Rank fidelity as a check of synthetic rows: RSIR, 2026, with an upper bound on the rank.)
    """
    long = np.flatnonzero(rows.lengths >= 2)
    found = np.full(len(rows), np.nan)
    max_rank = min(max_rank, rows.n_items)
    for first in range(0, len(long), _BATCH_ROWS):
        part = long[first : first + _BATCH_ROWS]
        part_rows = rows.take(part)
        last = part_rows.items[part_rows.starts[1:] - 1]
        listed = fitted.recommend(_drop_last_events(part_rows), max_rank, allow_repeats=True).items
        hit = listed == last[:, None]
        found[part] = np.where(hit.any(axis=1), 1.0 / (1.0 + hit.argmax(axis=1)), 0.0)
    return found


def _drop_last_events(rows: Histories) -> Histories:
    is_kept = np.ones(rows.n_events, bool)
    is_kept[rows.starts[1:] - 1] = False
    starts = rows.starts - np.arange(len(rows.starts))
    return Histories.from_arrays(rows.items[is_kept], rows.times[is_kept], starts, rows.row_ids, rows.n_items)


def _compute_share(hit: npt.NDArray[np.bool_], is_checked: npt.NDArray[np.bool_], rows: Histories) -> Values:
    """Return the share of hits among the checked events of each row; NaN without any."""
    row = rows.event_rows()
    count = np.bincount(row[is_checked], minlength=len(rows))
    return np.where(count > 0, np.bincount(row[hit], minlength=len(rows)) / np.maximum(count, 1), np.nan)
