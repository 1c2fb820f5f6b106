"""Recommender that adds content scores and recent popularity to the scores of another one, on one scale."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven import registry
from leaven.datasets.histories import HeldOut, Histories
from leaven.encoders.tfidf import TfIdf
from leaven.errors import DataError, SpecError
from leaven.protocols import FittedRecommender, RankedItems, Recommender, TrainingContext
from leaven.recommenders.linear_item_model import Floats, HistoryWeighting, fill_best
from leaven.recommenders.popularity import check_half_life, compute_item_weights
from leaven.recommenders.sparse_linear import SparseLinear
from leaven.storage import load_arrays, save_arrays

if TYPE_CHECKING:
    import scipy.sparse as sparse

Scores = npt.NDArray[np.float32]

CANDIDATES: Mapping[str, tuple[float, ...]] = {
    "content_weight": (0.0, 0.15, 0.3, 0.6, 1.2, 2.5),
    "neighbor_weight": (0.0, 0.15, 0.5, 1.5, 4.0),
    "rarity_power": (0.5, 0.0, 0.25, 1.0, 2.0),
    "recent_weight": (0.0, 0.15, 0.5, 1.5, 4.0),
}
"""Candidates of each weight, compared on validation users; the first one is the start of the search."""
_MIN_GAIN = 0.002  # relative gain of NDCG@10 for which a weight is changed
_ROUNDS = 2
_MAX_USERS = 8192  # validation users of the search
_LIST_ITEMS = 60  # best items of each score that take part in the search
_FILE = "content_fusion"
_MAX_SCORES = 4_194_304  # in memory at a time: 16 MB for each of the scores
_CHUNK_USERS = 4096
_BLOCK_ITEMS = 1024


@dataclass(frozen=True)
class ContentFusion:
    """Warm and cold items on one scale: scores of a recommender, text similarity, and recent popularity.

        score(i) = base(i) + recent_weight · recent(i)
                   + (1 + n_i) ** -rarity_power · (content_weight · content(i) + neighbor_weight · neighbors(i))

        content(i)   = Σ_back back ** -recency_power · cos(text of the back-th last item, text of i)
        neighbors(i) = mean of base(j) over the items j of similar text, weighted by the cosine
        recent(i)    = log(1 + r_i) / log(1 + max r), r_i: events of i, halved for each `half_life_days` before the end

    n_i is the number of training events of i. base(i) is the score less that of the last of `depth` items; base and
    neighbors are divided by the mean of their first items. So an item without events competes with all others, instead
    of taking a fixed share of the positions, and texts also inform about items with few events.

    recommender     fitted on the same rows
    encoder         text columns and terms; the whole catalog is read, also items without events
    content_weight, neighbor_weight, rarity_power, recent_weight  None: chosen on validation users among `CANDIDATES`
                    (NDCG@10, one field after the other, twice), 0 included, so that useless texts change nothing;
                    0 without validation users
    n_neighbors     items of the most similar text that are stored for each item, and as many of those with at most
                    `max_events` training events

    TF-IDF neighbors of the last items are the content score of the k-nearest-neighbor baselines of Ludewig and Jannach
    (UMUAI 2018); the weight that falls with the number of events follows from shrinkage estimators. Scores of similar
    items for a cold item: the content-based mapping of Gantner and others (ICDM 2010, k-nearest-neighbor variant).
    """

    recommender: Recommender = field(default_factory=SparseLinear)
    encoder: TfIdf = field(default_factory=TfIdf)
    content_weight: float | None = None
    neighbor_weight: float | None = None
    rarity_power: float | None = None
    recent_weight: float | None = None
    recency_power: float = 1.0
    half_life_days: float = 30.0
    max_events: int = 3
    n_neighbors: int = 100
    depth: int = 200

    def __post_init__(self) -> None:
        for name, value in {**self._given(), "recency_power": self.recency_power}.items():
            if value is not None and not value >= 0:
                raise SpecError(f"content_fusion.{name}", "0 or more", str(value), "")
        check_half_life(self.half_life_days)
        if self.max_events < 0 or self.n_neighbors < 1 or self.depth < 1:
            got = f"{self.max_events}, {self.n_neighbors}, {self.depth}"
            raise SpecError("content_fusion.max_events, n_neighbors, depth", "0, 1, 1 or more", got, "")

    def _given(self) -> dict[str, float | None]:
        fields = (self.content_weight, self.neighbor_weight, self.rarity_power, self.recent_weight)
        return dict(zip(CANDIDATES, fields, strict=True))

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
        recent = np.log1p(compute_item_weights(train, self.half_life_days))
        encoder = replace(self.encoder, width=1)  # the reduced directions are not used, and cost most of the fit
        table = encoder.fit(catalog).compute_tfidf(catalog)
        near = _find_neighbors(table, np.arange(len(counts) - 1), self.n_neighbors)
        rare = _find_neighbors(table, np.flatnonzero(counts[1:] <= self.max_events), self.n_neighbors)
        given, users = self._given(), training.validation
        fitted = FittedContentFusion(
            base=base,
            kind=registry.find_kind("recommenders", self.recommender),
            near=near,
            similar=near.maximum(rare).tocsr(),
            item_weights=counts,
            recent=recent / max(recent.max(), 1e-12),
            weights=FusionWeights(**{name: 0.0 if value is None else value for name, value in given.items()}),
            base_scale=1.0,
            neighbor_scale=1.0,
            recency_power=self.recency_power,
            depth=self.depth,
        )
        fitted = fitted.measure_scales(train if users is None else users.histories)
        free = [name for name, value in given.items() if value is None]
        return fitted.choose_weights(users, free) if users is not None and free else fitted

    @classmethod
    def load(cls, folder: Path) -> FittedContentFusion:
        """Loads what `save` wrote. Raises DataError if files are missing."""
        import scipy.sparse as sparse

        arrays, facts = load_arrays(folder, _FILE)
        n_items = len(arrays["item_weights"]) - 1
        near, similar = (
            sparse.csr_matrix(
                tuple(arrays[f"{name}_{part}"] for part in ("values", "items", "starts")), shape=(n_items, n_items)
            )
            for name in ("near", "similar")
        )
        kind, weights = facts.pop("kind"), FusionWeights(**facts.pop("weights"))
        base = registry.load_kind("recommenders", kind, str(folder)).load(folder / "base")
        counts, recent = arrays["item_weights"], arrays["recent"]
        return FittedContentFusion(base, kind, near, similar, counts, recent, weights, **facts)


@dataclass(frozen=True)
class FusionWeights:
    """Weights of the scores, and the exponent with which content scores fall with the number of events."""

    content_weight: float = 0.0
    neighbor_weight: float = 0.0
    rarity_power: float = 0.0
    recent_weight: float = 0.0

    def combine(self, scores: _Scores) -> Scores:
        """Returns the weighted sum of the scores; minus infinity stays."""
        rarity = (1.0 + scores.n_events) ** np.float32(-self.rarity_power)
        content = np.float32(self.content_weight) * scores.content + np.float32(self.neighbor_weight) * scores.neighbors
        return np.asarray(scores.base + np.float32(self.recent_weight) * scores.recent + rarity * content, np.float32)


@dataclass(frozen=True, eq=False)
class _Scores:
    """float32 (users, items) each; n_events and recent may be (items,). base is minus infinity for excluded items."""

    base: Scores
    content: Scores
    neighbors: Scores
    recent: Scores
    n_events: Scores

    def select(self, users: npt.NDArray[np.int64], items: npt.NDArray[np.int64]) -> list[Scores]:
        """Returns the scores of pairs of user and item, five arrays (pairs,)."""
        pairs = [one[users, items] for one in (self.base, self.content, self.neighbors)]
        return [*pairs, self.recent[items], self.n_events[items]]


@dataclass(frozen=True, eq=False)
class FittedContentFusion:
    """The fitted base recommender and the content scores.

    near          sparse float32 (n_items, n_items): cosine of an item (row) and the items of the most similar text
    similar       the same, with as many rare items for each item
    item_weights  float64 (n_items + 1,): weight of each item's training events
    recent        float64 (n_items + 1,): recent popularity, largest 1
    base_scale, neighbor_scale  mean score of the first items
    """

    base: FittedRecommender
    kind: str
    near: Any
    similar: Any
    item_weights: Floats
    recent: Floats
    weights: FusionWeights
    base_scale: float
    neighbor_scale: float
    recency_power: float
    depth: int

    @property
    def curve(self) -> Sequence[Mapping[str, float]]:
        """Training curve of the base recommender."""
        return self.base.curve

    @property
    def facts(self) -> Mapping[str, object]:
        """Facts of the base recommender, and the weights of the other scores."""
        return {**self.base.facts, **asdict(self.weights)}

    def measure_scales(self, histories: Histories) -> FittedContentFusion:
        """Returns the recommender with the mean first scores of at most 2,048 histories."""
        block = histories.slice(0, min(len(histories), 2048))
        base = _subtract_last(self.base.recommend(block, self.depth))[:, 0]
        fitted = replace(self, base_scale=_mean_positive(base))
        first = [scores.neighbors.max(axis=1) for _, scores in fitted._iterate_scores(block, False)]
        return replace(fitted, neighbor_scale=_mean_positive(np.concatenate(first)))

    def choose_weights(self, validation: HeldOut, free: Sequence[str]) -> FittedContentFusion:
        """Returns the recommender with the best of the free weights for these users; the first among equals."""
        from leaven.nn.ranked_lists import compute_ndcg

        step = -(-len(validation.histories) // _MAX_USERS)
        users = validation.take(np.arange(0, len(validation.histories), step))
        pairs = self._collect_candidates(users.histories)
        weights = replace(self.weights, **{name: CANDIDATES[name][0] for name in free})
        best = compute_ndcg(pairs.rank(weights), users)
        for _ in range(_ROUNDS):
            for name in free:
                for value in CANDIDATES[name]:
                    candidate = replace(weights, **{name: value})
                    found = compute_ndcg(pairs.rank(candidate), users) if candidate != weights else best
                    if found > best * (1 + _MIN_GAIN):
                        weights, best = candidate, found
        return replace(self, weights=weights)

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> RankedItems:
        """Returns the k items with the highest scores.

        Raises SpecError for k below 1, DataError for histories over another catalog.
        """
        if k < 1:
            return self.base.recommend(histories, k, allow_repeats)  # raises the error of all recommenders
        items, best = np.zeros((len(histories), k), np.int32), np.full((len(histories), k), -np.inf, np.float32)
        has_neighbors = self.weights.neighbor_weight > 0
        for part, scores in self._iterate_scores(histories, allow_repeats, k, has_neighbors):
            fill_best(self.weights.combine(scores), items[part], best[part])
        return RankedItems(items, best)

    def _iterate_scores(
        self, histories: Histories, allow_repeats: bool, k: int = 1, has_neighbors: bool = True
    ) -> Iterator[tuple[slice, _Scores]]:
        """Yields blocks of users with the scores of all items; scores of neighbors are 0 where they are not needed."""
        import scipy.sparse as sparse

        n_items = len(self.item_weights) - 1
        counts, recent = self.item_weights[1:].astype(np.float32), self.recent[1:].astype(np.float32)
        floor = (counts / max(counts.max(), 1.0) - 1.0) * np.float32(1e-6)  # order of the items below the list
        means = sparse.diags(1.0 / (0.5 + np.asarray(self.near.sum(axis=1)).ravel())) @ self.near
        means = (means.T / self.neighbor_scale).astype(np.float32).tocsr()
        weighting = HistoryWeighting(self.recency_power)
        step = max(_MAX_SCORES // n_items, 1)
        for first, chunk in _iterate_chunks(histories, _CHUNK_USERS):
            lists = self._list_base(chunk, max(k, self.depth), allow_repeats)
            # the user's own items also speak for items of similar text
            sources = lists if allow_repeats or not has_neighbors else self._list_base(chunk, self.depth, True)
            for start, block in _iterate_chunks(chunk, step):
                users = np.arange(start, start + len(block))
                base = np.tile(floor, (len(block), 1))
                if not allow_repeats:
                    is_item = block.items <= n_items
                    base[block.event_rows()[is_item], block.items[is_item] - 1] = -np.inf
                listed = lists[users].tocoo()
                base[listed.row, listed.col] = listed.data
                events = weighting.build_matrix(block, weighting.compute_event_weights(block)).astype(np.float32)
                content = np.asarray((events @ self.similar).toarray(), np.float32)
                neighbors = (sources[users] @ means).toarray() if has_neighbors else np.zeros_like(content)
                part = slice(first + start, first + start + len(block))
                yield part, _Scores(base, content, neighbors, recent, counts)

    def _list_base(self, histories: Histories, depth: int, allow_repeats: bool) -> Any:
        """Returns the scaled scores of the best items of the base recommender, sparse float32 (users, n_items)."""
        import scipy.sparse as sparse

        n_items = len(self.item_weights) - 1
        lists = self.base.recommend(histories, min(depth, n_items), allow_repeats)
        values = (_subtract_last(lists) / self.base_scale).astype(np.float32)
        user, place = np.nonzero(lists.items > 0)
        pairs = (user, lists.items[user, place] - 1)
        return sparse.csr_matrix((values[user, place], pairs), shape=(len(histories), n_items))

    def _collect_candidates(self, histories: Histories) -> _Candidates:
        """Returns the items of each user that are among the best by any score."""
        parts, widths = [], []
        for _, scores in self._iterate_scores(histories, False):
            rarity = (1.0 + scores.n_events) ** np.float32(-1.0)
            is_candidate = scores.base > 0
            for one in (scores.content, scores.content * rarity, scores.neighbors, scores.neighbors * rarity):
                _mark_best(is_candidate, np.where(scores.base > -np.inf, one, -np.inf))
            _mark_best(is_candidate, np.where(scores.base > -np.inf, scores.recent, -np.inf))
            users, items = np.nonzero(is_candidate & (scores.base > -np.inf))
            parts.append([items.astype(np.int32) + 1, *scores.select(users, items)])
            widths.append(is_candidate.sum(axis=1) - (is_candidate & (scores.base == -np.inf)).sum(axis=1))
        lengths = np.concatenate(widths)
        user = np.repeat(np.arange(len(lengths)), lengths)
        place = np.arange(len(user)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        shape = (len(lengths), max(int(lengths.max(initial=0)), 10))
        fills = (0, -np.inf, 0.0, 0.0, 0.0, 0.0)
        tables = []
        for fill, column in zip(fills, zip(*parts, strict=True), strict=True):
            flat = np.concatenate(column)
            table = np.full(shape, fill, flat.dtype)
            table[user, place] = flat
            tables.append(table)
        return _Candidates(tables[0], _Scores(*tables[1:]))

    def save(self, folder: Path) -> None:
        """Saves the base recommender in a subfolder; the content scores are written last."""
        self.base.save(folder / "base")
        arrays: dict[str, npt.NDArray[Any]] = {"item_weights": self.item_weights, "recent": self.recent}
        for name, matrix in (("near", self.near), ("similar", self.similar)):
            arrays |= {f"{name}_values": matrix.data, f"{name}_items": matrix.indices, f"{name}_starts": matrix.indptr}
        names = ("kind", "base_scale", "neighbor_scale", "recency_power", "depth")
        facts = {name: getattr(self, name) for name in names} | {"weights": asdict(self.weights)}
        save_arrays(folder, _FILE, arrays, json.loads(json.dumps(facts)))


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Items int32 (users, candidates), 0 for none, with their scores."""

    items: npt.NDArray[np.int32]
    scores: _Scores

    def rank(self, weights: FusionWeights) -> npt.NDArray[np.int32]:
        """Returns the ten best items of each user."""
        total = weights.combine(self.scores)
        places, best = np.zeros((len(total), 10), np.int32), np.full((len(total), 10), -np.inf, np.float32)
        fill_best(total, places, best)
        return np.where(places > 0, np.take_along_axis(self.items, np.maximum(places - 1, 0), 1), 0)


