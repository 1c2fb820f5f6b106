"""Which nets predict clicks: the MLP of the textbooks, and a strong peer?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.ctr_models.encoding import Encoding, two_classes
from leaven.datasets.sample_files import SampleFiles
from leaven.datasets.samples import Samples
from leaven.errors import DataError, SpecError
from leaven.protocols import Say, Training, Watch

if TYPE_CHECKING:
    from leaven.nn.ctr import Batches, ClickNet, Table

_WEIGHTS, _COURSE = "clicks.safetensors", "course.json"
WINDOW_ROWS, SAMPLED_ROWS = 262_144, 500_000
"""Rows of files that lie in memory at once; rows by which columns are sized and names coded."""
MEASURE = ("minus_valid_log_loss", "minus valid log loss")


class NetWish(Protocol):
    """What both wishes say; their classes differ by fields and defaults alone."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def hidden(self) -> tuple[int, ...]: ...
    @property
    def embedding(self) -> int: ...
    @property
    def crosses(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def epochs(self) -> float: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def rate_falls(self) -> bool: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def dropout(self) -> float: ...
    @property
    def fewest_rows(self) -> int: ...
    @property
    def patience(self) -> int | None: ...
    @property
    def device(self) -> str: ...


def _fit(wish: NetWish, train: Samples | SampleFiles, training: Training) -> NetModel:
    """Learns from the rows, stops early on `training.valid` where it is given.

    Rows that stay in their files are read window by window in every epoch; columns are then sized, and names coded,
    by an even sample of the rows.

    Raises FitError for one class only, or a loss that is no finite number.
    """
    from leaven.nn.ctr import Clicks
    from leaven.nn.training import Course
    from leaven.nn.training import train as go

    seen = train.sampled(SAMPLED_ROWS) if isinstance(train, SampleFiles) else train
    two_classes(seen)
    encoding = Encoding.fit(seen, wish.fewest_rows)
    net = _net(wish, encoding, rng.key(training.key, "begin"))
    steps = training.steps or _steps(wish, train)
    valid = None if training.valid is None else _table(encoding, training.valid)
    task = Clicks(net, _epochs(encoding, train, wish.batch, training), valid)
    said = json.dumps([type(wish).__name__, asdict(wish), training.key, steps, len(train)])
    course = Course(
        key=training.key,
        steps=steps,
        learning_rate=wish.learning_rate,
        weight_decay=wish.weight_decay,
        warm_up_steps=100 if wish.rate_falls else 0,
        rate_falls=wish.rate_falls,
        measure=MEASURE,
        look_every=max(_an_epoch(wish, train) // 4, 1),
        patience=wish.patience if training.steps is None else None,
        device=wish.device,
        precision="32-true",
        mark=hashlib.blake2b(said.encode(), digest_size=8).hexdigest(),
        folder=training.folder,
        tell=training.tell,
        watch=None if training.watch is None else _Shown(training.watch, steps, encoding),
    )
    outcome = go(task, course)
    return NetModel(wish, encoding, net, outcome.curve, outcome.facts)


class _Shown:
    """A net at a look as the losses of the rows that a watch wants to see."""

    def __init__(self, watch: Watch, steps: int, encoding: Encoding) -> None:
        assert isinstance(watch.users, Samples)
        self.watch, self.steps, self.rows = watch, steps, _table(encoding, watch.users)
        self.memory, self.recall = watch.memory, watch.recall

    def look(self, net: Any, step: int) -> Say:
        """As the watch says."""
        from leaven.nn.ctr import losses

        return self.watch.look(step, step / self.steps, losses(net, self.rows))


def _epochs(
    encoding: Encoding, train: Samples | SampleFiles, batch: int, training: Training
) -> Callable[[int, float], Batches]:
    """(epoch, progress) -> its batches: of the rows in memory, of fresh ones, or of those in files."""
    from leaven.nn.ctr import Batches

    still = None if isinstance(train, SampleFiles) or training.refresh is not None else _table(encoding, train)

    def batches(epoch: int, progress: float) -> Batches:
        key = rng.key(training.key, "epoch", epoch)
        if training.refresh is None and isinstance(train, SampleFiles):
            windows = train.windows(WINDOW_ROWS, rng.key(key, "windows"))
            return Batches([(len(one), partial(_read, encoding, one)) for one in windows], batch, key)
        table = still if training.refresh is None else _table(encoding, training.refresh(epoch, progress))
        assert table is not None
        return Batches([(len(table), lambda: table)], batch, key)

    return batches


def _read(encoding: Encoding, window: SampleFiles) -> Table:
    return _table(encoding, window.read())


def _steps(wish: NetWish, train: Samples | SampleFiles) -> int:
    """Optimiser steps that it would take on these rows, if nothing stops it early."""
    return max(round(wish.epochs * _an_epoch(wish, train)), 1)


def _an_epoch(wish: NetWish, train: Samples | SampleFiles) -> int:
    return -(-len(train) // wish.batch)


def _load(cls: Any, folder: Path) -> NetModel:
    """What `save` wrote; DataError where it is not there."""
    from leaven.nn.checkpoint import read

    if not (folder / _WEIGHTS).is_file():
        raise DataError(str(folder), "a fitted click net", "none", "fit it again")
    weights, said = read(folder / _WEIGHTS)
    encoding, wish = Encoding.of(said["encoding"]), cls(**{**said["wish"], "hidden": tuple(said["wish"]["hidden"])})
    net = _net(wish, encoding, 0)
    net.load_state_dict(weights)
    course = json.loads((folder / _COURSE).read_text())
    return NetModel(wish, encoding, net.eval(), course["curve"], course["facts"])


def _check(wish: NetWish) -> None:
    """SpecError for a field out of bounds."""
    kind = type(wish).__name__.lower()
    if not wish.hidden or min(wish.hidden) < 1:
        raise SpecError(f"{kind}.hidden", "one width or more, each 1 or more", str(wish.hidden), "")
    for name in ("embedding", "batch", "epochs", "learning_rate", "fewest_rows"):
        if not getattr(wish, name) > 0:
            raise SpecError(f"{kind}.{name}", "more than 0", str(getattr(wish, name)), "")
    if not 0 <= wish.dropout < 1:
        raise SpecError(f"{kind}.dropout", "0 or more, less than 1", str(wish.dropout), "")


@dataclass(frozen=True)
class Mlp:
    """The wish for the source's net: 512-256-128-1, ReLU, sigmoid, binary cross-entropy, Adam, batches of 32.

    hidden         widths of the layers before the one logit
    embedding      numbers that stand for a category (the source feeds ids in as numbers, which means nothing)
    epochs         passes over the rows at most; patience: looks at validation (four an epoch) without a better one
                   before it stops, None: never. The best weights stay
    learning_rate  Adam's, the same from first step to last
    dropout        none in the source
    fewest_rows    a category with fewer training rows is unknown
    """

    hidden: tuple[int, ...] = (512, 256, 128)
    embedding: int = 8
    batch: int = 32
    epochs: float = 10
    learning_rate: float = 1e-3
    dropout: float = 0.0
    fewest_rows: int = 5
    patience: int | None = 8
    device: str = "auto"
    crosses: ClassVar[int] = 0
    weight_decay: ClassVar[float] = 0.0
    rate_falls: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self)

    fit = _fit
    steps = _steps
    load = classmethod(_load)


@dataclass(frozen=True)
class CrossNet:
    """The wish for a cross network beside a deep one (DCN-V2, Wang and others, WWW 2021, parallel form).

    crosses       layers that multiply the input with itself: products of features up to crosses + 1 at a time
    weight_decay  AdamW's; the learning rate falls in a line to 0

    Other fields as in `Mlp`. Where we differ: no low-rank factors, which only save time.
    """

    hidden: tuple[int, ...] = (256, 128)
    embedding: int = 16
    crosses: int = 2
    batch: int = 256
    epochs: float = 6
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    dropout: float = 0.2
    fewest_rows: int = 10
    patience: int | None = 8
    device: str = "auto"
    rate_falls: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check(self)

    fit = _fit
    steps = _steps
    load = classmethod(_load)


@dataclass(frozen=True, eq=False)
class NetModel:
    """A trained net. curve: one record a look; facts: seconds, steps, targets, peak_mb, stopped."""

    wish: NetWish
    encoding: Encoding
    net: ClickNet
    curve: Sequence[Mapping[str, float]]
    facts: Mapping[str, Any]

    def predict(self, rows: Samples) -> npt.NDArray[np.float64]:
        """float64 (rows,) in 0..1."""
        from leaven.nn.ctr import answers

        if not len(rows):
            return np.zeros(0)
        return np.asarray(answers(self.net, _table(self.encoding, rows)).sigmoid().numpy(), np.float64)

    def save(self, folder: Path) -> None:
        """Weights, wish and encoding in one file, how training went in another."""
        from leaven.nn.checkpoint import write

        said = {"wish": asdict(self.wish), "encoding": self.encoding.said()}
        write(folder / _WEIGHTS, self.net.state_dict(), said)
        part = folder / f"{_COURSE}.part"
        part.write_text(json.dumps({"curve": list(self.curve), "facts": dict(self.facts)}))
        part.replace(folder / _COURSE)


def _net(wish: NetWish, encoding: Encoding, key: int) -> ClickNet:
    import torch

    from leaven.nn.ctr import ClickNet, ClickShape

    levels = tuple(len(encoding.levels[name]) for name in encoding.categorical)
    shape = ClickShape(encoding.width, levels, wish.embedding, tuple(wish.hidden), wish.crosses, wish.dropout)
    return ClickNet(shape, torch.Generator().manual_seed(key))


def _table(encoding: Encoding, rows: Samples) -> Table:
    from leaven.nn.ctr import Table

    return Table.of(encoding.numbers(rows), encoding.codes(rows), rows.label, rows.weight)
