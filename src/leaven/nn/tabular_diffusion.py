"""How does a net learn to take noise from a row?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven import rng
from leaven.nn.tabular_codec import Coded, RowShape, chances, draw_weights, hot, layers, surprise, weighed
from leaven.nn.training import Chance

Floats = npt.NDArray[np.float64]
_WAVES = 16  # of the step's embedding
_FARTHEST = 4.0  # no score of a clean row lies farther out


class CleanNet(nn.Module):
    """(noisy row, label, step) -> (noise of the numbers, logits of the clean bins), with residual layers."""

    def __init__(self, shape: RowShape, seen: npt.NDArray[np.bool_], steps: int, key: int) -> None:
        super().__init__()
        self.shape, self.steps = shape, steps
        parts = torch.from_numpy(seen.astype(np.float64)).split(list(shape.sizes))
        self.even: Tensor  # float64 (all bins,): chances of a bin of which nothing is known, 0 for bins nobody is in
        self.register_buffer("even", torch.cat([part / part.sum() for part in parts]), persistent=False)
        with torch.random.fork_rng(devices=[]):
            self.first = nn.Linear(shape.wide + shape.labels + 2 * _WAVES, shape.width)
            self.inner = nn.ModuleList(layers(shape.width, 2 * shape.width, shape.width) for _ in range(shape.layers))
            self.last = nn.Linear(shape.width, shape.wide)
        kept = torch.cos((torch.arange(steps + 1, dtype=torch.float64) / steps + 0.008) / 1.008 * math.pi / 2) ** 2
        self.kept: Tensor  # float64 (steps + 1,): how much of a row is left after so many steps
        self.register_buffer("kept", (kept / kept[0]).clamp(1e-5, 1.0), persistent=False)
        draw_weights(self, key)

    def forward(self, scores: Tensor, bins: Tensor, label: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """scores (rows, numbers), bins (rows, columns) after `step` + 1 steps of noise; label, step int64 (rows,)."""
        waves = torch.exp(-math.log(1000.0) * torch.arange(_WAVES, device=scores.device) / _WAVES)
        angle = 1000.0 * (step.float() / self.steps)[:, None] * waves
        given = F.one_hot(label, self.shape.labels).float()
        hidden = hot(bins, self.shape.sizes)
        x = self.first(torch.cat([scores, hidden, given, angle.sin(), angle.cos()], dim=1))
        for part in self.inner:
            x = x + part(F.layer_norm(x, x.shape[1:]))
        out = self.last(F.silu(x))
        return out[:, : self.shape.numbers], out[:, self.shape.numbers :]

    def exchanged(self, lots: Tensor) -> Tensor:
        """int64 (rows, columns): a bin of which nothing is known, by lots (rows, columns) of 0..1."""
        parts = self.even.float().split(list(self.shape.sizes))
        found = [
            torch.searchsorted(part.cumsum(0), lots[:, place].contiguous(), right=True)
            for place, part in enumerate(parts)
        ]
        limits = torch.tensor(self.shape.sizes, device=lots.device) - 1
        return torch.minimum(torch.stack(found, dim=1), limits)

    @torch.no_grad()
    def back(
        self, scores: Floats, bins: npt.NDArray[np.int64], label: npt.NDArray[np.int64], step: int
    ) -> tuple[Floats, Floats, float]:
        """(mean of the scores one step before, chances of the bins one step before, spread of the scores).

        Numbers as in DDPM (Ho and others, 2020, eq. 7) with the clean score cut off at 4; the label is given.
        """
        told, now = torch.from_numpy(label), torch.from_numpy(bins)
        x = torch.from_numpy(scores)
        noise, logits = self(x.float(), now, told, torch.full((len(bins),), step))
        after, before = float(self.kept[step + 1]), float(self.kept[step])
        once = after / before
        clean = ((x - math.sqrt(1 - after) * noise) / math.sqrt(after)).clamp(-_FARTHEST, _FARTHEST)
        mean = (math.sqrt(before) * (1 - once) * clean + math.sqrt(once) * (1 - before) * x) / (1 - after)
        spread = math.sqrt((1 - once) * (1 - before) / (1 - after))
        odds = self._back_bins(chances(logits.double(), self.shape.sizes), hot(now, self.shape.sizes), once, before)
        odds[:, : self.shape.labels] = F.one_hot(told, self.shape.labels).double()
        return mean.numpy(), odds.numpy(), spread

    def _back_bins(self, clean: Tensor, now: Tensor, once: float, before: float) -> Tensor:
        """(rows, all bins): chances one step before, from those of the clean bins and from where the row is now."""
        odds = (once * now + (1 - once) * self.even) * (before * clean + (1 - before) * self.even)
        parts = odds.split(list(self.shape.sizes), dim=1)
        return torch.cat([part / part.sum(1, keepdim=True) for part in parts], dim=1)


class CleanTask:
    """The loss of `CleanNet`: squared error of the noise, cross-entropy of the clean bins."""

    def __init__(self, net: CleanNet, rows: Coded, key: int) -> None:
        self.net: nn.Module = net
        self._net, self.key = net, key
        self.rows, self.valid = rows.parted(rng.key(key, "valid"))

    def epoch(self, number: int, progress: float) -> Sequence[Tensor]:
        return self.rows.batches(rng.key(self.key, "epoch", number))

    def loss(self, net: nn.Module, batch: Tensor, chance: Chance) -> tuple[Tensor, int]:
        """At a step drawn for each row."""
        rows = self.rows.take(batch).to(next(net.parameters()).device)
        return weighed(self._each(net, rows, chance.generator("noise")), rows.weight), len(batch)

    @torch.no_grad()
    def look(self, net: nn.Module) -> float | None:
        """Minus the loss on rows apart, eight times, with noise that stays the same from look to look."""
        if not len(self.valid):
            return None
        rows, generator = self.valid, torch.Generator().manual_seed(rng.key(self.key, "look"))
        rows = rows.take(torch.arange(len(rows)).repeat(8)).to(next(net.parameters()).device)
        return -float(weighed(self._each(net, rows, generator), rows.weight))

    def _each(self, net: nn.Module, rows: Coded, generator: torch.Generator) -> Tensor:
        """(rows,): the loss of each row."""
        sizes, device = self._net.shape.sizes, rows.bins.device
        step = torch.randint(self._net.steps, (len(rows),), generator=generator)
        noise = torch.randn(rows.scores.shape, generator=generator)
        lots = torch.rand(2, *rows.bins.shape, generator=generator)
        step, noise, lots = step.to(device), noise.to(device), lots.to(device)
        kept = self._net.kept[step + 1].float()[:, None]
        mixed = kept.sqrt() * rows.scores + (1 - kept).sqrt() * noise
        bins = torch.where(lots[0] < kept, rows.bins, self._net.exchanged(lots[1]))
        said, logits = net(mixed, bins, rows.bins[:, 0], step)
        error = ((said - noise) ** 2).mean(1) if noise.shape[1] else noise.new_zeros(len(rows))
        return error + surprise(logits, rows.bins, sizes) / len(sizes)
