"""Statistics of a log: sizes, density, popularity, repeats and times."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories, Ints
from leaven.metrics.ranking.beyond_accuracy import compute_gini

_DAY, _HOUR = 86_400, 3_600
MAX_CURVE_POINTS = 400
"""Of the popularity curve, for plots."""


def compute_log_statistics(histories: Histories) -> dict[str, object]:
    """Statistics of histories for the report, JSON-able.

    users, items (that occur), events, density (share of all user-item pairs that occur), median_length,
    longest, users_with_one_event, gini_of_items (0: equal counts, 1: one item has all events), repeat_share (events
    of an item that the user had before), first_day, last_day, tie_share (events whose user has another one in
    the same second), length_histogram {length: users}, popularity [[rank, events]], per_day [[day, events]], and
    hours {hour in UTC: events} where times have hours.

    >>> compute_log_statistics(Histories.from_lists([[1, 2], [1]], n_items=2))["density"]
    0.75
    """
    counts = np.bincount(histories.items, minlength=histories.n_items + 2)[1 : histories.n_items + 1]
    counts = np.sort(counts[counts > 0])[::-1]
    lengths = histories.lengths
    values, users = np.unique(lengths[lengths > 0], return_counts=True)
    width = histories.n_items + 2
    codes = np.sort(histories.event_rows() * width + histories.items)
    pairs = int((np.diff(codes) > 0).sum()) + 1 if len(codes) else 0
    facts: dict[str, object] = {
        "users": int((lengths > 0).sum()),
        "items": len(counts),
        "events": histories.n_events,
        "density": _ratio(pairs, int((lengths > 0).sum()) * len(counts)),
        "median_length": float(np.median(lengths)) if len(lengths) else 0.0,
        "longest": int(lengths.max(initial=0)),
        "users_with_one_event": int((lengths == 1).sum()),
        "gini_of_items": round(compute_gini(counts), 4),
        "repeat_share": _ratio(histories.n_events - pairs, histories.n_events),
    }
    curves = {
        "length_histogram": {str(length): int(n) for length, n in zip(values, users, strict=True)},
        "popularity": _popularity_curve(counts),
    }
    return facts | (_time_statistics(histories) if histories.n_events else {}) | curves


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def _popularity_curve(counts: npt.NDArray[np.int64]) -> list[list[int]]:
    """At most 400 pairs [rank, events], evenly spaced on a logarithmic axis, with the first and the last."""
    if not len(counts):
        return []
    ranks = np.unique(np.round(np.geomspace(1, len(counts), MAX_CURVE_POINTS)).astype(np.int64))
    return [[int(rank), int(counts[rank - 1])] for rank in ranks]


def _time_statistics(histories: Histories) -> dict[str, object]:
    times = histories.times
    days, events = np.unique(times // _DAY, return_counts=True)
    named = [datetime.fromtimestamp(int(day) * _DAY, UTC).date().isoformat() for day in days]
    facts: dict[str, object] = {"first_day": named[0], "last_day": named[-1], "tie_share": _tie_share(histories)}
    facts["per_day"] = [[day, int(n)] for day, n in zip(named, events, strict=True)]
    hours = np.bincount(times % _DAY // _HOUR, minlength=24)
    if hours.max() < histories.n_events:  # all in one hour: the log has dates only
        facts["hours"] = {str(hour): int(n) for hour, n in enumerate(hours)}
    return facts


def _tie_share(histories: Histories) -> float:
    """Share of the events whose user has another one in the same second."""
    times: Ints = histories.times
    same: npt.NDArray[np.bool_] = np.diff(times, prepend=times[0] - 1) == 0
    same[histories.starts[:-1][histories.lengths > 0]] = False
    return _ratio(int((same | np.append(same[1:], False)).sum()), histories.n_events)
