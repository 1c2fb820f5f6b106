"""Neural CTR models: an MLP and DCN-V2."""

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

_WEIGHTS, _TRAINING_LOG = "ctr.safetensors", "training.json"
WINDOW_ROWS, SAMPLED_ROWS = 262_144, 500_000
"""Rows of files in memory at the same time; rows on which the encoding of files is fitted."""
_MEASURE = ("minus_valid_log_loss", "minus valid log loss")


class NeuralConfig(Protocol):
    """The fields of both configs; constants of one are fields of the other."""

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


def _fit(config: NeuralConfig, train: Samples | SampleFiles, training: Training) -> NeuralModel:
    """Trains the network, with early stopping on `training.valid` where it is given.

    Rows in files are read window by window in every epoch; the encoding is then fitted on an even sample of them.

    Raises FitError for one class only, or a loss that is not finite.
    """
    from leaven.nn.ctr import Clicks
    from leaven.nn.training import Course
    from leaven.nn.training import train as run_training

    sample = train.sampled(SAMPLED_ROWS) if isinstance(train, SampleFiles) else train
    two_classes(sample)
    encoding = Encoding.fit(sample, config.fewest_rows)
    net = _build_net(config, encoding, rng.key(training.key, "begin"))
    steps = training.steps or _count_steps(config, train)
    valid = None if training.valid is None else _encode_table(encoding, training.valid)
    task = Clicks(net, _build_epochs(encoding, train, config.batch, training), valid)
    identity = json.dumps([type(config).__name__, asdict(config), training.key, steps, len(train)])
    course = Course(
        key=training.key,
        steps=steps,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        warm_up_steps=100 if config.rate_falls else 0,
        rate_falls=config.rate_falls,
        measure=_MEASURE,
        look_every=max(_count_epoch_steps(config, train) // 4, 1),
        patience=config.patience if training.steps is None else None,
        device=config.device,
        precision="32-true",
        mark=hashlib.blake2b(identity.encode(), digest_size=8).hexdigest(),
        folder=training.folder,
        tell=training.tell,
        watch=None if training.watch is None else _RowLossCallback(training.watch, steps, encoding),
    )
    result = run_training(task, course)
    return NeuralModel(config, encoding, net, result.curve, result.facts)


class _RowLossCallback:
    """Passes the losses of the callback's validation rows to it."""

    def __init__(self, watch: Watch, steps: int, encoding: Encoding) -> None:
        assert isinstance(watch.users, Samples)
        self.watch, self.steps, self.rows = watch, steps, _encode_table(encoding, watch.users)
        self.memory, self.recall = watch.memory, watch.recall

    def look(self, net: Any, step: int) -> Say:
        """The action of the callback."""
        from leaven.nn.ctr import losses

        return self.watch.look(step, step / self.steps, losses(net, self.rows))


def _build_epochs(
    encoding: Encoding, train: Samples | SampleFiles, batch: int, training: Training
) -> Callable[[int, float], Batches]:
    """A function (epoch, progress) -> batches: of the rows in memory, of the rows of the epoch, or of rows in files."""
    from leaven.nn.ctr import Batches

    fixed = None if isinstance(train, SampleFiles) or training.refresh is not None else _encode_table(encoding, train)

    def batches(epoch: int, progress: float) -> Batches:
        key = rng.key(training.key, "epoch", epoch)
        if training.refresh is None and isinstance(train, SampleFiles):
            windows = train.windows(WINDOW_ROWS, rng.key(key, "windows"))
            return Batches([(len(window), partial(_read_window, encoding, window)) for window in windows], batch, key)
        table = fixed if training.refresh is None else _encode_table(encoding, training.refresh(epoch, progress))
        assert table is not None
        return Batches([(len(table), lambda: table)], batch, key)

    return batches


def _read_window(encoding: Encoding, window: SampleFiles) -> Table:
    return _encode_table(encoding, window.read())


def _count_steps(config: NeuralConfig, train: Samples | SampleFiles) -> int:
    """Number of optimizer steps on these rows without early stopping."""
    return max(round(config.epochs * _count_epoch_steps(config, train)), 1)


def _count_epoch_steps(config: NeuralConfig, train: Samples | SampleFiles) -> int:
    return -(-len(train) // config.batch)


def _load(cls: Any, folder: Path) -> NeuralModel:
    """Loads the files of `save`. Raises DataError for a missing file."""
    from leaven.nn.checkpoint import read

    if not (folder / _WEIGHTS).is_file():
        raise DataError(str(folder), "a fitted neural CTR model", "none", "fit it again")
    weights, stored = read(folder / _WEIGHTS)
    encoding, fields = Encoding.of(stored["encoding"]), stored["config"]
    config = cls(**{**fields, "hidden": tuple(fields["hidden"])})
    net = _build_net(config, encoding, 0)
    net.load_state_dict(weights)
    log = json.loads((folder / _TRAINING_LOG).read_text())
    return NeuralModel(config, encoding, net.eval(), log["curve"], log["facts"])


def _check_bounds(config: NeuralConfig) -> None:
    """Raises SpecError for a field out of bounds."""
    kind = type(config).__name__.lower()
    if not config.hidden or min(config.hidden) < 1:
        raise SpecError(f"{kind}.hidden", "one width or more, each 1 or more", str(config.hidden), "")
    bounds = {
        "embedding_dim": config.embedding,
        "batch_size": config.batch,
        "epochs": config.epochs,
        "learning_rate": config.learning_rate,
        "min_rows": config.fewest_rows,
    }
    for name, bound in bounds.items():
        if not bound > 0:
            raise SpecError(f"{kind}.{name}", "more than 0", str(bound), "")
    if not 0 <= config.dropout < 1:
        raise SpecError(f"{kind}.dropout", "0 or more, less than 1", str(config.dropout), "")


@dataclass(frozen=True)
class Mlp:
    """Config of an MLP: 512-256-128-1, ReLU, sigmoid, binary cross-entropy, Adam, batches of 32.

    hidden         widths of the layers before the one logit
    embedding      size of a category's embedding (where we differ: the source feeds ids as plain numbers)
    epochs         maximum number of passes over the rows
    patience       validations (four per epoch) without improvement before training stops; None: never. The best
                   weights are kept
    learning_rate  of Adam, constant
    dropout        0 in the source
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
        _check_bounds(self)

    fit = _fit
    steps = _count_steps
    load = classmethod(_load)


@dataclass(frozen=True)
class CrossNet:
    """Config of DCN-V2: a cross network in parallel with a deep one (Wang et al., WWW 2021).

    crosses       number of cross layers: products of up to crosses + 1 features
    weight_decay  of AdamW; the learning rate decays linearly to 0

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
        _check_bounds(self)

    fit = _fit
    steps = _count_steps
    load = classmethod(_load)


@dataclass(frozen=True, eq=False)
class NeuralModel:
    """A trained network. curve: one record per validation; facts: seconds, steps, targets, peak_mb, stopped."""

    config: NeuralConfig
    encoding: Encoding
    net: ClickNet
    curve: Sequence[Mapping[str, float]]
    facts: Mapping[str, Any]

    def predict(self, rows: Samples) -> npt.NDArray[np.float64]:
        """float64 (rows,) in 0..1."""
        from leaven.nn.ctr import answers

        if not len(rows):
            return np.zeros(0)
        return np.asarray(answers(self.net, _encode_table(self.encoding, rows)).sigmoid().numpy(), np.float64)

    def save(self, folder: Path) -> None:
        """Writes weights, config and encoding to one file, the training curve and facts to another."""
        from leaven.nn.checkpoint import write

        stored = {"config": asdict(self.config), "encoding": self.encoding.said()}
        write(folder / _WEIGHTS, self.net.state_dict(), stored)
        part = folder / f"{_TRAINING_LOG}.part"
        part.write_text(json.dumps({"curve": list(self.curve), "facts": dict(self.facts)}))
        part.replace(folder / _TRAINING_LOG)


def _build_net(config: NeuralConfig, encoding: Encoding, key: int) -> ClickNet:
    import torch

    from leaven.nn.ctr import ClickNet, ClickShape

    levels = tuple(len(encoding.levels[name]) for name in encoding.categorical)
    shape = ClickShape(encoding.width, levels, config.embedding, tuple(config.hidden), config.crosses, config.dropout)
    return ClickNet(shape, torch.Generator().manual_seed(key))


def _encode_table(encoding: Encoding, rows: Samples) -> Table:
    from leaven.nn.ctr import Table

    return Table.of(encoding.numbers(rows), encoding.codes(rows), rows.label, rows.weight)
