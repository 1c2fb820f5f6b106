"""What is taken at this time, whoever asks?

Popularity drifts. A draw takes the item of a random training event near the time in question: among the
`window` events around it, or, with chance `stale`, among all events of training. Both numbers are those under
which the training events, each without itself, are likeliest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.arrays.sorting import in_order

Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_MOST = 1 << 20  # events kept, evenly spread
_LOOKED_AT = 20_000
_NARROWEST = 64
_STALE = (0.05, 0.2, 0.5, 1.0)


class Fashion(NamedTuple):
    """Training events in time order.

    when     int64 (events,)  ascending
    recent   int32 (events,)  the item of each
    ranks    int32 (events,)  places in `recent`, item by item, ascending inside an item
    rank_at  int64 (items + 3,)  item i has ranks[rank_at[i]:rank_at[i + 1]]
    """

    when: Ints
    recent: Items
    ranks: Items
    rank_at: Ints
    window: int
    stale: float


def fashion_of(items: Items, times: Ints, n_items: int) -> Fashion:
    """The fashion of these events: items int32 (events,) in 1..n_items + 1, times int64 (events,)."""
    _, order = in_order(times - times.min())
    order = order[(np.arange(min(len(order), _MOST)) * len(order)) // max(min(len(order), _MOST), 1)]
    recent, when = items[order], times[order]
    ascending, places = in_order(recent.astype(np.int64))
    ranks, rank_at = places.astype(np.int32), np.searchsorted(ascending, np.arange(n_items + 3)).astype(np.int64)
    looked_at = (np.arange(min(len(recent), _LOOKED_AT)) * len(recent)) // min(len(recent), _LOOKED_AT)
    best = Fashion(when, recent, ranks, rank_at, len(recent), 1.0)
    best_fit = -np.inf
    window = len(recent)
    while window >= min(_NARROWEST, len(recent)):
        tried = best._replace(window=window)
        near, far = _left_out(tried, looked_at)
        for stale in _STALE:
            fit = float(np.log((1 - stale) * near + stale * far).mean())
            if fit > best_fit + 1e-9:
                best, best_fit = tried._replace(stale=stale), fit
        window //= 4
    return best


@njit(cache=True, nogil=True)
def _left_out(fashion: Fashion, events: Ints) -> tuple[Floats, Floats]:
    """Shares of each of these events' items near it and anywhere, the event itself left out."""
    near, far = np.empty(len(events)), np.empty(len(events))
    total = len(fashion.recent)
    for at in range(len(events)):
        item = fashion.recent[events[at]]
        low = _begin_of_window(fashion, fashion.when[events[at]])
        inside = low <= events[at] < low + fashion.window
        near[at] = (_count(fashion, item, low) - inside) / max(fashion.window - inside, 1)
        far[at] = (fashion.rank_at[item + 1] - fashion.rank_at[item] - 0.5) / total
    return near, far


@njit(cache=True)
def _begin_of_window(fashion: Fashion, now: int) -> int:
    """First event of the window around a time; at the ends of training it lies to one side."""
    low = np.searchsorted(fashion.when, now, side="left")
    high = np.searchsorted(fashion.when, now, side="right")
    begin = int((low + high - fashion.window) // 2)
    return min(max(begin, 0), len(fashion.when) - fashion.window)


@njit(cache=True)
def _count(fashion: Fashion, item: int, low: int) -> int:
    """Events of an item in the window that begins at `low`."""
    mine = fashion.ranks[fashion.rank_at[item] : fashion.rank_at[item + 1]]
    return int(np.searchsorted(mine, low + fashion.window)) - int(np.searchsorted(mine, low))


@njit(cache=True)
def share_at(fashion: Fashion, now: int, item: int, own: int) -> float:
    """The part of the events around a time that an item has; `own` 1 leaves one of them out."""
    count = _count(fashion, item, _begin_of_window(fashion, now))
    return max(count - own, 0) / max(fashion.window - own, 1)


@njit(cache=True)
def item_at(fashion: Fashion, now: int, u: float) -> int:
    """The item of the event around a time that a number u in 0..1 points at."""
    place = min(int(u * fashion.window), fashion.window - 1)
    return fashion.recent[_begin_of_window(fashion, now) + place]
