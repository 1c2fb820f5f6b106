"""What will a user take next, as two recommenders see it that err in different places?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import registry
from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError, SpecError
from leaven.nn.list_quality import ndcg
from leaven.protocols import FittedRecommender, Ranked, Recommender, Training
from leaven.recommenders.item_knn import ItemKnn
from leaven.recommenders.transformer import Transformer

WEIGHTS = (0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)
"""What is tried on validation users where no weight is given."""
_USUAL = 0.5  # the weight where there are no validation users
_FILE = "blend.json"
_USERS_AT_ONCE = 4096
Items = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Blend:
    """The lists of two recommenders, merged by places: reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR
    2009, section 2, where `offset` is 60 and all weights are 1).

        score(i) = 1 / (offset + place in the first list)  +  weight / (offset + place in the second list)

    first, second  who ranks. By default the transformer, which knows order, and item neighbours, which know who took
                   what together, whatever the order
    weight         of the second list; None: the best for NDCG@10 on validation users of 0, .2, .35, .5, .65, .8 and 1
                   (.5 where there are none)
    offset         how little the first places of a list count more than those behind them
    depth          items of each list that are merged, at least those that are asked for

    Only the first recommender is shown to a controller (`Training.watch`), and its curve is the curve.
    """

    first: Recommender = field(default_factory=Transformer)
    second: Recommender = field(default_factory=ItemKnn)
    weight: float | None = None
    offset: float = 20.0
    depth: int = 200

    def __post_init__(self) -> None:
        if self.weight is not None and not self.weight >= 0:
            raise SpecError("blend.weight", "0 or more, or none: chosen on validation", str(self.weight), "")
        if not self.offset >= 0:
            raise SpecError("blend.offset", "0 or more", str(self.offset), "")
        if self.depth < 1:
            raise SpecError("blend.depth", "1 or more", str(self.depth), "")

    @property
    def reads(self) -> tuple[str, ...]:
        """The modalities that one of them knows."""
        known = [name for one in (self.first, self.second) for name in getattr(one, "reads", ())]
        return tuple(dict.fromkeys(known))

    def steps(self, train: Histories) -> int | None:
        """Optimiser steps of the first; of the second where the first takes none."""
        return self.first.steps(train) or self.second.steps(train)

    def fit(self, train: Histories, training: Training) -> BlendRecommender:
        """Both learn the same rows, each in a folder of its own; raises what they raise."""
        first, second = (
            wish.fit(train, _part(training, name, wish.steps(train) is not None, bool(getattr(wish, "reads", ()))))
            for name, wish in (("first", self.first), ("second", self.second))
        )
        kinds = registry.kind_of("recommenders", self.first), registry.kind_of("recommenders", self.second)
        fitted = BlendRecommender(first, second, kinds, _USUAL if self.weight is None else self.weight, self.offset)
        fitted = replace(fitted, depth=self.depth)
        return fitted.weighed(training.valid) if self.weight is None and training.valid else fitted

    @classmethod
    def load(cls, folder: Path) -> BlendRecommender:
        """What `save` wrote.

        Raises DataError where the folder holds no such recommender.
        """
        if not (folder / _FILE).exists():
            raise DataError(str(folder), "a saved blend", f"no {_FILE}", "name the folder that it was saved to")
        said = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        first, second = (
            registry.found("recommenders", kind, str(folder)).load(folder / name)
            for name, kind in zip(("first", "second"), said["kinds"], strict=True)
        )
        return BlendRecommender(first, second, **said | {"kinds": tuple(said["kinds"])})


def _part(training: Training, name: str, optimises: bool, reads: bool) -> Training:
    """How one of the two is asked: only the first is looked at, and each is told what it knows what to do with."""
    return replace(
        training,
        folder=training.folder / name if training.folder is not None else None,
        watch=training.watch if name == "first" else None,
        views=training.views if reads else None,
        steps=training.steps if optimises else None,
    )


@dataclass(frozen=True, eq=False)
class BlendRecommender:
    """Two fitted recommenders, their kinds, and how their lists become one."""

    first: FittedRecommender
    second: FittedRecommender
    kinds: tuple[str, str]
    weight: float
    offset: float
    depth: int = 200

    @property
    def curve(self) -> Sequence[Mapping[str, float]]:
        """How training of the first went, or of the second where nothing of the first is trained."""
        return self.first.curve or self.second.curve

    @property
    def facts(self) -> Mapping[str, Any]:
        """The first one's, and the weight that was chosen."""
        return {**getattr(self.first, "facts", {}), "blend_weight": self.weight}

    def weighed(self, valid: HeldOut) -> BlendRecommender:
        """With the weight that serves these users best; of equals the smallest."""
        both = self._lists(valid.histories, 10, allow_repeats=False)
        means = [ndcg(_merged(both, 10, weight, self.offset).items, valid) for weight in WEIGHTS]
        return replace(self, weight=WEIGHTS[int(np.argmax(means))])

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> Ranked:
        """The k best items of both lists; scores are sums of reciprocal places.

        Raises what the two raise: SpecError for k below 1, DataError for histories over another catalogue.
        """
        return _merged(self._lists(histories, k, allow_repeats), k, self.weight, self.offset)

    def _lists(self, histories: Histories, k: int, allow_repeats: bool) -> tuple[Items, Items]:
        """Both lists, int32 (users, depth or k)."""
        depth = max(k, self.depth) if k > 0 else k
        first, second = (one.recommend(histories, depth, allow_repeats).items for one in (self.first, self.second))
        return first, second

    def save(self, folder: Path) -> None:
        """Each in a folder of its own; what tells how they are merged is written last."""
        self.first.save(folder / "first")
        self.second.save(folder / "second")
        said = {name: getattr(self, name) for name in ("kinds", "weight", "offset", "depth")}
        part = folder / f"{_FILE}.part"
        part.write_text(json.dumps(said), encoding="utf-8")
        part.replace(folder / _FILE)


def _merged(both: tuple[Items, Items], k: int, weight: float, offset: float) -> Ranked:
    """The k items of the highest score; of equals the smaller id comes first."""
    users = len(both[0])
    items, scores = np.zeros((users, k), np.int32), np.full((users, k), -np.inf, np.float32)
    for begin in range(0, users, _USERS_AT_ONCE):
        some = slice(begin, begin + _USERS_AT_ONCE)
        _fill(both[0][some], both[1][some], weight, offset, items[some], scores[some])
    return Ranked(items, scores)


def _fill(first: Items, second: Items, weight: float, offset: float, items: Items, scores: Scores) -> None:
    """Merges lists of the same users into items and scores, best first."""
    depth = first.shape[1]
    worth = 1.0 / (offset + np.arange(1, depth + 1))
    ids = np.concatenate([first, second], axis=1)
    value = np.broadcast_to(np.concatenate([worth, weight * worth]), ids.shape)
    order = np.argsort(ids, axis=1, kind="stable")
    ids, value = np.take_along_axis(ids, order, 1), np.take_along_axis(value, order, 1)
    twice = np.zeros(ids.shape, bool)
    twice[:, 1:] = ids[:, 1:] == ids[:, :-1]
    total = np.where(twice, -np.inf, value)
    total[:, :-1] += np.where(twice[:, 1:] & ~twice[:, :-1], value[:, 1:], 0.0)
    total[ids == 0] = -np.inf
    best = np.argsort(-total, axis=1, kind="stable")[:, : items.shape[1]]
    found = np.take_along_axis(total, best, 1)
    items[:] = np.where(found > -np.inf, np.take_along_axis(ids, best, 1), 0)
    scores[:] = found
