"""Do two views of one history look more alike than views of different ones?

InfoNCE over the views in a batch (CL4SRec, ICDE 2022, eq. 3-5). Where we differ: the two views are two draws of the
arm's own plan, whose steps of mode "replace" change the history in each epoch, and the first of them is also what the
next item is learned from. Without such steps dropout alone tells the views apart (as in DuoRec, WSDM 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from leaven import rng
from leaven.datasets.histories import Histories, concat
from leaven.nn.sequence_packing import Ints, Stretches, last_stretches

OTHER_DRAW = 2**32
"""The second view of epoch e is what the plan would give in epoch e + this: no training gets so far."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Two views of every history.

    views   the last events of all histories in both views
    places  int64 (2, histories): where each history's views stand among them
    keys    uint64 (histories,): ascending, as training stretches have them
    """

    views: Stretches
    places: Ints
    keys: rng.Keys

    def of(self, keys: rng.Keys) -> Stretches:
        """The first views of the histories with these keys, then their second ones, in the same order."""
        place = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        found = place[self.keys[place] == keys] if len(self.keys) else place[:0]
        return self.views.take(self.places[:, found].ravel())


def pairs(rows: Histories, others: Histories, max_length: int) -> Pairs:
    """The views of the histories that both sets hold, known by their keys; empty ones have no view."""
    both = concat([rows, others])
    names = rng.mix(rows.keys), rng.mix(others.keys)  # as the first stretch of a row is called
    keys, first, second = np.intersect1d(*names, return_indices=True)
    places = np.stack([first, len(rows) + second])
    full = (both.lengths[places] > 0).all(axis=0)
    return Pairs(last_stretches(both, max_length), places[:, full], keys[full])


def info_nce(states: Tensor, temperature: float) -> Tensor:
    """Mean cross-entropy of each view's partner among all other views, by cosine.

    states float32 (2 * histories, width): the first views, then the second ones in the same order.

    >>> float(info_nce(torch.eye(2).repeat(2, 1), 1.0)) == float(np.log(np.float32(1 + 2 / np.e)))
    True
    """
    unit = F.normalize(states.float(), dim=-1)
    logits = unit @ unit.T / temperature
    logits = logits.masked_fill(torch.eye(len(unit), dtype=torch.bool, device=unit.device), -torch.inf)
    partner = torch.arange(len(unit), device=unit.device).roll(len(unit) // 2)
    return F.cross_entropy(logits, partner)
