"""Time-dependent item popularity.

A draw returns the item of a random training event: one of the `window` events nearest in time, or, with probability
`stale`, any training event. Both parameters maximize the leave-one-out likelihood of the training events.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.arrays.codes import sort_codes

Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_MAX_EVENTS = 1 << 20  # events kept, evenly spaced
_MAX_FIT_EVENTS = 20_000
_MIN_WINDOW = 64
_GLOBAL_SHARES = (0.05, 0.2, 0.5, 1.0)


class TimePopularity(NamedTuple):
    """Training events in time order.

    times     int64 (events,)  ascending
    items   int32 (events,)  the item of each
    item_positions    int32 (events,)  indices into `items`, grouped by item, ascending within an item
    item_starts  int64 (items + 3,)  item i has ranks[rank_at[i]:rank_at[i + 1]]
    """

    times: Ints
    items: Items
    item_positions: Items
    item_starts: Ints
    window: int
    global_share: float


def fit_time_popularity(items: Items, times: Ints, n_items: int) -> TimePopularity:
    """Fit to events: items int32 (events,) in 1..n_items + 1, times int64 (events,)."""
    _, order = sort_codes(times - times.min())
    order = order[(np.arange(min(len(order), _MAX_EVENTS)) * len(order)) // max(min(len(order), _MAX_EVENTS), 1)]
    recent, when = items[order], times[order]
    ascending, places = sort_codes(recent.astype(np.int64))
    ranks, rank_at = places.astype(np.int32), np.searchsorted(ascending, np.arange(n_items + 3)).astype(np.int64)
    sample = (np.arange(min(len(recent), _MAX_FIT_EVENTS)) * len(recent)) // min(len(recent), _MAX_FIT_EVENTS)
    best = TimePopularity(when, recent, ranks, rank_at, len(recent), 1.0)
    best_fit = -np.inf
    window = len(recent)
    while window >= min(_MIN_WINDOW, len(recent)):
        candidate = best._replace(window=window)
        near, far = _leave_one_out(candidate, sample)
        for stale in _GLOBAL_SHARES:
            fit = float(np.log((1 - stale) * near + stale * far).mean())
            if fit > best_fit + 1e-9:
                best, best_fit = candidate._replace(global_share=stale), fit
        window //= 4
    return best


@njit(cache=True, nogil=True)
def _leave_one_out(popularity: TimePopularity, events: Ints) -> tuple[Floats, Floats]:
    """(share of the event's item near its time, share overall) of each of these events, the event itself left out."""
    near, far = np.empty(len(events)), np.empty(len(events))
    total = len(popularity.items)
    for at in range(len(events)):
        item = popularity.items[events[at]]
        low = _find_window(popularity, popularity.times[events[at]])
        inside = low <= events[at] < low + popularity.window
        near[at] = (_count_events(popularity, item, low) - inside) / max(popularity.window - inside, 1)
        far[at] = (popularity.item_starts[item + 1] - popularity.item_starts[item] - 0.5) / total
    return near, far


@njit(cache=True)
def _find_window(popularity: TimePopularity, time: int) -> int:
    """First event of the window around a time; at both ends of training the window is not centered."""
    low = np.searchsorted(popularity.times, time, side="left")
    high = np.searchsorted(popularity.times, time, side="right")
    begin = int((low + high - popularity.window) // 2)
    return min(max(begin, 0), len(popularity.times) - popularity.window)


@njit(cache=True)
def _count_events(popularity: TimePopularity, item: int, low: int) -> int:
    """Number of events of an item in the window that starts at `low`."""
    positions = popularity.item_positions[popularity.item_starts[item] : popularity.item_starts[item + 1]]
    return int(np.searchsorted(positions, low + popularity.window)) - int(np.searchsorted(positions, low))


@njit(cache=True)
def compute_share(popularity: TimePopularity, time: int, item: int, n_excluded: int) -> float:
    """Share of an item among the events around a time; `n_excluded` 1 leaves one of its events out."""
    count = _count_events(popularity, item, _find_window(popularity, time))
    return max(count - n_excluded, 0) / max(popularity.window - n_excluded, 1)


@njit(cache=True)
def select_item(popularity: TimePopularity, time: int, u: float) -> int:
    """The item of the event around a time that a uniform number u in 0..1 selects."""
    offset = min(int(u * popularity.window), popularity.window - 1)
    return popularity.items[_find_window(popularity, time) + offset]


NEVER_ON_SALE = np.iinfo(np.int64).max
"""The first sale time of an item that is in neither catalog nor training."""


def find_first_sale_times(
    items: npt.NDArray[np.int32],
    times: npt.NDArray[np.int64],
    n_items: int,
    catalog_times: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.int64]:
    """int64 (n_items + 2,): first second of sale of each id; NEVER for padding, mask and unknown items.

    The earlier of the catalog's time (int64 (n_items + 1,), `Catalog.born`) and the first event: an item with an event
    was on sale then, even where the catalog disagrees.
    """
    first_sale = np.full(n_items + 2, NEVER_ON_SALE, np.int64)
    if catalog_times is not None:
        first_sale[1 : n_items + 1] = catalog_times[1 : n_items + 1]
    known = (items >= 1) & (items <= n_items)
    np.minimum.at(first_sale, items[known], times[known])
    return first_sale
