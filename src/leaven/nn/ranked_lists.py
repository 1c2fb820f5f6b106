"""NDCG of ranked lists on validation users, without PyTorch: also recommenders without a network choose by it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import HeldOut


def compute_ndcg(items: npt.NDArray[np.int32], held_out: HeldOut) -> float:
    """Returns the mean NDCG of ranked lists (users, k), as defined in `metrics/ranking/list_metrics.py`."""
    k, counts = items.shape[1], np.diff(held_out.target_starts)
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    user = np.repeat(np.arange(len(items)), counts)
    user, target = np.unique(np.stack([user, held_out.target_items]), axis=1)
    pair, rank = np.nonzero(items[user] == target[:, None])
    gain = np.bincount(user[pair], discounts[rank], minlength=len(items))
    best_gain = np.cumsum(discounts)[np.minimum(np.bincount(user, minlength=len(items)), k) - 1]
    return float((gain / best_gain).mean())
