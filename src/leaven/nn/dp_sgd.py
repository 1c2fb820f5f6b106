"""Differentially private stochastic gradient descent (DP-SGD).

Abadi and others, CCS 2016, algorithm 1: each step samples examples at random, clips the gradient of each example and
adds noise to the sum. Per-example gradients come from `torch.func`, which handles tied weights.
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
from leaven.progress import ProgressCallback, no_progress

Ints = npt.NDArray[np.int64]

_CHUNK_EXAMPLES = 32  # examples whose gradients are in memory together


@dataclass(frozen=True)
class DpSgdConfig:
    """Configuration of DP-SGD.

    key                seeds all random draws
    sampling_rate      probability that an example takes part in a step
    max_gradient_norm  gradients of single examples are clipped to this norm
    noise_multiplier   standard deviation of the noise in units of `max_gradient_norm`
    record_every       steps between records of the training curve
    """

    key: int
    steps: int
    learning_rate: float
    sampling_rate: float
    max_gradient_norm: float
    noise_multiplier: float
    record_every: int
    on_progress: ProgressCallback = no_progress


def train_dp_sgd(
    loss_module: nn.Module, n_examples: int, load_batch: Callable[[Ints], tuple[Tensor, ...]], config: DpSgdConfig
) -> list[dict[str, float]]:
    """Trains the parameters of `loss_module` in place; returns the curve: step, mean loss of the sampled examples.

    loss_module  (tensors of one example) -> its loss
    load_batch   indices of examples -> their stacked tensors

    Raises FitError if the loss is not finite. The recorded losses contain no noise and must not be published together
    with the network.
    """
    optimizer = torch.optim.Adam(loss_module.parameters(), lr=config.learning_rate)
    curve, recent = [], list[float]()
    for step in range(config.steps):
        is_sampled = (
            rng.make_generator(rng.derive_key(config.key, "chosen", step)).random(n_examples) < config.sampling_rate
        )
        total, losses = _sum_clipped_gradients(
            loss_module, np.flatnonzero(is_sampled), load_batch, config.max_gradient_norm
        )
        recent += losses
        generator = torch.Generator().manual_seed(rng.derive_key(config.key, "noise", step))
        for name, weights in loss_module.named_parameters():
            noise = torch.randn(weights.shape, generator=generator) * (
                config.noise_multiplier * config.max_gradient_norm
            )
            weights.grad = (total[name] + noise) / (config.sampling_rate * n_examples)
        optimizer.step()
        config.on_progress(step + 1, config.steps, "training")
        if (step + 1) % config.record_every == 0 or step + 1 == config.steps:
            if not np.isfinite(recent).all():
                raise FitError(f"training, step {step + 1}", "a finite loss", "none", "lower the learning rate")
            curve.append({"step": float(step + 1), "loss": float(np.mean(recent)) if recent else float("nan")})
            recent = []
    return curve


def _sum_clipped_gradients(
    loss: nn.Module, indices: Ints, batch: Callable[[Ints], tuple[Tensor, ...]], clip: float
) -> tuple[dict[str, Tensor], list[float]]:
    """Returns (sum of the clipped gradients by parameter, losses)."""
    parameters = {name: weights.detach() for name, weights in loss.named_parameters()}
    total = {name: torch.zeros_like(weights) for name, weights in parameters.items()}
    losses: list[float] = []

    def compute_loss(weights: dict[str, Tensor], *example: Tensor) -> Tensor:
        value: Tensor = torch.func.functional_call(loss, weights, example)
        return value

    for first in range(0, len(indices), _CHUNK_EXAMPLES):
        tensors = batch(indices[first : first + _CHUNK_EXAMPLES])
        differentiate = torch.func.vmap(torch.func.grad_and_value(compute_loss), in_dims=(None, *[0] * len(tensors)))
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            gradients, values = differentiate(parameters, *tensors)
        norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients.values()]).norm(dim=0)
        factor = (clip / norms.clamp(min=1e-12)).clamp(max=1.0)
        for name, gradient in gradients.items():
            total[name] += torch.tensordot(factor, gradient, dims=1)
        losses += values.tolist()
    return total, losses
