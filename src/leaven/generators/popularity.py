"""Are popular items as frequent in rows that a net writes as in real ones?

A net that reads its own rows drifts: what it took to be likely it finds likelier still. So it writes some rows before
it is handed over, and where a share of the catalogue comes too often or too seldom, the logits of its items move.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from leaven import seeds
from leaven.contracts import Keys
from leaven.data.histories import Histories

if TYPE_CHECKING:
    from leaven.generators.drawing import Pen
    from leaven.generators.writer import OfNet

Floats = npt.NDArray[np.float64]

_STRATA = 16
_ROUNDS = 3
_EVENTS = 30_000  # of a round, about
_LIGHT = 0.01  # of a round's events, by which each stratum's count counts as larger: few events move little


class Writes(Protocol):
    """A fitted generator with a pen."""

    @property
    def wish(self) -> OfNet: ...
    @property
    def pen(self) -> Pen: ...

    def sample(self, keys: Keys, like: Histories | None = None) -> Histories:
        """One row a key."""
        ...


W = TypeVar("W", bound=Writes)


def as_popular(fitted: W, train: Histories, key: int) -> W:
    """The same generator, each sixteenth of all events, by how popular their items are, as frequent as in `train`.

    Its likelihoods stay what the net says; and so does all, where the wish does not ask for this.
    """
    if not fitted.wish.match_popularity:
        return fitted
    counts = _counts(train)
    stratum, real = strata(counts)
    for turn in range(_ROUNDS):
        made = _made(fitted, train, seeds.key(key, "popularity", turn))
        found = np.bincount(stratum, weights=made, minlength=len(real))
        total = max(found.sum(), 1.0)
        lift = np.log((real + _LIGHT) / (found / total + _LIGHT))[stratum]
        fitted = replace(fitted, pen=replace(fitted.pen, lift=fitted.pen.lift + lift))  # type: ignore[type-var]
    return fitted


def strata(counts: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """(int64 (items,): the stratum of each item, the most popular ones in 0; float64 (strata,): their shares of all
    events). Every stratum has about as many events."""
    order = np.argsort(-counts, kind="stable")
    middle = np.cumsum(counts[order]) - counts[order] / 2
    total = max(counts.sum(), 1.0)
    stratum = np.empty(len(counts), np.int64)
    stratum[order] = np.minimum(middle / total * _STRATA, _STRATA - 1).astype(np.int64)
    return stratum, np.bincount(stratum, weights=counts, minlength=_STRATA) / total


def _made(fitted: Writes, train: Histories, key: int) -> Floats:
    """float64 (items,): how often it writes each item, in rows of its own or behind, before, between real ones."""
    rows = int(np.clip(_EVENTS / max(train.events / max(len(train), 1), 1), 100, 10_000))
    if fitted.wish.where == "alone":
        return _counts(fitted.sample(seeds.row_keys(key, np.arange(1, rows + 1, dtype=np.uint64)), None))
    like = train.take(np.sort(np.argsort(seeds.row_keys(key, train.keys), kind="stable")[:rows]))
    made = fitted.sample(seeds.row_keys(key, like.keys), like)
    return np.maximum(_counts(made) - _counts(like), 0.0)


def _counts(rows: Histories) -> Floats:
    return np.bincount(rows.items, minlength=rows.n_items + 2)[1 : rows.n_items + 1].astype(np.float64)
