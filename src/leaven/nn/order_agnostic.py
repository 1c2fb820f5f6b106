"""Order-agnostic network that predicts every cell of a row from any subset of the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven import rng
from leaven.nn.training import StepRng


@dataclass(frozen=True)
class OrderAgnosticConfig:
    """bin_counts: bins of each column; embedding_dim: of a cell; width, layers: of the residual layers."""

    bin_counts: tuple[int, ...]
    embedding_dim: int
    width: int
    layers: int
    dropout: float


class OrderAgnosticNetwork(nn.Module):
    """Maps known cells, and a mask code for each hidden cell, to a distribution for every column.

    One network for all orders (Uria, Murray and Larochelle, ICML 2014; Hoogeboom and others, ICLR 2022).
    """

    def __init__(self, shape: OrderAgnosticConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        columns = len(shape.bin_counts)
        with torch.random.fork_rng(devices=[]):
            self.cells = nn.Embedding(sum(shape.bin_counts) + columns, shape.embedding_dim)  # one mask code per column
            self.first = nn.Linear(columns * shape.embedding_dim, shape.width)
            self.norms = nn.ModuleList(nn.LayerNorm(shape.width) for _ in range(shape.layers))
            self.wide = nn.ModuleList(nn.Linear(shape.width, 2 * shape.width) for _ in range(shape.layers))
            self.narrow = nn.ModuleList(nn.Linear(2 * shape.width, shape.width) for _ in range(shape.layers))
            self.norm = nn.LayerNorm(shape.width)
            self.last = nn.Linear(shape.width, sum(shape.bin_counts))
        starts = np.concatenate([[0], np.cumsum(shape.bin_counts)])
        self.starts: Tensor
        self.hidden_codes: Tensor
        self.register_buffer("starts", torch.tensor(starts[:-1]), persistent=False)
        self.register_buffer("hidden_codes", torch.tensor(int(starts[-1]) + np.arange(columns)), persistent=False)
        self._draw_weights(generator)

    @torch.no_grad()
    def _draw_weights(self, chance: torch.Generator) -> None:
        for name, weights in self.named_parameters():
            if weights.dim() > 1:
                bound = 0.05 if name.startswith("cells") else 1 / math.sqrt(weights.shape[1])
                weights.uniform_(-bound, bound, generator=chance)
            elif name.endswith("bias"):
                weights.zero_()

    def forward(self, bins: Tensor, known: Tensor) -> Tensor:
        """Returns logits, float (rows, all bins), column after column. bins int64, known bool (rows, columns)."""
        codes = torch.where(known, bins + self.starts, self.hidden_codes)
        x = F.gelu(self.first(self.cells(codes).flatten(1)))  # (rows, width)
        for norm, wide, narrow in zip(self.norms, self.wide, self.narrow, strict=True):
            x = x + F.dropout(narrow(F.gelu(wide(norm(x)))), self.shape.dropout, self.training)
        logits: Tensor = self.last(self.norm(x))
        return logits

    def column_log_probabilities(self, logits: Tensor, column: int) -> Tensor:
        """Returns the log-probabilities of a column, float (rows, bins of the column)."""
        low = int(self.starts[column])
        return logits[:, low : low + self.shape.bin_counts[column]].log_softmax(1)


class OrderAgnosticTask:
    """Training task: masks a random subset of each row and predicts it from the rest.

    The validation score is the negative loss with the same masks in every validation.
    """

    def __init__(
        self, net: OrderAgnosticNetwork, train: Tensor, weight: Tensor, validation: Tensor, batch_size: int, key: int
    ) -> None:
        self.net: nn.Module = net
        self._network, self.train, self.weight, self.validation = net, train, weight, validation
        self.batch_size, self.key = batch_size, key

    def build_batches(self, number: int, progress: float) -> Sequence[Tensor]:
        order = rng.make_generator(rng.derive_key(self.key, "epoch", number)).permutation(len(self.train))
        return list(torch.from_numpy(order).split(self.batch_size))

    def compute_loss(self, net: nn.Module, batch: Tensor, step_rng: StepRng) -> tuple[Tensor, int]:
        """Returns (negative log-likelihood per column under a random order, estimated from masked cells; rows)."""
        own = batch[step_rng.rank :: step_rng.n_processes]
        device = next(net.parameters()).device
        rows, weight = self.train[own].to(device), self.weight[own].to(device)
        each = self._compute_masked_loss(net, rows, step_rng.make_generator("hidden"))
        return (each * weight).sum() / weight.sum().clamp(min=1e-9), len(own)

    @torch.no_grad()
    def validate_network(self, net: nn.Module) -> float | None:
        if not len(self.validation):
            return None
        generator = torch.Generator().manual_seed(rng.derive_key(self.key, "look"))
        device = next(net.parameters()).device
        return -float(self._compute_masked_loss(net, self.validation.to(device), generator).mean())

    def _compute_masked_loss(self, net: nn.Module, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Returns the mean loss of each row's masked cells, (rows,); the number of known cells is uniform."""
        columns = rows.shape[1]
        count = torch.randint(0, columns, (len(rows), 1), generator=generator)
        rank = torch.rand(rows.shape, generator=generator).argsort(1).argsort(1)
        known = (rank < count).to(rows.device)
        logits = net(rows, known)
        total = torch.zeros(len(rows), device=rows.device)
        for column in range(columns):
            log_probabilities = self._network.column_log_probabilities(logits, column)
            total = total - torch.where(
                known[:, column], 0.0, log_probabilities.gather(1, rows[:, column : column + 1])[:, 0]
            )
        return total / (~known).sum(1)
