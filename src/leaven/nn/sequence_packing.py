"""Which events does one training step see, and where do they lie?

Histories are short and of uneven length; padded to 50 places, nine of ten of Beauty's would be empty.
So the stretches of one step are laid one behind the other on lines of equal width, and attention is kept inside a
stretch (sequence packing, Krell et al. 2021). A line wastes a few places instead of most of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from numba import njit

from leaven import rng
from leaven.datasets.histories import Histories

Ints = npt.NDArray[np.int64]

_NARROWEST = 32  # places of a line: shorter lines would leave more places empty than attention saves


@dataclass(frozen=True, eq=False)
class Stretches:
    """What is learned from: stretches of events whose last ones have a next event to predict.

    rows    the histories that they lie in
    first   int64 (stretches,)   index of the first input in `rows.items`
    length  int64 (stretches,)   inputs, 1..max_length; the event after input i is its target
    targets int64 (stretches,)   how many of the last inputs have a target
    weight  float32 (stretches,) weight of each target in the loss
    keys    uint64 (stretches,)  identity, from the row's own
    """

    rows: Histories
    first: Ints
    length: Ints
    targets: Ints
    weight: npt.NDArray[np.float32]
    keys: rng.Keys

    def __len__(self) -> int:
        return len(self.first)

    def take(self, index: Ints) -> Stretches:
        """These stretches, in that order."""
        first, length, targets = self.first[index], self.length[index], self.targets[index]
        return Stretches(self.rows, first, length, targets, self.weight[index], self.keys[index])


def training_stretches(rows: Histories, max_length: int) -> Stretches:
    """Every target of every row once; a row of more than `max_length` targets gives several stretches."""
    base = rows.starts[:-1] - rows.starts[0]
    targets = np.minimum(rows.targets, rows.lengths - 1).astype(np.int64)
    pieces = np.maximum(-(-targets // max_length), 0)
    row = np.repeat(np.arange(len(rows)), pieces)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)  # counted from the row's end
    last = base[row] + rows.lengths[row] - 1 - nth * max_length  # the last target's event
    length = np.minimum(last - base[row], max_length)
    own = np.minimum(targets[row] - nth * max_length, max_length)
    keys = rng.mix(rows.keys)[row] + nth.astype(np.uint64)
    return Stretches(rows, last - length, length, own, rows.weight[row], keys)


def last_stretches(rows: Histories, max_length: int) -> Stretches:
    """The last events of every row (none may be empty), to say what comes next."""
    length = np.minimum(rows.lengths, max_length)
    first = rows.starts[1:] - rows.starts[0] - length
    return Stretches(rows, first, length, np.ones_like(length), np.ones(len(rows), np.float32), rows.keys)


def batches(stretches: Stretches, events: int, key: int) -> list[Ints]:
    """An order of the stretches, cut into batches of about `events` inputs each, none much smaller.

    The order follows from the key and the stretches' own keys: rows handed over in another order train the same net.
    """
    if not len(stretches):
        return []
    order = np.argsort(rng.row_keys(key, stretches.keys), kind="stable")
    passed = np.cumsum(stretches.length[order])
    count = max(round(float(passed[-1]) / events), 1)
    edges = np.searchsorted(passed, np.arange(1, count) * (passed[-1] / count))
    return [part for part in np.split(order, edges) if len(part)]


@njit(cache=True)
def lay(lengths: Ints, width: int) -> tuple[Ints, Ints, int]:
    """(line, column) int64 (stretches,) of each stretch, and how many lines: the fullest line where it fits.

    lengths fall from first to last, none above `width` (best fit, decreasing).
    """
    line, column = np.empty_like(lengths), np.empty_like(lengths)
    rooms = np.zeros(len(lengths), np.int64)  # of each open line
    lines = 0
    for nth in range(len(lengths)):
        best, least = -1, width + 1
        for candidate in range(lines):
            if lengths[nth] <= rooms[candidate] < least:
                best, least = candidate, rooms[candidate]
        if best < 0:
            best, rooms[lines] = lines, width
            lines += 1
        line[nth], column[nth] = best, width - rooms[best]
        rooms[best] -= lengths[nth]
    return line, column, lines


class Pack(NamedTuple):
    """One step's events on lines. A tuple, because Fabric looks into what a net is given and refuses frozen classes.

    items    int64 (lines, width)  ids, 0 where a place is empty
    ages     int64 (lines, width)  how many inputs of the stretch come after this one
    stretch  int64 (lines, width)  which stretch holds the place, from 1; 0: none
    places   int64 (targets,)      place, in the flattened lines, of each state that predicts
    targets  int64 (targets,)      what came next; empty where nothing is to be learned
    weight   float32 (targets,)    weight in the loss
    """

    items: torch.Tensor
    ages: torch.Tensor
    stretch: torch.Tensor
    places: torch.Tensor
    targets: torch.Tensor
    weight: torch.Tensor

    def to(self, device: torch.device) -> Pack:
        """The same on another device."""
        return Pack(*(part.to(device, non_blocking=True) for part in self))


def pack(stretches: Stretches, learn: bool = True) -> Pack:
    """Lays stretches on lines; with `learn`, finds the targets, else the place of each stretch's last input.

    A masked event is an input as any other, and no target.
    """
    length = stretches.length
    order = np.argsort(-length, kind="stable")
    width = max(int(length.max()), _NARROWEST)
    line, column = np.empty_like(length), np.empty_like(length)
    line[order], column[order], lines = lay(length[order], width)
    nth = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    flat = np.repeat(line * width + column, length) + nth
    event = np.repeat(stretches.first, length) + nth
    ages = np.repeat(length, length) - 1 - nth
    grid = np.zeros((3, lines * width), np.int64)
    grid[0, flat], grid[1, flat] = stretches.rows.items[event], ages
    grid[2, flat] = np.repeat(np.arange(1, len(stretches) + 1), length)
    items, age, stretch = torch.from_numpy(grid.reshape(3, lines, width))
    if not learn:
        places, nothing = line * width + column + length - 1, np.zeros(0, np.int64)
        return Pack(items, age, stretch, *map(torch.from_numpy, (places, nothing, nothing.astype(np.float32))))
    aim = ages < np.repeat(stretches.targets, length)
    coming = stretches.rows.items[event[aim] + 1].astype(np.int64)
    known = coming <= stretches.rows.n_items
    weight = np.repeat(stretches.weight, length)[aim][known]
    return Pack(items, age, stretch, *map(torch.from_numpy, (flat[aim][known], coming[known], weight)))
