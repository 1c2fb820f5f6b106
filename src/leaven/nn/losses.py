"""How wrong was the guess of the next item, and what is its gradient, at what cost?

The softmax losses are one function: the positive's logit against a set of others. Its gradient is computed while
the logits are at hand, a few hundred rows at a time, so that they are never all in memory.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.nn import device

_CELLS = 1 << 21  # logits held at a time: 8 MB
_STRIDE = 32  # rows of a product are a multiple of it: a CPU compiles one anew for each number of rows
_SAFE = 40.0  # exp of it, summed over any catalogue, is finite in float32, and 1 / exp of it is not 0


class _Against(torch.autograd.Function):
    """sum of weight * (log(exp(positive) + sum of exp(others)) - positive), gradients ready after the forward pass."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        """given: as `_summed` takes them."""
        found, total = _summed(*given)
        ctx.save_for_backward(*found)
        return total

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor | None, ...]:
        of_states, of_others, of_positive = ctx.saved_tensors
        return above[0] * of_states, above[0] * of_others, above[0] * of_positive, None, None, None, None


def _summed(
    states: Tensor,
    others: Tensor,
    positive: Tensor,
    bias: Tensor | None,
    weight: Tensor,
    hits: Tensor,
    half: bool,
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """((gradients of states, of others, of the positives' logits), the loss)."""
    count = len(states)
    states, positive, weight = (_filled(one) for one in (states, positive, weight))
    rows = min(max(_CELLS // max(len(others), 1) // _STRIDE * _STRIDE, _STRIDE), len(states))
    room = _room(rows, others)
    of_states, of_others = torch.empty_like(states), torch.zeros_like(others)
    of_positive, total = torch.empty_like(positive), positive.new_zeros(())
    shift = _reach(states, others, bias) > _SAFE
    edges = torch.searchsorted(hits[0].contiguous(), torch.arange(0, len(states) + rows, rows, device=hits.device))
    left, right = _in_three(states, others) if half else (states, others)
    with device.rounded_products() if half else nullcontext():
        for nth, low in enumerate(range(0, len(states), rows)):
            part = slice(low, low + rows)
            out = None if room is None else room[: len(states[part])]
            pair = left[part], right.T
            logits = torch.mm(*pair, out=out) if bias is None else torch.addmm(bias, *pair, out=out)
            own = hits[:, edges[nth] : edges[nth + 1]]
            logits[own[0] - low, own[1]] = -torch.inf
            top = torch.maximum(logits.amax(1), positive[part]) if shift else torch.zeros_like(positive[part])
            share = (logits.sub_(top[:, None]) if shift else logits).exp_()
            of_row = (positive[part] - top).exp()
            mass = share.sum(1) + of_row
            total += (weight[part] * (mass.log() + top - positive[part])).sum()
            scale = weight[part] / mass
            of_positive[part] = of_row * scale - weight[part]
            of_states[part] = (share @ others).to(states.dtype) * scale[:, None]
            scaled = states[part] * scale[:, None]
            if room is None:
                of_others += share.T @ scaled
            else:
                of_others.addmm_(share.T, scaled)
    return (of_states[:count], of_others, of_positive[:count]), total


def _filled(lines: Tensor) -> Tensor:
    """With zeros up to a full stride of lines; a state of weight 0 adds nothing."""
    return F.pad(lines, (*(0, 0) * (lines.dim() - 1), 0, -len(lines) % _STRIDE))


def _room(rows: int, others: Tensor) -> Tensor | None:
    """Memory for the logits of some rows that the next ones use again, where a CPU would ask for new one."""
    if others.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return None
    return others.new_empty((rows, len(others)))


def _in_three(states: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Lines three times as long whose products, rounded to bfloat16, are those of states and others as they are.

    a · b is near(a) · near(b) + rest(a) · near(b) + near(a) · rest(b), but for the product of both rests and what
    rounding takes from a rest: a logit is right to 1e-4 instead of 3e-2, for less than float32 costs.
    """
    (near, rest), (other_near, other_rest) = (_apart(lines) for lines in (states, others))
    return torch.cat([near, rest, near], 1), torch.cat([other_near, other_near, other_rest], 1)


def _apart(lines: Tensor) -> tuple[Tensor, Tensor]:
    """(what bfloat16 holds of the numbers, what that leaves)."""
    near = lines.bfloat16().to(lines.dtype)
    return near, lines - near


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
    that other is the target itself; bias float32 (n,) is added to the others' logits. half: products are of
    numbers that bfloat16 holds, summed in float32; logits stay right to 1e-4, gradients to 1 %.
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


class _Unit(torch.autograd.Function):
    """x / |x| line by line, its gradient in half as many passes as that of the parts."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        length = x.norm(dim=-1, keepdim=True).clamp_min_(1e-12)
        made = x / length
        ctx.save_for_backward(made, length)
        return made

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> Tensor:
        made, length = ctx.saved_tensors
        along = (above[0] * made).sum(-1, keepdim=True)
        return torch.addcmul(above[0], made, along, value=-1).div_(length)


def unit(x: Tensor) -> Tensor:
    """Lines (…, width) of length 1 in the same directions; a line of zeros stays."""
    found: Tensor = _Unit.apply(x)
    return found


def cosine(states: Tensor, temperature: float) -> Tensor:
    """States on the sphere of radius 1 / temperature: their dot product with unit vectors is a logit."""
    return unit(states) / temperature
