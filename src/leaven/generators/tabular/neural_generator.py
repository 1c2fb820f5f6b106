"""What do all nets that make rows share: what they learn from, how they draw, how they are kept?"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.errors import SpecError
from leaven.generators.tabular.row_encoding import Coding, Floats
from leaven.generators.tabular.row_schema import Keys, Layout, in_chunks, read, write
from leaven.progress import Tell

if TYPE_CHECKING:
    from torch import nn

    from leaven.nn.tabular_codec import Coded
    from leaven.nn.training import Task

FEWEST_STEPS = 300
_SCALED_BY = 4096  # made rows that say which scores a model makes
_BINS = 1_000  # where the draws of a key for its bins begin


class Wish(Protocol):
    """What a config for such a net adds to `learned` and `NetTable`; its fields are those of a dataclass."""

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
        """The net, with weights that follow from the key."""
        ...

    def task(self, net: nn.Module, rows: Coded, key: int) -> Task:
        """How it learns from coded rows."""
        ...

    def drawn(self, net: nn.Module, coding: Coding, keys: Keys) -> tuple[Floats, Floats]:
        """(scores (rows, numbers), chances (rows, all bins)) of one row a key."""
        ...


def check_positive(kind: str, config: Any, *names: str) -> None:
    """SpecError for a field that is not above 0."""
    for name in names:
        if not getattr(config, name) > 0:
            raise SpecError(f"{kind}.{name}", "more than 0", str(getattr(config, name)), "")


def learned(kind: str, config: Wish, train: Samples, key: int, tell: Tell) -> NetTable:
    """Trains the net of a config on the rows, by their weights; a tenth of them chooses the best weights."""
    import torch

    from leaven.nn.tabular_codec import Coded
    from leaven.nn.training import Course
    from leaven.nn.training import train as go

    layout = Layout.of(train, kind)
    train = train.take(np.argsort(train.keys, kind="stable"))
    coding = Coding.fit(train, config.bins)
    net = config.net(coding, rng.key(key, "begin"))
    scores = torch.from_numpy(coding.scored(train, rng.key(key, "ties")))
    coded = Coded(scores, torch.from_numpy(coding.rows), torch.from_numpy(train.weight.copy()), config.batch)
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
    outcome = go(config.task(net, coded, key), course)
    return settled(NetTable(kind, config, layout, coding, net, outcome.facts), key)


def settled(made: NetTable, key: int) -> NetTable:
    """The same, told by rows of its own what it makes of each column, so that each gets the law that it should have."""
    own = made.raw(rng.row_keys(rng.key(key, "scale"), np.arange(_SCALED_BY, dtype=np.uint64)))
    coding = made.coding
    return replace(made, coding=coding.scaled(own[:, : coding.numbers], own[:, coding.numbers :]))


@dataclass(frozen=True, eq=False)
class NetTable:
    """A trained net. facts: seconds, steps, targets, peak_mb, stopped."""

    kind: str
    config: Wish
    layout: Layout
    coding: Coding
    net: nn.Module
    facts: dict[str, Any]

    def sample(self, keys: Keys) -> Samples:
        """One row a key."""
        raw, wide = self.raw(keys), self.coding.numbers
        bins = self.coding.drawn(self.coding.settled(raw[:, wide:]), keys, _BINS)
        numbers, codes, label = self.coding.cells(raw[:, :wide], bins, keys)
        return self.layout.made(numbers, codes, label.astype(np.float32), keys)

    def raw(self, keys: Keys) -> Floats:
        """float64 (rows, numbers + all bins): scores, then chances."""
        nothing = np.zeros((len(keys), self.coding.numbers + sum(self.coding.sizes)))
        return np.asarray(in_chunks(self._raw, keys, nothing), np.float64)

    def _raw(self, keys: Keys, nothing: Floats) -> Floats:
        return np.column_stack(self.config.drawn(self.net, self.coding, keys))

    def save(self, folder: Path) -> None:
        """Weights in one file, coding and the rest in two others."""
        from leaven.nn.checkpoint import write as write_weights

        write_weights(folder / f"{self.kind}.safetensors", self.net.state_dict(), {})
        config: Any = self.config
        said = {"config": asdict(config), "layout": self.layout.said(), "facts": self.facts}
        write(folder, self.kind, self.coding.arrays(), said)


def loaded(kind: str, cls: Any, folder: Path) -> NetTable:
    """What `NetTable.save` wrote; DataError where it is not there."""
    from leaven.nn.checkpoint import read as read_weights

    held, said = read(folder, kind)
    config, coding = cls(**said["config"]), Coding.of(held)
    net = config.net(coding, 0)
    net.load_state_dict(read_weights(folder / f"{kind}.safetensors")[0])
    return NetTable(kind, config, Layout.from_said(said["layout"]), coding, net.eval(), said["facts"])
