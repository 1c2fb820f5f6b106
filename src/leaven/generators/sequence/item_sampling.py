"""Item sampling from network states.

States are in double precision, so that differences between batches are too small to change a draw; later steps treat
each row alone. Rows are therefore byte-identical for any batch size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from leaven.generators.sequence.sequence_scaffold import Scaffold
from leaven.kernels.inter_event_times import GapModel
from leaven.kernels.softmax_sampling import build_item_blocks, record_seen_items, sample_from_logits, sample_from_states

Ints = npt.NDArray[np.int64]
HeldItems = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class DecodingConfig:
    """Decoding parameters next to the net.

    first_sale_times       int64 (items + 2,)  first second of sale of each item
    knots      int64 (knots,)      times between which time embeddings are interpolated
    repeat_factor  factor on the probability of items that the row already holds: 1 no change, 0 impossible
    max_length     maximum number of inputs that the net was trained on
    logit_offsets       float64 (items,)    added to item logits, to match the popularity of real rows
    """

    clock: GapModel
    first_sale_times: Ints
    knots: Ints
    repeat_factor: float
    temperature: float
    top_k: int
    top_p: float
    max_length: int
    logit_offsets: npt.NDArray[np.float64]

    def to_knot_positions(self, times: Ints) -> Tensor:
        """Returns float64: times as positions between knots."""
        return torch.from_numpy(np.interp(times, self.knots, np.arange(len(self.knots))))


class ItemSampler:
    """Draws items from states; vectors float64 (items, width + 1): item weights and bias."""

    def __init__(self, decoding: DecodingConfig, vectors: Tensor) -> None:
        self.decoding, self.vectors = decoding, vectors / decoding.temperature
        self.vectors[:, -1] += torch.from_numpy(decoding.logit_offsets).to(vectors)
        self.is_truncated = bool(decoding.top_k) or decoding.top_p < 1.0
        weights = self.vectors.cpu().numpy()
        self.shelves = build_item_blocks(weights[:, :-1], weights[:, -1], decoding.first_sale_times[1:-1])

    def collect_held_items(self, frame: Scaffold, rows: Ints, known: npt.NDArray[np.bool_]) -> HeldItems:
        """Returns int32 (rows, max): the items, from 0, that these scaffold rows hold; known bool (events,)."""
        lengths = np.diff(frame.starts)[rows]
        held = np.full((len(rows), int(lengths.max()) if self.decoding.repeat_factor < 1.0 else 0), -1, np.int32)
        events = np.repeat(frame.starts[rows] - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
        is_item = (
            known[events] & (frame.items[events] >= 1) & (frame.items[events] < len(self.decoding.first_sale_times) - 1)
        )
        row = np.repeat(np.arange(len(rows)), lengths)[is_item]
        record_seen_items(held, row, frame.items[events[is_item]].astype(np.int64) - 1)
        return held

    def sample_items(
        self, states: Tensor, times: Ints, held: HeldItems, index: Ints, u: npt.NDArray[np.float64]
    ) -> Ints:
        """Returns int64 (rows,): an item, from 1, for each state, and adds it to `held` at row `index`."""
        now = self.decoding.clock.direction * times
        own, factor = held[index], self.decoding.repeat_factor
        if self.is_truncated:
            logits = truncate_logits(
                (states @ self.vectors[:, :-1].T + self.vectors[:, -1]).cpu(), self.decoding.top_k, self.decoding.top_p
            )
            is_held = np.zeros((len(now), logits.shape[1] if own.shape[1] else 0), np.uint8)
            row, at = np.nonzero(own >= 0)
            is_held[row, own[row, at]] = 1
            first_sale_times = self.decoding.first_sale_times[1:-1]
            items: Ints = sample_from_logits(logits.numpy(), first_sale_times, now, is_held, factor, u)
        else:
            items = sample_from_states(self.shelves, states.cpu().numpy().astype(np.float32), now, own, factor, u)
        record_seen_items(held, index, items)
        return items + 1


def truncate_logits(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Returns logits, minus infinity outside the top `top_k` items (0: all) and the smallest set of mass `top_p`."""
    best, order = logits.sort(dim=1, descending=True, stable=True)
    shares = torch.softmax(best, dim=1)
    best[shares.cumsum(dim=1) - shares >= top_p] = -torch.inf
    best[:, top_k or best.shape[1] :] = -torch.inf
    return torch.full_like(logits, -torch.inf).scatter_(1, order, best)
