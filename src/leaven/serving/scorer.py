"""`Scorer`: own item ids of a history in, ranked own item ids with scores out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories, compute_offsets
from leaven.errors import SpecError
from leaven.protocols import RankedItems
from leaven.recommenders.linear_item_model import LinearItemModel
from leaven.recommenders.selected_kinds import FittedSelectedKinds
from leaven.serving.trained_model import TrainedModel, load_trained_model
from leaven.storage import Arrays

ANONYMOUS_ROW_ID = 1
"""Row id of a history without a user."""
_MAX_EXPLAINED_EVENTS = 20
_EXPLAINED_DEPTH = 1000


@dataclass(frozen=True)
class Query:
    """One request. The history is that of `user` where the run knows it, followed by `items`, oldest first.

    times    seconds since 1970 of `items`; empty: the time of the last known event
    k        length of the list
    exclude  own ids of items that are left out
    where    attribute -> values: only items that have one of the values of each attribute
    texts    own id -> text of items outside the catalog, which count as the catalog's item of the most similar text
    """

    items: Sequence[str] = ()
    user: str = ""
    times: Sequence[int] = ()
    k: int = 10
    exclude: Sequence[str] = ()
    where: dict[str, list[str]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """A ranked list, best first.

    items, scores  own ids and scores
    unknown_items  own ids of the request that are not in the catalog
    replaced       unknown id -> own id of the item with the most similar text
    history        own ids of the events that were read, oldest first
    is_user_known  whether the run or the request has a history; without one the list is that of popular items
    """

    items: tuple[str, ...]
    scores: tuple[float, ...]
    unknown_items: tuple[str, ...] = ()
    replaced: dict[str, str] = field(default_factory=dict)
    history: tuple[str, ...] = ()
    is_user_known: bool = True


@dataclass(frozen=True)
class Reason:
    """An event of the history that supports an item: how much the item's score falls without that event."""

    event: str
    score_loss: float


@dataclass(frozen=True, eq=False)
class Past:
    """The resolved history of a query, as columns of one row of `Histories`."""

    items: npt.NDArray[np.int32]
    times: npt.NDArray[np.int64]
    extra: Arrays
    row_id: int
    unknown: tuple[str, ...]
    replaced: dict[str, str]


