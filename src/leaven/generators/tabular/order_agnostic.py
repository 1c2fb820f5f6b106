"""Order-agnostic autoregressive generator of feature rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.field_checks import check_positive
from leaven.generators.tabular.binning import MISSING_BIN, Binning
from leaven.generators.tabular.row_schema import RowSchema, apply_in_chunks
from leaven.progress import ProgressCallback, no_progress
from leaven.protocols import OperatorTraits, RngKeys
from leaven.storage import load_arrays, save_arrays

if TYPE_CHECKING:
    from leaven.nn.order_agnostic import OrderAgnosticNetwork

Ints = npt.NDArray[np.int64]
_MIN_STEPS = 300
_IN_BIN, _BIN, _ORDER = 4_000, 2_000, 0  # first draws of a key, one for each column


@dataclass(frozen=True)
class OrderAgnostic:
    """Generates rows with an autoregressive model over binned columns, trained on all column orders.

    bins                            of a numeric column (equal sizes, frequent values separate), and categories with
                                    separate bins
    embedding, width, layers, dropout  network size
    batch, epochs, learning_rate    training, at least 300 steps; a tenth of the rows selects the best weights

    It has an exact likelihood of binned rows (for a given order), imputes missing cells given all others, and treats
    the label as a column. Numbers are drawn from the training values of their bin.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("any order", role="generator", reports_progress=True)
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
        names = ("bins", "embedding", "width", "layers", "batch", "epochs", "learning_rate")
        check_positive("order_agnostic", self, names)

    def fit(self, train: Samples, key: int, on_progress: ProgressCallback = no_progress) -> FittedOrderAgnostic:
        """Trains on weighted rows. Raises FitError for no rows."""
        import torch

        from leaven.nn.order_agnostic import OrderAgnosticTask
        from leaven.nn.training import ScoreName, TrainerConfig
        from leaven.nn.training import train_network as run_training

        schema = RowSchema.from_samples(train, "order_agnostic")
        binning = Binning.fit(train, self.bins)
        net = _build_net(self, binning, rng.derive_key(key, "begin"))
        bins = torch.from_numpy(binning.to_bins(train))
        is_validation = rng.draw_uniform(rng.derive_row_keys(rng.derive_key(key, "valid"), train.row_ids), 0) < (
            0.1 if len(train) >= 100 else 0
        )
        weight = torch.from_numpy(train.weight[~is_validation].copy())
        task = OrderAgnosticTask(net, bins[~is_validation], weight, bins[is_validation], self.batch, key)
        steps = max(round(self.epochs * (~is_validation).sum() / self.batch), _MIN_STEPS)
        course = TrainerConfig(
            key=key,
            steps=steps,
            learning_rate=self.learning_rate,
            validate_every=max(steps // 20, 1),
            score_name=ScoreName("valid_loss", "valid loss", is_loss=True),
            device=self.device,
            precision="32-true",
            on_progress=on_progress,
        )
        outcome = run_training(task, course)
        return FittedOrderAgnostic(self, schema, binning, net, outcome.facts)

    @classmethod
    def load(cls, folder: Path) -> FittedOrderAgnostic:
        """Loads what `save` wrote. Raises DataError where it is missing."""
        from leaven.nn.checkpoint import load_tensors as read_weights

        arrays, facts = load_arrays(folder, "order_agnostic")
        config, binning = cls(**facts["config"]), Binning.from_arrays(arrays)
        net = _build_net(config, binning, 0)
        net.load_state_dict(read_weights(folder / "order_agnostic.safetensors")[0])
        return FittedOrderAgnostic(config, RowSchema.from_json(facts["schema"]), binning, net.eval(), facts["facts"])


def _build_net(config: OrderAgnostic, binning: Binning, key: int) -> OrderAgnosticNetwork:
    import torch

    from leaven.nn.order_agnostic import OrderAgnosticConfig, OrderAgnosticNetwork

    shape = OrderAgnosticConfig(binning.bin_sizes, config.embedding, config.width, config.layers, config.dropout)
    return OrderAgnosticNetwork(shape, torch.Generator().manual_seed(key))


@dataclass(frozen=True, eq=False)
class FittedOrderAgnostic:
    """A trained model. facts: seconds, steps, targets, peak_mb, stopped."""

    config: OrderAgnostic
    schema: RowSchema
    binning: Binning
    net: OrderAgnosticNetwork
    facts: Mapping[str, object]

    def sample(self, keys: RngKeys) -> Samples:
        """Returns one row for each key: cells are drawn in a random order, each given those before it."""
        known = np.zeros((len(keys), len(self.binning.columns)), bool)
        bins = apply_in_chunks(self._draw_unknown, keys, known.astype(np.int64), known)
        return self._decode_rows(keys, bins)

    def impute_missing(self, rows: Samples, keys: RngKeys) -> Samples:
        """Returns the rows with every missing cell drawn given the others; present cells stay."""
        own = rows.recode_levels(self.schema.levels)
        bins = self.binning.to_bins(own)
        known = bins != MISSING_BIN
        filled = self._decode_rows(keys, apply_in_chunks(partial(self._draw_unknown, present=True), keys, bins, known))
        numbers = np.where(np.isnan(own.numbers), filled.numbers, own.numbers)
        return replace(own, numbers=numbers, codes=np.where(own.codes == 0, filled.codes, own.codes))

    def log_likelihood(self, rows: Samples) -> npt.NDArray[np.float64]:
        """Returns float64 (rows,): natural log-probability of each binned row, in a random column order."""
        own = rows.recode_levels(self.schema.levels)
        bins = self.binning.to_bins(own)
        values = apply_in_chunks(self._compute_log_likelihoods, own.row_ids, bins, np.zeros(bins.shape, bool))
        return np.asarray(values, np.float64).reshape(len(own))

    def save(self, folder: Path) -> None:
        """Writes the weights to one file, bins and the rest to two others."""
        from leaven.nn.checkpoint import save_tensors as write_weights

        write_weights(folder / "order_agnostic.safetensors", self.net.state_dict(), {})
        facts = {"config": asdict(self.config), "schema": self.schema.to_json(), "facts": self.facts}
        save_arrays(folder, "order_agnostic", self.binning.to_arrays(), facts)

    def _decode_rows(self, keys: RngKeys, bins: Ints) -> Samples:
        """Returns rows of bins, each cell a random training cell of its bin."""
        cells = [
            column.sample_cells(bins[:, place], rng.draw_uniform(keys, _IN_BIN + place))
            for place, column in enumerate(self.binning.columns)
        ]
        end = 1 + len(self.schema.numeric)
        numbers = np.column_stack(cells[1:end]) if end > 1 else np.zeros((len(keys), 0))
        codes = np.column_stack(cells[end:]) if len(cells) > end else np.zeros((len(keys), 0))
        return self.schema.build_samples(numbers, codes.astype(np.int32), cells[0].astype(np.float32), keys)

    def _draw_unknown(self, keys: RngKeys, bins: Ints, known: npt.NDArray[np.bool_], present: bool = False) -> Ints:
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
                    chances[:, MISSING_BIN] = 0.0
                total = np.cumsum(chances, axis=1)
                threshold = rng.draw_uniform(keys[asked], _BIN + int(index)) * total[:, -1]
                bins[asked, index] = np.minimum((total <= threshold[:, None]).sum(axis=1), chances.shape[1] - 1)
                known[asked, index] = True
        return bins

    def _compute_log_likelihoods(
        self, keys: RngKeys, bins: Ints, known: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.float64]:
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
            return [
                self.net.column_log_probabilities(logits, place).double().numpy() for place in range(known.shape[1])
            ]


def _draw_order(keys: RngKeys, columns: int) -> Ints:
    return np.argsort(np.column_stack([rng.draw_uniform(keys, _ORDER + column) for column in range(columns)]), axis=1)
