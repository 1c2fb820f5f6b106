"""How do rows lie: where does each start, which items are there, how many events are targets once lengths change?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.arrays.buffer_pool import space
from leaven.arrays.parallel import frozen, over_rows

Ints = npt.NDArray[np.int64]
Items = npt.NDArray[np.int32]
Targets = npt.NDArray[np.int32]


def begun(lengths: Ints, ends: Sequence[tuple[int, int]] | None = None) -> Ints:
    """int64 (rows + 1,): where rows of these lengths start, said only where a stretch of `over_rows` begins or ends.

    ends: (end, its sum of lengths) of each stretch, where they are known. A kernel that works on a stretch fills in the
    rest: a tenth of what copying takes, which threads share.
    """
    starts: Ints = space(len(lengths) + 1, np.int64)
    starts[0] = total = 0
    for end, more in sorted(over_rows(_total, len(lengths), frozen(lengths)) if ends is None else ends):
        total += more
        starts[end] = total
    return starts


@njit(cache=True, nogil=True)
def _total(begin: int, end: int, lengths: Ints) -> tuple[int, int]:
    total = 0
    for row in range(begin, end):
        total += lengths[row]
    return end, total


def shifted(old: Ints, more: Ints, sign: int) -> Ints:
    """int64 (rows + 1,): where rows start that did at `old` and have sign × more int64 (rows,) events more now."""
    starts: Ints = space(len(old), np.int64)
    _add_more(frozen(old), frozen(more), sign, starts)
    return starts


@njit(cache=True, nogil=True)
def _add_more(old: Ints, more: Ints, sign: int, starts: Ints) -> None:
    starts[0] = 0
    for row in range(len(more)):
        starts[row + 1] = starts[row] + old[row + 1] - old[row] + sign * more[row]


def span_of(items: Items) -> tuple[int, int]:
    """(least, greatest) of items int32 (events,); (1, 0) where there are none."""
    if not len(items):
        return 1, 0
    spans = over_rows(_span, len(items), frozen(items))
    return min(least for least, _ in spans), max(greatest for _, greatest in spans)


@njit(cache=True, nogil=True)
def _span(begin: int, end: int, items: Items) -> tuple[int, int]:
    least, greatest = items[begin], items[begin]
    for place in range(begin, end):
        least, greatest = min(least, items[place]), max(greatest, items[place])
    return least, greatest


def fitting_targets(targets: Targets, old: Ints, new: Ints) -> Targets:
    """int32 (rows,): no more than the new length less one, and all of that where it was all of the old one.

    targets int32 (rows,); old, new int64 (rows + 1,): where rows start.
    """
    fitting: Targets = space(len(targets), np.int32)
    over_rows(_fit, len(targets), frozen(targets), frozen(old), frozen(new), fitting)
    return fitting


@njit(cache=True, nogil=True)
def _fit(begin: int, end: int, targets: Targets, old: Ints, new: Ints, fitting: Targets) -> None:
    for row in range(begin, end):
        most = max(new[row + 1] - new[row] - 1, 0)
        is_all = targets[row] >= old[row + 1] - old[row] - 1
        fitting[row] = most if is_all else min(targets[row], most)
