"""How is a net trained so that no single example shows in it? (DP-SGD)

Abadi and others, CCS 2016, algorithm 1: each example takes part in a step by chance, its gradient is cut to a length,
noise is added to the sum. Gradients of single examples come from `torch.func`; tied weights add up as they should.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from leaven import rng
from leaven.errors import FitError
from leaven.progress import Tell, quiet

Ints = npt.NDArray[np.int64]

_TOGETHER = 32  # examples whose gradients are held at a time


@dataclass(frozen=True)
class PrivateCourse:
    """key: every draw follows from it; rate: chance of an example in a step; clip: longest gradient of one;
    noise: standard deviation in units of `clip`; look_every: steps between records; tell: hears of every step."""

    key: int
    steps: int
    learning_rate: float
    rate: float
    clip: float
    noise: float
    look_every: int
    tell: Tell = quiet


def train(
    loss: nn.Module, examples: int, batch: Callable[[Ints], tuple[Tensor, ...]], course: PrivateCourse
) -> list[dict[str, float]]:
    """Trains the parameters of `loss` in place; one record a look: step, mean loss of the examples that took part.

    loss   (tensors of one example) -> its loss
    batch  indices of examples -> their tensors, stacked

    Raises FitError where the loss is no finite number. The losses of the records are for the eye of the trainer: they
    are computed without noise, and must not be published beside the net.
    """
    optimizer = torch.optim.Adam(loss.parameters(), lr=course.learning_rate)
    curve, seen = [], list[float]()
    for step in range(course.steps):
        chosen = rng.generator(rng.key(course.key, "chosen", step)).random(examples) < course.rate
        total, losses = _summed(loss, np.flatnonzero(chosen), batch, course.clip)
        seen += losses
        chance = torch.Generator().manual_seed(rng.key(course.key, "noise", step))
        for name, weights in loss.named_parameters():
            drawn = torch.randn(weights.shape, generator=chance) * (course.noise * course.clip)
            weights.grad = (total[name] + drawn) / (course.rate * examples)
        optimizer.step()
        course.tell(step + 1, course.steps, "training")
        if (step + 1) % course.look_every == 0 or step + 1 == course.steps:
            if not np.isfinite(seen).all():
                raise FitError(f"training, step {step + 1}", "a finite loss", "none", "lower the learning rate")
            curve.append({"step": float(step + 1), "loss": float(np.mean(seen)) if seen else float("nan")})
            seen = []
    return curve


def _summed(
    loss: nn.Module, chosen: Ints, batch: Callable[[Ints], tuple[Tensor, ...]], clip: float
) -> tuple[dict[str, Tensor], list[float]]:
    """(sum of the cut gradients by parameter, losses)."""
    held = {name: weights.detach() for name, weights in loss.named_parameters()}
    total = {name: torch.zeros_like(weights) for name, weights in held.items()}
    losses: list[float] = []

    def of_one(weights: dict[str, Tensor], *example: Tensor) -> Tensor:
        found: Tensor = torch.func.functional_call(loss, weights, example)
        return found

    for first in range(0, len(chosen), _TOGETHER):
        tensors = batch(chosen[first : first + _TOGETHER])
        each = torch.func.vmap(torch.func.grad_and_value(of_one), in_dims=(None, *[0] * len(tensors)))
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            gradients, values = each(held, *tensors)
        lengths = torch.stack([one.flatten(1).norm(dim=1) for one in gradients.values()]).norm(dim=0)
        factor = (clip / lengths.clamp(min=1e-12)).clamp(max=1.0)
        for name, one in gradients.items():
            total[name] += torch.tensordot(factor, one, dims=1)
        losses += values.tolist()
    return total, losses
