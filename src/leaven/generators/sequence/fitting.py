"""How does a net learn rows, and with what does it write afterwards?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from leaven import rng
from leaven.datasets.histories import Histories, offsets
from leaven.generators.sequence.decoder import Batch, Decoder, NextEvent, batch_of
from leaven.generators.sequence.item_sampling import Pen
from leaven.kernels.first_seen import NEVER, first_days
from leaven.kernels.inter_event_times import clock_of, small_codes
from leaven.nn import sequence_packing, training
from leaven.nn.sequence_encoder import Shape
from leaven.nn.sequence_packing import Stretches
from leaven.progress import Tell, quiet

Ints = npt.NDArray[np.int64]
Curve = list[dict[str, float]]
States = Callable[[Stretches, Batch], torch.Tensor]

_KNOTS = 32
_MOST_JUDGES = 2_000
_FEWEST_ROWS = 200  # below, all rows learn and none judges
_EPOCHS = 20
_STEPS = (200, 40_000)
_LOOKS = 20
_PATIENCE = 4


class Size(Protocol):
    """The fields of a wish that say how large its net is."""

    @property
    def width(self) -> int: ...
    @property
    def layers(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def dropout(self) -> float: ...
    @property
    def length(self) -> int: ...


class Lesson(Protocol):
    """The fields of a wish that say how its net is trained."""

    @property
    def steps(self) -> int | None: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def batch_events(self) -> int: ...
    @property
    def device(self) -> str: ...


class Taste(Protocol):
    """The fields of a wish that say how its rows are drawn."""

    @property
    def length(self) -> int: ...
    @property
    def temperature(self) -> float: ...
    @property
    def top_k(self) -> int: ...
    @property
    def top_p(self) -> float: ...


class Wish(Size, Lesson, Protocol):
    """The fields of a wish for a decoder."""

    @property
    def cell(self) -> str: ...


@dataclass(frozen=True, eq=False)
class Ground:
    """What a net learns from and is judged by: rows without masked events, each behind the id of the mask.

    rows   as they were given, mirrored where the net shall write backwards
    judge  a few rows that decide when to stop; none where there are few rows
    knots  int64 (knots,): times between which the net's time vectors lie
    """

    rows: Histories
    learning: Histories
    judge: Histories
    knots: Ints

    @property
    def looked_at(self) -> Histories:
        """The judging rows, or some of the others where there are none."""
        return self.judge if len(self.judge) else self.learning.slice(0, min(len(self.learning), _MOST_JUDGES))

    @property
    def counts(self) -> torch.Tensor:
        """float32 (items,): how often each item was taken."""
        found = np.bincount(self.rows.items, minlength=self.rows.n_items + 2)[1 : self.rows.n_items + 1]
        return torch.from_numpy(found.astype(np.float32))


def ground_of(rows: Histories, key: int) -> Ground:
    """The rows parted by their keys."""
    judging = _judges(rows, key)
    knots = np.unique(np.quantile(rows.times, np.linspace(0, 1, _KNOTS), method="inverted_cdf")).astype(np.int64)
    return Ground(rows, begun(rows.take(~judging)), begun(rows.take(judging)), knots)


def shape_of(wish: Size, n_items: int) -> Shape:
    """The sizes of a wish's net."""
    return Shape(n_items, wish.width, wish.layers, wish.heads, 4 * wish.width, wish.length, wish.dropout)


