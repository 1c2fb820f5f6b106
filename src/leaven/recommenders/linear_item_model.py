"""A fitted linear item–item model: scores are a weighted sum of item weights over the events of a history.

`Ease`, `SparseLinear` and `TimeLinear` estimate the weights in different ways and share this model, its handling of
event kinds, and its storage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.errors import DataError, FitError, SpecError
from leaven.protocols import RankedItems
from leaven.recommenders.popularity import check_half_life, check_request, compute_item_weights
from leaven.storage import Arrays, load_arrays, save_arrays

if TYPE_CHECKING:
    import scipy.sparse as sparse

Floats = npt.NDArray[np.float64]
Items = npt.NDArray[np.int32]

_DAY = 86_400
_MAX_SCORES = 4_194_304  # in memory at a time: 16 MB
_KIND = "kind"
_FILE = "linear"


@dataclass(frozen=True)
class HistoryWeighting:
    """Weight of the events of a history when it is scored, and the use of event kinds.

        weight = kind weight · back ** -recency_power · exp(-days / time_scale_days)

    with `back` 1 for the last event, 2 for the one before, and `days` the time to the last event.

    recency_power    0: all events weigh the same
    time_scale_days  None: times are not read
    target_kind      code in `extra["kind"]` of the events that are recommended; None: all events are of one kind.
                     Codes follow the sorted names of the kinds in the log
    kind_weights     weight of each code, from code 0; empty: all 1
    own_bonus        added to the score of an item that the history contains with another kind than the target, such as
                     the user's own cart. Only items of the target kind count as seen
    by_kind          whether an item has a separate weight for each kind of event
    """

    recency_power: float = 0.0
    time_scale_days: float | None = None
    target_kind: int | None = None
    kind_weights: tuple[float, ...] = ()
    own_bonus: float = 0.0
    by_kind: bool = False

    def __post_init__(self) -> None:
        if not self.recency_power >= 0:
            raise SpecError("recency_power", "0 or more", str(self.recency_power), "")
        if self.time_scale_days is not None and not self.time_scale_days > 0:
            raise SpecError("time_scale_days", "days above 0, or none", str(self.time_scale_days), "")
        if any(not weight >= 0 for weight in self.kind_weights) or not self.own_bonus >= 0:
            raise SpecError("kind_weights, own_bonus", "0 or more", f"{self.kind_weights}, {self.own_bonus}", "")
        if self.target_kind is not None and self.kind_weights and self.target_kind >= len(self.kind_weights):
            got = f"target_kind = {self.target_kind} and {len(self.kind_weights)} weights"
            raise SpecError("kind_weights", "one weight for each code of a kind", got, "")

    def count_sources(self, n_items: int) -> int:
        """Returns the number of source columns: one per item, or one per kind and item."""
        return n_items * (max(len(self.kind_weights), (self.target_kind or 0) + 1) if self.by_kind else 1)

    def compute_event_weights(self, histories: Histories) -> Floats:
        """Returns the weight of each event, float64 (events,); 0 for masked events."""
        position = np.arange(histories.n_events) - np.repeat(
            histories.starts[:-1] - histories.starts[0], histories.lengths
        )
        weight = (np.repeat(histories.lengths, histories.lengths) - position).astype(float) ** -self.recency_power
        if self.time_scale_days is not None and histories.n_events:
            last = histories.times[np.maximum(histories.starts[1:] - 1, 0)]
            weight *= np.exp((histories.times - np.repeat(last, histories.lengths)) / (self.time_scale_days * _DAY))
        if self.target_kind is not None and self.kind_weights:
            weight *= np.asarray(self.kind_weights)[self.read_kinds(histories)]
        return np.where((histories.items >= 1) & (histories.items <= histories.n_items), weight, 0.0)

    def read_kinds(self, histories: Histories) -> npt.NDArray[np.int64]:
        """Returns the code of each event's kind, int64 (events,).

        Raises DataError if the histories have no kinds, or codes without a weight.
        """
        if _KIND not in histories.extra:
            got = f"columns {sorted(histories.extra)}"
            raise DataError('histories.extra["kind"]', "the kind of each event", got, "map the log's column `kind`")
        kinds = np.asarray(histories.extra[_KIND], np.int64)
        if self.kind_weights and len(kinds) and kinds.max() >= len(self.kind_weights):
            raise DataError("kind_weights", f"a weight for kind {kinds.max()}", f"{len(self.kind_weights)} weights", "")
        return kinds

    def is_seen(self, histories: Histories) -> npt.NDArray[np.bool_]:
        """Returns whether each event makes its item a seen one, bool (events,)."""
        if self.target_kind is None:
            return np.ones(histories.n_events, bool)
        return np.asarray(self.read_kinds(histories) == self.target_kind, bool)

    def build_matrix(self, histories: Histories, weight: Floats) -> sparse.csr_matrix:
        """Returns the largest weight of each row's events of a source, float64 (rows, sources), sorted indices."""
        import scipy.sparse as sparse

        column = histories.items.astype(np.int64) - 1
        if self.by_kind and self.target_kind is not None:
            column = column + histories.n_items * self.read_kinds(histories)
        n_sources = self.count_sources(histories.n_items)
        used = np.flatnonzero(weight > 0)
        code = histories.event_rows()[used] * n_sources + column[used]
        order = np.lexsort((-weight[used], code))
        first = np.concatenate([[True], np.diff(code[order]) > 0]) if len(order) else np.zeros(0, bool)
        code, values = code[order][first], weight[used][order][first]
        starts = np.searchsorted(code // n_sources, np.arange(len(histories) + 1))
        return sparse.csr_matrix((values, code % n_sources, starts), shape=(len(histories), n_sources))

    def select_target_kind(self, train: Histories) -> Histories:
        """Returns the rows without events of other kinds than the target.

        Raises FitError if no event has the target kind.
        """
        if self.target_kind is None:
            return train
        is_target = self.is_seen(train)
        if not is_target.any():
            present = sorted(set(self.read_kinds(train).tolist()))
            raise FitError("target_kind", f"events of kind {self.target_kind}", f"kinds {present}", "name one of these")
        source = np.flatnonzero(is_target)
        starts = np.concatenate([[0], np.cumsum(is_target)])[train.starts - train.starts[0]].astype(np.int64)
        return train.replace_events(starts, train.items[source], train.times[source], source)


def sort_rows(train: Histories) -> Histories:
    """Returns the rows in the order of their ids, so that sums of floats do not depend on the order of the rows."""
    return train.take(np.argsort(train.row_ids, kind="stable"))


def compute_row_weights(train: Histories, half_life_days: float | None) -> Floats:
    """Returns row weight · 2 ** (-age / half-life), float64 (rows,); age: last event of the row to that of the data.

    Raises SpecError for a half-life of 0 or less, FitError if no row has events and a weight above 0.
    """
    weight = np.where(train.lengths > 0, train.weight.astype(np.float64), 0.0)
    if not (weight > 0).any():
        raise FitError("training rows", "an event with a weight above 0", f"{len(train)} rows without one", "")
    if half_life_days is None:
        return weight
    check_half_life(half_life_days)
    last = train.times[np.maximum(train.starts[1:] - 1, 0)]
    newest = last[weight > 0].max()
    age = np.minimum(last - newest, 0) / (half_life_days * _DAY)
    return np.asarray(weight * 2.0**age, np.float64)


@dataclass(frozen=True, eq=False)
class LinearItemModel:
    """Weights from sources to targets.

        score(i) = Σ_source history weight(source) · weights[source, i]  +  own bonus  +  small popularity term

    weighting     how histories become weights of sources
    weights       float32 (sources, targets): sparse, or dense over `dense_items`
    dense_items   int32: items of the rows and columns of dense weights; None for sparse weights
    item_weights  float64 (n_items + 1,): weight of each item's events in training
    popularity_weight  factor of an item's share of the largest weight; it ranks items without other scores
    """

    weighting: HistoryWeighting
    weights: Any
    dense_items: Items | None
    item_weights: Floats
    popularity_weight: float
    curve: tuple[Mapping[str, float], ...] = ()
    facts: ClassVar[Mapping[str, object]] = {}

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> RankedItems:
        """Returns the k items with the highest scores.

        Raises SpecError for k below 1, DataError for histories over another catalog or without event kinds where the
        model uses them.
        """
        n_items = len(self.item_weights) - 1
        check_request(histories, k, n_items)
        items, scores = np.zeros((len(histories), k), np.int32), np.full((len(histories), k), -np.inf, np.float32)
        step = max(_MAX_SCORES // n_items, 1)
        for first in range(0, len(histories), step):
            block = histories.slice(first, min(first + step, len(histories)))
            part = slice(first, first + len(block))
            fill_best(self._score(block, allow_repeats), items[part], scores[part])
        return RankedItems(items, scores)

    def _score(self, histories: Histories, allow_repeats: bool) -> npt.NDArray[np.float32]:
        """Returns the scores of all items, float32 (users, n_items); minus infinity for seen items."""
        weighting, n_items = self.weighting, histories.n_items
        matrix = weighting.build_matrix(histories, weighting.compute_event_weights(histories)).astype(np.float32)
        popularity = (self.popularity_weight * self.item_weights[1:] / self.item_weights.max()).astype(np.float32)
        scores = np.tile(popularity, (len(histories), 1))
        if self.dense_items is None:
            scores += (matrix @ self.weights).toarray()
        else:
            scores[:, self.dense_items - 1] += matrix[:, self.dense_items - 1] @ self.weights
        rows, is_item = histories.event_rows(), histories.items <= n_items
        seen = weighting.is_seen(histories)
        if weighting.own_bonus:
            own = np.unique(np.stack([rows, histories.items])[:, is_item & ~seen], axis=1)
            scores[own[0], own[1] - 1] += np.float32(weighting.own_bonus)
        if not allow_repeats:
            scores[rows[is_item & seen], histories.items[is_item & seen] - 1] = -np.inf
        return scores

    def save(self, folder: Path) -> None:
        arrays: Arrays = {"item_weights": self.item_weights}
        if self.dense_items is None:
            arrays |= {"starts": self.weights.indptr, "targets": self.weights.indices, "values": self.weights.data}
        else:
            arrays |= {"weights": self.weights, "dense_items": self.dense_items}
        facts = {"weighting": asdict(self.weighting), "popularity_weight": self.popularity_weight}
        save_arrays(folder, _FILE, arrays, facts)

    @staticmethod
    def load(folder: Path) -> LinearItemModel:
        """Loads what `save` wrote. Raises DataError if files are missing."""
        import scipy.sparse as sparse

        arrays, facts = load_arrays(folder, _FILE)
        fields = facts["weighting"]
        weighting = HistoryWeighting(**(fields | {"kind_weights": tuple(fields["kind_weights"])}))
        item_weights = arrays["item_weights"]
        if "weights" in arrays:
            weights, dense_items = arrays["weights"], arrays["dense_items"]
        else:
            shape = (len(arrays["starts"]) - 1, len(item_weights) - 1)
            weights = sparse.csr_matrix((arrays["values"], arrays["targets"], arrays["starts"]), shape=shape)
            dense_items = None
        return LinearItemModel(weighting, weights, dense_items, item_weights, facts["popularity_weight"])


def build_model(
    weighting: HistoryWeighting, weights: Any, train: Histories, popularity_weight: float
) -> LinearItemModel:
    """Returns the model of sparse weights (sources, targets), with the popularity of the target events."""
    counts = compute_item_weights(weighting.select_target_kind(train))
    return LinearItemModel(weighting, weights.astype(np.float32).tocsr(), None, counts, popularity_weight)


def fill_best(scores: npt.NDArray[np.float32], items: Items, best: npt.NDArray[np.float32]) -> None:
    """Writes the highest-scoring items of each row to `items`, their scores to `best`; ties by id.

    scores float32 (users, n_items); items int32 (users, k), zeros; best float32 (users, k), minus infinity.
    """
    k = min(items.shape[1], scores.shape[1])
    if k < scores.shape[1]:
        # the k-th best score; every item above it, and the first ones that equal it
        bound = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
        above = scores > bound
        room = k - above.sum(axis=1, keepdims=True)
        ties = scores == bound
        chosen = np.nonzero(above | (ties & (np.cumsum(ties, axis=1) <= room)))[1].reshape(len(scores), k)
    else:
        chosen = np.tile(np.arange(k), (len(scores), 1))
    value = np.take_along_axis(scores, chosen, 1)
    order = np.argsort(-value, axis=1, kind="stable")
    value = np.take_along_axis(value, order, 1)
    best[:, :k] = value
    items[:, :k] = np.where(value > -np.inf, np.take_along_axis(chosen, order, 1) + 1, 0)
