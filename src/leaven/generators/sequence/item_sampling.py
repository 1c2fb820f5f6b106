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

from leaven.generators.sequence.sequence_scaffold import Frame
from leaven.kernels.categorical_sampling import picked
from leaven.kernels.inter_event_times import Clock
from leaven.kernels.softmax_sampling import hold, pointed, shelves_of

Ints = npt.NDArray[np.int64]
Held = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Pen:
    """Decoding parameters next to the net.

    born       int64 (items + 2,)  first second of sale of each item
    knots      int64 (knots,)      times between which time embeddings are interpolated
    keep_seen  factor on the probability of items that the row already holds: 1 no change, 0 impossible
    length     maximum number of inputs that the net was trained on
    lift       float64 (items,)    added to item logits, to match the popularity of real rows
    """

    clock: Clock
    born: Ints
    knots: Ints
    keep_seen: float
    temperature: float
    top_k: int
    top_p: float
    length: int
    lift: npt.NDArray[np.float64]

    def between_knots(self, times: Ints) -> Tensor:
        """Returns float64: times as positions between knots."""
        return torch.from_numpy(np.interp(times, self.knots, np.arange(len(self.knots))))


class Drawer:
    """Draws items from states; vectors float64 (items, width + 1): item weights and bias."""

    def __init__(self, pen: Pen, vectors: Tensor) -> None:
        self.pen, self.vectors = pen, vectors / pen.temperature
        self.vectors[:, -1] += torch.from_numpy(pen.lift).to(vectors)
        self.is_truncated = bool(pen.top_k) or pen.top_p < 1.0
        weights = self.vectors.cpu().numpy()
        self.shelves = shelves_of(weights[:, :-1], weights[:, -1], pen.born[1:-1])

    def held(self, frame: Frame, rows: Ints, known: npt.NDArray[np.bool_]) -> Held:
        """Returns int32 (rows, max): the items, from 0, that these scaffold rows hold; known bool (events,)."""
        lengths = np.diff(frame.starts)[rows]
        held = np.full((len(rows), int(lengths.max()) if self.pen.keep_seen < 1.0 else 0), -1, np.int32)
        events = np.repeat(frame.starts[rows] - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
        is_item = known[events] & (frame.items[events] >= 1) & (frame.items[events] < len(self.pen.born) - 1)
        row = np.repeat(np.arange(len(rows)), lengths)[is_item]
        hold(held, row, frame.items[events[is_item]].astype(np.int64) - 1)
        return held

    def items(self, states: Tensor, times: Ints, held: Held, index: Ints, u: npt.NDArray[np.float64]) -> Ints:
        """Returns int64 (rows,): an item, from 1, for each state, and adds it to `held` at row `index`."""
        now = self.pen.clock.sign * times
        draw = self._sample_truncated if self.is_truncated else self._sample_all
        items = draw(states, now, held[index], u)
        hold(held, index, items)
        return items + 1

    def _sample_all(self, states: Tensor, now: Ints, held: Held, u: npt.NDArray[np.float64]) -> Ints:
        return pointed(self.shelves, states.cpu().numpy().astype(np.float32), now, held, self.pen.keep_seen, u)

    def _sample_truncated(self, states: Tensor, now: Ints, held: Held, u: npt.NDArray[np.float64]) -> Ints:
        logits = cut((states @ self.vectors[:, :-1].T + self.vectors[:, -1]).cpu(), self.pen.top_k, self.pen.top_p)
        is_held = np.zeros((len(now), logits.shape[1] if held.shape[1] else 0), np.uint8)
        row, at = np.nonzero(held >= 0)
        is_held[row, held[row, at]] = 1
        items: Ints = picked(logits.numpy(), self.pen.born[1:-1], now, is_held, self.pen.keep_seen, u)
        return items


def cut(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Returns logits, minus infinity outside the top `top_k` items (0: all) and the smallest set of mass `top_p`."""
    best, order = logits.sort(dim=1, descending=True, stable=True)
    shares = torch.softmax(best, dim=1)
    best[shares.cumsum(dim=1) - shares >= top_p] = -torch.inf
    best[:, top_k or best.shape[1] :] = -torch.inf
    return torch.full_like(logits, -torch.inf).scatter_(1, order, best)
