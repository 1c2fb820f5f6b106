"""What would a recommender list if a history had gone a little otherwise? Several views of it, one list.

Test-time augmentation, without training again (as TTA4SR, SIGIR 2025, does with masks and noise). Where we differ: any
transform gives the views, any recommender can be asked, and the history as it is is always the first of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories, coded
from leaven.errors import SpecError
from leaven.protocols import FittedRecommender, FittedTransform, Ranked

DEEPER = 5
"""Lists of views are so many times longer than the list that is asked for."""
_USERS = 2048  # at a time: their lists lie in memory together

Ints = npt.NDArray[np.int64]
Items = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Views:
    """How histories are seen: as they are, and `count - 1` times as `transform` changes them.

    key  chance of view v of a row follows from (key, row key, v) alone
    """

    transform: FittedTransform
    count: int
    key: int

    def of(self, histories: Histories) -> list[Histories]:
        """The same rows, `count` times.

        Raises SpecError for a transform that makes several rows of one.
        """
        made = [histories]
        for view in range(1, self.count):
            keys = rng.row_keys(self.key, histories.keys, copy=view)
            changed = self.transform(histories, keys, np.ones(len(histories), np.float32))
            if len(changed) != len(histories):
                got = f"{len(changed)} of {len(histories)}"
                raise SpecError("evaluate.view", "one view of each history", got, "choose another transform")
            made.append(changed)
        return made


def recommend(
    fitted: FittedRecommender, histories: Histories, k: int, views: Views, allow_repeats: bool = False
) -> Ranked:
    """The k items of the highest mean score over the views, best first; scores are these means.

    Each view gives a list of `DEEPER` * k items, repeats among them, and as many more as a history holds items; what it
    holds as it is, whatever a view hides or adds, is left out afterwards, unless `allow_repeats`. An item that is
    not in the list of a view counts there as much as the last one that is: it scored no more. So means are exact where
    lists hold the whole catalogue, and upper bounds elsewhere. Of equals, the one that comes first in the first list in
    which it stands is first.
    """
    items, scores = np.zeros((len(histories), k), np.int32), np.full((len(histories), k), -np.inf, np.float32)
    for low in range(0, len(histories), _USERS):
        users = slice(low, min(low + _USERS, len(histories)))
        known = histories.slice(users.start, users.stop)
        items[users], scores[users] = _block(fitted, known, k, views, allow_repeats)
    return Ranked(items, scores)


def _block(
    fitted: FittedRecommender, known: Histories, k: int, views: Views, allow_repeats: bool
) -> tuple[Items, Scores]:
    """Of some users: (items (users, k), mean scores (users, k))."""
    seen = views.of(known)
    depth = min(DEEPER * k + (0 if allow_repeats else int(known.distinct().max(initial=0))), known.n_items)
    lists = [fitted.recommend(view, depth, allow_repeats=True) for view in seen]
    items = np.stack([one.items for one in lists], axis=1)  # (users, views, depth)
    scores = np.stack([one.scores for one in lists], axis=1).astype(np.float64)
    listed = (items > 0) & np.isfinite(scores)
    floor = np.where(listed, scores, np.inf).min(axis=2)  # (users, views)
    floor = np.where(np.isfinite(floor), floor, 0.0)  # a view without a list says nothing
    users = np.broadcast_to(np.arange(len(known))[:, None, None], items.shape)[listed]
    names = coded(users, items[listed], known.n_items)
    found, first, group = np.unique(names, return_index=True, return_inverse=True)
    above = np.bincount(group.ravel(), (scores - floor[:, :, None])[listed], minlength=len(found)) / len(lists)
    if not allow_repeats:
        kept = ~np.isin(found, coded(known.row_of_event(), known.items, known.n_items))
        found, first, above = found[kept], first[kept], above[kept]
    user = found // (known.n_items + 2)
    return _best(user, found % (known.n_items + 2), above + floor.mean(axis=1)[user], first, (len(known), k))


def _best(
    user: Ints, item: Ints, mean: npt.NDArray[np.float64], first: Ints, shape: tuple[int, int]
) -> tuple[Items, Scores]:
    """The items of highest mean of each user; `user` ascends; `first` tells equals apart."""
    order = np.lexsort((first, -mean, user))
    place = np.arange(len(order)) - np.searchsorted(user, user)
    items, scores = np.zeros(shape, np.int32), np.full(shape, -np.inf, np.float32)
    top = place < shape[1]
    items[user[top], place[top]] = item[order][top]
    scores[user[top], place[top]] = mean[order][top]
    return items, scores
