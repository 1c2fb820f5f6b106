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
from leaven.ctr_models.encoding import FeatureEncoding, check_two_classes
from leaven.datasets.sample_files import SampleFiles
from leaven.datasets.samples import Samples
from leaven.errors import DataError, SpecError
from leaven.protocols import CallbackAction, TrainingCallback, TrainingContext
from leaven.storage import replace_text

if TYPE_CHECKING:
    from torch import nn

    from leaven.nn.ctr import CtrNetwork, CtrTable, WindowedBatches

_WEIGHTS, _TRAINING_LOG = "ctr.safetensors", "training.json"
WINDOW_ROWS, SAMPLED_ROWS = 262_144, 500_000
"""Rows of files in memory at the same time; rows on which the encoding of files is fitted."""


class NeuralConfig(Protocol):
    """The fields of both configs; constants of one are fields of the other."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def hidden(self) -> tuple[int, ...]: ...
    @property
    def embedding_dim(self) -> int: ...
    @property
    def n_cross_layers(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def epochs(self) -> float: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def lr_decay(self) -> bool: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def dropout(self) -> float: ...
    @property
    def min_rows(self) -> int: ...
    @property
    def patience(self) -> int | None: ...
    @property
    def device(self) -> str: ...


def _fit(config: NeuralConfig, train: Samples | SampleFiles, training: TrainingContext) -> NeuralModel:
    """Trains the network, with early stopping on `training.valid` where it is given.

    Rows in files are read window by window in every epoch; the encoding is then fitted on an even sample of them.

    Raises FitError for one class only, or a loss that is not finite.
    """
    from leaven.nn.ctr import CtrTask
    from leaven.nn.training import ScoreName, TrainerConfig
    from leaven.nn.training import train_network as run_training

    sample = train.sample_rows(SAMPLED_ROWS) if isinstance(train, SampleFiles) else train
    check_two_classes(sample)
    encoding = FeatureEncoding.fit(sample, config.min_rows)
    net = _build_net(config, encoding, rng.derive_key(training.key, "begin"))
    steps = training.steps or _count_steps(config, train)
    valid = None if training.validation is None else _encode_table(encoding, training.validation)
    task = CtrTask(net, _build_epochs(encoding, train, config.batch_size, training), valid)
    identity = json.dumps([type(config).__name__, asdict(config), training.key, steps, len(train)])
    course = TrainerConfig(
        key=training.key,
        steps=steps,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        warm_up_steps=100 if config.lr_decay else 0,
        decay_learning_rate=config.lr_decay,
        score_name=ScoreName("valid_log_loss", "valid log loss", is_loss=True),
        validate_every=max(_count_epoch_steps(config, train) // 4, 1),
        patience=config.patience if training.steps is None else None,
        device=config.device,
        precision="32-true",
        fingerprint=hashlib.blake2b(identity.encode(), digest_size=8).hexdigest(),
        checkpoint_folder=training.checkpoint_folder,
        on_progress=training.on_progress,
        callback=None if training.callback is None else _RowLossCallback(training.callback, steps, encoding),
    )
    result = run_training(task, course)
    return NeuralModel(config, encoding, net, result.curve, result.facts)


class _RowLossCallback:
    """Passes the losses of the callback's validation rows to it."""

    def __init__(self, watch: TrainingCallback, steps: int, encoding: FeatureEncoding) -> None:
        assert isinstance(watch.validation_rows, Samples)
        self.watch, self.steps, self.rows = watch, steps, _encode_table(encoding, watch.validation_rows)
        self.state_dict, self.load_state_dict = watch.state_dict, watch.load_state_dict

    def on_validation(self, net: nn.Module, step: int) -> CallbackAction:
        """The action of the callback."""
        from leaven.nn.ctr import compute_log_losses

        return self.watch.on_validation(step, step / self.steps, compute_log_losses(net, self.rows))


def _build_epochs(
    encoding: FeatureEncoding, train: Samples | SampleFiles, batch: int, training: TrainingContext
) -> Callable[[int, float], WindowedBatches]:
    """A function (epoch, progress) -> batches: of the rows in memory, of the rows of the epoch, or of rows in files."""
    from leaven.nn.ctr import WindowedBatches

    fixed = (
        None
        if isinstance(train, SampleFiles) or training.rows_for_epoch is not None
        else _encode_table(encoding, train)
    )

    def batches(epoch: int, progress: float) -> WindowedBatches:
        key = rng.derive_key(training.key, "epoch", epoch)
        if training.rows_for_epoch is None and isinstance(train, SampleFiles):
            windows = train.split_windows(WINDOW_ROWS, rng.derive_key(key, "windows"))
            return WindowedBatches(
                [(len(window), partial(_read_window, encoding, window)) for window in windows], batch, key
            )
        table = (
            fixed
            if training.rows_for_epoch is None
            else _encode_table(encoding, training.rows_for_epoch(epoch, progress))
        )
        assert table is not None
        return WindowedBatches([(len(table), lambda: table)], batch, key)

    return batches


def _read_window(encoding: FeatureEncoding, window: SampleFiles) -> CtrTable:
    return _encode_table(encoding, window.read_samples())