@dataclass(frozen=True, eq=False)
class Scorer:
    """A trained recommender behind own ids. Its lists are those of the trained recommender.

    >>> Scorer.load("runs/shop").recommend(["i00001", "i00007"], k=3).items  # doctest: +SKIP
    ('i00012', 'i00003', 'i00044')
    """

    model: TrainedModel

    @classmethod
    def load(cls, folder: str | Path, variant: str = "", seed: int | None = None) -> Scorer:
        """The scorer of a run: see `load_trained_model`, which also lists the errors."""
        return cls(load_trained_model(folder, variant, seed))

    def recommend(self, items: Sequence[str], k: int = 10, exclude: Sequence[str] = ()) -> Answer:
        """The k best items after a history. Raises SpecError for k below 1."""
        return self.answer([Query(items, k=k, exclude=exclude)])[0]

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        """One answer per query, computed together. Raises SpecError for k below 1, or an unknown attribute."""
        if any(query.k < 1 for query in queries):
            raise SpecError("k", "1 or more", str(min(query.k for query in queries)), "")
        pasts = [self.resolve(query) for query in queries]
        barred = [self._bar_items(query) for query in queries]
        n_items = self.model.n_items
        k = [min(query.k, n_items) for query in queries]
        # without a filter the longest needed list is known; with one, the depth grows until lists are full
        depth = min(n_items, max(wanted + len(query.exclude) for wanted, query in zip(k, queries, strict=True)))
        while True:
            ranked = self._rank(pasts, depth)
            lists = [
                np.flatnonzero((ranked.items[row] > 0) & ~barred[row][ranked.items[row]])[: k[row]]
                for row in range(len(queries))
            ]
            if depth >= n_items or all(len(one) >= wanted for one, wanted in zip(lists, k, strict=True)):
                break
            depth = min(n_items, depth * 8)
        return [self._describe(pasts[row], ranked, row, lists[row]) for row in range(len(queries))]

    def resolve(self, query: Query) -> Past:
        """The history of a query: events that the run knows, then those of the query, without unknown items."""
        known = self.model.find_history(query.user) if query.user else None
        numbers, replaced = self._number_items(query)
        is_known = numbers > 0
        last = int(known.times[-1]) if known is not None and known.n_events else 0
        times = np.array(query.times or [last] * len(query.items), np.int64)[is_known]
        kinds = np.full(int(is_known.sum()), self._default_kind, np.int64)
        extra = {"kind": kinds} if self._reads_kinds else {}
        if known is not None:
            times = np.concatenate([known.times, np.maximum(times, last)])
            extra = {name: np.concatenate([known.extra[name], values]) for name, values in extra.items()}
        items = numbers[is_known] if known is None else np.concatenate([known.items, numbers[is_known]])
        row_id = int(rng.derive_user_ids([query.user])[0]) if query.user else ANONYMOUS_ROW_ID
        unknown = tuple(item for item, is_one in zip(query.items, is_known, strict=True) if not is_one)
        return Past(items.astype(np.int32), np.maximum.accumulate(times), extra, row_id, unknown, replaced)

    def explain(self, query: Query, items: Sequence[str], n_reasons: int = 3) -> dict[str, list[Reason]]:
        """For each item, the events of the history without which its score falls most, at most `n_reasons`.

        The last 20 events are left out one by one. Item and score ranks beyond 1,000 count as rank 1,000.
        """
        past = self.resolve(query)
        places = range(max(len(past.items) - _MAX_EXPLAINED_EVENTS, 0), len(past.items))
        if not places:
            return {item: [] for item in items}
        shorter = [_drop_event(past, place) for place in places]
        depth = min(self.model.n_items, _EXPLAINED_DEPTH)
        ranked = self._rank([past, *shorter], depth, allow_repeats=True)
        reasons: dict[str, list[Reason]] = {}
        for item in items:
            is_item = ranked.items == self.model.item_numbers[item]
            floor = np.where(ranked.items > 0, ranked.scores, np.inf).min(axis=1)
            scores = np.where(
                is_item.any(axis=1), ranked.scores[np.arange(len(is_item)), is_item.argmax(axis=1)], floor
            )
            losses = scores[0] - scores[1:]
            order = np.argsort(-losses, kind="stable")[:n_reasons]
            ids = self.model.catalog.ids
            reasons[item] = [
                Reason(ids[past.items[places[one]] - 1], round(float(losses[one]), 6))
                for one in order
                if losses[one] > 0
            ]
        return reasons

    def _rank(self, pasts: Sequence[Past], depth: int, allow_repeats: bool | None = None) -> RankedItems:
        extra = {name: np.concatenate([past.extra[name] for past in pasts]) for name in pasts[0].extra}
        rows = Histories.from_arrays(
            np.concatenate([past.items for past in pasts]),
            np.concatenate([past.times for past in pasts]),
            compute_offsets(np.array([len(past.items) for past in pasts])),
            np.array([past.row_id for past in pasts], np.uint64),
            self.model.n_items,
        )
        rows = rows if not extra else Histories(**{**vars(rows), "extra": extra})
        repeats = self.model.allow_repeats if allow_repeats is None else allow_repeats
        return self.model.recommender.recommend(rows, depth, repeats)

    def _describe(self, past: Past, ranked: RankedItems, row: int, chosen: npt.NDArray[np.int64]) -> Answer:
        ids = self.model.catalog.ids
        return Answer(
            tuple(ids[item - 1] for item in ranked.items[row][chosen].tolist()),
            tuple(ranked.scores[row][chosen].tolist()),
            past.unknown,
            past.replaced,
            tuple(ids[item - 1] for item in past.items.tolist() if item <= len(ids)),
            bool(len(past.items)),
        )

    def _bar_items(self, query: Query) -> npt.NDArray[np.bool_]:
        """bool (items + 1,): items that may not be in the list."""
        barred = ~self.model.select_items(query.where) if query.where else np.zeros(self.model.n_items + 1, bool)
        barred[[self.model.item_numbers.get(item, 0) for item in query.exclude]] = True
        barred[0] = True
        return barred

    def _number_items(self, query: Query) -> tuple[npt.NDArray[np.int32], dict[str, str]]:
        """(int32 (items,): dense ids, 0 for unknown items, unknown id -> own id of its replacement)."""
        numbers = np.array([self.model.item_numbers.get(item, 0) for item in query.items], np.int32)
        replaced = {}
        for place in np.flatnonzero(numbers == 0).tolist():
            item = query.items[place]
            if item in query.texts and (number := self._find_by_text(query.texts[item])):
                numbers[place], replaced[item] = number, self.model.catalog.ids[number - 1]
        return numbers, replaced

    def _find_by_text(self, text: str) -> int:
        """Dense id of the item whose text is most similar; 0 where no term is shared."""
        if self._text_index is None:
            return 0
        encoder, table = self._text_index
        column = encoder.columns[0]
        one = Catalog(["?"], {name: [text if name == column else ""] for name in encoder.columns})
        cosines = np.asarray((table @ encoder.compute_tfidf(one).T).todense()).ravel()
        best = int(cosines.argmax())
        return best + 1 if cosines[best] > 0 else 0

    @cached_property
    def _text_index(self) -> tuple[Any, Any] | None:
        """(fitted TF-IDF, sparse table of the catalog); None for a catalog without texts."""
        from leaven.encoders.tfidf import TfIdf

        if not TfIdf().can_encode(self.model.catalog):
            return None
        encoder = TfIdf().fit(self.model.catalog)
        return encoder, encoder.compute_tfidf(self.model.catalog)

    @cached_property
    def _reads_kinds(self) -> bool:
        rows = self.model.known_histories
        return rows is not None and "kind" in rows.extra

    @cached_property
    def _default_kind(self) -> int:
        """Code of the kind of the query's events: the one that is recommended, else the most frequent of the log."""
        recommender, rows = self.model.recommender, self.model.known_histories
        if isinstance(recommender, LinearItemModel) and recommender.weighting.target_kind is not None:
            return recommender.weighting.target_kind
        if isinstance(recommender, FittedSelectedKinds) and recommender.kinds:
            return recommender.kinds[0]
        if rows is None or "kind" not in rows.extra or not rows.n_events:
            return 0
        return int(np.bincount(np.asarray(rows.extra["kind"], np.int64)).argmax())


def _drop_event(past: Past, place: int) -> Past:
    keep = np.arange(len(past.items)) != place
    extra = {name: values[keep] for name, values in past.extra.items()}
    return Past(past.items[keep], past.times[keep], extra, past.row_id, past.unknown, past.replaced)
