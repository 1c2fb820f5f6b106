"""Training segments of histories and their packing into dense batches.

Histories are short and vary in length; padded to 50 positions, nine of ten positions of Beauty would be empty.
Therefore the segments of one step are concatenated in rows of equal width, and attention is restricted to a segment
(sequence packing, Krell et al. 2021). Only a few positions of a row stay empty.
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

_MIN_WIDTH = 32  # positions of a row: in narrower rows, empty positions cost more than attention saves


@dataclass(frozen=True, eq=False)
class Segments:
    """Segments of histories whose last inputs have a next event as target.

    rows          the histories
    first_inputs  int64 (segments,)    index of the first input in `rows.items`
    lengths       int64 (segments,)    inputs, 1..max_length; the event after input i is its target
    n_targets     int64 (segments,)    how many of the last inputs have a target
    weight        float32 (segments,)  weight of each target in the loss
    segment_ids   uint64 (segments,)   identity, derived from the row id
    """

    rows: Histories
    first_inputs: Ints
    lengths: Ints
    n_targets: Ints
    weight: npt.NDArray[np.float32]
    segment_ids: rng.RngKeys

    def __len__(self) -> int:
        return len(self.first_inputs)

    def take(self, index: Ints) -> Segments:
        """Returns these segments in this order."""
        first, length, targets = self.first_inputs[index], self.lengths[index], self.n_targets[index]
        return Segments(self.rows, first, length, targets, self.weight[index], self.segment_ids[index])


def build_training_segments(rows: Histories, max_length: int) -> Segments:
    """Returns segments with every target once; a row of more than `max_length` targets gives several segments."""
    base = rows.starts[:-1] - rows.starts[0]
    targets = np.minimum(rows.n_targets, rows.lengths - 1).astype(np.int64)
    counts = np.maximum(-(-targets // max_length), 0)
    row = np.repeat(np.arange(len(rows)), counts)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)  # counted from the row's end
    last = base[row] + rows.lengths[row] - 1 - nth * max_length  # the last target's event
    length = np.minimum(last - base[row], max_length)
    n_targets = np.minimum(targets[row] - nth * max_length, max_length)
    ids = rng.mix_bits(rows.row_ids)[row] + nth.astype(np.uint64)
    return Segments(rows, last - length, length, n_targets, rows.weight[row], ids)


def build_last_segments(rows: Histories, max_length: int) -> Segments:
    """Returns the last events of every row as inputs of a prediction; no row may be empty."""
    length = np.minimum(rows.lengths, max_length)
    first = rows.starts[1:] - rows.starts[0] - length
    return Segments(rows, first, length, np.ones_like(length), np.ones(len(rows), np.float32), rows.row_ids)


def split_batches(segments: Segments, batch_events: int, key: int) -> list[Ints]:
    """Shuffles segments and splits them into batches of about `batch_events` inputs, none much smaller.

    The order depends on the key and the segment ids, not on the order of the rows.
    """
    if not len(segments):
        return []
    order = np.argsort(rng.derive_row_keys(key, segments.segment_ids), kind="stable")
    inputs = np.cumsum(segments.lengths[order])
    count = max(round(float(inputs[-1]) / batch_events), 1)
    edges = np.searchsorted(inputs, np.arange(1, count) * (inputs[-1] / count))
    return [part for part in np.split(order, edges) if len(part)]


class Placement(NamedTuple):
    """row, column: int64 (segments,), where each segment begins; n_rows: the number of rows in use."""

    row: Ints
    column: Ints
    n_rows: int


@njit(cache=True)
def place_segments(lengths: Ints, width: int) -> Placement:
    """Places segments in rows by best-fit decreasing.

    lengths decrease, and none is above `width`.
    """
    row, column = np.empty_like(lengths), np.empty_like(lengths)
    room = np.zeros(len(lengths), np.int64)  # of each open row
    n_rows = 0
    for segment in range(len(lengths)):
        best, least = -1, width + 1
        for candidate in range(n_rows):
            if lengths[segment] <= room[candidate] < least:
                best, least = candidate, room[candidate]
        if best < 0:
            best, room[n_rows] = n_rows, width
            n_rows += 1
        row[segment], column[segment] = best, width - room[best]
        room[best] -= lengths[segment]
    return Placement(row, column, n_rows)


class PackedBatch(NamedTuple):
    """A packed batch. A named tuple, because Fabric traverses network inputs and rejects frozen dataclasses.

    items           int64 (rows, width)  ids, 0 at empty positions
    steps_to_end    int64 (rows, width)  inputs of the segment after this one
    segments        int64 (rows, width)  segment of the position, from 1; 0: empty
    output_indices  int64 (targets,)     index in the flattened rows of each output state
    targets         int64 (targets,)     next item of each output state; empty without targets
    weight          float32 (targets,)   weight in the loss
    """

    items: torch.Tensor
    steps_to_end: torch.Tensor
    segments: torch.Tensor
    output_indices: torch.Tensor
    targets: torch.Tensor
    weight: torch.Tensor

    def to(self, device: torch.device) -> PackedBatch:
        """Returns the batch on another device."""
        return PackedBatch(*(part.to(device, non_blocking=True) for part in self))


def pack_segments(segments: Segments, with_targets: bool = True) -> PackedBatch:
    """Packs segments into rows; outputs are all targets if `with_targets`, else the last input of each segment.

    A masked event is an input but never a target.
    """
    length = segments.lengths
    order = np.argsort(-length, kind="stable")
    width = max(int(length.max()), _MIN_WIDTH)
    row, column = np.empty_like(length), np.empty_like(length)
    row[order], column[order], n_rows = place_segments(length[order], width)
    nth = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    flat = np.repeat(row * width + column, length) + nth
    event = np.repeat(segments.first_inputs, length) + nth
    ages = np.repeat(length, length) - 1 - nth
    grid = np.zeros((3, n_rows * width), np.int64)
    grid[0, flat], grid[1, flat] = segments.rows.items[event], ages
    grid[2, flat] = np.repeat(np.arange(1, len(segments) + 1), length)
    items, age, segment = torch.from_numpy(grid.reshape(3, n_rows, width))
    if not with_targets:
        outputs = row * width + column + length - 1
        no_targets, no_weight = torch.zeros(0, dtype=torch.int64), torch.zeros(0)
        return PackedBatch(items, age, segment, torch.from_numpy(outputs), no_targets, no_weight)
    has_target = ages < np.repeat(segments.n_targets, length)
    target = segments.rows.items[event[has_target] + 1].astype(np.int64)
    is_item = target <= segments.rows.n_items
    outputs, target = flat[has_target][is_item], target[is_item]
    weight = np.repeat(segments.weight, length)[has_target][is_item]
    return PackedBatch(
        items, age, segment, torch.from_numpy(outputs), torch.from_numpy(target), torch.from_numpy(weight)
    )
