"""What if a history lay between two of a batch?

Mixup (Zhang and others, ICLR 2018, eq. 1) of whole sequences in the space of their vectors (Guo and others, 2019,
"senMixup"; across users Dang and others, BASRec, AAAI 2025): the state that predicts is share * own + (1 - share) *
partner's, and learns the own target by `share`, the partner's by the rest. Where we differ from BASRec: targets are
mixed as losses, not as vectors, since a softmax has no vector of a target alone; the mixture takes the place of the
plain state instead of standing beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from leaven import rng
from leaven.nn.sequence_packing import Pack


@dataclass(frozen=True, eq=False)
class Mixture:
    """Who is mixed with whom.

    partner  int64 (targets,)    the state that comes in; a state's own place where the partner has none of its age
    share    float32 (targets,)  of the own state, one for all states of a stretch; 1 where there is no partner
    """

    partner: Tensor
    share: Tensor

    @property
    def asked(self) -> Tensor:
        """int64 (2 * targets,): whose target each mixed state is asked for: first its own, then its partner's."""
        return torch.cat([torch.arange(len(self.partner), device=self.partner.device), self.partner])

    def states(self, plain: Tensor) -> Tensor:
        """float (2 * targets, width): the mixed states, twice."""
        share = self.share[:, None].to(plain.dtype)
        return (share * plain + (1 - share) * plain[self.partner]).repeat(2, 1)

    def weight(self, plain: Tensor) -> Tensor:
        """float32 (2 * targets,): what each of both targets counts; together as much as before."""
        return torch.cat([self.share * plain, (1 - self.share) * plain])


def mixture(pack: Pack, alpha: float, key: int) -> Mixture:
    """For each stretch of a pack another one, drawn without replacement, and a share from Beta(alpha, alpha).

    States meet that stand equally far from the end of their stretches.
    """
    stretch, age = pack.stretch.flatten()[pack.places], pack.ages.flatten()[pack.places]
    count, longest = int(pack.stretch.max()), pack.stretch.shape[1]
    draw = rng.generator(key)
    other = torch.from_numpy(draw.permutation(count)).to(stretch.device)
    shares = torch.from_numpy(draw.beta(alpha, alpha, count)).float().to(stretch.device)
    own = (stretch - 1) * longest + age
    order = own.argsort()
    wanted = other[stretch - 1] * longest + age
    found = order[torch.searchsorted(own[order], wanted).clamp_(max=len(own) - 1)]
    here = torch.arange(len(own), device=own.device)
    met = (own[found] == wanted) & (found != here)
    return Mixture(torch.where(met, found, here), torch.where(met, shares[stretch - 1], 1.0))
