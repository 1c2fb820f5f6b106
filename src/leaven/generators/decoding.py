"""How are rows written by a net, many at a time, each by its own key?

In double precision: a row's logits then differ between batches by less than any draw can tell, so that rows have the
same bytes however they are batched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.generators.decoder import Decoder
from leaven.generators.frame import Frame
from leaven.kernels.chance import uniforms
from leaven.kernels.gaps import GAP_DRAWS, NO_GAP_YET, Clock, gap_buckets, next_gaps
from leaven.kernels.picking import picked

Ints = npt.NDArray[np.int64]

_BLOCK = 512  # rows written together
_DRAWS = GAP_DRAWS + 1  # a block of draws of its own for each new event


@dataclass(frozen=True, eq=False)
class Pen:
    """What is needed to write, beside the net.

    born       int64 (items + 2,)  first second of sale of each item
    knots      int64 (knots,)      times between which the net's time vectors lie
    keep_seen  how much less likely an item becomes that the row already holds: 1 not at all, 0 impossible
    length     most inputs that the net has learned to read
    """

    clock: Clock
    born: Ints
    knots: Ints
    keep_seen: float
    temperature: float
    top_k: int
    top_p: float
    length: int


class Memory:
    """What a net remembers of the events that it has read, for a block of rows."""

    def __init__(self, net: Decoder, rows: int, places: int) -> None:
        shape = net.shape
        self.net, self.place = net, 0
        head = shape.width // shape.heads
        self.kept = [net.bias.new_zeros(2, rows, shape.heads, places, head) for _ in net.blocks]
        self.hidden = net.bias.new_zeros(shape.layers, rows, shape.width) if net.gru is not None else None

    def read(self, items: Tensor) -> Tensor:
        """items int64 (rows,): the next event of each row -> (rows, width), as `Decoder.states` gives."""
        x = self.net.items(items)
        if self.net.gru is not None:
            out, self.hidden = self.net.gru(x[:, None], self.hidden)
            x = out[:, 0]
        for block, kept in zip(self.net.blocks, self.kept, strict=True):
            x = x + block.mix(self._attended(block.attend(block.before_attention(x)), kept))  # type: ignore[operator]
            x = x + block.fall(F.gelu(block.rise(block.before_feed(x))))  # type: ignore[operator]
        self.place += 1
        states: Tensor = self.net.last(x)
        return states

    def _attended(self, projected: Tensor, kept: Tensor) -> Tensor:
        rows, heads, end = len(projected), self.net.shape.heads, self.place + 1
        query, key, value = projected.view(rows, 3, heads, -1).unbind(1)  # each (rows, heads, width / heads)
        kept[0, :, :, self.place], kept[1, :, :, self.place] = key, value
        scores = (kept[0, :, :, :end] @ query[..., None])[..., 0] * query.shape[-1] ** -0.5
        back = self.place - torch.arange(end, device=query.device, dtype=query.dtype)
        share = torch.softmax(scores - self.net.slopes(query)[:, None] * back, dim=-1)
        return (share[:, :, None] @ kept[1, :, :, :end])[:, :, 0].reshape(rows, -1)


@torch.inference_mode()
def write(net: Decoder, pen: Pen, frame: Frame) -> None:
    """Fill the new events of a frame, in place. The net is in double precision and in evaluation mode."""
    lengths = np.diff(frame.starts)
    for rows in _blocks(np.argsort(lengths, kind="stable"), lengths > frame.given):
        _write_block(net, pen, frame, rows)


def _blocks(order: Ints, open_rows: npt.NDArray[np.bool_]) -> Iterator[Ints]:
    order = order[open_rows[order]]
    for first in range(0, len(order), _BLOCK):
        yield order[first : first + _BLOCK]


def _write_block(net: Decoder, pen: Pen, frame: Frame, rows: Ints) -> None:
    begin, shape = net.shape.n_items + 1, net.shape
    end, given = frame.starts[rows + 1], frame.given[rows]
    skipped = np.maximum(given + 1 - pen.length, 0)  # of a long history only the last events are read
    at = frame.starts[rows] + np.maximum(skipped - 1, 0)  # the event that comes after the one that is read
    reading = np.where(skipped > 0, frame.items[at], begin).astype(np.int64)
    at = np.where(skipped > 0, at + 1, at)
    first_new = frame.starts[rows] + given
    memory = Memory(net, len(rows), int((end - at).max()))
    held = _held(frame, rows, shape.n_items) if pen.keep_seen < 1.0 else None
    weights = net.vectors()
    while (at < end).any():
        states = memory.read(torch.from_numpy(reading).to(weights.device))
        drawing = np.flatnonzero((at >= first_new) & (at < end))
        if len(drawing):
            _draw(net, pen, frame, rows[drawing], at[drawing], states[drawing], weights, held, drawing)
        reading = np.where(at < end, frame.items[np.minimum(at, end - 1)], 0).astype(np.int64)
        at = at + 1


def _held(frame: Frame, rows: Ints, n_items: int) -> npt.NDArray[np.uint8]:
    """uint8 (rows, items): 1 for what each row holds already."""
    held = np.zeros((len(rows), n_items + 2), np.uint8)
    row = np.repeat(np.arange(len(rows)), frame.given[rows])
    offset = np.arange(len(row)) - np.repeat(np.cumsum(frame.given[rows]) - frame.given[rows], frame.given[rows])
    held[row, frame.items[frame.starts[rows][row] + offset]] = 1
    return held[:, 1 : n_items + 1]


def _draw(
    net: Decoder,
    pen: Pen,
    frame: Frame,
    rows: Ints,
    at: Ints,
    states: Tensor,
    weights: Tensor,
    held: npt.NDArray[np.uint8] | None,
    place: Ints,
) -> None:
    """Time and item of event `at` of each of these rows; `place`: where they stand in `held`."""
    number = (at - frame.starts[rows] - frame.given[rows]) * _DRAWS
    _draw_times(pen, frame, rows, at, number)
    when = np.interp(frame.times[at], pen.knots, np.arange(len(pen.knots)))
    states = states + net.at(torch.from_numpy(when).to(weights.device))
    logits = (states @ weights[:, :-1].T + weights[:, -1]).cpu() / pen.temperature
    if pen.top_k or pen.top_p < 1.0:
        logits = _cut(logits, pen.top_k, pen.top_p)
    u = uniforms(frame.keys[rows], number + GAP_DRAWS)
    taken = held[place] if held is not None else np.zeros((len(rows), 0), np.uint8)
    items = picked(logits.numpy(), pen.born[1:-1], pen.clock.sign * frame.times[at], taken, pen.keep_seen, u)
    frame.items[at] = items + 1
    if held is not None:
        held[place, items] = 1


def _draw_times(pen: Pen, frame: Frame, rows: Ints, at: Ints, number: Ints) -> None:
    inner = np.flatnonzero(at > frame.starts[rows])
    if not len(inner):
        return
    rows, at, number = rows[inner], at[inner], number[inner]
    last = frame.times[at - 1]
    buckets = np.full(len(at), NO_GAP_YET, np.int64)
    second = at - 1 > frame.starts[rows]
    buckets[second] = gap_buckets(last[second] - frame.times[at[second] - 2])
    room, to_come = np.maximum(pen.clock.limit - last, 0), frame.starts[rows + 1] - at
    frame.times[at] = last + next_gaps(pen.clock, frame.items[at - 1], buckets, room, to_come, frame.keys[rows], number)


def _cut(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Minus infinity for all but the likeliest items: so many (0: all), the fewest that hold `top_p` of the mass."""
    best, order = logits.sort(dim=1, descending=True, stable=True)
    shares = torch.softmax(best, dim=1)
    best[shares.cumsum(dim=1) - shares >= top_p] = -torch.inf
    best[:, top_k or best.shape[1] :] = -torch.inf
    return torch.full_like(logits, -torch.inf).scatter_(1, order, best)
