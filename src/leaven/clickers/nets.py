"""Which nets predict clicks: the MLP of the textbooks, and a strong peer?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven import seeds
from leaven.clickers.encoding import Encoding, two_classes
from leaven.contracts import ClickTraining
from leaven.data.samples import Samples
from leaven.errors import DataError, SpecError

if TYPE_CHECKING:
    from leaven.nets.clicks import ClickNet, ClickShape, Table

_WEIGHTS, _COURSE = "clicks.safetensors", "course.json"
MEASURE = ("minus_valid_log_loss", "minus valid log loss")


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

    def __post_init__(self) -> None:
        _check("mlp", self)

    def fit(self, train: Samples, training: ClickTraining) -> NetModel:
        """Learns from the rows, stops early on `training.valid` where it is given.

        Raises FitError for one class only, or a loss that is no finite number.
        """
        return _fit(_Recipe("mlp", asdict(self), crosses=0, weight_decay=0.0, rate_falls=False), train, training)

    @classmethod
    def load(cls, folder: Path) -> NetModel:
        """What `save` wrote; DataError where it is not there."""
        return _load(folder)


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

    def __post_init__(self) -> None:
        _check("cross", self)

    def fit(self, train: Samples, training: ClickTraining) -> NetModel:
        """Learns from the rows, stops early on `training.valid` where it is given.

        Raises FitError for one class only, or a loss that is no finite number.
        """
        return _fit(_Recipe("cross", asdict(self), self.crosses, self.weight_decay, rate_falls=True), train, training)

    @classmethod
    def load(cls, folder: Path) -> NetModel:
        """What `save` wrote; DataError where it is not there."""
        return _load(folder)


@dataclass(frozen=True)
class _Recipe:
    """What both nets are made from. wish: the fields of the one that was asked for."""

    kind: str
    wish: Mapping[str, Any]
    crosses: int
    weight_decay: float
    rate_falls: bool

    def net(self, encoding: Encoding, key: int) -> ClickNet:
        import torch

        from leaven.nets.clicks import ClickNet, ClickShape

        levels = tuple(len(encoding.levels[name]) for name in encoding.categorical)
        wish = self.wish
        shape: ClickShape = ClickShape(
            encoding.width, levels, wish["embedding"], tuple(wish["hidden"]), self.crosses, wish["dropout"]
        )
        return ClickNet(shape, torch.Generator().manual_seed(key))


@dataclass(frozen=True, eq=False)
class NetModel:
    """A trained net. curve: one record a look; facts: seconds, steps, targets, peak_mb, stopped."""

    recipe: _Recipe
    encoding: Encoding
    net: ClickNet
    curve: Sequence[Mapping[str, float]]
    facts: Mapping[str, Any]

    def predict(self, rows: Samples) -> npt.NDArray[np.float64]:
        """float64 (rows,) in 0..1."""
        from leaven.nets.clicks import answers

        if not len(rows):
            return np.zeros(0)
        return np.asarray(answers(self.net, _table(self.encoding, rows)).sigmoid().numpy(), np.float64)

    def save(self, folder: Path) -> None:
        """Weights, wish and encoding in one file, how training went in another."""
        from leaven.nets.checkpoint import write

        write(folder / _WEIGHTS, self.net.state_dict(), {**asdict(self.recipe), "encoding": self.encoding.said()})
        part = folder / f"{_COURSE}.part"
        part.write_text(json.dumps({"curve": list(self.curve), "facts": dict(self.facts)}))
        part.replace(folder / _COURSE)


def _fit(recipe: _Recipe, train: Samples, training: ClickTraining) -> NetModel:
    from leaven.nets.clicks import Clicks
    from leaven.nets.training import Course
    from leaven.nets.training import train as go

    two_classes(train)
    wish = recipe.wish
    encoding = Encoding.fit(train, wish["fewest_rows"])
    net = recipe.net(encoding, seeds.key(training.key, "begin"))
    an_epoch = -(-len(train) // wish["batch"])
    steps = training.steps or max(round(wish["epochs"] * an_epoch), 1)
    valid = None if training.valid is None else _table(encoding, training.valid)
    refreshed = training.refresh
    refresh = None if refreshed is None else lambda epoch, progress: _table(encoding, refreshed(epoch, progress))
    task = Clicks(net, _table(encoding, train), wish["batch"], training.key, valid, refresh)
    said = json.dumps([recipe.kind, dict(wish), training.key, steps, len(train)])
    course = Course(
        key=training.key,
        steps=steps,
        learning_rate=wish["learning_rate"],
        weight_decay=recipe.weight_decay,
        warm_up_steps=100 if recipe.rate_falls else 0,
        rate_falls=recipe.rate_falls,
        measure=MEASURE,
        look_every=max(an_epoch // 4, 1),
        patience=wish["patience"] if training.steps is None else None,
        device=wish["device"],
        precision="32-true",
        mark=hashlib.blake2b(said.encode(), digest_size=8).hexdigest(),
        folder=training.folder,
        tell=training.tell,
    )
    outcome = go(task, course)
    return NetModel(recipe, encoding, net, outcome.curve, outcome.facts)


def _table(encoding: Encoding, rows: Samples) -> Table:
    from leaven.nets.clicks import Table

    return Table.of(encoding.numbers(rows), encoding.codes(rows), rows.label, rows.weight)


def _load(folder: Path) -> NetModel:
    from leaven.nets.checkpoint import read

    if not (folder / _WEIGHTS).is_file():
        raise DataError(str(folder), "a fitted click net", "none", "fit it again")
    weights, said = read(folder / _WEIGHTS)
    encoding = Encoding.of(said["encoding"])
    recipe = _Recipe(**{one.name: said[one.name] for one in fields(_Recipe)})
    net = recipe.net(encoding, 0)
    net.load_state_dict(weights)
    course = json.loads((folder / _COURSE).read_text())
    return NetModel(recipe, encoding, net.eval(), course["curve"], course["facts"])


def _check(kind: str, wish: Mlp | CrossNet) -> None:
    """SpecError for a field out of bounds."""
    if not wish.hidden or min(wish.hidden) < 1:
        raise SpecError(f"{kind}.hidden", "one width or more, each 1 or more", str(wish.hidden), "")
    for name in ("embedding", "batch", "epochs", "learning_rate", "fewest_rows"):
        if not getattr(wish, name) > 0:
            raise SpecError(f"{kind}.{name}", "more than 0", str(getattr(wish, name)), "")
    if not 0 <= wish.dropout < 1:
        raise SpecError(f"{kind}.dropout", "0 or more, less than 1", str(wish.dropout), "")
