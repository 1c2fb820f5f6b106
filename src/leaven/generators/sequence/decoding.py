"""Batched autoregressive decoding, with one rng key for each row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.generators.sequence.decoder import Decoder
from leaven.generators.sequence.event_timing import DRAWS_PER_EVENT, draw_item_uniforms, draw_times
from leaven.generators.sequence.item_sampling import DecodingConfig, HeldItems, ItemSampler
from leaven.generators.sequence.sequence_scaffold import Scaffold

Ints = npt.NDArray[np.int64]

_BLOCK = 1_024  # rows decoded together


class DecodingCache:
    """Cached attention keys and values, or GRU states, of a block of rows.

    latent: (rows, width), added to every event embedding; None: nothing is added
    """

    def __init__(self, net: Decoder, rows: int, max_events: int, latent: Tensor | None = None) -> None:
        shape = net.shape
        self.net, self.position, self.latent = net, 0, latent
        head = shape.width // shape.heads
        self.key_values = [net.bias.new_empty(2, max_events, rows, shape.heads, head) for _ in net.blocks]
        self.hidden = net.bias.new_zeros(shape.layers, rows, shape.width) if net.gru is not None else None
        self.distances = -net.compute_slopes(net.bias)[:, None] * torch.arange(
            max_events - 1, -1, -1, device=net.bias.device
        )

    def read_items(self, items: Tensor) -> Tensor:
        """Returns (rows, width), as `Decoder.encode_events`, for items int64 (rows,): the next event of each row.

        Finished rows come last and are dropped: the number of rows never grows between calls.
        """
        rows = len(items)
        x = self.net.items(items)
        x = x if self.latent is None else x + self.latent[:rows]
        if self.net.gru is not None and self.hidden is not None:
            out, self.hidden = self.net.gru(x[:, None], self.hidden[:, :rows].contiguous())
            x = out[:, 0]
        for block, kept in zip(self.net.blocks, self.key_values, strict=True):
            x = x + block.attention_output(self._attend(block.query_key_value(block.attention_norm(x)), kept))  # type: ignore[operator]
            x = x + block.feedforward_out(F.gelu(block.feedforward_in(block.feedforward_norm(x))))  # type: ignore[operator]
        self.position += 1
        states: Tensor = self.net.last(x)
        return states

    def _attend(self, projected: Tensor, kept: Tensor) -> Tensor:
        rows, heads, end = len(projected), self.net.shape.heads, self.position + 1
        query, key, value = projected.view(rows, 3, heads, -1).unbind(1)  # each (rows, heads, width / heads)
        kept[0, self.position, :rows], kept[1, self.position, :rows] = key, value
        scores = (kept[0, :end, :rows] * query).sum(-1) * query.shape[-1] ** -0.5  # (positions, rows, heads)
        share = torch.softmax(scores + self.distances[:, -end:].T[:, None], dim=0)
        return (share[..., None] * kept[1, :end, :rows]).sum(0).reshape(rows, -1)


@torch.inference_mode()
def decode_rows(net: Decoder, decoding: DecodingConfig, frame: Scaffold, latent: Tensor | None = None) -> None:
    """Fills the new events of a scaffold, in place. The net is in double precision and in evaluation mode.

    latent float64 (rows, width): added to the event embeddings of each row.
    """
    lengths, drawer = np.diff(frame.starts), ItemSampler(decoding, net.build_item_weights())
    known = np.arange(len(frame.items)) < np.repeat(frame.starts[:-1] + frame.n_known, lengths)
    unread = np.maximum(frame.n_known + 1 - decoding.max_length, 0)  # only the last events of a long history are read
    order = np.argsort(unread - lengths, kind="stable")  # longest first: finished rows are dropped
    order = order[(lengths > frame.n_known)[order]]
    for first in range(0, len(order), _BLOCK):
        rows = order[first : first + _BLOCK]
        held = drawer.collect_held_items(frame, rows, known)
        block = _Block(net, drawer, frame, rows, held)
        block.decode(unread[rows], None if latent is None else latent[torch.from_numpy(rows)])


@dataclass(frozen=True, eq=False)
class _Block:
    """Scaffold rows that are decoded together; held: the items of each row, as `ItemSampler` collects them."""

    net: Decoder
    drawer: ItemSampler
    frame: Scaffold
    rows: Ints
    held: HeldItems

    def decode(self, unread: Ints, latent: Tensor | None) -> None:
        """Reads the known events from `unread` on, then draws the new ones."""
        frame, net = self.frame, self.net
        at = frame.starts[self.rows] + np.maximum(unread - 1, 0)  # the event after the one that is read
        reading = np.where(unread > 0, frame.items[at], net.shape.n_items + 1).astype(np.int64)
        at, end = np.where(unread > 0, at + 1, at), frame.starts[self.rows + 1]
        first_new = frame.starts[self.rows] + frame.n_known[self.rows]
        cache = DecodingCache(net, len(self.rows), int((end - at).max()), latent)
        open_rows = len(self.rows)
        while open_rows:
            states = cache.read_items(torch.from_numpy(reading).to(net.bias.device))
            drawing = np.flatnonzero(at >= first_new[:open_rows])
            if len(drawing):
                self._draw_events(drawing, at[drawing], states[torch.from_numpy(drawing)])
            reading, at = frame.items[at].astype(np.int64), at + 1
            open_rows = int((at < end[:open_rows]).sum())
            reading, at = reading[:open_rows], at[:open_rows]

    def _draw_events(self, index: Ints, at: Ints, states: Tensor) -> None:
        """Draws time and item of event `at` of the rows at `index` of the block."""
        frame, rows = self.frame, self.rows[index]
        number = (at - frame.starts[rows] - frame.n_known[rows]) * DRAWS_PER_EVENT
        draw_times(self.drawer.decoding.clock, frame, rows, at, number)
        times = self.drawer.decoding.to_knot_positions(frame.times[at])
        states = states + self.net.embed_times(times.to(states.device))
        frame.items[at] = self.drawer.sample_items(
            states, frame.times[at], self.held, index, draw_item_uniforms(frame, rows, number)
        )
