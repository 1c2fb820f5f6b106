"""How does a decoder learn its rows, and how is it kept?"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from leaven import seeds
from leaven.data.histories import Histories
from leaven.errors import DataError
from leaven.generators.decoder import Decoder, NextEvent, batch_of
from leaven.generators.drawing import Pen
from leaven.generators.frame import Frames
from leaven.generators.privacy import Privacy
from leaven.kernels.births import NEVER, first_days
from leaven.kernels.gaps import Clock, clock_of, small_codes
from leaven.nets import checkpoint, packs, training
from leaven.nets.layers import Shape

Ints = npt.NDArray[np.int64]
Curve = list[dict[str, float]]

_KNOTS = 32
_MOST_JUDGES = 2_000
_FEWEST_ROWS = 200  # below, all rows learn and none judges
_EPOCHS = 20
_STEPS = (200, 40_000)
_LOOKS = 20
_PATIENCE = 4


class Wish(Protocol):
    """The fields of a wish for a decoder that its training reads."""

    @property
    def cell(self) -> str: ...
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
    @property
    def steps(self) -> int | None: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def batch_events(self) -> int: ...
    @property
    def device(self) -> str: ...
    @property
    def temperature(self) -> float: ...
    @property
    def top_k(self) -> int: ...
    @property
    def top_p(self) -> float: ...
    @property
    def privacy(self) -> Privacy | None: ...


def learned(wish: Wish, rows: Histories, train: Histories, key: int) -> tuple[Decoder, Pen, Curve]:
    """A net, what it writes with, and how its training went.

    rows: `train`, or `train` mirrored, where the net shall write backwards.
    """
    if wish.privacy is not None:
        return _privately(wish, wish.privacy, rows, train, key)
    judging = _judges(rows, key)
    knots = np.unique(np.quantile(rows.times, np.linspace(0, 1, _KNOTS), method="inverted_cdf")).astype(np.int64)
    learning, judge = begun(rows.take(~judging)), begun(rows.take(judging))
    net = _net(wish, rows, knots, key)
    task = NextEvent(net, learning, judge, knots, wish.length, wish.batch_events, seeds.key(key, "rows"))
    targets = int(learning.targets.sum())
    steps = wish.steps or int(np.clip(_EPOCHS * targets / wish.batch_events, *_STEPS))
    course = training.Course(
        key=seeds.key(key, "training"),
        steps=steps,
        learning_rate=wish.learning_rate,
        look_every=max(steps // _LOOKS, 1),
        patience=_PATIENCE,
        device=wish.device,
        precision="32-true",
    )
    outcome = training.train(task, course)
    look = judge if len(judge) else learning.slice(0, min(len(learning), _MOST_JUDGES))
    kept = _keep_seen(net, look, knots, wish.length)
    return net, _pen(wish, rows, train, knots, _born(train), kept), [_renamed(record) for record in outcome.curve]


def _pen(wish: Wish, rows: Histories, train: Histories, knots: Ints, born: Ints, keep_seen: float) -> Pen:
    category = train.catalog.category if train.catalog is not None else None
    codes = small_codes(category, train.items, train.n_items)
    clock = clock_of(rows.items, rows.times, rows.starts, codes, -1 if rows is not train else 1)
    return Pen(clock, born, knots, keep_seen, wish.temperature, wish.top_k, wish.top_p, wish.length)


def _privately(wish: Wish, privacy: Privacy, rows: Histories, train: Histories, key: int) -> tuple[Decoder, Pen, Curve]:
    """Nothing that chooses items is counted: frequencies, judging rows, shares of repeats, first days stay unknown."""
    from leaven.generators import private

    knots = private.public_knots(rows, _KNOTS)
    net = _net(wish, replace(rows, items=rows.items[:0]), knots, key)
    curve = private.learn(net, begun(rows), knots, wish, privacy, seeds.key(key, "private"))
    born = np.full(train.n_items + 2, int(train.times.min()), np.int64)
    return net.eval(), _pen(wish, rows, train, knots, born, 1.0), curve


def begun(rows: Histories) -> Histories:
    """The rows without masked events, each behind the id of the mask, which begins it and tells its first item too."""
    place = np.flatnonzero(rows.items <= rows.n_items)
    row = rows.row_of_event()[place]
    lengths = np.bincount(row, minlength=len(rows)) + 1
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    items, times = np.full(starts[-1], rows.mask_id, np.int32), np.zeros(starts[-1], np.int64)
    spot = np.arange(len(place)) + row + 1
    items[spot], times[spot] = rows.items[place], rows.times[place]
    return replace(rows, starts=starts, items=items, times=times, targets=(lengths - 1).astype(np.int32), extra={})


def _judges(rows: Histories, key: int) -> npt.NDArray[np.bool_]:
    """bool (rows,): a twentieth of the rows, by their keys, which judge when to stop."""
    drawn = seeds.uniform(seeds.row_keys(seeds.key(key, "judges"), rows.keys), 0)
    share = min(0.05, _MOST_JUDGES / max(len(rows), 1)) if len(rows) >= _FEWEST_ROWS else 0.0
    return np.asarray(drawn < share)


def _net(wish: Wish, rows: Histories, knots: Ints, key: int) -> Decoder:
    shape = Shape(rows.n_items, wish.width, wish.layers, wish.heads, 4 * wish.width, wish.length, wish.dropout)
    counts = np.bincount(rows.items, minlength=rows.n_items + 2)[1 : rows.n_items + 1].astype(np.float32)
    chance = torch.Generator().manual_seed(seeds.key(key, "weights"))
    return Decoder(shape, wish.cell, len(knots), torch.from_numpy(counts), chance)


def _born(train: Histories) -> Ints:
    """int64 (items + 2,): first second of sale of each item that training saw; NEVER for others."""
    stated = train.catalog.born if train.catalog is not None else None
    born = first_days(train.items, train.times, train.n_items, stated)
    return np.where(np.bincount(train.items, minlength=len(born)) > 0, born, NEVER)


@torch.inference_mode()
def _keep_seen(net: Decoder, rows: Histories, knots: Ints, length: int) -> float:
    """The chance to keep an item that a row already holds, so that repeats are as frequent as in these rows."""
    real, expected, targets = 0.0, 0.0, 0
    stretches = packs.training_stretches(rows, length)
    vectors = net.vectors()
    step = max(4_000_000 // (net.shape.n_items * length), 1)
    for first in range(0, min(len(stretches), 20 * step), step):
        part = stretches.take(np.arange(first, min(first + step, len(stretches))))
        batch = batch_of(part, knots)
        shares = torch.softmax(net(batch) @ vectors[:, :-1].T + vectors[:, -1], dim=1)
        held = torch.cat([_held(inputs, net.shape.n_items)[aim] for inputs, aim in batch.groups])
        expected += float((shares * held).sum())
        real += float(held.gather(1, batch.targets[:, None] - 1).sum())
        targets += len(batch.targets)
    real, expected = real / max(targets, 1), expected / max(targets, 1)
    if real >= 0.9 * expected or real >= 1.0:
        return 1.0
    return real * (1 - expected) / (expected * (1 - real))


def _held(inputs: torch.Tensor, n_items: int) -> torch.Tensor:
    """float32 (rows, places, items): 1 where a row holds an item at this place or before."""
    taken = torch.zeros(*inputs.shape, n_items + 2)
    taken.scatter_(2, inputs[:, :, None], 1.0)
    return taken.cumsum(1).clamp_(max=1.0)[:, :, 1 : n_items + 1]


def _renamed(record: dict[str, float]) -> dict[str, float]:
    """The loop calls what a task looks at an NDCG; here it is a likelihood."""
    return {{"valid_ndcg": "valid_log_likelihood"}.get(name, name): value for name, value in record.items()}


def keep(path: Path, wish: dict[str, Any], net: Decoder, pen: Pen, frames: Frames, curve: Any) -> None:
    """Everything in one file, which is whole or not there."""
    arrays = {"born": pen.born, "knots": pen.knots, "first_law": frames.first_law}
    arrays |= {f"clock.{name}": value for name, value in pen.clock._asdict().items() if isinstance(value, np.ndarray)}
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    tensors |= {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
    said = {
        "wish": wish,
        "shape": asdict(net.shape),
        "clock": {"limit": pen.clock.limit, "sign": pen.clock.sign},
        "keep_seen": pen.keep_seen,
        "frames": {"backwards": frames.backwards, "columns": dict(frames.columns), "n_items": frames.n_items},
        "curve": [dict(record) for record in curve],
    }
    checkpoint.write(path, tensors, said)


def restored(kind: Any, path: Path) -> tuple[Any, Decoder, Pen, Frames, Curve]:
    """(wish, net, pen, frames, curve) as `keep` got them; kind: the wish's class.

    Raises DataError where the file is missing or another.
    """
    tensors, said = checkpoint.read(path)
    if "wish" not in said:
        raise DataError(str(path), "a saved generator", "another file of weights", "save one there first")
    wish = kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in said["wish"].items()})
    parts = {name: tensor.numpy() for name, tensor in tensors.items() if not name.startswith("net.")}
    arrays: dict[str, Any] = {
        name.removeprefix("clock."): value for name, value in parts.items() if name.startswith("clock.")
    }
    clock = Clock(**arrays, **said["clock"])
    shape = Shape(**said["shape"])
    counts = torch.ones(shape.n_items)
    net = Decoder(shape, wish.cell, len(parts["knots"]), counts, torch.Generator())
    net.load_state_dict({name.removeprefix("net."): t for name, t in tensors.items() if name.startswith("net.")})
    cuts = (wish.temperature, wish.top_k, wish.top_p)
    pen = Pen(clock, parts["born"], parts["knots"], said["keep_seen"], *cuts, wish.length)
    return wish, net.eval(), pen, Frames(first_law=parts["first_law"], **said["frames"]), said["curve"]
