"""Which nets say whether a row is a positive, and how are they trained?"""

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

_LOOK_ROWS = 8192  # rows of one forward pass when nothing is learned


@dataclass(frozen=True)
class ClickShape:
    """numbers: of a row; levels: codes of each category column, 0 not counted; embedding: width of a category;
    hidden: widths of the layers; crosses: layers that multiply the input with itself; dropout: in hidden layers.
    """

    numbers: int
    levels: tuple[int, ...]
    embedding: int
    hidden: tuple[int, ...]
    crosses: int = 0
    dropout: float = 0.0

    @property
    def width(self) -> int:
        """Numbers and embeddings side by side."""
        return self.numbers + self.embedding * len(self.levels)


class ClickNet(nn.Module):
    """Numbers and embedded categories through ReLU layers, beside cross layers where asked, to one logit.

    Cross layers as in DCN-V2 (Wang and others, WWW 2021, eq. 1, full matrix), parallel to the deep part.
    """

    def __init__(self, shape: ClickShape, chance: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        with torch.random.fork_rng(devices=[]):  # layers draw from the global generator, for nothing
            self.tables = nn.ModuleList(nn.Embedding(count + 1, shape.embedding) for count in shape.levels)
            sizes = [shape.width, *shape.hidden]
            self.deep = nn.ModuleList(nn.Linear(low, high) for low, high in pairwise(sizes))
            self.crosses = nn.ModuleList(nn.Linear(shape.width, shape.width) for _ in range(shape.crosses))
            self.last = nn.Linear(sizes[-1] + (shape.width if shape.crosses else 0), 1)
        self._draw(chance)

    @torch.no_grad()
    def _draw(self, chance: torch.Generator) -> None:
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
        """(rows,): logits. numbers float32 (rows, numbers); codes int64 (rows, columns)."""
        looked_up = [table(codes[:, place]) for place, table in enumerate(self.tables)]
        start = torch.cat([numbers, *looked_up], dim=1)  # (rows, width)
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
    """numbers float32 (rows, numbers), codes int64 (rows, columns), label and weight float32 (rows,)."""

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
        """Tensors over the arrays."""
        wide = torch.from_numpy(codes.astype(np.int64))
        return cls(torch.from_numpy(numbers), wide, torch.from_numpy(label.copy()), torch.from_numpy(weight.copy()))

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: Tensor | slice) -> Table:
        """These rows."""
        return Table(self.numbers[rows], self.codes[rows], self.label[rows], self.weight[rows])


class Batches(Sequence[Table]):
    """The batches of an epoch, window by window: rows are mixed inside a window, of which one lies in memory.

    windows  for each, how many rows it has and what gives them
    key      the order of a window's rows follows from it and the window's place
    """

    def __init__(self, windows: Sequence[tuple[int, Callable[[], Table]]], batch: int, key: int) -> None:
        self.windows, self.batch, self.key = windows, batch, key
        counts = [-(-rows // batch) for rows, _ in windows]
        self._ends = np.cumsum([0, *counts])
        self._open: tuple[int, Table, Tensor] | None = None

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, place: int) -> Table:  # type: ignore[override]
        window = int(np.searchsorted(self._ends, place, side="right")) - 1
        if self._open is None or self._open[0] != window:
            table = self.windows[window][1]()
            # the first window keeps the key itself, so that one window is what a table in memory always was
            key = self.key if window == 0 else rng.key(self.key, "window", window)
            order = torch.from_numpy(rng.generator(key).permutation(len(table)))
            self._open = (window, table, order)
        _, table, order = self._open
        first = (place - int(self._ends[window])) * self.batch
        return table.take(order[first : first + self.batch])


class Clicks:
    """The task for `training.train`: weighted binary cross-entropy, soft labels allowed.

    epochs: (epoch, progress) -> its batches. `look` is minus the log loss on `valid`.
    """

    def __init__(
        self, net: ClickNet, epochs: Callable[[int, float], Sequence[Table]], valid: Table | None = None
    ) -> None:
        self.net: nn.Module = net
        self.epochs, self.valid = epochs, valid

    def epoch(self, number: int, progress: float) -> Sequence[Table]:
        """The batches of an epoch."""
        return self.epochs(number, progress)

    def loss(self, net: nn.Module, batch: Table, chance: Chance) -> tuple[Tensor, int]:
        """(weighted mean, rows); each process of several takes its share."""
        mine = batch.take(slice(chance.rank, None, chance.world))
        device = next(net.parameters()).device
        numbers, codes = mine.numbers.to(device), mine.codes.to(device)
        label, weight = mine.label.to(device), mine.weight.to(device)
        each = F.binary_cross_entropy_with_logits(net(numbers, codes), label, reduction="none")
        return (each * weight).sum() / weight.sum().clamp(min=1e-9), len(mine)

    def look(self, net: nn.Module) -> float | None:
        """Minus the log loss on the rows to validate on."""
        if self.valid is None:
            return None
        return -float(losses(net, self.valid).mean())


def losses(net: nn.Module, rows: Table) -> npt.NDArray[np.float64]:
    """float64 (rows,): minus the logarithm of the chance that each row's label was given."""
    each = F.binary_cross_entropy_with_logits(answers(net, rows), rows.label.double(), reduction="none")
    found: npt.NDArray[np.float64] = each.numpy()
    return found


@torch.no_grad()
def answers(net: nn.Module, rows: Table) -> Tensor:
    """float64 (rows,): logits, on the CPU."""
    device = next(net.parameters()).device
    net.eval()
    parts = [
        net(numbers.to(device), codes.to(device)).double().cpu()
        for numbers, codes in zip(rows.numbers.split(_LOOK_ROWS), rows.codes.split(_LOOK_ROWS), strict=True)
    ]
    return torch.cat(parts)
