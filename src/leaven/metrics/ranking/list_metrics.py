"""How well do ranked lists meet what users took next?

Every metric is a frozen dataclass with the length `k` of the list that it looks at, is called with
(ranked, held_out, train), and returns one float64 per user. Higher is better. Several held-out items
are a set: an item taken twice counts once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError, SpecError
from leaven.protocols import Ranked

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Hits:
    """found bool (users, k): where a listed item was taken. relevant int64 (users,): items taken."""

    found: npt.NDArray[np.bool_]
    relevant: npt.NDArray[np.int64]


def listed(ranked: Ranked, k: int, n_items: int) -> npt.NDArray[np.int32]:
    """int32 (users, min(k, n_items)): the first k items of each list, 0 where there was nothing left.

    Raises SpecError for k below 1; DataError where the lists are shorter than asked, or name an
    item twice (that would count one hit several times).
    """
    if k < 1:
        raise SpecError("metric", "a list length of 1 or more", f"@{k}", "write for example ndcg@10")
    items = ranked.items[:, :k]
    if items.shape[1] < min(k, n_items):
        raise DataError("ranked.items", f"{k} items a user", f"{items.shape[1]}", "recommend longer lists")
    ordered = np.sort(items, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] > 0)
    if twice.any():
        user = int(np.flatnonzero(twice.any(axis=1))[0])
        raise DataError(f"ranked.items, row {user}", "each item once", "an item listed twice", "")
    return items


def hits(ranked: Ranked, held_out: HeldOut, k: int) -> Hits:
    """Which of the first k listed items were taken, and how many different items were.

    Raises DataError where the lists are not those of these users.
    """
    if len(ranked.items) != len(held_out):
        raise DataError("ranked.items", f"{len(held_out)} lists", f"{len(ranked.items)}", "one list a user")
    n_items = held_out.histories.n_items
    items = listed(ranked, k, n_items)
    users = np.arange(len(held_out), dtype=np.int64)
    stride = n_items + 2  # one number a pair (user, item)
    taken = np.unique(np.repeat(users, np.diff(held_out.starts)) * stride + held_out.items)
    relevant = np.bincount(taken // stride, minlength=len(users)).astype(np.int64)
    pairs = users[:, None] * stride + items
    place = np.minimum(np.searchsorted(taken, pairs), max(len(taken) - 1, 0))
    found = (taken[place] == pairs) & (items > 0) if len(taken) else np.zeros(items.shape, bool)
    return Hits(found, np.maximum(relevant, 1))


def _discounts(k: int) -> Values:
    """float64 (k,): 1 / log2(rank + 1)."""
    return 1.0 / np.log2(np.arange(2, k + 2))


@dataclass(frozen=True)
class Ndcg:
    """Discounted gain of the hits over that of the best possible list (Järvelin and Kekäläinen, 2002).

    Binary gains; the best list has min(k, items taken) hits at its top.
    """

    k: int = 10
    meaning: ClassVar[str] = (
        "How high the items that a user took next stand in the list of {k}: 1 when they fill its top, 0 when none "
        "is in it; a hit further down counts less."
    )

    def __call__(self, ranked: Ranked, held_out: HeldOut, train: Histories) -> Values:
        """float64 (users,) in 0..1."""
        hit = hits(ranked, held_out, self.k)
        discounts = _discounts(self.k)
        best = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(hit.relevant, self.k)]
        return np.asarray(hit.found @ discounts[: hit.found.shape[1]] / best, np.float64)


@dataclass(frozen=True)
class Recall:
    """Share of the items taken that the list names; with one held-out item this is the hit rate.

    Divided by all items taken, also where they are more than k.
    """

    k: int = 10
    meaning: ClassVar[str] = "The share of the items that a user took next which the list of {k} names."

    def __call__(self, ranked: Ranked, held_out: HeldOut, train: Histories) -> Values:
        """float64 (users,) in 0..1."""
        hit = hits(ranked, held_out, self.k)
        return np.asarray(hit.found.sum(axis=1) / hit.relevant, np.float64)


@dataclass(frozen=True)
class HitRate:
    """1 where the list names at least one item taken, else 0."""

    k: int = 10
    meaning: ClassVar[str] = "The share of users for whom the list of {k} names at least one item that they took next."

    def __call__(self, ranked: Ranked, held_out: HeldOut, train: Histories) -> Values:
        """float64 (users,), 0 or 1."""
        return np.asarray(hits(ranked, held_out, self.k).found.any(axis=1), np.float64)


@dataclass(frozen=True)
class Mrr:
    """One over the rank of the first hit, 0 without one."""

    k: int = 10
    meaning: ClassVar[str] = "One divided by the place of the first hit in the list of {k}: 1 at the top, 0.5 second."

    def __call__(self, ranked: Ranked, held_out: HeldOut, train: Histories) -> Values:
        """float64 (users,) in 0..1."""
        found = hits(ranked, held_out, self.k).found
        return np.asarray(np.where(found.any(axis=1), 1.0 / (found.argmax(axis=1) + 1), 0.0), np.float64)


@dataclass(frozen=True)
class Precision:
    """Share of the k places that hold a hit; places left empty count as misses."""

    k: int = 10
    meaning: ClassVar[str] = "The share of the {k} listed items that the user took next."

    def __call__(self, ranked: Ranked, held_out: HeldOut, train: Histories) -> Values:
        """float64 (users,) in 0..1."""
        return np.asarray(hits(ranked, held_out, self.k).found.sum(axis=1) / self.k, np.float64)


@dataclass(frozen=True)
class AveragePrecision:
    """Mean of the precision at each hit, over min(k, items taken); its mean over users is MAP."""

    k: int = 10
    meaning: ClassVar[str] = "The precision measured at every hit of the list of {k}, averaged: rewards early hits."

    def __call__(self, ranked: Ranked, held_out: HeldOut, train: Histories) -> Values:
        """float64 (users,) in 0..1."""
        hit = hits(ranked, held_out, self.k)
        so_far = np.cumsum(hit.found, axis=1) / np.arange(1, hit.found.shape[1] + 1)
        return np.asarray((so_far * hit.found).sum(axis=1) / np.minimum(hit.relevant, self.k), np.float64)
