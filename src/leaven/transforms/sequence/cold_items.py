"""Builds content-based pseudo-interactions with cold items."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories, Ints, Items, compute_offsets
from leaven.encoders.tfidf import TfIdf
from leaven.errors import DataError
from leaven.field_checks import check_count, check_share
from leaven.protocols import Encoder, OperatorTraits, RngKeys, Strength
from leaven.transforms.stateless import Reasons, find_short_rows

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ColdItems:
    """Replace one event by a similar cold item and end the history there; the similarity becomes the row's weight.

    encoder          encoder of the items' text, attributes or images, whose cosine is the similarity
    max_cold_events  an item with at most this many events in training rows is cold; 0: items without events
    max_neighbors    warm items that a cold item may replace, the most similar first
    min_similarity   cosine from which two items count as similar
    p                probability that a row is changed (× strength)

    One event is drawn among those, after the first, whose item is similar to a cold item; the cold item replaces it
    and is the only target of the row. Rows without such an event stay unchanged: give the step
    `filters = ["copies"]`. Content-based pseudo-interactions follow Melville and others (AAAI 2002); row weights of
    cosine × step weight are ours. Unlike all other transforms this one adds items that training rows may lack, and
    uses only what the catalog holds about them. As many rows as users at the step's full weight fill lists with cold
    items at the cost of all others (`python -m bench.cold`): add few rows, or rows of low weight.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("cold items", weighs_rows=True, names_cold_items=True)
    encoder: Encoder = field(default_factory=TfIdf)
    max_cold_events: int = 3
    max_neighbors: int = 5
    min_similarity: float = 0.3
    p: float = 1.0
    min_events: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_count("cold_items.max_cold_events", self.max_cold_events, 0)
        check_count("cold_items.max_neighbors", self.max_neighbors, 1)
        check_share("cold_items.min_similarity", self.min_similarity)
        check_share("cold_items.p", self.p)

    def fit(self, train: Histories) -> FittedColdItems:
        """Pairs of similar cold and warm items, from the catalog and the real rows' counts.

        Raises DataError without a catalog that the encoder can read, without cold items, or without similar pairs.
        """
        real = train if train.is_real.all() else train.select_real()
        if train.catalog is None or not self.encoder.can_encode(train.catalog):
            fix = "name a table of items and its columns in [data]"
            raise DataError("cold_items.encoder", f"items with {self.encoder.modality}", "none", fix)
        catalog = train.catalog
        counts = np.bincount(real.items, minlength=train.n_items + 2)[: train.n_items + 1]
        cold = np.flatnonzero(counts[1:] <= self.max_cold_events) + 1
        warm = np.flatnonzero(counts[1:] > self.max_cold_events) + 1
        if not (len(cold) and len(warm)):
            got = f"{len(cold)} cold items and {len(warm)} others"
            raise DataError("cold_items.max_cold_events", "some cold items and some others", got, "change the bound")
        vectors = self.encoder.fit(catalog)(catalog)
        neighbors, similarities = _find_similar_items(vectors[cold - 1], vectors[warm - 1], self.max_neighbors)
        is_similar = similarities >= max(self.min_similarity, 1e-6)
        if not is_similar.any():
            expected = "a cold item that is similar to another item"
            raise DataError("cold_items.min_similarity", expected, "none", "lower min_similarity")
        replaced, cold_items = warm[neighbors[is_similar]], np.repeat(cold, is_similar.sum(1))
        order = np.lexsort((cold_items, replaced))
        starts = np.searchsorted(replaced[order], np.arange(train.n_items + 3)).astype(np.int64)
        return FittedColdItems(self, starts, cold_items[order].astype(np.int32), similarities[is_similar][order])


def _find_similar_items(cold: Floats, warm: Floats, top: int) -> tuple[Ints, Floats]:
    """(indices (cold items, top) of warm items, cosines), computed in blocks."""
    top, size = min(top, len(warm)), max(16_000_000 // max(len(warm), 1), 1)
    indices, similarities = [np.zeros((0, top), np.int64)], [np.zeros((0, top), np.float32)]
    left, right = (part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12) for part in (cold, warm))
    for begin in range(0, len(left), size):
        cosines = left[begin : begin + size] @ right.T
        best = np.sort(np.argpartition(-cosines, top - 1, axis=1)[:, :top], axis=1)
        indices.append(best)
        similarities.append(np.minimum(np.take_along_axis(cosines, best, 1), np.float32(1)))
    return np.concatenate(indices), np.concatenate(similarities)


@dataclass(frozen=True, eq=False)
class FittedColdItems:
    """The fitted transform: the similar cold items of each warm item.

    starts int64 (n_items + 3,): item i has pairs starts[i]:starts[i + 1] of cold_items int32 and similarities float32
    """

    config: ColdItems
    starts: Ints
    cold_items: Items
    similarities: Floats

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """One row for each row: changed rows end at the drawn event, which holds the cold item."""
        events, count = self._find_replaceable(rows)
        is_changed = (rng.draw_uniform(keys, 0) < self.config.p * strength.astype(np.float64)) & (count > 0)
        nth = np.minimum((rng.draw_uniform(keys, 1) * count).astype(np.int64), np.maximum(count - 1, 0))
        first = np.cumsum(count) - count
        base, end = rows.starts[:-1], rows.starts[1:].copy()
        event = events[first[is_changed] + nth[is_changed]]
        end[is_changed] = event + 1
        lengths = end - base
        starts = compute_offsets(lengths)
        source = np.arange(starts[-1]) + np.repeat(base - starts[:-1], lengths)
        items, weight, targets = rows.items[source], rows.weight.copy(), rows.n_targets.copy()
        pair = self._draw_pairs(rows.items[event], rng.draw_uniform(keys[is_changed], 2))
        items[starts[1:][is_changed] - 1] = self.cold_items[pair]
        weight[is_changed] *= self.similarities[pair]
        targets[is_changed] = 1
        return replace(rows.replace_events(starts, items, rows.times[source], source), weight=weight, n_targets=targets)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, or hold no item that is similar to a cold item."""
        return {**find_short_rows(rows, 2), "no event with a similar cold item": self._find_replaceable(rows)[1] == 0}

    def _find_replaceable(self, rows: Histories) -> tuple[Ints, Ints]:
        """(events that may be replaced, in order; their number in each row)."""
        is_replaceable = np.diff(self.starts)[rows.items] > 0
        row = rows.event_rows()
        is_replaceable &= np.arange(len(rows.items)) > rows.starts[:-1][row]
        return np.flatnonzero(is_replaceable), np.bincount(row[is_replaceable], minlength=len(rows))

    def _draw_pairs(self, items: Items, draws: npt.NDArray[np.float64]) -> Ints:
        """int64 (items,): a pair of each item, drawn in proportion to its cosine."""
        cumulative = np.concatenate([[0.0], np.cumsum(self.similarities.astype(np.float64))])
        low, high = cumulative[self.starts[items]], cumulative[self.starts[items + 1]]
        pair = np.searchsorted(cumulative, low + draws * (high - low), side="right") - 1
        return np.asarray(np.clip(pair, self.starts[items], self.starts[items + 1] - 1), np.int64)
