"""Recommender that adds content scores of rare items to those of another one, on one scale."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven import registry
from leaven.datasets.histories import HeldOut, Histories
from leaven.encoders.tfidf import TfIdf
from leaven.errors import DataError, SpecError
from leaven.protocols import FittedRecommender, RankedItems, Recommender, TrainingContext
from leaven.recommenders.linear_item_model import Floats, HistoryWeighting
from leaven.recommenders.popularity import compute_item_weights
from leaven.recommenders.sparse_linear import SparseLinear
from leaven.storage import load_arrays, save_arrays

if TYPE_CHECKING:
    import scipy.sparse as sparse

CANDIDATE_WEIGHTS = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5, 4.0)
"""Candidates for `content_weight`, compared on validation users."""
CANDIDATE_POWERS = (0.5, 1.0, 2.0)
"""Candidates for `rarity_power`."""
_FILE = "content_fusion"
_BLOCK_USERS = 1024
_BLOCK_ITEMS = 1024


@dataclass(frozen=True)
class ContentFusion:
    """Warm and cold items on one scale: scores of a recommender plus text similarity to the last items.

        score(i) = base(i) / scale + content_weight · content(i) · (1 + n_i) ** -rarity_power
        content(i) = Σ_back back ** -recency_power · cos(text of the back-th last item, text of i)

    for items with at most `max_events` training events n_i; other items have base scores only. base(i) is the score
    less that of the last of `depth` items; scale is the mean base score of first items. So an item without events
    competes with all others, instead of taking a fixed share of the positions.

    recommender     fitted on the same rows
    encoder         text columns and terms; the whole catalog is read, also items without events
    content_weight, rarity_power  None: the best NDCG@10 on validation users among `CANDIDATE_WEIGHTS` and
                    `CANDIDATE_POWERS`, weight 0 included, so that useless texts change nothing
    n_neighbors     rare items that are stored for each item

    TF-IDF neighbors of the last items are the content score of the k-nearest-neighbor baselines of Ludewig and Jannach
    (UMUAI 2018); the weight that falls with the number of events follows from shrinkage estimators.
    """

    recommender: Recommender = field(default_factory=SparseLinear)
    encoder: TfIdf = field(default_factory=TfIdf)
    content_weight: float | None = None
    rarity_power: float | None = None
    recency_power: float = 1.0
    max_events: int = 3
    n_neighbors: int = 100
    depth: int = 200

    def __post_init__(self) -> None:
        for name in ("content_weight", "rarity_power", "recency_power"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise SpecError(f"content_fusion.{name}", "0 or more", str(value), "")
        if self.max_events < 0 or self.n_neighbors < 1 or self.depth < 1:
            got = f"{self.max_events}, {self.n_neighbors}, {self.depth}"
            raise SpecError("content_fusion.max_events, n_neighbors, depth", "0, 1, 1 or more", got, "")

    def steps(self, train: Histories) -> int | None:
        """Returns the optimizer steps of the base recommender."""
        return self.recommender.steps(train)

    def fit(self, train: Histories, training: TrainingContext) -> FittedContentFusion:
        """Fits the recommender and the text neighbors. Raises its errors; DataError without a catalog with text."""
        catalog = train.catalog
        if catalog is None or not self.encoder.can_encode(catalog):
            raise DataError("content_fusion.encoder", "a catalog with item texts", "none", "name the text columns")
        base = self.recommender.fit(train, training)
        counts = compute_item_weights(train)
        encoder = replace(self.encoder, width=1)  # the reduced directions are not used, and cost most of the fit
        table = encoder.fit(catalog).compute_tfidf(catalog)
        fitted = FittedContentFusion(
            base=base,
            kind=registry.find_kind("recommenders", self.recommender),
            neighbors=_find_rare_neighbors(table, counts, self),
            item_weights=counts,
            scale=1.0,
            content_weight=0.0 if self.content_weight is None else self.content_weight,
            rarity_power=1.0 if self.rarity_power is None else self.rarity_power,
            recency_power=self.recency_power,
            depth=self.depth,
        )
        users: HeldOut | None = training.validation
        fitted = replace(fitted, scale=fitted.measure_scale(train if users is None else users.histories))
        return fitted if users is None else fitted.choose(users, self)

    @classmethod
    def load(cls, folder: Path) -> FittedContentFusion:
        """Loads what `save` wrote. Raises DataError if files are missing."""
        import scipy.sparse as sparse

        arrays, facts = load_arrays(folder, _FILE)
        n_items = len(arrays["item_weights"]) - 1
        parts = (arrays["values"], arrays["items"], arrays["starts"])
        neighbors = sparse.csr_matrix(parts, shape=(n_items, n_items))
        kind = facts.pop("kind")
        base = registry.load_kind("recommenders", kind, str(folder)).load(folder / "base")
        return FittedContentFusion(base, kind, neighbors, arrays["item_weights"], **facts)


@dataclass(frozen=True, eq=False)
class FittedContentFusion:
    """The fitted base recommender and the content scores of rare items.

    neighbors     sparse float32 (n_items, n_items): cosine of an item (row) and a rare item (column)
    item_weights  float64 (n_items + 1,): weight of each item's training events
    scale         mean score of the first item of a list of the base recommender
    """

    base: FittedRecommender
    kind: str
    neighbors: Any
    item_weights: Floats
    scale: float
    content_weight: float
    rarity_power: float
    recency_power: float
    depth: int

    @property
    def curve(self) -> Sequence[Mapping[str, float]]:
        """Training curve of the base recommender."""
        return self.base.curve

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts of the base recommender, and weight and exponent of the content scores."""
        return {**self.base.facts, "content_weight": self.content_weight, "rarity_power": self.rarity_power}

    def measure_scale(self, histories: Histories) -> float:
        """Returns the mean first score above the last one of a list, over at most 2,048 histories."""
        base = self.base.recommend(histories.slice(0, min(len(histories), 2048)), self.depth)
        first = _subtract_last(base)[:, 0]
        return float(first[first > 0].mean()) if (first > 0).any() else 1.0

    def choose(self, validation: HeldOut, config: ContentFusion) -> FittedContentFusion:
        """Returns the recommender with the best weight and exponent for these users; the smallest among equals."""
        from leaven.nn.scoring import compute_ndcg

        weights = CANDIDATE_WEIGHTS if config.content_weight is None else (config.content_weight,)
        powers = CANDIDATE_POWERS if config.rarity_power is None else (config.rarity_power,)
        base = self.base.recommend(validation.histories, max(self.depth, 10))
        best, best_value = self, -1.0
        for power in powers:
            for weight in weights:
                if weight == 0 and power != powers[0]:
                    continue  # the same lists
                candidate = replace(self, content_weight=weight, rarity_power=power)
                value = compute_ndcg(candidate._fuse(validation.histories, base, 10, False).items, validation)
                if value > best_value:
                    best, best_value = candidate, value
        return best

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> RankedItems:
        """Returns the k items with the highest scores.

        Raises SpecError for k below 1, DataError for histories over another catalog.
        """
        base = self.base.recommend(histories, max(k, self.depth) if k > 0 else k, allow_repeats)
        return self._fuse(histories, base, k, allow_repeats)

    def _fuse(self, histories: Histories, base: RankedItems, k: int, allow_repeats: bool) -> RankedItems:
        """Returns the lists of the base recommender with content scores added and rare items merged in."""
        items, scores = np.zeros((len(histories), k), np.int32), np.full((len(histories), k), -np.inf, np.float32)
        weighting = HistoryWeighting(self.recency_power)
        factor = self.content_weight * (1.0 + self.item_weights[1:]) ** -self.rarity_power
        base_scores = _subtract_last(base) / self.scale
        for first in range(0, len(histories), _BLOCK_USERS):
            block = histories.slice(first, min(first + _BLOCK_USERS, len(histories)))
            part = slice(first, first + len(block))
            users = weighting.build_matrix(block, weighting.compute_event_weights(block))
            content = (users @ self.neighbors).multiply(factor[None, :]).tocsr()
            if not allow_repeats:
                content = content - content.multiply(users > 0)
            _merge(base.items[part], base_scores[part], content.tocsr(), items[part], scores[part])
        return RankedItems(items, scores)

    def save(self, folder: Path) -> None:
        """Saves the base recommender in a subfolder; the content scores are written last."""
        self.base.save(folder / "base")
        arrays: dict[str, npt.NDArray[Any]] = {"item_weights": self.item_weights, "values": self.neighbors.data}
        arrays |= {"items": self.neighbors.indices, "starts": self.neighbors.indptr}
        names = ("kind", "scale", "content_weight", "rarity_power", "recency_power", "depth")
        facts = {name: getattr(self, name) for name in names}
        save_arrays(folder, _FILE, arrays, json.loads(json.dumps(facts)))


