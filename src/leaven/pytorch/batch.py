"""What does a loop get at a time, and which histories lie in one batch?"""

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
from leaven.nn.sequence_packing import Stretches, last_stretches

PADDING = 0
"""The id of an empty place: no item and not the mask, whose id is n_items + 1."""
IGNORED = -100
"""The target of a place that predicts nothing; PyTorch's cross-entropy leaves it out by itself."""

_ALIKE = 32  # batches' worth of neighbours in the epoch's order that are sorted by length

Pad = Literal["right", "left"]
Ints = npt.NDArray[np.int64]


class Sample(NamedTuple):
    """One history, or a part of one that is longer than `max_length`.

    items    int64 (places,)  inputs
    targets  int64 (places,)  what came next; IGNORED where nothing is to be learned
    weight   of its targets in the loss
    key      the 64 bits of its identity, as a signed number
    """

    items: Tensor
    targets: Tensor
    weight: float
    key: int


class Batch(NamedTuple):
    """Histories side by side.

    items    int64 (rows, places)    inputs, PADDING where a row has ended
    targets  int64 (rows, places)    what came next; IGNORED where nothing is to be learned
    weights  float32 (rows, places)  weight in the loss; 0 where nothing is to be learned
    lengths  int64 (rows,)           inputs of each row
    keys     int64 (rows,)           identity of each row
    mass     float32 ()              sum of the weights, over all processes that share the batch

    The loss `(weights * cross_entropy).sum() / mass` is the weighted mean. In `world` processes, whose gradients are
    averaged, it is `world` times that: together they take the step that one would.
    """

    items: Tensor
    targets: Tensor
    weights: Tensor
    lengths: Tensor
    keys: Tensor
    mass: Tensor

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device."""
        return Batch(*(part.to(device, non_blocking=True) for part in self))


def sample(stretches: Stretches, nth: int) -> Sample:
    """Stretch number `nth` as a sample; a masked event is an input as any other, and no target."""
    first, length = int(stretches.first[nth]), int(stretches.length[nth])
    events = stretches.rows.items[first : first + length + 1].astype(np.int64)
    coming = events[1:].copy()
    coming[: length - int(stretches.targets[nth])] = IGNORED
    coming[coming > stretches.rows.n_items] = IGNORED
    key = int(stretches.keys[nth].astype(np.int64))
    return Sample(torch.from_numpy(events[:length]), torch.from_numpy(coming), float(stretches.weight[nth]), key)


def collate(samples: Sequence[Sample], pad: Pad = "right") -> Batch:
    """Samples as a batch as wide as the longest; `pad` says at which end places stay empty.

    >>> one = Sample(torch.tensor([3, 1]), torch.tensor([1, 2]), 0.5, key=7)
    >>> other = Sample(torch.tensor([4]), torch.tensor([4]), 1.0, key=8)
    >>> collate([one, other]).items.tolist(), collate([one, other]).targets.tolist()
    ([[3, 1], [4, 0]], [[1, 2], [4, -100]])
    """
    check_pad(pad)
    lengths = torch.tensor([len(one.items) for one in samples])
    items = torch.full((len(samples), int(lengths.max())), PADDING)
    targets = torch.full_like(items, IGNORED)
    for row, one in enumerate(samples):
        places = slice(0, len(one.items)) if pad == "right" else slice(items.shape[1] - len(one.items), None)
        items[row, places], targets[row, places] = one.items, one.targets
    weight = torch.tensor([one.weight for one in samples], dtype=torch.float32)
    weights = torch.where(targets == IGNORED, 0.0, weight[:, None])
    return Batch(items, targets, weights, lengths, torch.tensor([one.key for one in samples]), weights.sum())


def batch_of(stretches: Stretches, pad: Pad = "right", learn: bool = True) -> Batch:
    """All of these stretches as one batch, as `collate` makes of their samples; without `learn`, no targets."""
    length = stretches.length
    row = np.repeat(np.arange(len(length)), length)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
    event = np.repeat(stretches.first, length) + nth
    place = (row, nth if pad == "right" else nth + np.repeat(length.max() - length, length))
    items = np.full((len(length), length.max()), PADDING, np.int64)
    targets, weights = np.full_like(items, IGNORED), np.zeros(items.shape, np.float32)
    items[place] = stretches.rows.items[event]
    if learn:
        coming = stretches.rows.items[event + 1]
        aim = (nth >= np.repeat(length - stretches.targets, length)) & (coming <= stretches.rows.n_items)
        targets[place] = np.where(aim, coming, IGNORED)
        weights[place] = np.where(aim, np.repeat(stretches.weight, length), 0)
    of_rows = torch.from_numpy(length), torch.from_numpy(stretches.keys.astype(np.int64))
    weighed = torch.from_numpy(weights)
    return Batch(torch.from_numpy(items), torch.from_numpy(targets), weighed, *of_rows, mass=weighed.sum())


def known_batches(histories: Histories, rows: int = 256, max_length: int = 50, pad: Pad = "right") -> Iterator[Batch]:
    """Histories in their order, `rows` at a time, with nothing to learn: what comes after the last input is asked.

    No history may be empty; of a longer one than `max_length` the last events are given.
    """
    check_pad(pad)
    stretches = last_stretches(histories, max_length)
    for low in range(0, len(stretches), rows):
        yield batch_of(stretches.take(np.arange(low, min(low + rows, len(stretches)))), pad, learn=False)


def share_of(whole: Batch, rank: int, world: int, pad: Pad) -> Batch:
    """Every world-th row from `rank` on, as narrow as they allow, with the mass of the whole batch.

    Where there are fewer rows than processes, one that teaches nothing: a process without a batch stops the others.
    """
    if world == 1:
        return whole
    mine = torch.arange(len(whole.items))[rank::world]
    if not len(mine):
        nothing = whole._replace(targets=torch.full_like(whole.targets, IGNORED), weights=whole.weights * 0)
        return share_of(nothing, 0, len(whole.items), pad)
    width = int(whole.lengths[mine].max())
    places = slice(0, width) if pad == "right" else slice(whole.items.shape[1] - width, None)
    items, targets, weights = (grid[mine, places] for grid in (whole.items, whole.targets, whole.weights))
    return Batch(items, targets, weights, whole.lengths[mine], whole.keys[mine], whole.mass)


def cut(lengths: Ints, rows: int, key: int) -> list[Ints]:
    """Batches of `rows` samples of like length, as indices; every sample once.

    Neighbours in the epoch's order, 32 batches of them at a time, are sorted by length and cut; then the batches are
    put in an order that follows from the key. Sorting all of an epoch would put the same histories together in each.
    """
    window = np.arange(len(lengths)) // (rows * _ALIKE)
    order = np.lexsort((lengths, window))
    batches = [order[low : low + rows] for low in range(0, len(order), rows)]
    places = rng.row_keys(key, np.arange(len(batches), dtype=np.uint64))
    return [batches[nth] for nth in np.argsort(places, kind="stable")]


def check_pad(pad: str) -> None:
    """Raises SpecError for an end that there is not."""
    if pad not in ("right", "left"):
        raise SpecError("pad", "'right' or 'left'", repr(pad), "")
