"""Calibration of recommender scores to probabilities, and item draws from ranked lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories, encode_pairs, take_prefixes
from leaven.protocols import FittedRecommender, RankedItems

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MAX_CALIBRATION_ROWS = 2_000


@dataclass(frozen=True, eq=False)
class ScoreCalibration:
    """Maps scores to probabilities.

    scale             divisor of scores before the softmax
    repeat_factor     factor on the probability of items that the row already holds
    logit_offsets     float64 (items + 2,): added to scaled scores, to match the popularity of real rows
    first_sale_times  int64 (items + 2,): first second of sale of each item
    start_times       int64 (rows,), ascending, begin_items int32 (rows,): the first event of each real row
    """

    scale: float
    repeat_factor: float
    logit_offsets: Floats
    first_sale_times: Ints
    start_times: Ints
    start_items: npt.NDArray[np.int32]

    def sample_items(self, listed: RankedItems, shares: Floats, u: Floats) -> npt.NDArray[np.int32]:
        """Returns int32 (rows,): one listed item each; shares need not sum to 1; u float64 (rows,): uniform draws."""
        cumulative = shares.cumsum(axis=1)
        position = (cumulative <= (u * cumulative[:, -1])[:, None]).sum(axis=1)
        last = shares.shape[1] - 1 - (shares[:, ::-1] > 0).argmax(axis=1)
        items: npt.NDArray[np.int32] = listed.items[np.arange(len(u)), np.minimum(position, last)]
        return items

    def sample_first_items(self, now: Ints, u: Floats) -> npt.NDArray[np.int32]:
        """Returns the first item of a random real row that started shortly before `now`."""
        end = np.maximum(np.searchsorted(self.start_times, now, side="right"), 1)
        begin = np.maximum(end - max(len(self.start_times) // 20, 200), 0)
        items: npt.NDArray[np.int32] = self.start_items[begin + (u * (end - begin)).astype(np.int64)]
        return items

    def compute_weights(self, listed: RankedItems, held: Bools, now: Ints, temperature: float) -> Floats:
        """Returns float64 (rows, top): weights of listed items; held bool (rows, top); now int64 (rows,).

        Items not on sale have weight 0 if any other item is positive; held items are scaled by the repeat factor.
        """
        is_item = listed.items > 0
        logits = (
            np.where(is_item, listed.scores, -np.inf).astype(np.float64) / self.scale + self.logit_offsets[listed.items]
        )
        logits /= temperature
        plain = np.exp(logits - logits.max(axis=1, keepdims=True))
        on_sale = plain * (self.first_sale_times[listed.items] <= now[:, None])
        weights: Floats = on_sale * np.where(held, self.repeat_factor, 1.0)
        for other in (on_sale, plain):
            weights = np.where(weights.sum(axis=1, keepdims=True) > 0, weights, other)
        return weights


def sort_by_id(listed: RankedItems, held: Bools) -> tuple[RankedItems, Bools]:
    """Returns each row's list, and its `held` flags, sorted by item id: ranks of nearly equal scores may differ between
    batches.
    """
    order = np.argsort(listed.items, axis=1, kind="stable")
    items, scores = np.take_along_axis(listed.items, order, 1), np.take_along_axis(listed.scores, order, 1)
    return RankedItems(items, scores), np.take_along_axis(held, order, 1)


def collect_first_events(rows: Histories) -> tuple[Ints, npt.NDArray[np.int32]]:
    """Returns the times, ascending, and items of the first events."""
    first = rows.starts[:-1][(rows.lengths > 0)]
    order = np.lexsort((rows.items[first], rows.times[first]))
    return rows.times[first][order], rows.items[first][order]


def select_calibration_rows(rows: Histories, key: int) -> Ints:
    """Returns indices of at most 5 % of the rows, whose last items calibrate scores; they must not be training data."""
    long = np.flatnonzero(rows.lengths >= 2)
    order = np.argsort(rng.derive_row_keys(rng.derive_key(key, "scale"), rows.row_ids[long]), kind="stable")
    return np.sort(long[order[: min(_MAX_CALIBRATION_ROWS, -(-len(long) // 20))]])


def drop_last_events(rows: Histories, index: Ints) -> Histories:
    """Returns the rows, those at `index` without their last event."""
    lengths = rows.lengths.astype(np.int64)
    lengths[index] -= 1
    return take_prefixes(rows, lengths)


def calibrate_scores(recommender: FittedRecommender, rows: Histories, top: int) -> tuple[float, float]:
    """Returns the scale that maximizes the likelihood of the last items of these rows, each given those before it
    (temperature scaling: Guo et al., ICML 2017, section 4.2), and the repeat factor; the recommender must not have been
    trained on these items.
    """
    if not len(rows):
        return 1.0, 1.0
    known, last = take_prefixes(rows, rows.lengths - 1), rows.items[rows.starts[1:] - 1]
    listed = recommender.recommend(known, top, allow_repeats=True)
    hit = listed.items == last[:, None]
    asked = hit.any(axis=1)
    if not asked.any():
        return 1.0, 1.0
    hit, is_item = hit[asked], listed.items[asked] > 0
    scores = np.where(is_item, listed.scores[asked], -np.inf).astype(np.float64)
    scales = (float(np.std(scores[is_item])) or 1.0) * np.geomspace(0.02, 20, 80)
    scale = float(scales[np.argmax([np.log(_softmax(scores / value)[hit] + 1e-12).sum() for value in scales])])
    held = find_held_items(known, listed.items)[asked]
    expected = float((_softmax(scores / scale) * held).sum(axis=1).mean())
    real = float((hit & held).any(axis=1).mean())
    is_usual = real >= 0.9 * expected or real >= 1.0
    return scale, 1.0 if is_usual else real * (1 - expected) / (expected * (1 - real))


def _softmax(logits: Floats) -> Floats:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    normalized: Floats = shares / shares.sum(axis=1, keepdims=True)
    return normalized


def find_held_items(known: Histories, items: npt.NDArray[np.int32]) -> Bools:
    """Returns bool (rows, top): whether the row holds the item."""
    pairs = encode_pairs(known.event_rows(), known.items, known.n_items)
    return np.isin(encode_pairs(np.arange(len(items))[:, None], items, known.n_items), pairs)
