"""Samples and batches of histories: padding, collation, and cutting an epoch into batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.nn.sequence_packing import Segments, build_last_segments

PADDING = 0
"""The id of padding: no item and not the mask, whose id is n_items + 1."""
IGNORED = -100
"""The target of a position without prediction, PyTorch's default `ignore_index`."""

_BUCKET_BATCHES = 32  # consecutive batches whose samples are sorted by length

Pad = Literal["right", "left"]
Ints = npt.NDArray[np.int64]


class HistorySample(NamedTuple):
    """One history, or a part of one that is longer than `max_length`.

    items    int64 (positions,)  inputs
    targets  int64 (positions,)  next items; IGNORED where nothing is predicted
    weight   weight of its targets in the loss
    row_id      row id, the 64 bits as a signed number
    """

    items: Tensor
    targets: Tensor
    weight: float
    row_id: int


class Batch(NamedTuple):
    """A padded batch of histories.

    items    int64 (rows, positions)    inputs, PADDING after the end of a row
    targets  int64 (rows, positions)    next items; IGNORED where nothing is predicted
    weights  float32 (rows, positions)  weight in the loss; 0 where nothing is predicted
    lengths  int64 (rows,)              number of inputs of each row
    row_ids  int64 (rows,)              row ids
    total_weight  float32 ()            sum of the weights, over all processes that share the batch

    The loss `(weights * cross_entropy).sum() / total_weight` is the weighted mean. In `world` processes with averaged
    gradients multiply it by `world`: together they take the step of a single process.
    """

    items: Tensor
    targets: Tensor
    weights: Tensor
    lengths: Tensor
    row_ids: Tensor
    total_weight: Tensor

    def to(self, device: torch.device | str) -> Batch:
        """The batch on another device."""
        return Batch(*(part.to(device, non_blocking=True) for part in self))


def build_sample(stretches: Segments, nth: int) -> HistorySample:
    """Segment `nth` as a sample; a masked event is an input, but not a target."""
    first, length = int(stretches.first_inputs[nth]), int(stretches.lengths[nth])
    events = stretches.rows.items[first : first + length + 1].astype(np.int64)
    targets = events[1:].copy()
    targets[: length - int(stretches.n_targets[nth])] = IGNORED
    targets[targets > stretches.rows.n_items] = IGNORED
    key = int(stretches.segment_ids[nth].astype(np.int64))
    return HistorySample(
        torch.from_numpy(events[:length]), torch.from_numpy(targets), float(stretches.weight[nth]), key
    )


def collate(samples: Sequence[HistorySample], pad: Pad = "right") -> Batch:
    """Batch of samples, as wide as the longest; `pad` is the padded end.

    >>> one = HistorySample(torch.tensor([3, 1]), torch.tensor([1, 2]), 0.5, row_id=7)
    >>> other = HistorySample(torch.tensor([4]), torch.tensor([4]), 1.0, row_id=8)
    >>> collate([one, other]).items.tolist(), collate([one, other]).targets.tolist()
    ([[3, 1], [4, 0]], [[1, 2], [4, -100]])
    """
    check_pad(pad)
    lengths = torch.tensor([len(one.items) for one in samples])
    items = torch.full((len(samples), int(lengths.max())), PADDING)
    targets = torch.full_like(items, IGNORED)
    for row, one in enumerate(samples):
        positions = slice(0, len(one.items)) if pad == "right" else slice(items.shape[1] - len(one.items), None)
        items[row, positions], targets[row, positions] = one.items, one.targets
    weight = torch.tensor([one.weight for one in samples], dtype=torch.float32)
    weights = torch.where(targets == IGNORED, 0.0, weight[:, None])
    return Batch(items, targets, weights, lengths, torch.tensor([one.row_id for one in samples]), weights.sum())


def build_batch(stretches: Segments, pad: Pad = "right", with_targets: bool = True) -> Batch:
    """Batch of all segments, equal to `collate` of their samples; without targets where `with_targets` is false."""
    length = stretches.lengths
    row = np.repeat(np.arange(len(length)), length)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
    event = np.repeat(stretches.first_inputs, length) + nth
    cell = (row, nth if pad == "right" else nth + np.repeat(length.max() - length, length))
    items = np.full((len(length), length.max()), PADDING, np.int64)
    targets, weights = np.full_like(items, IGNORED), np.zeros(items.shape, np.float32)
    items[cell] = stretches.rows.items[event]
    if with_targets:
        next_items = stretches.rows.items[event + 1]
        is_target = (nth >= np.repeat(length - stretches.n_targets, length)) & (next_items <= stretches.rows.n_items)
        targets[cell] = np.where(is_target, next_items, IGNORED)
        weights[cell] = np.where(is_target, np.repeat(stretches.weight, length), 0)
    keys, loss_weights = torch.from_numpy(stretches.segment_ids.astype(np.int64)), torch.from_numpy(weights)
    of_items, of_targets = torch.from_numpy(items), torch.from_numpy(targets)
    return Batch(of_items, of_targets, loss_weights, torch.from_numpy(length), keys, loss_weights.sum())


def iterate_input_batches(
    histories: Histories, rows: int = 256, max_length: int = 50, pad: Pad = "right"
) -> Iterator[Batch]:
    """Batches of histories in their order, without targets, to predict the item after the last input.

    Histories must not be empty; the last `max_length` events are used.
    """
    check_pad(pad)
    stretches = build_last_segments(histories, max_length)
    for low in range(0, len(stretches), rows):
        yield build_batch(stretches.take(np.arange(low, min(low + rows, len(stretches)))), pad, with_targets=False)


def split_batch(whole: Batch, rank: int, world: int, pad: Pad) -> Batch:
    """Every world-th row from `rank` on, with minimal width and the mass of the whole batch.

    With fewer rows than processes, a row without targets: a process without a batch would block the others.
    """
    if world == 1:
        return whole
    mine = torch.arange(len(whole.items))[rank::world]
    if not len(mine):
        empty = whole._replace(targets=torch.full_like(whole.targets, IGNORED), weights=whole.weights * 0)
        return split_batch(empty, 0, len(whole.items), pad)
    width = int(whole.lengths[mine].max())
    positions = slice(0, width) if pad == "right" else slice(whole.items.shape[1] - width, None)
    items, targets, weights = (grid[mine, positions] for grid in (whole.items, whole.targets, whole.weights))
    return Batch(items, targets, weights, whole.lengths[mine], whole.row_ids[mine], whole.total_weight)


def cut_batches(lengths: Ints, rows: int, key: int) -> list[Ints]:
    """Batches of `rows` samples of similar length, as indices; every sample once.

    Samples of 32 consecutive batches are sorted by length and cut; then the batches are shuffled by the key. Sorting a
    whole epoch would put the same histories together in every epoch.
    """
    window = np.arange(len(lengths)) // (rows * _BUCKET_BATCHES)
    order = np.lexsort((lengths, window))
    batches = [order[low : low + rows] for low in range(0, len(order), rows)]
    order_keys = rng.derive_row_keys(key, np.arange(len(batches), dtype=np.uint64))
    return [batches[nth] for nth in np.argsort(order_keys, kind="stable")]


def check_pad(pad: str) -> None:
    """Raises SpecError for an unknown end."""
    if pad not in ("right", "left"):
        raise SpecError("pad", "'right' or 'left'", repr(pad), "")
