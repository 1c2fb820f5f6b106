"""How good are ranked lists, to steer a training by?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import HeldOut

Items = npt.NDArray[np.int32]


def ndcg(items: Items, held_out: HeldOut) -> float:
    """Mean NDCG of ranked lists (users, k), as `metrics/ranking/list_metrics.py` has it, to steer training by."""
    k, counts = items.shape[1], np.diff(held_out.starts)
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    user = np.repeat(np.arange(len(items)), counts)
    user, taken = np.unique(np.stack([user, held_out.items]), axis=1)
    where, place = np.nonzero(items[user] == taken[:, None])
    gained = np.bincount(user[where], discounts[place], minlength=len(items))
    best = np.cumsum(discounts)[np.minimum(np.bincount(user, minlength=len(items)), k) - 1]
    return float((gained / best).mean())
