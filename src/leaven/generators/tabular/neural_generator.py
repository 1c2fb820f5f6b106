"""Shared training, sampling and saving of neural generators of feature rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.generators.tabular.row_encoding import Floats, RowEncoding
from leaven.generators.tabular.row_schema import RowSchema, apply_in_chunks
from leaven.progress import ProgressCallback
from leaven.protocols import RngKeys
from leaven.storage import load_arrays, save_arrays

if TYPE_CHECKING:
    from torch import nn

    from leaven.nn.tabular_codec import EncodedRows
    from leaven.nn.training import TrainingTask

MIN_STEPS = 300
_CALIBRATION_ROWS = 4096  # synthetic rows that calibrate the marginals
_BINS = 1_000  # first draw of a key for its bins


class NeuralTabularConfig(Protocol):
    """The config of a neural generator: a dataclass with training fields, a network and a task."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def bins(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def epochs(self) -> float: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def device(self) -> str: ...

    def build_network(self, coding: RowEncoding, key: int) -> nn.Module:
        """Returns the network, with weights that derive from the key."""
        ...

    def build_task(self, net: nn.Module, rows: EncodedRows, key: int) -> TrainingTask:
        """Returns the training task on encoded rows."""
        ...

    def sample_rows(self, net: nn.Module, coding: RowEncoding, keys: RngKeys) -> tuple[Floats, Floats]:
        """Returns scores (rows, numbers) and bin probabilities (rows, all bins), one row for each key."""
        ...


def train_generator(
    kind: str, config: NeuralTabularConfig, train: Samples, key: int, on_progress: ProgressCallback
) -> FittedNeuralGenerator:
    """Trains the network of a config on weighted rows; a tenth of them selects the best weights."""
    import torch

    from leaven.nn.tabular_codec import EncodedRows
    from leaven.nn.training import ScoreName, TrainerConfig
    from leaven.nn.training import train_network as run_training

    schema = RowSchema.from_samples(train, kind)
    train = train.take(np.argsort(train.row_ids, kind="stable"))
    encoding = RowEncoding.fit(train, config.bins)
    net = config.build_network(encoding, rng.derive_key(key, "begin"))
    scores = torch.from_numpy(encoding.to_scores(train, rng.derive_key(key, "ties")))
    coded_rows = EncodedRows(
        scores, torch.from_numpy(encoding.rows), torch.from_numpy(train.weight.copy()), config.batch
    )
    steps = max(round(config.epochs * len(train) / config.batch), MIN_STEPS)
    course = TrainerConfig(
        key=key,
        steps=steps,
        learning_rate=config.learning_rate,
        weight_decay=0.0,
        validate_every=max(steps // 20, 1),
        score_name=ScoreName("valid_loss", "valid loss", is_loss=True),
        device=config.device,
        precision="32-true",
        on_progress=on_progress,
    )
    outcome = run_training(config.build_task(net, coded_rows, key), course)
    return calibrate_marginals(FittedNeuralGenerator(kind, config, schema, encoding, net, outcome.facts), key)


def calibrate_marginals(fitted: FittedNeuralGenerator, key: int) -> FittedNeuralGenerator:
    """Returns the generator with marginals calibrated on its own samples, so that each column matches training rows."""
    samples = fitted.sample_scores(
        rng.derive_row_keys(rng.derive_key(key, "scale"), np.arange(_CALIBRATION_ROWS, dtype=np.uint64))
    )
    encoding = fitted.encoding
    return replace(
        fitted,
        encoding=encoding.calibrate_marginals(samples[:, : encoding.n_numbers], samples[:, encoding.n_numbers :]),
    )


@dataclass(frozen=True, eq=False)
class FittedNeuralGenerator:
    """A trained generator. facts: seconds, steps, targets, peak_mb, stopped."""

    kind: str
    config: NeuralTabularConfig
    schema: RowSchema
    encoding: RowEncoding
    net: nn.Module
    facts: Mapping[str, object]

    def sample(self, keys: RngKeys) -> Samples:
        """Returns one row for each key."""
        samples, n_numbers = self.sample_scores(keys), self.encoding.n_numbers
        bins = self.encoding.sample_bins(self.encoding.normalize_chances(samples[:, n_numbers:]), keys, _BINS)
        cells = self.encoding.decode_rows(samples[:, :n_numbers], bins, keys)
        return self.schema.build_samples(cells.numbers, cells.codes, cells.label.astype(np.float32), keys)

    def sample_scores(self, keys: RngKeys) -> Floats:
        """Returns float64 (rows, numbers + all bins): scores, then bin probabilities."""
        placeholder = np.zeros((len(keys), self.encoding.n_numbers + sum(self.encoding.bin_sizes)))

        def sample_chunk(chunk: RngKeys, _: Floats) -> Floats:
            return np.column_stack(self.config.sample_rows(self.net, self.encoding, chunk))

        return np.asarray(apply_in_chunks(sample_chunk, keys, placeholder), np.float64)

    def save(self, folder: Path) -> None:
        """Writes the weights to one file, the encoding and the rest to two others."""
        from leaven.nn.checkpoint import save_tensors as write_weights

        write_weights(folder / f"{self.kind}.safetensors", self.net.state_dict(), {})
        facts = {"config": asdict(self.config), "schema": self.schema.to_json(), "facts": self.facts}
        save_arrays(folder, self.kind, self.encoding.to_arrays(), facts)


def load_generator(kind: str, cls: Any, folder: Path) -> FittedNeuralGenerator:
    """Loads what `FittedNeuralGenerator.save` wrote. Raises DataError where it is missing."""
    from leaven.nn.checkpoint import load_tensors as read_weights

    arrays, facts = load_arrays(folder, kind)
    config, encoding = cls(**facts["config"]), RowEncoding.from_arrays(arrays)
    net = config.build_network(encoding, 0)
    net.load_state_dict(read_weights(folder / f"{kind}.safetensors")[0])
    return FittedNeuralGenerator(
        kind, config, RowSchema.from_json(facts["schema"]), encoding, net.eval(), facts["facts"]
    )