def course_of(wish: Lesson, ground: Ground, key: int, tell: Tell = quiet) -> training.Course:
    """How the training of a likelihood goes: some epochs, and less where the judging rows get no likelier."""
    targets = int(ground.learning.targets.sum())
    steps = wish.steps or int(np.clip(_EPOCHS * targets / wish.batch_events, *_STEPS))
    return training.Course(
        key=rng.key(key, "training"),
        steps=steps,
        learning_rate=wish.learning_rate,
        measure=("valid_log_likelihood", "valid log likelihood of an event"),
        look_every=max(steps // _LOOKS, 1),
        patience=_PATIENCE,
        device=wish.device,
        precision="32-true",
        tell=tell,
    )


def decoder_of(wish: Wish, ground: Ground, key: int) -> Decoder:
    """A net before its training."""
    chance = torch.Generator().manual_seed(rng.key(key, "weights"))
    shape = shape_of(wish, ground.rows.n_items)
    return Decoder(shape, wish.cell, len(ground.knots), ground.counts, chance)


def learned(wish: Wish, ground: Ground, key: int, tell: Tell = quiet) -> tuple[Decoder, Curve]:
    """A net trained on the likelihood of each next item, and how that went."""
    net = decoder_of(wish, ground, key)
    rows = (ground.learning, ground.judge, ground.knots)
    task = NextEvent(net, *rows, wish.length, wish.batch_events, rng.key(key, "rows"))
    return net, training.train(task, course_of(wish, ground, key, tell)).curve


def pen_of(wish: Taste, train: Histories, ground: Ground, keep_seen: float, by_category: bool = True) -> Pen:
    """What the net of a wish writes with; ground.rows are `train`, or `train` mirrored."""
    category = train.catalog.category if train.catalog is not None and by_category else None
    codes = small_codes(category, train.items, train.n_items)
    rows = ground.rows
    clock = clock_of(rows.items, rows.times, rows.starts, codes, -1 if rows is not train else 1)
    cuts = (wish.temperature, wish.top_k, wish.top_p)
    return Pen(clock, _born(train), ground.knots, keep_seen, *cuts, wish.length, np.zeros(train.n_items))


def begun(rows: Histories) -> Histories:
    """The rows without masked events, each behind the id of the mask, which begins it and tells its first item too."""
    place = np.flatnonzero(rows.items <= rows.n_items)
    row = rows.row_of_event()[place]
    lengths = np.bincount(row, minlength=len(rows)) + 1
    starts = offsets(lengths)
    items, times = np.full(starts[-1], rows.mask_id, np.int32), np.zeros(starts[-1], np.int64)
    spot = np.arange(len(place)) + row + 1
    items[spot], times[spot] = rows.items[place], rows.times[place]
    return replace(rows, starts=starts, items=items, times=times, targets=(lengths - 1).astype(np.int32), extra={})


def _judges(rows: Histories, key: int) -> npt.NDArray[np.bool_]:
    """bool (rows,): a twentieth of the rows, by their keys, which judge when to stop."""
    drawn = rng.uniform(rng.row_keys(rng.key(key, "judges"), rows.keys), 0)
    share = min(0.05, _MOST_JUDGES / max(len(rows), 1)) if len(rows) >= _FEWEST_ROWS else 0.0
    return np.asarray(drawn < share)


def _born(train: Histories) -> Ints:
    """int64 (items + 2,): first second of sale of each item that training saw; NEVER for others."""
    stated = train.catalog.born if train.catalog is not None else None
    born = first_days(train.items, train.times, train.n_items, stated)
    return np.where(np.bincount(train.items, minlength=len(born)) > 0, born, NEVER)


@torch.inference_mode()
def keep_seen_by(net: Decoder, ground: Ground, length: int, states: States | None = None) -> float:
    """The chance to keep an item that a row already holds, so that repeats are as frequent as in real rows.

    states: of a batch's targets, where they need more than the batch.
    """
    rows = ground.looked_at
    stretches, vectors = sequence_packing.training_stretches(rows, length), net.vectors()
    count = Repeats()
    step = max(4_000_000 // (net.shape.n_items * length), 1)
    for first in range(0, min(len(stretches), 20 * step), step):
        part = stretches.take(np.arange(first, min(first + step, len(stretches))))
        batch = batch_of(part, ground.knots)
        found = net(batch) if states is None else states(part, batch)
        shares = torch.softmax(found @ vectors[:, :-1].T + vectors[:, -1], dim=1)
        held = torch.cat([_held(inputs, net.shape.n_items)[aim] for inputs, aim in batch.groups])
        count.add(shares, held, batch.targets)
    return count.factor


@dataclass
class Repeats:
    """How often an item comes that its row already holds, beside how often a net expects it."""

    real: float = 0.0
    expected: float = 0.0
    targets: int = 0

    def add(self, shares: torch.Tensor, held: torch.Tensor, targets: torch.Tensor) -> None:
        """shares, held float32 (targets, items): what the net expects, 1 for what the row holds; targets from 1."""
        self.expected += float((shares * held).sum())
        self.real += float(held.gather(1, targets[:, None] - 1).sum())
        self.targets += len(targets)

    @property
    def factor(self) -> float:
        """By how much a held item's share must change, at most 1."""
        real, expected = self.real / max(self.targets, 1), self.expected / max(self.targets, 1)
        if real >= 0.9 * expected or real >= 1.0:
            return 1.0
        return real * (1 - expected) / (expected * (1 - real))


def _held(inputs: torch.Tensor, n_items: int) -> torch.Tensor:
    """float32 (rows, places, items): 1 where a row holds an item at this place or before."""
    taken = torch.zeros(*inputs.shape, n_items + 2)
    taken.scatter_(2, inputs[:, :, None], 1.0)
    return taken.cumsum(1).clamp_(max=1.0)[:, :, 1 : n_items + 1]
