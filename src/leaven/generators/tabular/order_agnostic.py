"""Order-agnostic autoregressive generator of feature rows."""

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
from leaven.generators.tabular.row_schema import Layout, in_chunks, read, write
from leaven.progress import Tell, quiet
from leaven.protocols import Keys

if TYPE_CHECKING:
    from leaven.nn.order_agnostic import CellNet

Ints = npt.NDArray[np.int64]
_MIN_STEPS = 300
_IN_BIN, _BIN, _ORDER = 4_000, 2_000, 0  # first draws of a key, one for each column


@dataclass(frozen=True)
class AnyOrder:
    """Generates rows with an autoregressive model over binned columns, trained on all column orders.

    bins        of a numeric column (equal sizes, frequent values separate), and categories with separate bins
    embedding, width, layers, dropout   network size
    batch, epochs, learning_rate        training, at least 300 steps; a tenth of the rows selects the best weights

    It has an exact likelihood of binned rows (for a given order), imputes missing cells given all others, and treats
    the label as a column. Numbers are drawn from the training values of their bin.
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
                raise SpecError(f"order_agnostic.{name}", "more than 0", str(getattr(self, name)), "")

    def fit(self, train: Samples, key: int, tell: Tell = quiet) -> AnyOrderTable:
        """Trains on weighted rows. Raises FitError for no rows."""
        import torch

        from leaven.nn.order_agnostic import CellTask
        from leaven.nn.training import Course
        from leaven.nn.training import train as run_training

        schema = Layout.of(train, "order_agnostic")
        binning = Binning.fit(train, self.bins)
        net = _build_net(self, binning, rng.key(key, "begin"))
        bins = torch.from_numpy(binning.binned(train))
        is_validation = rng.uniform(rng.row_keys(rng.key(key, "valid"), train.keys), 0) < (
            0.1 if len(train) >= 100 else 0
        )
        weight = torch.from_numpy(train.weight[~is_validation].copy())
        task = CellTask(net, bins[~is_validation], weight, bins[is_validation], self.batch, key)
        steps = max(round(self.epochs * (~is_validation).sum() / self.batch), _MIN_STEPS)
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
        outcome = run_training(task, course)
        return AnyOrderTable(self, schema, binning, net, outcome.facts)

    @classmethod
    def load(cls, folder: Path) -> AnyOrderTable:
        """Loads what `save` wrote. Raises DataError where it is missing."""
        from leaven.nn.checkpoint import read as read_weights

        arrays, facts = read(folder, "order_agnostic")
        config, binning = cls(**facts["config"]), Binning.of(arrays)
        net = _build_net(config, binning, 0)
        net.load_state_dict(read_weights(folder / "order_agnostic.safetensors")[0])
        return AnyOrderTable(config, Layout.from_said(facts["schema"]), binning, net.eval(), facts["facts"])


def _build_net(config: AnyOrder, binning: Binning, key: int) -> CellNet:
    import torch

    from leaven.nn.order_agnostic import CellNet, CellShape

    shape = CellShape(binning.sizes, config.embedding, config.width, config.layers, config.dropout)
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
        """Returns one row for each key: cells are drawn in a random order, each given those before it."""
        known = np.zeros((len(keys), len(self.binning.columns)), bool)
        bins = in_chunks(self._draw_unknown, keys, known.astype(np.int64), known)
        return self._decode_rows(keys, bins)

    def impute(self, rows: Samples, keys: Keys) -> Samples:
        """Returns the rows with every missing cell drawn given the others; present cells stay."""
        own = rows.recoded(self.layout.levels)
        bins = self.binning.binned(own)
        known = bins != MISSING
        filled = self._decode_rows(keys, in_chunks(partial(self._draw_unknown, present=True), keys, bins, known))
        numbers = np.where(np.isnan(own.numbers), filled.numbers, own.numbers)
        return replace(own, numbers=numbers, codes=np.where(own.codes == 0, filled.codes, own.codes))

    def log_likelihood(self, rows: Samples) -> npt.NDArray[np.float64]:
        """Returns float64 (rows,): natural log-probability of each binned row, in a random column order."""
        own = rows.recoded(self.layout.levels)
        bins = self.binning.binned(own)
        values = in_chunks(self._compute_log_likelihoods, own.keys, bins, np.zeros(bins.shape, bool))
        return np.asarray(values, np.float64).reshape(len(own))

    def save(self, folder: Path) -> None:
        """Writes the weights to one file, bins and the rest to two others."""
        from leaven.nn.checkpoint import write as write_weights

        write_weights(folder / "order_agnostic.safetensors", self.net.state_dict(), {})
        facts = {"config": asdict(self.config), "schema": self.layout.said(), "facts": self.facts}
        write(folder, "order_agnostic", self.binning.arrays(), facts)

    def _decode_rows(self, keys: Keys, bins: Ints) -> Samples:
        """Returns rows of bins, each cell a random training cell of its bin."""
        cells = [
            column.drawn(bins[:, place], rng.uniform(keys, _IN_BIN + place))
            for place, column in enumerate(self.binning.columns)
        ]
        end = 1 + len(self.layout.numeric)
        numbers = np.column_stack(cells[1:end]) if end > 1 else np.zeros((len(keys), 0))
        codes = np.column_stack(cells[end:]) if len(cells) > end else np.zeros((len(keys), 0))
        return self.layout.made(numbers, codes.astype(np.int32), cells[0].astype(np.float32), keys)

    def _draw_unknown(self, keys: Keys, bins: Ints, known: npt.NDArray[np.bool_], present: bool = False) -> Ints:
        """Returns bins with every unknown cell drawn; `present`: the missing bin is excluded."""
        bins, known = bins.copy(), known.copy()
        order = _draw_order(keys, known.shape[1])
        for step in range(known.shape[1]):
            column = order[:, step]
            logits = self._compute_logits(bins, known)
            for index in np.unique(column):
                asked = np.flatnonzero((column == index) & ~known[np.arange(len(keys)), column])
                chances = np.exp(logits[int(index)][asked]) * self.binning.columns[int(index)].seen
                if present and self.binning.columns[int(index)].seen[1:].any():
                    chances[:, MISSING] = 0.0
                total = np.cumsum(chances, axis=1)
                threshold = rng.uniform(keys[asked], _BIN + int(index)) * total[:, -1]
                bins[asked, index] = np.minimum((total <= threshold[:, None]).sum(axis=1), chances.shape[1] - 1)
                known[asked, index] = True
        return bins

    def _compute_log_likelihoods(self, keys: Keys, bins: Ints, known: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """Returns float64 (rows,): summed log-probabilities of the cells, in each row's order."""
        known, rows = known.copy(), np.arange(len(keys))
        order = _draw_order(keys, known.shape[1])
        total = np.zeros(len(keys))
        for step in range(known.shape[1]):
            column = order[:, step]
            logits = self._compute_logits(bins, known)
            for index in np.unique(column):
                asked = np.flatnonzero(column == index)
                total[asked] += logits[int(index)][asked, bins[asked, index]]
            known[rows, column] = True
        return total

    def _compute_logits(self, bins: Ints, known: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.float64]]:
        """Returns float64 (rows, bins) for each column: log-probabilities."""
        import torch

        with torch.no_grad():
            logits = self.net(torch.from_numpy(bins), torch.from_numpy(known))
            return [self.net.of_column(logits, place).double().numpy() for place in range(known.shape[1])]


def _draw_order(keys: Keys, columns: int) -> Ints:
    """Returns int64 (rows, columns): the column order of each row."""
    return np.argsort(np.column_stack([rng.uniform(keys, _ORDER + column) for column in range(columns)]), axis=1)
