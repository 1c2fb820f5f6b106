"""What a log offers to a plan search: its content, its faults, and the smallest lift that it can show."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from leaven.datasets.event_table import MIN_CLOCK_TIME
from leaven.datasets.histories import HeldOut, Histories
from leaven.splits.log_splits import Split

POWER, ALPHA = 0.8, 0.05
PAIR_CORRELATION = 0.8
"""Assumed correlation of a user's values under two recommenders, before any pair is trained."""
_DAY = 86_400


@dataclass(frozen=True)
class SearchProfile:
    """Facts that decide which recipes apply.

    users, items, events  of the training histories
    validation_users, test_users
    has_clock, has_text, has_images, has_prices
    kinds                 names of the event kinds, in the order of their codes; empty where the log has one kind
    target_kind           kind of the events that are targets; "": all
    median_length         of the training histories
    repeat_share          share of the events whose user had the item before
    new_target_share      share of the validation targets that never occur in training: what only content can rank
    popularity_drift      1 - rank correlation of item counts between the last tenth of the training events and the rest
    days                  length of the training period; 0 without a clock
    """

    users: int
    items: int
    events: int
    validation_users: int
    test_users: int
    has_clock: bool
    has_text: bool
    has_images: bool
    has_prices: bool
    kinds: tuple[str, ...]
    target_kind: str
    median_length: float
    repeat_share: float
    new_target_share: float
    popularity_drift: float
    days: float

    @classmethod
    def from_split(cls, split: Split) -> SearchProfile:
        """Profile of a split log."""
        train, catalog = split.train, split.train.catalog
        has_clock = bool(train.n_events) and int(train.times.max()) >= MIN_CLOCK_TIME
        pairs = len(np.unique(train.event_rows() * (train.n_items + 2) + train.items))
        return cls(
            users=len(train),
            items=int((np.bincount(train.items, minlength=1) > 0).sum()),
            events=train.n_events,
            validation_users=len(split.valid),
            test_users=len(split.test),
            has_clock=has_clock,
            has_text=catalog is not None and any(any(column) for column in catalog.texts.values()),
            has_images=catalog is not None and (catalog.image_paths is not None or catalog.pixels is not None),
            has_prices=catalog is not None and catalog.price is not None,
            kinds=_list_kinds(train),
            target_kind=str(split.facts.get("target_kind", "")),
            median_length=float(np.median(train.lengths)) if len(train) else 0.0,
            repeat_share=1.0 - pairs / max(train.n_events, 1),
            new_target_share=measure_new_targets(train, split.valid),
            popularity_drift=_measure_drift(train) if has_clock else 0.0,
            days=float(train.times.max() - train.times.min()) / _DAY if has_clock else 0.0,
        )

    def to_json(self) -> dict[str, Any]:
        """JSON-able facts."""
        return asdict(self)


def _list_kinds(train: Histories) -> tuple[str, ...]:
    """Names of the event kinds, where several occur in training."""
    kinds = () if train.names is None or "kind" not in train.extra else tuple(train.names.kinds)
    return kinds if len(kinds) > 1 and len(np.unique(train.extra["kind"])) > 1 else ()


def measure_new_targets(train: Histories, held_out: HeldOut) -> float:
    """Share of the targets whose item never occurs in training."""
    known = np.bincount(train.items, minlength=train.n_items + 2) > 0
    return float((~known[held_out.target_items]).mean()) if len(held_out.target_items) else 0.0


def _measure_drift(train: Histories) -> float:
    cut = np.quantile(train.times, 0.9)
    size = train.n_items + 2
    recent = np.bincount(train.items[train.times > cut], minlength=size)
    older = np.bincount(train.items[train.times <= cut], minlength=size)
    bought = recent + older > 0
    if bought.sum() < 3 or not recent.any() or not older.any():
        return 0.0
    correlation = float(stats.spearmanr(recent[bought], older[bought]).statistic)
    return 1.0 - correlation if math.isfinite(correlation) else 0.0


def compute_smallest_lift(values: npt.NDArray[np.float64], test_users: int) -> float:
    """Relative lift that a paired comparison on the test users shows with 80 % power at 5 %, from one recommender.

    values float64 (users,): its metric on validation users. The correlation of two recommenders' values is assumed.

    >>> bool(abs(compute_smallest_lift(np.array([0.0, 1.0] * 500), 1000) - 0.056) < 0.001)
    True
    """
    mean = float(values.mean()) if len(values) else 0.0
    if mean <= 0 or test_users < 2:
        return math.inf
    spread = float(values.std(ddof=1)) * math.sqrt(2 * (1 - PAIR_CORRELATION))
    quantiles = stats.norm.ppf(1 - ALPHA / 2) + stats.norm.ppf(POWER)
    return float(quantiles * spread / math.sqrt(test_users) / mean)
