"""Builds filter results from one mask of rejected rows per reason."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.protocols import FilterResult

Mask = npt.NDArray[np.bool_]


def build_filter_result(rows: int, refused: Mapping[str, Mask]) -> FilterResult:
    """Return a filter result; a row counts for its first reason only, so that the counts add up.

    >>> build_filter_result(3, {"odd": np.array([True, False, True]), "long": np.array([True, True, False])}).rejected
    {'odd': 2, 'long': 1}
    """
    accepted = np.ones(rows, np.bool_)
    counts = {}
    for reason, mask in refused.items():
        counts[reason] = int((mask & accepted).sum())
        accepted &= ~mask
    return FilterResult(accepted, {reason: count for reason, count in counts.items() if count})


def has_event(rows: Histories, events: Mask) -> Mask:
    """Return whether a row has at least one of the marked events, bool (rows,); events bool (events,)."""
    return np.bincount(rows.event_rows()[events], minlength=len(rows)) > 0
