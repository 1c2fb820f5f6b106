"""How likely is a row, and which others are likely: cell by cell, in any order?"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.errors import SpecError
from leaven.generators.tabular.binning import MISSING, Binning
from leaven.generators.tabular.row_schema import Keys, Layout, in_chunks, read, write
from leaven.progress import Tell, quiet

if TYPE_CHECKING:
    from leaven.nn.order_agnostic import CellNet

Ints = npt.NDArray[np.int64]
_FEWEST_STEPS = 300
_IN_BIN, _LOT, _ORDER = 4_000, 2_000, 0  # where the draws of a key begin, one a column


@dataclass(frozen=True)
class AnyOrder:
    """The config for an autoregressive model over binned columns that knows every order of them.

    bins        of a number column (equal sizes, frequent values alone), and most frequent names of a category column
    embedding, width, layers, dropout   size of the net
    batch, epochs, learning_rate        training, of 300 steps at least; a tenth of the rows chooses the best weights

    It has an exact likelihood of binned rows (under an order), fills in missing cells given all the others, and draws
    the label like a column. A number is drawn as one of its bin's training values, so it stays in the column's law.
    """

    bins: int = 32
    embedding: int = 12
    width: int = 192
    layers: int = 2
    dropout: float = 0.0
    batch: int = 256
    epochs: float = 20
    learning_rate: float = 2e-3
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("bins", "embedding", "width", "layers", "batch", "epochs", "learning_rate"):
            if not getattr(self, name) > 0:
                raise SpecError(f"any_order.{name}", "more than 0", str(getattr(self, name)), "")

    def fit(self, train: Samples, key: int, tell: Tell = quiet) -> AnyOrderTable:
        """Learns from the rows, by their weights; FitError for no rows."""
        import torch

        from leaven.nn.order_agnostic import CellTask
        from leaven.nn.training import Course
        from leaven.nn.training import train as go

        layout = Layout.of(train, "any_order")
        binning = Binning.fit(train, self.bins)
        net = self._net(binning, rng.key(key, "begin"))
        bins = torch.from_numpy(binning.binned(train))
        apart = rng.uniform(rng.row_keys(rng.key(key, "valid"), train.keys), 0) < (0.1 if len(train) >= 100 else 0)
        weight = torch.from_numpy(train.weight[~apart].copy())
        task = CellTask(net, bins[~apart], weight, bins[apart], self.batch, key)
        steps = max(round(self.epochs * (~apart).sum() / self.batch), _FEWEST_STEPS)
        course = Course(
            key=key,
            steps=steps,
            learning_rate=self.learning_rate,
            look_every=max(steps // 20, 1),
            measure=("minus_valid_loss", "minus valid loss"),
            device=self.device,
            precision="32-true",
            tell=tell,
        )
        outcome = go(task, course)
        return AnyOrderTable(self, layout, binning, net, outcome.facts)

    @classmethod
    def load(cls, folder: Path) -> AnyOrderTable:
        """What `save` wrote; DataError where it is not there."""
        from leaven.nn.checkpoint import read as read_weights

        held, said = read(folder, "any_order")
        config, binning = cls(**said["config"]), Binning.of(held)
        net = config._net(binning, 0)
        net.load_state_dict(read_weights(folder / "any_order.safetensors")[0])
        return AnyOrderTable(config, Layout.from_said(said["layout"]), binning, net.eval(), said["facts"])

    def _net(self, binning: Binning, key: int) -> CellNet:
        import torch

        from leaven.nn.order_agnostic import CellNet, CellShape

        shape = CellShape(binning.sizes, self.embedding, self.width, self.layers, self.dropout)
        return CellNet(shape, torch.Generator().manual_seed(key))


@dataclass(frozen=True, eq=False)
class AnyOrderTable:
    """A trained model. facts: seconds, steps, targets, peak_mb, stopped."""

    config: AnyOrder
    layout: Layout
    binning: Binning
    net: CellNet
    facts: dict[str, Any]

    def sample(self, keys: Keys) -> Samples:
        """One row a key: each cell in the row's own order, given those before it."""
        known = np.zeros((len(keys), len(self.binning.columns)), bool)
        bins = in_chunks(self._filled, keys, known.astype(np.int64), known)
        return self._rows(keys, bins)

    def impute(self, rows: Samples, keys: Keys) -> Samples:
        """The same rows, every missing number and name drawn given the other cells; what is known stays."""
        own = rows.recoded(self.layout.levels)
        bins = self.binning.binned(own)
        known = bins != MISSING
        filled = self._rows(keys, in_chunks(partial(self._filled, present=True), keys, bins, known))
        numbers = np.where(np.isnan(own.numbers), filled.numbers, own.numbers)
        return replace(own, numbers=numbers, codes=np.where(own.codes == 0, filled.codes, own.codes))

    def log_likelihood(self, rows: Samples) -> npt.NDArray[np.float64]:
        """float64 (rows,): natural logarithm of the probability of each binned row, in an order that its key gives."""
        own = rows.recoded(self.layout.levels)
        bins = self.binning.binned(own)
        said = in_chunks(self._said, own.keys, bins, np.zeros(bins.shape, bool))
        return np.asarray(said, np.float64).reshape(len(own))

    def save(self, folder: Path) -> None:
        """Weights in one file, bins and the rest in two others."""
        from leaven.nn.checkpoint import write as write_weights

        write_weights(folder / "any_order.safetensors", self.net.state_dict(), {})
        said = {"config": asdict(self.config), "layout": self.layout.said(), "facts": self.facts}
        write(folder, "any_order", self.binning.arrays(), said)

    def _rows(self, keys: Keys, bins: Ints) -> Samples:
        """Rows of bins, each cell one of the training cells of its bin."""
        cells = [
            column.drawn(bins[:, place], rng.uniform(keys, _IN_BIN + place))
            for place, column in enumerate(self.binning.columns)
        ]
        end = 1 + len(self.layout.numeric)
        numbers = np.column_stack(cells[1:end]) if end > 1 else np.zeros((len(keys), 0))
        codes = np.column_stack(cells[end:]) if len(cells) > end else np.zeros((len(keys), 0))
        return self.layout.made(numbers, codes.astype(np.int32), cells[0].astype(np.float32), keys)

    def _filled(self, keys: Keys, bins: Ints, known: npt.NDArray[np.bool_], present: bool = False) -> Ints:
        """Bins with every unknown cell drawn; `present`: never as a missing one."""
        bins, known = bins.copy(), known.copy()
        order = _order(keys, known.shape[1])
        for step in range(known.shape[1]):
            column = order[:, step]
            logits = self._logits(bins, known)
            for one in np.unique(column):
                asked = np.flatnonzero((column == one) & ~known[np.arange(len(keys)), column])
                chances = np.exp(logits[int(one)][asked]) * self.binning.columns[int(one)].seen
                if present and self.binning.columns[int(one)].seen[1:].any():
                    chances[:, MISSING] = 0.0
                total = np.cumsum(chances, axis=1)
                lot = rng.uniform(keys[asked], _LOT + int(one)) * total[:, -1]
                bins[asked, one] = np.minimum((total <= lot[:, None]).sum(axis=1), chances.shape[1] - 1)
                known[asked, one] = True
        return bins

    def _said(self, keys: Keys, bins: Ints, known: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """float64 (rows,): sum of the logarithms of the cells, in each row's order."""
        known, rows = known.copy(), np.arange(len(keys))
        order = _order(keys, known.shape[1])
        total = np.zeros(len(keys))
        for step in range(known.shape[1]):
            column = order[:, step]
            logits = self._logits(bins, known)
            for one in np.unique(column):
                asked = np.flatnonzero(column == one)
                total[asked] += logits[int(one)][asked, bins[asked, one]]
            known[rows, column] = True
        return total

    def _logits(self, bins: Ints, known: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.float64]]:
        """For each column, float64 (rows, bins): logarithms of probabilities."""
        import torch

        with torch.no_grad():
            logits = self.net(torch.from_numpy(bins), torch.from_numpy(known))
            return [self.net.of_column(logits, place).double().numpy() for place in range(known.shape[1])]


def _order(keys: Keys, columns: int) -> Ints:
    """int64 (rows, columns): the order in which each row's cells are said."""
    return np.argsort(np.column_stack([rng.uniform(keys, _ORDER + place) for place in range(columns)]), axis=1)
