"""Shared training, sampling and saving of neural generators of feature rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.errors import SpecError
from leaven.generators.tabular.row_encoding import Coding, Floats
from leaven.generators.tabular.row_schema import Layout, in_chunks, read, write
from leaven.progress import Tell
from leaven.protocols import Keys

if TYPE_CHECKING:
    from torch import nn

    from leaven.nn.tabular_codec import Coded
    from leaven.nn.training import Task

FEWEST_STEPS = 300
_CALIBRATION_ROWS = 4096  # synthetic rows that calibrate the marginals
_BINS = 1_000  # first draw of a key for its bins


class Wish(Protocol):
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

    def net(self, coding: Coding, key: int) -> nn.Module:
        """Returns the network, with weights that derive from the key."""
        ...

    def task(self, net: nn.Module, rows: Coded, key: int) -> Task:
        """Returns the training task on encoded rows."""
        ...

    def drawn(self, net: nn.Module, coding: Coding, keys: Keys) -> tuple[Floats, Floats]:
        """Returns scores (rows, numbers) and bin probabilities (rows, all bins), one row for each key."""
        ...


def check_positive(kind: str, config: Wish, names: Sequence[str]) -> None:
    """Raises SpecError for a field that is not above 0."""
    for name in names:
        if not getattr(config, name) > 0:
            raise SpecError(f"{kind}.{name}", "more than 0", str(getattr(config, name)), "")


def learned(kind: str, config: Wish, train: Samples, key: int, tell: Tell) -> NetTable:
    """Trains the network of a config on weighted rows; a tenth of them selects the best weights."""
    import torch

    from leaven.nn.tabular_codec import Coded
    from leaven.nn.training import Course
    from leaven.nn.training import train as run_training

    schema = Layout.of(train, kind)
    train = train.take(np.argsort(train.keys, kind="stable"))
    encoding = Coding.fit(train, config.bins)
    net = config.net(encoding, rng.key(key, "begin"))
    scores = torch.from_numpy(encoding.scored(train, rng.key(key, "ties")))
    coded_rows = Coded(scores, torch.from_numpy(encoding.rows), torch.from_numpy(train.weight.copy()), config.batch)
    steps = max(round(config.epochs * len(train) / config.batch), FEWEST_STEPS)
    course = Course(
        key=key,
        steps=steps,
        learning_rate=config.learning_rate,
        weight_decay=0.0,
        look_every=max(steps // 20, 1),
        measure=("minus_valid_loss", "minus valid loss"),
        device=config.device,
        precision="32-true",
        tell=tell,
    )
    outcome = run_training(config.task(net, coded_rows, key), course)
    return settled(NetTable(kind, config, schema, encoding, net, outcome.facts), key)


def settled(fitted: NetTable, key: int) -> NetTable:
    """Returns the generator with marginals calibrated on its own samples, so that each column matches training rows."""
    samples = fitted.raw(rng.row_keys(rng.key(key, "scale"), np.arange(_CALIBRATION_ROWS, dtype=np.uint64)))
    encoding = fitted.coding
    return replace(fitted, coding=encoding.scaled(samples[:, : encoding.numbers], samples[:, encoding.numbers :]))


@dataclass(frozen=True, eq=False)
class NetTable:
    """A trained generator. facts: seconds, steps, targets, peak_mb, stopped."""

    kind: str
    config: Wish
    layout: Layout
    coding: Coding
    net: nn.Module
    facts: dict[str, Any]

    def sample(self, keys: Keys) -> Samples:
        """Returns one row for each key."""
        samples, n_numbers = self.raw(keys), self.coding.numbers
        bins = self.coding.drawn(self.coding.settled(samples[:, n_numbers:]), keys, _BINS)
        cells = self.coding.cells(samples[:, :n_numbers], bins, keys)
        return self.layout.made(cells.numbers, cells.codes, cells.label.astype(np.float32), keys)

    def raw(self, keys: Keys) -> Floats:
        """Returns float64 (rows, numbers + all bins): scores, then bin probabilities."""
        placeholder = np.zeros((len(keys), self.coding.numbers + sum(self.coding.sizes)))

        def sample_chunk(chunk: Keys, _: Floats) -> Floats:
            return np.column_stack(self.config.drawn(self.net, self.coding, chunk))

        return np.asarray(in_chunks(sample_chunk, keys, placeholder), np.float64)

    def save(self, folder: Path) -> None:
        """Writes the weights to one file, the encoding and the rest to two others."""
        from leaven.nn.checkpoint import write as write_weights

        write_weights(folder / f"{self.kind}.safetensors", self.net.state_dict(), {})
        config: Any = self.config
        facts = {"config": asdict(config), "schema": self.layout.said(), "facts": self.facts}
        write(folder, self.kind, self.coding.arrays(), facts)


def loaded(kind: str, cls: Any, folder: Path) -> NetTable:
    """Loads what `FittedNeuralGenerator.save` wrote. Raises DataError where it is missing."""
    from leaven.nn.checkpoint import read as read_weights

    arrays, facts = read(folder, kind)
    config, encoding = cls(**facts["config"]), Coding.of(arrays)
    net = config.net(encoding, 0)
    net.load_state_dict(read_weights(folder / f"{kind}.safetensors")[0])
    return NetTable(kind, config, Layout.from_said(facts["schema"]), encoding, net.eval(), facts["facts"])
