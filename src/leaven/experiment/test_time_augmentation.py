"""Test-time augmentation: one ranked list from several views of a history, without retraining.

Source: TTA4SR (SIGIR 2025), which uses masks and noise. Where we differ: any transform gives the views, any recommender
can rank them, and the first view is always the unchanged history.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories, encode_pairs
from leaven.errors import SpecError
from leaven.protocols import FittedRecommender, FittedTransform, RankedItems

LIST_FACTOR = 5
"""Length of the lists of views, relative to the requested list."""
_USERS = 2048  # per block: their lists are in memory together

Ints = npt.NDArray[np.int64]
Items = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class HistoryViews:
    """Views of histories: unchanged, and `count - 1` times as `transform` changes them.

    key  draws of view v of a row depend only on (key, row id, v)
    """

    transform: FittedTransform
    count: int
    key: int

    def build(self, histories: Histories) -> list[Histories]:
        """`count` views of the same rows.

        Raises SpecError for a transform that changes the number of rows.
        """
        views = [histories]
        for view in range(1, self.count):
            keys = rng.derive_row_keys(self.key, histories.row_ids, copy=view)
            changed = self.transform(histories, keys, np.ones(len(histories), np.float32))
            if len(changed) != len(histories):
                got = f"{len(changed)} of {len(histories)}"
                raise SpecError("evaluate.view", "one view of each history", got, "choose another transform")
            views.append(changed)
        return views


def recommend_with_views(
    fitted: FittedRecommender, histories: Histories, k: int, views: HistoryViews, allow_repeats: bool = False
) -> RankedItems:
    """The k items of the highest mean score over the views, best first; scores are these means.

    Each view gives a list of `LIST_FACTOR` * k items plus the number of items of the longest history, repeats included;
    items of the unchanged history are removed afterwards, unless `allow_repeats`. An item missing from the list of a
    view gets that list's lowest score, an upper bound of its score; means are exact where lists hold the whole catalog.
    Ties go to the item with the earlier position in the first list that contains it.
    """
    items, scores = np.zeros((len(histories), k), np.int32), np.full((len(histories), k), -np.inf, np.float32)
    for low in range(0, len(histories), _USERS):
        users = slice(low, min(low + _USERS, len(histories)))
        known = histories.slice(users.start, users.stop)
        block = _rank_block(fitted, known, k, views, allow_repeats)
        items[users], scores[users] = block.items, block.scores
    return RankedItems(items, scores)


def _rank_block(
    fitted: FittedRecommender, known: Histories, k: int, views: HistoryViews, allow_repeats: bool
) -> RankedItems:
    """The lists and mean scores of one block of users."""
    seen_views = views.build(known)
    depth = min(
        LIST_FACTOR * k + (0 if allow_repeats else int(known.count_distinct_items().max(initial=0))), known.n_items
    )
    lists = [fitted.recommend(view, depth, allow_repeats=True) for view in seen_views]
    items = np.stack([one.items for one in lists], axis=1)  # (users, views, depth)
    scores = np.stack([one.scores for one in lists], axis=1).astype(np.float64)
    listed = (items > 0) & np.isfinite(scores)
    floor = np.where(listed, scores, np.inf).min(axis=2)  # (users, views)
    floor = np.where(np.isfinite(floor), floor, 0.0)  # a view with an empty list adds nothing
    users = np.broadcast_to(np.arange(len(known))[:, None, None], items.shape)[listed]
    names = encode_pairs(users, items[listed], known.n_items)
    found, first, group = np.unique(names, return_index=True, return_inverse=True)
    above = np.bincount(group.ravel(), (scores - floor[:, :, None])[listed], minlength=len(found)) / len(lists)
    if not allow_repeats:
        kept = ~np.isin(found, encode_pairs(known.event_rows(), known.items, known.n_items))
        found, first, above = found[kept], first[kept], above[kept]
    user, item = np.divmod(found, known.n_items + 2)
    mean = above + floor.mean(axis=1)[user]
    order = np.lexsort((first, -mean, user))  # `first` breaks ties
    position = np.arange(len(order)) - np.searchsorted(user, user)
    top = RankedItems(np.zeros((len(known), k), np.int32), np.full((len(known), k), -np.inf, np.float32))
    listed = position < k
    top.items[user[listed], position[listed]] = item[order][listed]
    top.scores[user[listed], position[listed]] = mean[order][listed]
    return top
