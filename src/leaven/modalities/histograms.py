"""Histograms of properties of rows, with the same bins for all sides of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

SIDES = ("training", "held out", "new")
Values = npt.NDArray[Any]

_BINS = 20
_MAX_CATEGORIES = 8  # maximum categories shown
_COUNT_EDGES = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100)


@dataclass(frozen=True)
class Distribution:
    """Shares of the rows of each side over the same bins.

    names   of the bins; edges: their lower ends, for bins of numbers
    shares  side ("training", "held out", "new") -> one share per bin
    """

    title: str
    unit: str
    names: tuple[str, ...]
    shares: Mapping[str, tuple[float, ...]]
    edges: tuple[float, ...] = ()


def bin_counts(title: str, unit: str, values: Sequence[Values]) -> Distribution | None:
    """Return a histogram of counts in classes of growing width."""
    names = [f"{low}" if high == low + 1 else f"{low}–{high - 1}" for low, high in pairwise(_COUNT_EDGES)]
    places = [np.searchsorted(_COUNT_EDGES, np.maximum(one, 1), side="right") - 1 for one in values]
    return build_histogram(title, unit, places, [*names, f"{_COUNT_EDGES[-1]} and more"])


def bin_values(title: str, unit: str, values: Sequence[Values]) -> Distribution | None:
    """Return a histogram with bins of equal width between the 1 % and 99 % quantiles."""
    there = [one[np.isfinite(one)] for one in values]
    if not all(len(one) for one in there):
        return None
    low, high = np.quantile(np.concatenate(there), (0.01, 0.99))
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    places = [np.clip(np.searchsorted(edges, one, side="right") - 1, 0, _BINS - 1) for one in there]
    found = build_histogram(title, unit, places, [f"{edge:.3g}" for edge in edges[:-1]], cut=False)
    return found and replace(found, edges=tuple(float(f"{edge:.6g}") for edge in edges[:-1]))


def count_categories(title: str, unit: str, values: Sequence[Values]) -> Distribution | None:
    """Return a histogram of the most frequent categories of the first side."""
    names, counts = np.unique(values[0], return_counts=True)
    shown = [str(name) for name in names[np.argsort(-counts, kind="stable")[:_MAX_CATEGORIES]]]
    place = {name: at for at, name in enumerate(shown)}
    codes = [np.array([place.get(str(value), len(shown)) for value in one]) for one in values]
    return build_histogram(title, unit, codes, [*shown, "others"])


def build_histogram(
    title: str, unit: str, places: Sequence[Values], names: Sequence[str], cut: bool = True
) -> Distribution | None:
    """Return the share of each class per side; empty classes at the end are left out."""
    counts = [np.bincount(one.astype(np.int64), minlength=len(names)).astype(np.float64) for one in places]
    if not all(one.sum() for one in counts):
        return None
    last = max(int(np.flatnonzero(one)[-1]) for one in counts) + 1 if cut else len(names)
    sides = zip(SIDES, counts, strict=False)
    shares = {side: tuple(round(float(c), 5) for c in one[:last] / one.sum()) for side, one in sides}
    return Distribution(title, unit, tuple(names[:last]), shares)
