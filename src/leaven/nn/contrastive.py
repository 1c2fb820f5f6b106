"""Contrastive learning on pairs of history views.

InfoNCE over the views in a batch (CL4SRec, ICDE 2022, eq. 3-5). Where we differ: the two views are two draws of the
variant's plan, whose steps with mode "in_place" change the history in each epoch, and the first view is also the input
of next-item training. Without such steps the views differ only by dropout (as in DuoRec, WSDM 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from leaven import rng
from leaven.datasets.histories import Histories, concat_histories
from leaven.nn.sequence_packing import Ints, Segments, build_last_segments

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
