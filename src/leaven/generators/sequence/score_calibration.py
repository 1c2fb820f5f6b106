"""How does a list of what a recommender ranks first become a draw?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories, beginnings, coded
from leaven.protocols import FittedRecommender, Ranked

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LOOK = 2_000  # rows that say how scores become probabilities


@dataclass(frozen=True, eq=False)
class Law:
    """How scores become chances.

    scale        what a score is divided by before the softmax
    keep_seen    how much less likely an item becomes that the row already holds
    lift         float64 (items + 2,): what is added to scaled scores, so that popular items come as often as real ones
    born         int64 (items + 2,): first second of sale of each item
    begin_times  int64 (rows,), ascending, begin_items int32 (rows,): the first event of each real row
    """

    scale: float
    keep_seen: float
    lift: Floats
    born: Ints
    begin_times: Ints
    begin_items: npt.NDArray[np.int32]

    def drawn(self, listed: Ranked, shares: Floats, u: Floats) -> npt.NDArray[np.int32]:
        """int32 (rows,): one listed item each; shares of any sum; u float64 (rows,): the draws."""
        passed = shares.cumsum(axis=1)
        place = (passed <= (u * passed[:, -1])[:, None]).sum(axis=1)
        last = shares.shape[1] - 1 - (shares[:, ::-1] > 0).argmax(axis=1)
        found: npt.NDArray[np.int32] = listed.items[np.arange(len(u)), np.minimum(place, last)]
        return found

    def first(self, now: Ints, u: Floats) -> npt.NDArray[np.int32]:
        """The first item of one of the real rows that began not long before."""
        end = np.maximum(np.searchsorted(self.begin_times, now, side="right"), 1)
        begin = np.maximum(end - max(len(self.begin_times) // 20, 200), 0)
        found: npt.NDArray[np.int32] = self.begin_items[begin + (u * (end - begin)).astype(np.int64)]
        return found

    def shares(self, listed: Ranked, held: Bools, now: Ints, temperature: float) -> Floats:
        """float64 (rows, top): what each listed item is worth; held bool (rows, top); now int64 (rows,).

        What is not on sale is worth nothing, unless nothing else is; what the row holds `keep_seen` times as much.
        """
        there = listed.items > 0
        logits = np.where(there, listed.scores, -np.inf).astype(np.float64) / self.scale + self.lift[listed.items]
        logits /= temperature
        plain = np.exp(logits - logits.max(axis=1, keepdims=True))
        on_sale = plain * (self.born[listed.items] <= now[:, None])
        found: Floats = on_sale * np.where(held, self.keep_seen, 1.0)
        for other in (on_sale, plain):
            found = np.where(found.sum(axis=1, keepdims=True) > 0, found, other)
        return found


def by_id(listed: Ranked, held: Bools) -> tuple[Ranked, Bools]:
    """Each row's list, and what `holds` says of it, in the order of ids: ranks of nearly equal scores may differ
    between batches.
    """
    order = np.argsort(listed.items, axis=1, kind="stable")
    items, scores = np.take_along_axis(listed.items, order, 1), np.take_along_axis(listed.scores, order, 1)
    return Ranked(items, scores), np.take_along_axis(held, order, 1)


def begun(rows: Histories) -> tuple[Ints, npt.NDArray[np.int32]]:
    """(times ascending, items) of the first events."""
    first = rows.starts[:-1][(rows.lengths > 0)]
    order = np.lexsort((rows.items[first], rows.times[first]))
    return rows.times[first][order], rows.items[first][order]


def looked_at(rows: Histories, key: int) -> Ints:
    """The rows, a twentieth at most, whose last items say how scores become chances: who ranks must not have them."""
    long = np.flatnonzero(rows.lengths >= 2)
    order = np.argsort(rng.row_keys(rng.key(key, "scale"), rows.keys[long]), kind="stable")
    return np.sort(long[order[: min(_LOOK, -(-len(long) // 20))]])


def without_last(rows: Histories, index: Ints) -> Histories:
    """The rows, those at `index` less their last event."""
    lengths = rows.lengths.astype(np.int64)
    lengths[index] -= 1
    return beginnings(rows, lengths)


def calibrated(ranks: FittedRecommender, look: Histories, top: int) -> tuple[float, float]:
    """(scale, keep_seen) under which the last items of these rows are likeliest, each given those before it
    (temperature scaling: Guo et al., ICML 2017, section 4.2); ranks: who has not learned them.
    """
    if not len(look):
        return 1.0, 1.0
    known, last = beginnings(look, look.lengths - 1), look.items[look.starts[1:] - 1]
    listed = ranks.recommend(known, top, allow_repeats=True)
    hit = listed.items == last[:, None]
    asked = hit.any(axis=1)
    if not asked.any():
        return 1.0, 1.0
    hit, there = hit[asked], listed.items[asked] > 0
    scores = np.where(there, listed.scores[asked], -np.inf).astype(np.float64)
    scales = (float(np.std(scores[there])) or 1.0) * np.geomspace(0.02, 20, 80)
    scale = float(scales[np.argmax([np.log(_softmax(scores / one)[hit] + 1e-12).sum() for one in scales])])
    held = holds(known, listed.items)[asked]
    expected = float((_softmax(scores / scale) * held).sum(axis=1).mean())
    real = float((hit & held).any(axis=1).mean())
    usual = real >= 0.9 * expected or real >= 1.0
    return scale, 1.0 if usual else real * (1 - expected) / (expected * (1 - real))


def _softmax(logits: Floats) -> Floats:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Floats = shares / shares.sum(axis=1, keepdims=True)
    return found


def holds(known: Histories, items: npt.NDArray[np.int32]) -> Bools:
    """bool (rows, top): whether the row holds the item."""
    have = coded(known.row_of_event(), known.items, known.n_items)
    return np.isin(coded(np.arange(len(items))[:, None], items, known.n_items), have)
