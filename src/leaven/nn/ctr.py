"""Networks that predict click-through rates, and their training task."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven import rng
from leaven.nn.training import StepRng

_PREDICTION_ROWS = 8192  # rows of one forward pass without gradients


@dataclass(frozen=True)
class CtrNetworkConfig:
    """Sizes of a CTR network.

    n_numeric       numeric features of a row
    cardinalities   codes of each categorical column, without 0
    embedding_dim   width of a category embedding
    hidden_sizes    widths of the deep layers
    n_cross_layers  layers that multiply the input with itself
    dropout         rate in the deep layers
    """

    n_numeric: int
    cardinalities: tuple[int, ...]
    embedding_dim: int
    hidden_sizes: tuple[int, ...]
    n_cross_layers: int = 0
    dropout: float = 0.0

    @property
    def input_width(self) -> int:
        """Width of the concatenated numeric features and embeddings."""
        return self.n_numeric + self.embedding_dim * len(self.cardinalities)


class CtrNetwork(nn.Module):
    """Deep ReLU network over numeric features and embedded categories, with optional parallel cross layers.

    Cross layers as in DCN-V2 (Wang and others, WWW 2021, eq. 1, full matrix). The output is one logit.
    """

    def __init__(self, shape: CtrNetworkConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        with torch.random.fork_rng(
            devices=[]
        ):  # layer constructors draw from the global generator; weights are redrawn below
            self.embeddings = nn.ModuleList(
                nn.Embedding(count + 1, shape.embedding_dim) for count in shape.cardinalities
            )
            sizes = [shape.input_width, *shape.hidden_sizes]
            self.hidden_layers = nn.ModuleList(nn.Linear(low, high) for low, high in pairwise(sizes))
            self.cross_layers = nn.ModuleList(
                nn.Linear(shape.input_width, shape.input_width) for _ in range(shape.n_cross_layers)
            )
            self.output_layer = nn.Linear(sizes[-1] + (shape.input_width if shape.n_cross_layers else 0), 1)
        self._draw_weights(generator)

    @torch.no_grad()
    def _draw_weights(self, chance: torch.Generator) -> None:
        for table in self.embeddings:
            assert isinstance(table, nn.Embedding)
            table.weight.normal_(0.0, 0.05, generator=chance)
            table.weight[0] = 0.0
        for layer in (*self.hidden_layers, *self.cross_layers, self.output_layer):
            assert isinstance(layer, nn.Linear)
            bound = 1 / math.sqrt(layer.in_features)
            layer.weight.uniform_(-bound, bound, generator=chance)
            layer.bias.zero_()

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        """Returns logits, float32 (rows,). numbers float32 (rows, n_numeric); codes int64 (rows, columns)."""
        embedded = [table(codes[:, column]) for column, table in enumerate(self.embeddings)]
        start = torch.cat([numeric, *embedded], dim=1)  # (rows, input_width)
        x = start
        for layer in self.hidden_layers:
            x = F.dropout(F.relu(layer(x)), self.shape.dropout, self.training)
        if self.shape.n_cross_layers:
            crossed = start
            for layer in self.cross_layers:
                crossed = start * layer(crossed) + crossed
            x = torch.cat([x, crossed], dim=1)
        logits: Tensor = self.output_layer(x).squeeze(1)
        return logits


@dataclass(frozen=True, eq=False)
class CtrTable:
    """Rows: numeric float32 (rows, n_numeric), codes int64 (rows, columns), label and weight float32 (rows,)."""

    numeric: Tensor
    codes: Tensor
    label: Tensor
    weight: Tensor

    @classmethod
    def from_arrays(
        cls,
        numeric: npt.NDArray[np.float32],
        codes: npt.NDArray[np.int32],
        label: npt.NDArray[np.float32],
        weight: npt.NDArray[np.float32],
    ) -> CtrTable:
        """Builds the table from arrays."""
        wide_codes = torch.from_numpy(codes.astype(np.int64))
        return cls(
            torch.from_numpy(numeric), wide_codes, torch.from_numpy(label.copy()), torch.from_numpy(weight.copy())
        )

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: Tensor | slice) -> CtrTable:
        """Returns these rows."""
        return CtrTable(self.numeric[rows], self.codes[rows], self.label[rows], self.weight[rows])


class WindowedBatches(Sequence[CtrTable]):
    """Batches of an epoch over windows of rows; rows are shuffled within a window, and one window is in memory.

    windows  (row count, loader) of each window
    key      together with the window's index determines the order of its rows
    """

    def __init__(self, windows: Sequence[tuple[int, Callable[[], CtrTable]]], batch_size: int, key: int) -> None:
        self.windows, self.batch_size, self.key = windows, batch_size, key
        counts = [-(-rows // batch_size) for rows, _ in windows]
        self._window_ends = np.cumsum([0, *counts])
        self._current_window: tuple[int, CtrTable, Tensor] | None = None

    def __len__(self) -> int:
        return int(self._window_ends[-1])

    def __getitem__(self, index: int) -> CtrTable:  # type: ignore[override]
        window = int(np.searchsorted(self._window_ends, index, side="right")) - 1
        if self._current_window is None or self._current_window[0] != window:
            table = self.windows[window][1]()
            # the first window uses the key itself, so that a single window equals a table in memory
            key = self.key if window == 0 else rng.derive_key(self.key, "window", window)
            order = torch.from_numpy(rng.make_generator(key).permutation(len(table)))
            self._current_window = (window, table, order)
        _, table, order = self._current_window
        first = (index - int(self._window_ends[window])) * self.batch_size
        return table.take(order[first : first + self.batch_size])


class CtrTask:
    """Training task of a CTR network: weighted binary cross-entropy; soft labels are allowed.

    batches_of_epoch  (epoch, progress) -> batches of the epoch
    validation     rows whose negative log loss is the validation score, or None
    """

    def __init__(
        self,
        net: CtrNetwork,
        batches_of_epoch: Callable[[int, float], Sequence[CtrTable]],
        validation: CtrTable | None = None,
    ) -> None:
        self.net: nn.Module = net
        self._batches_of_epoch, self.validation = batches_of_epoch, validation

    def build_batches(self, number: int, progress: float) -> Sequence[CtrTable]:
        """Returns the batches of an epoch."""
        return self._batches_of_epoch(number, progress)

    def compute_loss(self, net: nn.Module, batch: CtrTable, step_rng: StepRng) -> tuple[Tensor, int]:
        """Returns (weighted mean loss, rows); with several processes, each computes its share."""
        own = batch.take(slice(step_rng.rank, None, step_rng.n_processes))
        device = next(net.parameters()).device
        numbers, codes = own.numeric.to(device), own.codes.to(device)
        label, weight = own.label.to(device), own.weight.to(device)
        each = F.binary_cross_entropy_with_logits(net(numbers, codes), label, reduction="none")
        return (each * weight).sum() / weight.sum().clamp(min=1e-9), len(own)

    def validate_network(self, net: nn.Module) -> float | None:
        """Returns the negative log loss on the validation rows, or None without any."""
        if self.validation is None:
            return None
        return -float(compute_log_losses(net, self.validation).mean())


def compute_log_losses(net: nn.Module, rows: CtrTable) -> npt.NDArray[np.float64]:
    """Returns the log loss of each row, float64 (rows,)."""
    each = F.binary_cross_entropy_with_logits(predict_logits(net, rows), rows.label.double(), reduction="none")
    log_losses: npt.NDArray[np.float64] = each.numpy()
    return log_losses


@torch.no_grad()
def predict_logits(net: nn.Module, rows: CtrTable) -> Tensor:
    """Returns logits on the CPU, float64 (rows,)."""
    device = next(net.parameters()).device
    net.eval()
    parts = [
        net(numbers.to(device), codes.to(device)).double().cpu()
        for numbers, codes in zip(rows.numeric.split(_PREDICTION_ROWS), rows.codes.split(_PREDICTION_ROWS), strict=True)
    ]
    return torch.cat(parts)
