"""How are rows written by a net from left to right, many at a time, each by its own key?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.generators.sequence.decoder import Decoder
from leaven.generators.sequence.event_timing import DRAWS, draw_times, points
from leaven.generators.sequence.item_sampling import Drawer, Held, Pen
from leaven.generators.sequence.sequence_scaffold import Frame

Ints = npt.NDArray[np.int64]

_BLOCK = 1_024  # rows written together


class Memory:
    """What a net remembers of the events that it has read, for a block of rows.

    taste: (rows, width), added to every event that is read; None: nothing
    """

    def __init__(self, net: Decoder, rows: int, places: int, taste: Tensor | None = None) -> None:
        shape = net.shape
        self.net, self.place, self.taste = net, 0, taste
        head = shape.width // shape.heads
        self.kept = [net.bias.new_empty(2, places, rows, shape.heads, head) for _ in net.blocks]
        self.hidden = net.bias.new_zeros(shape.layers, rows, shape.width) if net.gru is not None else None
        self.distances = -net.slopes(net.bias)[:, None] * torch.arange(places - 1, -1, -1, device=net.bias.device)

    def read(self, items: Tensor) -> Tensor:
        """items int64 (rows,): the next event of each row -> (rows, width), as `Decoder.states` gives.

        Rows that have ended stand last and are left out: there are never more rows than in the call before.
        """
        rows = len(items)
        x = self.net.items(items)
        x = x if self.taste is None else x + self.taste[:rows]
        if self.net.gru is not None and self.hidden is not None:
            out, self.hidden = self.net.gru(x[:, None], self.hidden[:, :rows].contiguous())
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
        kept[0, self.place, :rows], kept[1, self.place, :rows] = key, value
        scores = (kept[0, :end, :rows] * query).sum(-1) * query.shape[-1] ** -0.5  # (places, rows, heads)
        share = torch.softmax(scores + self.distances[:, -end:].T[:, None], dim=0)
        return (share[..., None] * kept[1, :end, :rows]).sum(0).reshape(rows, -1)


@torch.inference_mode()
def write(net: Decoder, pen: Pen, frame: Frame, taste: Tensor | None = None) -> None:
    """Fill the new events of a frame, in place. The net is in double precision and in evaluation mode.

    taste float64 (rows, width): what `Decoder.states` takes, for each row of the frame.
    """
    lengths, drawer = np.diff(frame.starts), Drawer(pen, net.vectors())
    known = np.arange(len(frame.items)) < np.repeat(frame.starts[:-1] + frame.given, lengths)
    unread = np.maximum(frame.given + 1 - pen.length, 0)  # of a long history only the last events are read
    order = np.argsort(unread - lengths, kind="stable")  # rows with most to read first: those that end early leave
    order = order[(lengths > frame.given)[order]]
    for first in range(0, len(order), _BLOCK):
        rows = order[first : first + _BLOCK]
        held = drawer.held(frame, rows, known)
        own = None if taste is None else taste[torch.from_numpy(rows)]
        _write_block(net, drawer, frame, rows, unread[rows], held, own)


def _write_block(
    net: Decoder, drawer: Drawer, frame: Frame, rows: Ints, unread: Ints, held: Held, taste: Tensor | None
) -> None:
    at = frame.starts[rows] + np.maximum(unread - 1, 0)  # the event that comes after the one that is read
    reading = np.where(unread > 0, frame.items[at], net.shape.n_items + 1).astype(np.int64)
    at, end = np.where(unread > 0, at + 1, at), frame.starts[rows + 1]
    first_new = frame.starts[rows] + frame.given[rows]
    memory = Memory(net, len(rows), int((end - at).max()), taste)
    open_rows = len(rows)
    while open_rows:
        states = memory.read(torch.from_numpy(reading).to(net.bias.device))
        drawing = np.flatnonzero(at >= first_new[:open_rows])
        if len(drawing):
            _draw(net, drawer, frame, rows[drawing], at[drawing], states[torch.from_numpy(drawing)], held, drawing)
        reading, at = frame.items[at].astype(np.int64), at + 1
        open_rows = int((at < end[:open_rows]).sum())
        reading, at = reading[:open_rows], at[:open_rows]


def _draw(
    net: Decoder,
    drawer: Drawer,
    frame: Frame,
    rows: Ints,
    at: Ints,
    states: Tensor,
    held: Held,
    place: Ints,
) -> None:
    """Time and item of event `at` of each of these rows; `place`: where they stand in `held`."""
    number = (at - frame.starts[rows] - frame.given[rows]) * DRAWS
    draw_times(drawer.pen.clock, frame, rows, at, number)
    states = states + net.at(drawer.pen.between_knots(frame.times[at]).to(states.device))
    frame.items[at] = drawer.items(states, frame.times[at], held, place, points(frame, rows, number))