def _subtract_last(base: RankedItems) -> Floats:
    """Returns the scores less the last finite one of each list, float64 (users, depth); 0 for empty positions."""
    finite = np.where(base.items > 0, base.scores, np.inf).astype(np.float64)
    lowest = finite.min(axis=1, keepdims=True)
    return np.where(base.items > 0, base.scores - np.where(np.isfinite(lowest), lowest, 0.0), 0.0)


def _merge(
    items: npt.NDArray[np.int32],
    base_scores: Floats,
    content: sparse.csr_matrix,
    best: npt.NDArray[np.int32],
    best_scores: npt.NDArray[np.float32],
) -> None:
    """Writes the k best of the listed items and of the items with content scores; equal scores keep the base order."""
    k = best.shape[1]
    for user in range(len(items)):
        listed = items[user][items[user] > 0]
        entries = slice(content.indptr[user], content.indptr[user + 1])
        rare, values = content.indices[entries] + 1, content.data[entries]
        rare, values = rare[values > 0], values[values > 0]
        ids = np.concatenate([listed, rare])
        total = np.concatenate([base_scores[user, : len(listed)], values])
        _, position, group = np.unique(ids, return_index=True, return_inverse=True)
        sums = np.bincount(group, total)
        order = np.lexsort((position, -sums))[:k]
        best[user, : len(order)] = ids[position[order]]
        best_scores[user, : len(order)] = sums[order]


def _find_rare_neighbors(table: sparse.csr_matrix, counts: Floats, config: ContentFusion) -> sparse.csr_matrix:
    """Returns the `n_neighbors` rare items of highest cosine of each item, sparse float32 (n_items, n_items)."""
    import scipy.sparse as sparse

    rare = np.flatnonzero(counts[1:] <= config.max_events)
    parts = []
    for first in range(0, table.shape[0], _BLOCK_ITEMS):
        cosines = (table[first : first + _BLOCK_ITEMS] @ table[rare].T).toarray().astype(np.float32)
        if cosines.shape[1] > config.n_neighbors:
            bound = -np.partition(-cosines, config.n_neighbors - 1, axis=1)[
                :, config.n_neighbors - 1 : config.n_neighbors
            ]
            cosines[cosines < bound] = 0.0
        parts.append(sparse.csr_matrix(cosines))
    found = sparse.vstack(parts).tocoo()
    shape = (table.shape[0], table.shape[0])
    neighbors = sparse.csr_matrix((found.data, (found.row, rare[found.col])), shape=shape)
    neighbors.setdiag(0)
    neighbors.eliminate_zeros()
    return neighbors
