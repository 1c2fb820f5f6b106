"""What does a log look like: how long, how dense, how uneven, when?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories, Ints

DAY, HOUR = 86_400, 3_600
MOST_POINTS = 400
"""Of the curve of popularity: more cannot be seen."""


def health(histories: Histories) -> dict[str, Any]:
    """Facts of some histories for the report, JSON-able.

    users, items (that occur), events, density (share of all user-item pairs that occur), median_length,
    longest, users_with_one_event, gini_of_items (0: all items alike, 1: one item has all), repeat_share (events
    of an item that the user already had), first_day, last_day, tie_share (events whose user has another one in
    the same second), length_histogram {length: users}, popularity [[rank, events]], per_day [[day, events]], and
    hours {hour in UTC: events} where the clock knows hours.

    >>> health(Histories.of([[1, 2], [1]], n_items=2))["density"]
    0.75
    """
    counts = np.bincount(histories.items, minlength=histories.n_items + 2)[1 : histories.n_items + 1]
    counts = np.sort(counts[counts > 0])[::-1]
    lengths = histories.lengths
    values, users = np.unique(lengths[lengths > 0], return_counts=True)
    pairs = _pairs(histories)
    facts: dict[str, Any] = {
        "users": int((lengths > 0).sum()),
        "items": len(counts),
        "events": histories.events,
        "density": _share(pairs, int((lengths > 0).sum()) * len(counts)),
        "median_length": float(np.median(lengths)) if len(lengths) else 0.0,
        "longest": int(lengths.max(initial=0)),
        "users_with_one_event": int((lengths == 1).sum()),
        "gini_of_items": gini(counts),
        "repeat_share": _share(histories.events - pairs, histories.events),
    }
    curves = {
        "length_histogram": {str(length): int(n) for length, n in zip(values, users, strict=True)},
        "popularity": _by_rank(counts),
    }
    return facts | (_clock(histories) if histories.events else {}) | curves


def gini(counts: npt.NDArray[np.int64]) -> float:
    """Gini's coefficient of counts in falling order.

    >>> gini(np.array([3, 1])), gini(np.array([2, 2]))
    (0.25, 0.0)
    """
    if not len(counts):
        return 0.0
    ranks = np.arange(len(counts), 0, -1)
    share = 2.0 * float((ranks * counts).sum()) / (len(counts) * float(counts.sum()))
    return round(share - (len(counts) + 1) / len(counts), 4)


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def _pairs(histories: Histories) -> int:
    """Different user-item pairs."""
    width = histories.n_items + 2
    keys = np.sort(histories.row_of_event() * width + histories.items)
    return int((np.diff(keys) > 0).sum()) + 1 if len(keys) else 0


def _by_rank(counts: npt.NDArray[np.int64]) -> list[list[int]]:
    """[rank, events], at most 400 of them, evenly on a logarithmic axis, the first and the last among them."""
    if not len(counts):
        return []
    ranks = np.unique(np.round(np.geomspace(1, len(counts), MOST_POINTS)).astype(np.int64))
    return [[int(rank), int(counts[rank - 1])] for rank in ranks]


def _clock(histories: Histories) -> dict[str, Any]:
    times = histories.times
    days, events = np.unique(times // DAY, return_counts=True)
    named = [datetime.fromtimestamp(int(day) * DAY, UTC).date().isoformat() for day in days]
    facts: dict[str, Any] = {"first_day": named[0], "last_day": named[-1], "tie_share": _tied(histories)}
    facts["per_day"] = [[day, int(n)] for day, n in zip(named, events, strict=True)]
    hours = np.bincount(times % DAY // HOUR, minlength=24)
    if hours.max() < histories.events:  # all in one hour: the clock knows days only
        facts["hours"] = {str(hour): int(n) for hour, n in enumerate(hours)}
    return facts


def _tied(histories: Histories) -> float:
    """Share of the events whose user has another one in the same second."""
    same = _same_as_before(histories)
    return _share(int((same | np.append(same[1:], False)).sum()), histories.events)


def _same_as_before(histories: Histories) -> npt.NDArray[np.bool_]:
    times: Ints = histories.times
    same: npt.NDArray[np.bool_] = np.diff(times, prepend=times[0] - 1) == 0
    first = histories.starts[:-1][histories.lengths > 0]
    same[first] = False
    return same
