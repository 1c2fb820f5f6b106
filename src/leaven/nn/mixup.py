"""Mixup of the sequence states in a batch.

Mixup (Zhang and others, ICLR 2018, eq. 1) of sequence representations (Guo and others, 2019, "senMixup"; across users
Dang and others, BASRec, AAAI 2025): the output state is ratio * own + (1 - ratio) * partner's, trained on the own
target with weight `ratio` and on the partner's target with the rest. Where we differ from BASRec: losses of the two
targets are mixed, not target vectors, and the mixed state replaces the plain state.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from leaven import rng
from leaven.nn.sequence_packing import PackedBatch


@dataclass(frozen=True, eq=False)
class MixupPairs:
    """Partners and mixing ratios of the output states.

    partner  int64 (targets,)    index of the partner state; a state's own index if it has no partner
    ratio    float32 (targets,)  weight of the own state, equal within a segment; 1 without a partner
    """

    partner: Tensor
    ratio: Tensor

    @property
    def target_indices(self) -> Tensor:
        """Target index of each mixed state, int64 (2 * targets,): own targets, then those of the partners."""
        return torch.cat([torch.arange(len(self.partner), device=self.partner.device), self.partner])

    def mix_states(self, plain: Tensor) -> Tensor:
        """Returns the mixed states twice, float (2 * targets, width)."""
        ratio = self.ratio[:, None].to(plain.dtype)
        return (ratio * plain + (1 - ratio) * plain[self.partner]).repeat(2, 1)

    def mix_weights(self, plain: Tensor) -> Tensor:
        """Returns the weights of both targets, float32 (2 * targets,); their sum equals the plain weight."""
        return torch.cat([self.ratio * plain, (1 - self.ratio) * plain])


def draw_mixup(pack: PackedBatch, alpha: float, key: int) -> MixupPairs:
    """Draws a partner segment without replacement and a ratio from Beta(alpha, alpha) for each segment.

    A state is mixed with the partner segment's state at the same distance from the end.
    """
    segment, age = pack.segments.flatten()[pack.output_indices], pack.steps_to_end.flatten()[pack.output_indices]
    count, longest = int(pack.segments.max()), pack.segments.shape[1]
    generator = rng.make_generator(key)
    other = torch.from_numpy(generator.permutation(count)).to(segment.device)
    ratios = torch.from_numpy(generator.beta(alpha, alpha, count)).float().to(segment.device)
    own = (segment - 1) * longest + age
    order = own.argsort()
    wanted = other[segment - 1] * longest + age
    partner = order[torch.searchsorted(own[order], wanted).clamp_(max=len(own) - 1)]
    index = torch.arange(len(own), device=own.device)
    has_partner = (own[partner] == wanted) & (partner != index)
    return MixupPairs(torch.where(has_partner, partner, index), torch.where(has_partner, ratios[segment - 1], 1.0))
