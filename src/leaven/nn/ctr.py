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
from leaven.nn.training import Chance

_PREDICTION_ROWS = 8192  # rows of one forward pass without gradients


@dataclass(frozen=True)
class ClickShape:
    """Sizes of a CTR network.

    n_numeric       numeric features of a row
    cardinalities   codes of each categorical column, without 0
    embedding_dim   width of a category embedding
    hidden_sizes    widths of the deep layers
    n_cross_layers  layers that multiply the input with itself
    dropout         rate in the deep layers
    """

    numbers: int
    levels: tuple[int, ...]
    embedding: int
    hidden: tuple[int, ...]
    crosses: int = 0
    dropout: float = 0.0

    @property
    def width(self) -> int:
        """Width of the concatenated numeric features and embeddings."""
        return self.numbers + self.embedding * len(self.levels)


class ClickNet(nn.Module):
    """Deep ReLU network over numeric features and embedded categories, with optional parallel cross layers.

    Cross layers as in DCN-V2 (Wang and others, WWW 2021, eq. 1, full matrix). The output is one logit.
    """

    def __init__(self, shape: ClickShape, chance: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        with torch.random.fork_rng(
            devices=[]
        ):  # layer constructors draw from the global generator; weights are redrawn below
            self.tables = nn.ModuleList(nn.Embedding(count + 1, shape.embedding) for count in shape.levels)
            sizes = [shape.width, *shape.hidden]
            self.deep = nn.ModuleList(nn.Linear(low, high) for low, high in pairwise(sizes))
            self.crosses = nn.ModuleList(nn.Linear(shape.width, shape.width) for _ in range(shape.crosses))
            self.last = nn.Linear(sizes[-1] + (shape.width if shape.crosses else 0), 1)
        self._draw_weights(chance)

    @torch.no_grad()
    def _draw_weights(self, chance: torch.Generator) -> None:
        for table in self.tables:
            assert isinstance(table, nn.Embedding)
            table.weight.normal_(0.0, 0.05, generator=chance)
            table.weight[0] = 0.0
        for layer in (*self.deep, *self.crosses, self.last):
            assert isinstance(layer, nn.Linear)
            bound = 1 / math.sqrt(layer.in_features)
            layer.weight.uniform_(-bound, bound, generator=chance)
            layer.bias.zero_()

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """Returns logits, float32 (rows,). numbers float32 (rows, n_numeric); codes int64 (rows, columns)."""
        embedded = [table(codes[:, column]) for column, table in enumerate(self.tables)]
        start = torch.cat([numbers, *embedded], dim=1)  # (rows, input_width)
        x = start
        for layer in self.deep:
            x = F.dropout(F.relu(layer(x)), self.shape.dropout, self.training)
        if self.shape.crosses:
            crossed = start
            for layer in self.crosses:
                crossed = start * layer(crossed) + crossed
            x = torch.cat([x, crossed], dim=1)
        logits: Tensor = self.last(x).squeeze(1)
        return logits


@dataclass(frozen=True, eq=False)
class Table:
    """Rows: numeric float32 (rows, n_numeric), codes int64 (rows, columns), label and weight float32 (rows,)."""

    numbers: Tensor
    codes: Tensor
    label: Tensor
    weight: Tensor

    @classmethod
    def of(
        cls,
        numbers: npt.NDArray[np.float32],
        codes: npt.NDArray[np.int32],
        label: npt.NDArray[np.float32],
        weight: npt.NDArray[np.float32],
    ) -> Table:
        """Builds the table from arrays."""
        wide_codes = torch.from_numpy(codes.astype(np.int64))
        return cls(
            torch.from_numpy(numbers), wide_codes, torch.from_numpy(label.copy()), torch.from_numpy(weight.copy())
        )

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: Tensor | slice) -> Table:
        """Returns these rows."""
        return Table(self.numbers[rows], self.codes[rows], self.label[rows], self.weight[rows])


class Batches(Sequence[Table]):
    """Batches of an epoch over windows of rows; rows are shuffled within a window, and one window is in memory.

    windows  (row count, loader) of each window
    key      together with the window's index determines the order of its rows
    """

    def __init__(self, windows: Sequence[tuple[int, Callable[[], Table]]], batch: int, key: int) -> None:
        self.windows, self.batch, self.key = windows, batch, key
        counts = [-(-rows // batch) for rows, _ in windows]
        self._window_ends = np.cumsum([0, *counts])
        self._current_window: tuple[int, Table, Tensor] | None = None

    def __len__(self) -> int:
        return int(self._window_ends[-1])

    def __getitem__(self, index: int) -> Table:  # type: ignore[override]
        window = int(np.searchsorted(self._window_ends, index, side="right")) - 1
        if self._current_window is None or self._current_window[0] != window:
            table = self.windows[window][1]()
            # the first window uses the key itself, so that a single window equals a table in memory
            key = self.key if window == 0 else rng.key(self.key, "window", window)
            order = torch.from_numpy(rng.generator(key).permutation(len(table)))
            self._current_window = (window, table, order)
        _, table, order = self._current_window
        first = (index - int(self._window_ends[window])) * self.batch
        return table.take(order[first : first + self.batch])


class Clicks:
    """Training task of a CTR network: weighted binary cross-entropy; soft labels are allowed.

    build_batches  (epoch, progress) -> batches of the epoch
    validation     rows whose negative log loss is the validation score, or None
    """

    def __init__(
        self, net: ClickNet, epochs: Callable[[int, float], Sequence[Table]], valid: Table | None = None
    ) -> None:
        self.net: nn.Module = net
        self.epochs, self.valid = epochs, valid

    def epoch(self, number: int, progress: float) -> Sequence[Table]:
        """Returns the batches of an epoch."""
        return self.epochs(number, progress)

    def loss(self, net: nn.Module, batch: Table, chance: Chance) -> tuple[Tensor, int]:
        """Returns (weighted mean loss, rows); with several processes, each computes its share."""
        own = batch.take(slice(chance.rank, None, chance.world))
        device = next(net.parameters()).device
        numbers, codes = own.numbers.to(device), own.codes.to(device)
        label, weight = own.label.to(device), own.weight.to(device)
        each = F.binary_cross_entropy_with_logits(net(numbers, codes), label, reduction="none")
        return (each * weight).sum() / weight.sum().clamp(min=1e-9), len(own)

    def look(self, net: nn.Module) -> float | None:
        """Returns the negative log loss on the validation rows, or None without any."""
        if self.valid is None:
            return None
        return -float(losses(net, self.valid).mean())


def losses(net: nn.Module, rows: Table) -> npt.NDArray[np.float64]:
    """Returns the log loss of each row, float64 (rows,)."""
    each = F.binary_cross_entropy_with_logits(answers(net, rows), rows.label.double(), reduction="none")
    log_losses: npt.NDArray[np.float64] = each.numpy()
    return log_losses


@torch.no_grad()
def answers(net: nn.Module, rows: Table) -> Tensor:
    """Returns logits on the CPU, float64 (rows,)."""
    device = next(net.parameters()).device
    net.eval()
    parts = [
        net(numbers.to(device), codes.to(device)).double().cpu()
        for numbers, codes in zip(rows.numbers.split(_PREDICTION_ROWS), rows.codes.split(_PREDICTION_ROWS), strict=True)
    ]
    return torch.cat(parts)
