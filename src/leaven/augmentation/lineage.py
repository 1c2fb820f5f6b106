"""Which row was this one made from, by which step and which copy?

Nothing is stored for it: a row's name is a hash of (step, key of the row it was made from, copy), so that the way back
is a search among the rows that the step read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leaven import rng
from leaven.augmentation.plan import Plan, Step

Keys = rng.Keys

MOST_COPIES, MOST_PARTS = 512, 2048
"""Copies of one row, and rows that one copy became, among which is searched."""
_MOST_NAMES = 1 << 22  # candidates times copies, so that the rows of a whole log are looked through in seconds


@dataclass(frozen=True)
class Source:
    """key: of the row that was read. copy: the how-manieth of it, from 0. part: of the rows that one copy became."""

    key: int
    copy: int = 0
    part: int = 0


def source_of(step: Step, seed: int, made: int, read: Keys) -> Source | None:
    """What a step of a run's `seed` made a row of the key `made` from; None where it is none of these.

    read  uint64 (rows,): keys of the rows that it may have read

    >>> from leaven.datasets.histories import Histories
    >>> from leaven.augmentation import expand
    >>> from leaven.transforms.sequence.crop import Crop
    >>> plan = Plan([Crop()])
    >>> rows = expand(Histories.of([[1, 2, 3], [2, 3, 1]], n_items=3, keys=[11, 12]), plan, seed=7)
    >>> source_of(plan.all[0], 7, int(rows.keys[3]), rows.keys[:2])
    Source(key=12, copy=0, part=0)
    """
    if not len(read):
        return None
    key = rng.key(seed, "step", step.called)
    if step.mode == "replace":
        return _part(rng.key(key, "part"), made, read, [0])
    names = rng.key(key, "name")
    copies = range(min(MOST_COPIES, max(1, _MOST_NAMES // len(read))))
    for copy in copies:
        place = np.flatnonzero(rng.row_keys(names, read, copy) == np.uint64(made))
        if len(place):
            return Source(int(read[place[0]]), copy)
    few = [copy for copy in copies if copy < 64]
    named = np.concatenate([rng.row_keys(names, read, copy) for copy in few])
    found = _part(rng.key(key, "part"), made, named, few)
    return (
        None
        if found is None
        else Source(
            int(read[int(np.flatnonzero(named == np.uint64(found.key))[0]) % len(read)]), found.copy, found.part
        )
    )


def _part(key: int, made: int, names: Keys, copies: list[int]) -> Source | None:
    """The name of which `made` is a part; names hold all rows of the first copy, then of the next."""
    rows = len(names) // len(copies)
    for part in range(min(MOST_PARTS, max(1, _MOST_NAMES // len(names)))):
        place = np.flatnonzero(rng.row_keys(key, names, part) == np.uint64(made))
        if len(place):
            return Source(int(names[place[0]]), copies[int(place[0]) // rows], part)
    return None


def places_read(plan: Plan, number: int) -> tuple[int, ...]:
    """Numbers of the steps whose rows step `number` reads, in their order; 0 stands for the real rows.

    Steps that change rows in place stand for the rows that they changed.

    >>> from leaven.transforms.sequence.crop import Crop
    >>> from leaven.transforms.sequence.masking import Mask
    >>> places_read(Plan([Crop(), Mask()], "layered"), 2)
    (0, 1)
    """
    step = plan.all[number - 1]
    before = [
        (place, one) for place, one in enumerate(plan.all[: number - 1], 1) if one.when == "once" and not one.on_items
    ]
    current = max((place for place, one in before if one.mode == "replace"), default=0)
    added = [place for place, one in before if one.mode == "add"]
    reads = "real" if step.mode == "replace" else plan.reads(step)
    if reads == "real":
        return (current,)
    if reads == "previous":
        return (current, *added)
    return tuple(place for place, one in before if one.called == reads)
