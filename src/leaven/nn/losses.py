"""Losses: next-item prediction with low memory use, and contrastive learning.

The softmax losses are one function: the positive's logit against a set of candidates. The gradient is computed in the
forward pass, a few hundred rows at a time, so that the logits are never all in memory.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from leaven import rng
from leaven.datasets.histories import Histories, concat_histories
from leaven.nn import device
from leaven.nn.sequence_packing import Ints, Segments, build_last_segments

_MAX_LOGITS = 1 << 21  # in memory: 8 MB
_ROW_MULTIPLE = 32  # rows of a product: a CPU compiles a kernel for each number of rows
_SAFE_LOGIT = 40.0  # its exp, summed over any catalog, is finite in float32, and 1 / exp is not 0


class _SoftmaxLoss(torch.autograd.Function):
    """sum of weight * (log(exp(positive) + sum of exp(candidates)) - positive); forward also computes gradients."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        """inputs: the arguments of `_compute_loss_and_gradients`."""
        gradients, total = _compute_loss_and_gradients(*inputs)
        ctx.save_for_backward(*gradients)
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        state_gradient, candidate_gradient, positive_gradient = ctx.saved_tensors
        scale = upstream[0]
        return scale * state_gradient, scale * candidate_gradient, scale * positive_gradient, None, None, None, None


def _compute_loss_and_gradients(
    states: Tensor, others: Tensor, positive: Tensor, bias: Tensor | None, weight: Tensor, hits: Tensor, half: bool
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Returns ((gradients of states, of candidates, of the positives' logits), the loss)."""
    count = len(states)
    states, positive, weight = (_pad_rows(tensor) for tensor in (states, positive, weight))
    rows = min(max(_MAX_LOGITS // max(len(others), 1) // _ROW_MULTIPLE * _ROW_MULTIPLE, _ROW_MULTIPLE), len(states))
    buffer = _allocate_logits(rows, others)
    state_gradient, candidate_gradient = torch.empty_like(states), torch.zeros_like(others)
    positive_gradient, total = torch.empty_like(positive), positive.new_zeros(())
    needs_shift = _bound_logits(states, others, bias) > _SAFE_LOGIT
    edges = torch.searchsorted(hits[0].contiguous(), torch.arange(0, len(states) + rows, rows, device=hits.device))
    left, right = _split_for_bfloat16(states, others) if half else (states, others)
    with device.use_reduced_precision() if half else nullcontext():
        for chunk, low in enumerate(range(0, len(states), rows)):
            part = slice(low, low + rows)
            out = None if buffer is None else buffer[: len(states[part])]
            if bias is None:
                logits = torch.mm(left[part], right.T, out=out)
            else:
                logits = torch.addmm(bias, left[part], right.T, out=out)
            masked = hits[:, edges[chunk] : edges[chunk + 1]]
            logits[masked[0] - low, masked[1]] = -torch.inf
            top = torch.maximum(logits.amax(1), positive[part]) if needs_shift else torch.zeros_like(positive[part])
            share = (logits.sub_(top[:, None]) if needs_shift else logits).exp_()
            positive_exp = (positive[part] - top).exp()
            mass = share.sum(1) + positive_exp
            total += (weight[part] * (mass.log() + top - positive[part])).sum()
            scale = weight[part] / mass
            positive_gradient[part] = positive_exp * scale - weight[part]
            state_gradient[part] = (share @ others).to(states.dtype) * scale[:, None]
            scaled = states[part] * scale[:, None]
            if buffer is None:
                candidate_gradient += share.T @ scaled
            else:
                candidate_gradient.addmm_(share.T, scaled)
    return (state_gradient[:count], candidate_gradient, positive_gradient[:count]), total


def _pad_rows(rows: Tensor) -> Tensor:
    """Pads with zero rows to a multiple of `_ROW_MULTIPLE`; a state of weight 0 adds nothing."""
    return F.pad(rows, (*(0, 0) * (rows.dim() - 1), 0, -len(rows) % _ROW_MULTIPLE))


def _allocate_logits(rows: int, others: Tensor) -> Tensor | None:
    """Allocates a reusable buffer for logits on a CPU, where every product would allocate memory; None elsewhere."""
    if others.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return None
    return others.new_empty((rows, len(others)))


def _split_for_bfloat16(states: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Returns rows of three times the width whose bfloat16 products approximate the float32 products.

    a · b = near(a) · near(b) + rest(a) · near(b) + near(a) · rest(b), without the product of both rests and the
    rounding of each rest: logits are accurate to 1e-4 instead of 3e-2, at a lower cost than float32.
    """
    (near, rest), (other_near, other_rest) = (_split_rounding(rows) for rows in (states, others))
    return torch.cat([near, rest, near], 1), torch.cat([other_near, other_near, other_rest], 1)


def _split_rounding(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Returns (values rounded to bfloat16, remainders)."""
    near = rows.bfloat16().to(rows.dtype)
    return near, rows - near


def _bound_logits(states: Tensor, others: Tensor, bias: Tensor | None) -> float:
    """Returns an upper bound of the absolute logits: product of the largest norms, plus the largest bias."""
    longest = states.norm(dim=1).amax() * others.norm(dim=1).amax()
    return float(longest if bias is None else longest + bias.abs().amax())


def softmax_loss(
    states: Tensor,
    positives: Tensor,
    candidates: Tensor,
    weight: Tensor,
    masked_pairs: Tensor,
    bias: Tensor | None = None,
    use_bfloat16: bool = False,
) -> Tensor:
    """Returns the summed softmax cross-entropy of each state's positive against all candidates.

    states, positives  float32 (targets, width); logits are their dot products
    candidates         float32 (n, width)
    weight             float32 (targets,)
    masked_pairs       int64 (2, pairs), ascending in the first row: (target, candidate) to exclude because the
                       candidate is the target itself
    bias               float32 (n,), added to the candidates' logits
    use_bfloat16       bfloat16 products summed in float32: logits accurate to 1e-4, gradients to 1 %
    """
    positive = (states * positives).sum(1)
    loss: Tensor = _SoftmaxLoss.apply(states, candidates, positive, bias, weight, masked_pairs, use_bfloat16)
    return loss


def find_collisions(targets: Tensor, candidates: Tensor) -> Tensor:
    """Returns the pairs (target, candidate) with equal ids, int64 (2, pairs), in the order of the targets."""
    ordered, order = candidates.sort(stable=True)
    first, last = (torch.searchsorted(ordered, targets, right=right) for right in (False, True))
    count = last - first
    row = torch.repeat_interleave(count)
    nth = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count)[row]
    return torch.stack([row, order[first[row] + nth]])


def binary_loss(states: Tensor, positives: Tensor, negatives: Tensor, weight: Tensor) -> Tensor:
    """Returns the summed binary cross-entropy with one negative per positive (SASRec, ICDM 2018, eq. 8)."""
    positive, negative = (states * positives).sum(1), (states * negatives).sum(1)
    return (weight * (F.softplus(-positive) + F.softplus(negative))).sum()


class _NormalizeRows(torch.autograd.Function):
    """x / |x| row by row; its gradient needs half the passes of the composed operations."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        norm = x.norm(dim=-1, keepdim=True).clamp_min_(1e-12)
        normalized = x / norm
        ctx.save_for_backward(normalized, norm)
        return normalized

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Tensor:
        normalized, norm = ctx.saved_tensors
        projection = (upstream[0] * normalized).sum(-1, keepdim=True)
        return torch.addcmul(upstream[0], normalized, projection, value=-1).div_(norm)


def normalize_rows(x: Tensor) -> Tensor:
    """Scales rows (…, width) to norm 1; zero rows stay zero."""
    normalized: Tensor = _NormalizeRows.apply(x)
    return normalized


def scale_states(states: Tensor, temperature: float) -> Tensor:
    """Scales states to norm 1 / temperature, so that dot products with unit vectors are logits."""
    return normalize_rows(states) / temperature


SECOND_VIEW_OFFSET = 2**32
"""The second view of epoch e is the plan's output for epoch e + this offset, which no training reaches."""


@dataclass(frozen=True, eq=False)
class ViewPairs:
    """Two views of every history.

    views         the last events of all histories in both views
    view_indices  int64 (2, histories): positions of each history's two views in `views`
    row_ids       uint64 (histories,): ascending, as in the training segments
    """

    views: Segments
    view_indices: Ints
    row_ids: rng.RngKeys

    def select_views(self, row_ids: rng.RngKeys) -> Segments:
        """Returns the first views of the histories with these ids, then their second views in the same order."""
        index = np.searchsorted(self.row_ids, row_ids).clip(max=len(self.row_ids) - 1)
        matches = index[self.row_ids[index] == row_ids] if len(self.row_ids) else index[:0]
        return self.views.take(self.view_indices[:, matches].ravel())


def pair_views(rows: Histories, other_rows: Histories, max_length: int) -> ViewPairs:
    """Pairs the views of the histories in both sets by row id; empty histories are left out."""
    both = concat_histories([rows, other_rows])
    # ids of the first segment of each row
    ids, first, second = np.intersect1d(
        rng.mix_bits(rows.row_ids), rng.mix_bits(other_rows.row_ids), return_indices=True
    )
    view_indices = np.stack([first, len(rows) + second])
    is_full = (both.lengths[view_indices] > 0).all(axis=0)
    return ViewPairs(build_last_segments(both, max_length), view_indices[:, is_full], ids[is_full])


def info_nce(states: Tensor, temperature: float) -> Tensor:
    """Returns the mean cross-entropy of each view's partner among all other views, with cosine logits.

    states float32 (2 * histories, width): first views, then second views in the same order.

    >>> round(float(info_nce(torch.eye(2).repeat(2, 1), 1.0)), 4), round(float(np.log(1 + 2 / np.e)), 4)
    (0.5514, 0.5514)
    """
    normalized = F.normalize(states.float(), dim=-1)
    logits = normalized @ normalized.T / temperature
    n, device = len(normalized), normalized.device
    logits = logits.masked_fill(torch.eye(n, dtype=torch.bool, device=device), -torch.inf)
    partner = torch.arange(n, device=device).roll(n // 2)
    return F.cross_entropy(logits, partner)