def _count_steps(config: NeuralConfig, train: Samples | SampleFiles) -> int:
    return max(round(config.epochs * _count_epoch_steps(config, train)), 1)


def _count_epoch_steps(config: NeuralConfig, train: Samples | SampleFiles) -> int:
    return -(-len(train) // config.batch_size)


def _load(cls: Any, folder: Path) -> NeuralModel:
    """Loads the files of `save`. Raises DataError for a missing file."""
    from leaven.nn.checkpoint import load_tensors

    if not (folder / _WEIGHTS).is_file():
        raise DataError(str(folder), "a fitted neural CTR model", "none", "fit it again")
    weights, stored = load_tensors(folder / _WEIGHTS)
    encoding, fields = FeatureEncoding.from_json(stored["encoding"]), stored["config"]
    config = cls(**{**fields, "hidden": tuple(fields["hidden"])})
    net = _build_net(config, encoding, 0)
    net.load_state_dict(weights)
    log = json.loads((folder / _TRAINING_LOG).read_text())
    return NeuralModel(config, encoding, net.eval(), log["curve"], log["facts"])


def _check_bounds(config: NeuralConfig) -> None:
    kind = type(config).__name__.lower()
    if not config.hidden or min(config.hidden) < 1:
        raise SpecError(f"{kind}.hidden", "one width or more, each 1 or more", str(config.hidden), "")
    bounds = {
        "embedding_dim": config.embedding_dim,
        "batch_size": config.batch_size,
        "epochs": config.epochs,
        "learning_rate": config.learning_rate,
        "min_rows": config.min_rows,
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
    embedding_dim  size of a category's embedding (where we differ: the source feeds ids as plain numbers)
    epochs         maximum number of passes over the rows
    patience       validations (four per epoch) without improvement before training stops; None: never. The best weights
                   are kept
    learning_rate  of Adam, constant
    dropout        0 in the source
    min_rows       a category with fewer training rows is unknown
    """

    hidden: tuple[int, ...] = (512, 256, 128)
    embedding_dim: int = 8
    batch_size: int = 32
    epochs: float = 10
    learning_rate: float = 1e-3
    dropout: float = 0.0
    min_rows: int = 5
    patience: int | None = 8
    device: str = "auto"
    n_cross_layers: ClassVar[int] = 0
    weight_decay: ClassVar[float] = 0.0
    lr_decay: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_bounds(self)

    fit = _fit
    steps = _count_steps
    load = classmethod(_load)


@dataclass(frozen=True)
class DcnV2:
    """Config of DCN-V2: a cross network in parallel with a deep one (Wang et al., WWW 2021).

    n_cross_layers  number of cross layers: products of up to crosses + 1 features
    weight_decay    of AdamW; the learning rate decays linearly to 0

    Other fields as in `Mlp`. Where we differ: no low-rank factors, which only save time.
    """

    hidden: tuple[int, ...] = (256, 128)
    embedding_dim: int = 16
    n_cross_layers: int = 2
    batch_size: int = 256
    epochs: float = 6
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    dropout: float = 0.2
    min_rows: int = 10
    patience: int | None = 8
    device: str = "auto"
    lr_decay: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_bounds(self)

    fit = _fit
    steps = _count_steps
    load = classmethod(_load)


@dataclass(frozen=True, eq=False)
class NeuralModel:
    """A trained network. curve: one record per validation; facts: seconds, steps, targets, peak_mb, stopped."""

    config: NeuralConfig
    encoding: FeatureEncoding
    net: CtrNetwork
    curve: Sequence[Mapping[str, float]]
    facts: Mapping[str, object]

    def predict(self, rows: Samples) -> npt.NDArray[np.float64]:
        """float64 (rows,) in 0..1."""
        from leaven.nn.ctr import predict_logits

        if not len(rows):
            return np.zeros(0)
        return np.asarray(predict_logits(self.net, _encode_table(self.encoding, rows)).sigmoid().numpy(), np.float64)

    def save(self, folder: Path) -> None:
        """Writes weights, config and encoding to one file, the training curve and facts to another."""
        from leaven.nn.checkpoint import save_tensors

        stored = {"config": asdict(self.config), "encoding": self.encoding.to_json()}
        save_tensors(folder / _WEIGHTS, self.net.state_dict(), stored)
        replace_text(folder / _TRAINING_LOG, json.dumps({"curve": list(self.curve), "facts": dict(self.facts)}))


def _build_net(config: NeuralConfig, encoding: FeatureEncoding, key: int) -> CtrNetwork:
    import torch

    from leaven.nn.ctr import CtrNetwork, CtrNetworkConfig

    levels = tuple(len(encoding.levels[name]) for name in encoding.categorical)
    shape = CtrNetworkConfig(
        encoding.width, levels, config.embedding_dim, tuple(config.hidden), config.n_cross_layers, config.dropout
    )
    return CtrNetwork(shape, torch.Generator().manual_seed(key))


def _encode_table(encoding: FeatureEncoding, rows: Samples) -> CtrTable:
    from leaven.nn.ctr import CtrTable

    return CtrTable.from_arrays(
        encoding.encode_numbers(rows), encoding.encode_categories(rows), rows.label, rows.weight
    )
