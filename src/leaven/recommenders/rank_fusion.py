"""Recommender that fuses the ranked lists of two others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven import registry
from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError, SpecError
from leaven.protocols import FittedRecommender, ItemReader, RankedItems, Recommender, TrainingContext
from leaven.recommenders.item_knn import ItemKnn
from leaven.recommenders.transformer import Transformer
from leaven.storage import replace_text

CANDIDATE_WEIGHTS = (0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)
"""Candidates for the weight of the second list, compared on validation users."""
_DEFAULT_WEIGHT = 0.5  # without validation users
_FILE = "blend.json"
_CHUNK_USERS = 4096
Items = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RankFusion:
    """Reciprocal rank fusion of two recommenders (Cormack, Clarke and Büttcher, SIGIR 2009, section 2, where `offset`
    is 60 and all weights are 1).

        score(i) = 1 / (offset + rank in the first list)  +  second_weight / (offset + rank in the second list)

    first, second  the recommenders; by default the transformer, which uses the order of events, and item-kNN, which
                   uses co-occurrence
    second_weight  None: the best NDCG@10 on validation users among 0, .2, .35, .5, .65, .8 and 1 (.5 without users)
    offset         larger values flatten the weights of the ranks
    depth          items of each list that are merged, at least the requested number

    Only the first recommender reports to a controller (`TrainingContext.callback`) and to the training curve.
    """

    first: Recommender = field(default_factory=Transformer)
    second: Recommender = field(default_factory=ItemKnn)
    second_weight: float | None = None
    offset: float = 20.0
    depth: int = 200

    def __post_init__(self) -> None:
        if self.second_weight is not None and not self.second_weight >= 0:
            raise SpecError(
                "blend.second_weight",
                "0 or more, or none to choose it on validation users",
                str(self.second_weight),
                "",
            )
        if not self.offset >= 0:
            raise SpecError("blend.offset", "0 or more", str(self.offset), "")
        if self.depth < 1:
            raise SpecError("blend.depth", "1 or more", str(self.depth), "")

    @property
    def modalities(self) -> tuple[str, ...]:
        """Item modalities that either recommender reads."""
        return tuple(dict.fromkeys(name for config in self._item_readers for name in config.modalities))

    @property
    def image_size(self) -> int:
        """Side of the largest images that either recommender reads, in pixels; 0: none."""
        return max((config.image_size for config in self._item_readers), default=0)

    @property
    def _item_readers(self) -> list[ItemReader]:
        return [config for config in (self.first, self.second) if isinstance(config, ItemReader)]

    def steps(self, train: Histories) -> int | None:
        """Returns the optimizer steps of the first recommender, or of the second if the first has none."""
        return self.first.steps(train) or self.second.steps(train)

    def fit(self, train: Histories, training: TrainingContext) -> RankFusionRecommender:
        """Fits both on the same rows, with separate checkpoint folders. Raises their errors."""
        first = self.first.fit(train, _build_context(training, "first", self.first, train))
        second = self.second.fit(train, _build_context(training, "second", self.second, train))
        kinds = registry.find_kind("recommenders", self.first), registry.find_kind("recommenders", self.second)
        weight = _DEFAULT_WEIGHT if self.second_weight is None else self.second_weight
        fitted = RankFusionRecommender(first, second, kinds, weight, self.offset, self.depth)
        return (
            fitted.choose_weight(training.validation) if self.second_weight is None and training.validation else fitted
        )

    @classmethod
    def load(cls, folder: Path) -> RankFusionRecommender:
        """Loads what `save` wrote. Raises DataError if the folder has no such recommender."""
        if not (folder / _FILE).exists():
            raise DataError(str(folder), "a saved rank fusion", f"no {_FILE}", "name the folder that it was saved to")
        settings = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        first_kind, second_kind = settings["kinds"]
        return RankFusionRecommender(
            first=registry.load_kind("recommenders", first_kind, str(folder)).load(folder / "first"),
            second=registry.load_kind("recommenders", second_kind, str(folder)).load(folder / "second"),
            kinds=(first_kind, second_kind),
            second_weight=settings["weight"],
            offset=settings["offset"],
            depth=settings["depth"],
        )


def _build_context(training: TrainingContext, name: str, config: Recommender, train: Histories) -> TrainingContext:
    """Returns the context of one recommender; only the first one has the callback."""
    return replace(
        training,
        checkpoint_folder=training.checkpoint_folder / name if training.checkpoint_folder is not None else None,
        callback=training.callback if name == "first" else None,
        catalog_for_epoch=training.catalog_for_epoch if isinstance(config, ItemReader) and config.modalities else None,
        steps=training.steps if config.steps(train) is not None else None,
    )


@dataclass(frozen=True, eq=False)
class RankFusionRecommender:
    """Two fitted recommenders, their registered kinds and the fusion parameters."""

    first: FittedRecommender
    second: FittedRecommender
    kinds: tuple[str, str]
    second_weight: float
    offset: float
    depth: int

    @property
    def curve(self) -> Sequence[Mapping[str, float]]:
        """Training curve of the first recommender, or of the second if the first has none."""
        return self.first.curve or self.second.curve

    @property
    def facts(self) -> Mapping[str, object]:
        """Facts of the first recommender, and the weight of the second list."""
        return {**self.first.facts, "blend_weight": self.second_weight}

    def choose_weight(self, validation: HeldOut) -> RankFusionRecommender:
        """Returns the recommender with the best weight for these users; the smallest among equals."""
        from leaven.nn.ranked_lists import compute_ndcg

        lists = self._rank_separately(validation.histories, 10, allow_repeats=False)
        means = [
            compute_ndcg(fuse_lists(lists, 10, weight, self.offset).items, validation) for weight in CANDIDATE_WEIGHTS
        ]
        return replace(self, second_weight=CANDIDATE_WEIGHTS[int(np.argmax(means))])

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> RankedItems:
        """Returns the k best items of both lists; scores are weighted sums of reciprocal ranks.

        Raises SpecError for k below 1, DataError for histories over another catalog.
        """
        return fuse_lists(self._rank_separately(histories, k, allow_repeats), k, self.second_weight, self.offset)

    def _rank_separately(self, histories: Histories, k: int, allow_repeats: bool) -> tuple[Items, Items]:
        depth = max(k, self.depth) if k > 0 else k
        first = self.first.recommend(histories, depth, allow_repeats).items
        return first, self.second.recommend(histories, depth, allow_repeats).items

    def save(self, folder: Path) -> None:
        """Saves each recommender in a subfolder; the fusion parameters are written last."""
        self.first.save(folder / "first")
        self.second.save(folder / "second")
        settings = {"kinds": self.kinds, "weight": self.second_weight, "offset": self.offset, "depth": self.depth}
        replace_text(folder / _FILE, json.dumps(settings))


def fuse_lists(lists: tuple[Items, Items], k: int, weight: float, offset: float) -> RankedItems:
    """Returns the k items of the highest score, ties by id.

    lists   int32 (users, depth) each, 0 for empty positions
    weight  of the second list
    """
    users = len(lists[0])
    items, scores = np.zeros((users, k), np.int32), np.full((users, k), -np.inf, np.float32)
    for begin in range(0, users, _CHUNK_USERS):
        part = slice(begin, begin + _CHUNK_USERS)
        _fill_fused(lists[0][part], lists[1][part], weight, offset, items[part], scores[part])
    return RankedItems(items, scores)


def _fill_fused(first: Items, second: Items, weight: float, offset: float, items: Items, scores: Scores) -> None:
    """Writes the fused lists of a block of users to items and scores, best first."""
    depth = first.shape[1]
    reciprocal = 1.0 / (offset + np.arange(1, depth + 1))
    ids = np.concatenate([first, second], axis=1)
    value = np.broadcast_to(np.concatenate([reciprocal, weight * reciprocal]), ids.shape)
    order = np.argsort(ids, axis=1, kind="stable")
    ids, value = np.take_along_axis(ids, order, 1), np.take_along_axis(value, order, 1)
    is_second = np.zeros(ids.shape, bool)
    is_second[:, 1:] = ids[:, 1:] == ids[:, :-1]
    total = np.where(is_second, -np.inf, value)
    total[:, :-1] += np.where(is_second[:, 1:] & ~is_second[:, :-1], value[:, 1:], 0.0)
    total[ids == 0] = -np.inf
    best = np.argsort(-total, axis=1, kind="stable")[:, : items.shape[1]]
    scores[:] = np.take_along_axis(total, best, 1)
    items[:] = np.where(scores > -np.inf, np.take_along_axis(ids, best, 1), 0)
