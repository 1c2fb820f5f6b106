"""Accuracy metrics of ranked lists: NDCG, recall, hit rate, MRR, precision, MAP.

Every metric is a frozen dataclass with the list length `k`, is called with (ranked, held_out, train), and returns one
float64 per user. Higher is better. Held-out items are a set: an item held out twice counts once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError, SpecError
from leaven.protocols import RankedItems

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ListHits:
    """found bool (users, k): whether a listed item is held out. relevant int64 (users,): number of held-out items."""

    found: npt.NDArray[np.bool_]
    relevant: npt.NDArray[np.int64]


def take_top_items(ranked: RankedItems, k: int, n_items: int) -> npt.NDArray[np.int32]:
    """Return the first k items of each list, int32 (users, min(k, n_items)); 0 for empty positions.

    Raises SpecError for k below 1; DataError for lists shorter than k or with a repeated item (one hit would count
    several times).
    """
    if k < 1:
        raise SpecError("metric", "a list length of 1 or more", f"@{k}", "write for example ndcg@10")
    items = ranked.items[:, :k]
    if items.shape[1] < min(k, n_items):
        raise DataError("ranked.items", f"{k} items per user", f"{items.shape[1]}", "recommend longer lists")
    ordered = np.sort(items, axis=1)
    is_repeated = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] > 0)
    if is_repeated.any():
        user = int(np.flatnonzero(is_repeated.any(axis=1))[0])
        raise DataError(f"ranked.items, row {user}", "each item once", "a repeated item", "")
    return items


def find_hits(ranked: RankedItems, held_out: HeldOut, k: int) -> ListHits:
    """Return which of the first k listed items are held out, and the number of different held-out items.

    Raises DataError if the lists and the held-out users differ in number.
    """
    if len(ranked.items) != len(held_out):
        raise DataError("ranked.items", f"{len(held_out)} lists", f"{len(ranked.items)}", "one list per user")
    n_items = held_out.histories.n_items
    items = take_top_items(ranked, k, n_items)
    users = np.arange(len(held_out), dtype=np.int64)
    stride = n_items + 2  # one number per pair (user, item)
    relevant_pairs = np.unique(np.repeat(users, np.diff(held_out.target_starts)) * stride + held_out.target_items)
    relevant = np.bincount(relevant_pairs // stride, minlength=len(users)).astype(np.int64)
    pairs = users[:, None] * stride + items
    index = np.minimum(np.searchsorted(relevant_pairs, pairs), max(len(relevant_pairs) - 1, 0))
    found = (relevant_pairs[index] == pairs) & (items > 0) if len(relevant_pairs) else np.zeros(items.shape, bool)
    return ListHits(found, np.maximum(relevant, 1))


@dataclass(frozen=True)
class Ndcg:
    """Discounted gain of the hits over that of the ideal list (Järvelin and Kekäläinen, 2002).

    Binary gains; the ideal list has min(k, held-out items) hits at its top.
    """

    k: int = 10
    of_catalog: ClassVar[bool] = False
    meaning: ClassVar[str] = (
        "How high the next items of a user are ranked in the list of {k}: 1 when they fill its top, 0 when none "
        "is in it; a hit further down counts less."
    )

    def __call__(self, ranked: RankedItems, held_out: HeldOut, train: Histories) -> Values:
        """float64 (users,) in 0..1."""
        hit = find_hits(ranked, held_out, self.k)
        discounts = 1.0 / np.log2(np.arange(2, self.k + 2))
        best = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(hit.relevant, self.k)]
        return np.asarray(hit.found @ discounts[: hit.found.shape[1]] / best, np.float64)


@dataclass(frozen=True)
class Recall:
    """Share of the held-out items that are listed; with one held-out item this is the hit rate.

    Divided by the number of held-out items, even above k.
    """

    k: int = 10
    of_catalog: ClassVar[bool] = False
    meaning: ClassVar[str] = "The share of the next items of a user that are in the list of {k}."

    def __call__(self, ranked: RankedItems, held_out: HeldOut, train: Histories) -> Values:
        """float64 (users,) in 0..1."""
        hit = find_hits(ranked, held_out, self.k)
        return np.asarray(hit.found.sum(axis=1) / hit.relevant, np.float64)


@dataclass(frozen=True)
class HitRate:
    """1 if at least one held-out item is listed, else 0."""

    k: int = 10
    of_catalog: ClassVar[bool] = False
    meaning: ClassVar[str] = "The share of users with at least one of their next items in the list of {k}."

    def __call__(self, ranked: RankedItems, held_out: HeldOut, train: Histories) -> Values:
        """float64 (users,), 0 or 1."""
        return np.asarray(find_hits(ranked, held_out, self.k).found.any(axis=1), np.float64)


@dataclass(frozen=True)
class Mrr:
    """One over the rank of the first hit; 0 without a hit."""

    k: int = 10
    of_catalog: ClassVar[bool] = False
    meaning: ClassVar[str] = "One divided by the rank of the first hit in the list of {k}: 1 at the top, 0.5 second."

    def __call__(self, ranked: RankedItems, held_out: HeldOut, train: Histories) -> Values:
        """float64 (users,) in 0..1."""
        found = find_hits(ranked, held_out, self.k).found
        return np.asarray(np.where(found.any(axis=1), 1.0 / (found.argmax(axis=1) + 1), 0.0), np.float64)


@dataclass(frozen=True)
class Precision:
    """Share of the k positions with a hit; empty positions count as misses."""

    k: int = 10
    of_catalog: ClassVar[bool] = False
    meaning: ClassVar[str] = "The share of the {k} listed items that are next items of the user."

    def __call__(self, ranked: RankedItems, held_out: HeldOut, train: Histories) -> Values:
        """float64 (users,) in 0..1."""
        return np.asarray(find_hits(ranked, held_out, self.k).found.sum(axis=1) / self.k, np.float64)


@dataclass(frozen=True)
class AveragePrecision:
    """Mean of the precision at each hit, over min(k, held-out items); its mean over users is MAP."""

    k: int = 10
    of_catalog: ClassVar[bool] = False
    meaning: ClassVar[str] = "The precision measured at every hit of the list of {k}, averaged: rewards early hits."

    def __call__(self, ranked: RankedItems, held_out: HeldOut, train: Histories) -> Values:
        """float64 (users,) in 0..1."""
        hit = find_hits(ranked, held_out, self.k)
        so_far = np.cumsum(hit.found, axis=1) / np.arange(1, hit.found.shape[1] + 1)
        return np.asarray((so_far * hit.found).sum(axis=1) / np.minimum(hit.relevant, self.k), np.float64)
