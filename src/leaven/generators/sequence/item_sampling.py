"""Which item does a draw choose, given what a net says?

States are in double precision, so that a row's differ between batches by less than any draw can tell; what follows
reads each row by itself. Rows then have the same bytes however they are batched.
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
    """What is needed to write, beside the net.

    born       int64 (items + 2,)  first second of sale of each item
    knots      int64 (knots,)      times between which the net's time vectors lie
    keep_seen  how much less likely an item becomes that the row already holds: 1 not at all, 0 impossible
    length     most inputs that the net has learned to read
    lift       float64 (items,)    what is added to the items' logits, so that popular ones come as often as they should
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
        """float64: times as places between knots."""
        return torch.from_numpy(np.interp(times, self.knots, np.arange(len(self.knots))))


class Drawer:
    """Items drawn from states; vectors float64 (items, width + 1): against a state and a 1, the logit of each item."""

    def __init__(self, pen: Pen, vectors: Tensor) -> None:
        self.pen, self.vectors = pen, vectors / pen.temperature
        self.vectors[:, -1] += torch.from_numpy(pen.lift).to(vectors)
        self.cut = bool(pen.top_k) or pen.top_p < 1.0
        told = self.vectors.cpu().numpy()
        self.shelves = shelves_of(told[:, :-1], told[:, -1], pen.born[1:-1])

    def held(self, frame: Frame, rows: Ints, known: npt.NDArray[np.bool_]) -> Held:
        """int32 (rows, most): the items, from 0, that these rows of a frame hold; known bool (events,): by now."""
        lengths = np.diff(frame.starts)[rows]
        held = np.full((len(rows), int(lengths.max()) if self.pen.keep_seen < 1.0 else 0), -1, np.int32)
        events = np.repeat(frame.starts[rows] - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
        there = known[events] & (frame.items[events] >= 1) & (frame.items[events] < len(self.pen.born) - 1)
        row = np.repeat(np.arange(len(rows)), lengths)[there]
        hold(held, row, frame.items[events[there]].astype(np.int64) - 1)
        return held

    def items(self, states: Tensor, times: Ints, held: Held, place: Ints, u: npt.NDArray[np.float64]) -> Ints:
        """int64 (rows,): an item, from 1, for each state; place: where the rows stand in `held`, which grows."""
        now = self.pen.clock.sign * times
        found = self._of_few(states, now, held[place], u) if self.cut else self._of_all(states, now, held[place], u)
        hold(held, place, found)
        return found + 1

    def _of_all(self, states: Tensor, now: Ints, held: Held, u: npt.NDArray[np.float64]) -> Ints:
        return pointed(self.shelves, states.cpu().numpy().astype(np.float32), now, held, self.pen.keep_seen, u)

    def _of_few(self, states: Tensor, now: Ints, held: Held, u: npt.NDArray[np.float64]) -> Ints:
        logits = cut((states @ self.vectors[:, :-1].T + self.vectors[:, -1]).cpu(), self.pen.top_k, self.pen.top_p)
        taken = np.zeros((len(now), logits.shape[1] if held.shape[1] else 0), np.uint8)
        row, at = np.nonzero(held >= 0)
        taken[row, held[row, at]] = 1
        found: Ints = picked(logits.numpy(), self.pen.born[1:-1], now, taken, self.pen.keep_seen, u)
        return found


def cut(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Minus infinity for all but the likeliest items: so many (0: all), the fewest that hold `top_p` of the mass."""
    best, order = logits.sort(dim=1, descending=True, stable=True)
    shares = torch.softmax(best, dim=1)
    best[shares.cumsum(dim=1) - shares >= top_p] = -torch.inf
    best[:, top_k or best.shape[1] :] = -torch.inf
    return torch.full_like(logits, -torch.inf).scatter_(1, order, best)