def _iterate_chunks(histories: Histories, size: int) -> Iterator[tuple[int, Histories]]:
    """Yields the first row and the rows of each chunk."""
    for first in range(0, len(histories), size):
        yield first, histories.slice(first, min(first + size, len(histories)))


def _mean_positive(values: npt.NDArray[np.floating[Any]]) -> float:
    return float(values[values > 0].mean()) if (values > 0).any() else 1.0


def _mark_best(is_marked: npt.NDArray[np.bool_], scores: Scores) -> None:
    """Marks the items of the highest scores of each user."""
    count = min(_LIST_ITEMS, scores.shape[1])
    best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    np.put_along_axis(is_marked, best, True, 1)


def _subtract_last(base: RankedItems) -> Floats:
    """Returns the scores less the last finite one of each list, float64 (users, depth); 0 for empty positions."""
    finite = np.where(base.items > 0, base.scores, np.inf).astype(np.float64)
    lowest = finite.min(axis=1, keepdims=True)
    return np.where(base.items > 0, base.scores - np.where(np.isfinite(lowest), lowest, 0.0), 0.0)


def _find_neighbors(table: sparse.csr_matrix, columns: npt.NDArray[np.int64], count: int) -> sparse.csr_matrix:
    """Returns the `count` items of highest cosine of each item among `columns`, sparse float32 (n_items, n_items)."""
    import scipy.sparse as sparse

    parts = []
    for first in range(0, table.shape[0], _BLOCK_ITEMS):
        cosines = (table[first : first + _BLOCK_ITEMS] @ table[columns].T).toarray().astype(np.float32)
        own = columns[None, :] == np.arange(first, first + len(cosines))[:, None]
        cosines[own] = 0.0
        if cosines.shape[1] > count:
            bound = -np.partition(-cosines, count - 1, axis=1)[:, count - 1 : count]
            cosines[cosines < bound] = 0.0
        parts.append(sparse.csr_matrix(cosines))
    found = sparse.vstack(parts).tocoo()
    shape = (table.shape[0], table.shape[0])
    return sparse.csr_matrix((found.data, (found.row, columns[found.col])), shape=shape)
