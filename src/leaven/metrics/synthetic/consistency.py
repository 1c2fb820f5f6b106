"""Does a row still mean the same: its categories, its prices, its days of sale, what would come next?

One figure a row, float64 (rows,), NaN where a row has nothing that could be asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.protocols import FittedRecommender

Values = npt.NDArray[np.float64]

_FEWEST_PRICES = 20  # training events of a category without which it has no law of prices
_AT_A_TIME = 2_000  # rows that a recommender ranks for at a time


def category_agreement(rows: Histories, category: npt.NDArray[np.int32]) -> Values:
    """Share of each row's events, after the first, whose category the row had before.

    category int32 (n_items + 1,): code of each item, 0 unknown; events of unknown category do not count.
    """
    codes = np.append(category, 0)[rows.items].astype(np.int64)
    row = rows.row_of_event()
    known = np.flatnonzero(codes > 0)
    pairs = row[known] * (int(category.max()) + 1) + codes[known]
    fresh = np.zeros(len(known), bool)
    fresh[np.unique(pairs, return_index=True)[1]] = True
    later = np.concatenate([[False], row[known][1:] == row[known][:-1]])[: len(known)]
    asked = np.bincount(row[known][later], minlength=len(rows))
    met = np.bincount(row[known][later & ~fresh], minlength=len(rows))
    return np.where(asked > 0, met / np.maximum(asked, 1), np.nan)


@dataclass(frozen=True, eq=False)
class PriceLaw:
    """low, high float64 (codes,): between them lie 99 % of a category's training prices; NaN for rare categories."""

    category: npt.NDArray[np.int32]
    low: Values
    high: Values

    @classmethod
    def of(cls, train: Histories, category: npt.NDArray[np.int32]) -> PriceLaw | None:
        """The law of the events' own prices; None where the training rows hold none."""
        price = train.extra.get("price")
        if price is None:
            return None
        codes = np.append(category, 0)[train.items]
        bounds = np.full((2, int(category.max()) + 1), np.nan)
        for code in np.unique(codes[codes > 0]):
            paid = np.asarray(price, np.float64)[codes == code]
            paid = paid[np.isfinite(paid) & (paid > 0)]
            if len(paid) >= _FEWEST_PRICES:
                bounds[:, code] = np.quantile(paid, (0.005, 0.995))
        return cls(category, bounds[0], bounds[1])

    def odd(self, rows: Histories) -> Values:
        """Share of each row's priced events whose price lies outside the law of their item's category.

        A price of 0 is none: what was made from nothing has no price.
        """
        price = rows.extra.get("price")
        if price is None:
            return np.full(len(rows), np.nan)
        codes = np.append(self.category, 0)[rows.items]
        paid = np.asarray(price, np.float64)
        asked = np.isfinite(paid) & (paid > 0) & np.isfinite(self.low[codes])
        return _share(asked & ((paid < self.low[codes]) | (paid > self.high[codes])), asked, rows)


def before_sale(rows: Histories, born: npt.NDArray[np.int64]) -> Values:
    """Share of each row's events that happen before the first second of sale of their item.

    born int64 (n_items + 1,): the smallest number where it is not known.
    """
    known = np.append(born, np.iinfo(np.int64).min)[rows.items]
    asked = known > np.iinfo(np.int64).min
    return _share(asked & (rows.times < known), asked, rows)


def reciprocal_ranks(rows: Histories, fitted: FittedRecommender, most: int = 100) -> Values:
    """1 / rank of each row's last item among what a fitted recommender lists after the items before it.

    0 where it is not among the first `most`; NaN for rows of one event. Items that the row had may be listed: real
    rows repeat themselves too. (Rank fidelity as a check of made rows: RSIR, 2026, asks for a rank of at most a bound.)
    """
    long = np.flatnonzero(rows.lengths >= 2)
    found = np.full(len(rows), np.nan)
    most = min(most, rows.n_items)
    for first in range(0, len(long), _AT_A_TIME):
        part = long[first : first + _AT_A_TIME]
        asked = rows.take(part)
        last = asked.items[asked.starts[1:] - 1]
        listed = fitted.recommend(_without_last(asked), most, allow_repeats=True).items
        hit = listed == last[:, None]
        found[part] = np.where(hit.any(axis=1), 1.0 / (1.0 + hit.argmax(axis=1)), 0.0)
    return found


def _without_last(rows: Histories) -> Histories:
    kept = np.ones(rows.events, bool)
    kept[rows.starts[1:] - 1] = False
    starts = rows.starts - np.arange(len(rows.starts))
    return Histories.real(rows.items[kept], rows.times[kept], starts, rows.keys, rows.n_items)


def _share(hit: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_], rows: Histories) -> Values:
    row = rows.row_of_event()
    count = np.bincount(row[asked], minlength=len(rows))
    return np.where(count > 0, np.bincount(row[hit], minlength=len(rows)) / np.maximum(count, 1), np.nan)
