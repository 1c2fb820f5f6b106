"""How wrong was the guess of the next item, and what is its gradient, at what cost?

The softmax losses are one function: the positive's logit against a set of others. Its gradient is computed while
the logits are at hand, a few hundred rows at a time, so that they are never all in memory.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_CELLS = 1_048_576  # logits held at a time: 4 MB, which stay in the cache
_SAFE = 40.0  # exp of it, summed over any catalogue, is finite in float32, and 1 / exp of it is not 0


class _Against(torch.autograd.Function):
    """sum of weight * (log(exp(positive) + sum of exp(others)) - positive), gradients ready after the forward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        others: Tensor,
        positive: Tensor,
        bias: Tensor | None,
        weight: Tensor,
        hits: Tensor,
        half: bool,
    ) -> Tensor:
        rows = max(_CELLS // max(len(others), 1), 1)
        of_states, of_others = torch.empty_like(states), torch.zeros_like(others)
        of_positive, total = torch.empty_like(positive), positive.new_zeros(())
        shift = _reach(states, others, bias) > _SAFE
        rounded = others.bfloat16() if half else others
        edges = torch.searchsorted(hits[0].contiguous(), torch.arange(0, len(states) + rows, rows, device=hits.device))
        for nth, low in enumerate(range(0, len(states), rows)):
            part = slice(low, low + rows)
            logits = states[part] @ others.T if bias is None else torch.addmm(bias, states[part], others.T)
            own = hits[:, edges[nth] : edges[nth + 1]]
            logits[own[0] - low, own[1]] = -torch.inf
            top = torch.maximum(logits.amax(1), positive[part]) if shift else torch.zeros_like(positive[part])
            share = (logits.sub_(top[:, None]) if shift else logits).exp_()
            of_row = (positive[part] - top).exp()
            mass = share.sum(1) + of_row
            total += (weight[part] * (mass.log() + top - positive[part])).sum()
            scale = weight[part] / mass
            of_positive[part] = of_row * scale - weight[part]
            scaled = states[part] * scale[:, None]
            if half:
                share, scaled = share.bfloat16(), scaled.bfloat16()
            of_states[part] = (share @ rounded).to(states.dtype) * scale[:, None]
            of_others += share.T @ scaled
        ctx.save_for_backward(of_states, of_others, of_positive)
        return total

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor | None, ...]:
        of_states, of_others, of_positive = ctx.saved_tensors
        return above[0] * of_states, above[0] * of_others, above[0] * of_positive, None, None, None, None


def _reach(states: Tensor, others: Tensor, bias: Tensor | None) -> float:
    """No logit is larger in size: the product of the longest vectors, and the largest bias."""
    longest = states.norm(dim=1).amax() * others.norm(dim=1).amax()
    return float(longest if bias is None else longest + bias.abs().amax())


def against(
    states: Tensor,
    positives: Tensor,
    others: Tensor,
    weight: Tensor,
    hits: Tensor,
    bias: Tensor | None = None,
    half: bool = False,
) -> Tensor:
    """Summed softmax cross-entropy of each state's positive against all `others`.

    states, positives float32 (targets, width), logits are their dot products; others float32 (n, width); weight
    float32 (targets,); hits int64 (2, pairs), ascending in the first line: pairs (target, other) to leave out, because
    that other is the target itself; bias float32 (n,) is added to the others' logits. half: the
    loss is that of float32; the products of its gradient are of numbers rounded to bfloat16, summed in float32.
    """
    positive = (states * positives).sum(1)
    loss: Tensor = _Against.apply(states, others, positive, bias, weight, hits, half)
    return loss


def collisions(targets: Tensor, others: Tensor) -> Tensor:
    """int64 (2, pairs): where an other is the target, by the targets' order."""
    there, order = others.sort(stable=True)
    first, last = (torch.searchsorted(there, targets, right=right) for right in (False, True))
    count = last - first
    row = torch.repeat_interleave(count)
    nth = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count)[row]
    return torch.stack([row, order[first[row] + nth]])


def binary(states: Tensor, positives: Tensor, negatives: Tensor, weight: Tensor) -> Tensor:
    """Summed binary cross-entropy of one positive and one negative each (SASRec, ICDM 2018, eq. 8), by dot products."""
    up, down = (states * positives).sum(1), (states * negatives).sum(1)
    return (weight * (F.softplus(-up) + F.softplus(down))).sum()


def cosine(states: Tensor, temperature: float) -> Tensor:
    """States on the sphere of radius 1 / temperature: their dot product with unit vectors is a logit."""
    return F.normalize(states, dim=-1) / temperature
