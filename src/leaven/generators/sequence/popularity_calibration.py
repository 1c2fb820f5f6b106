"""Are popular items as frequent in rows that a generator writes as in real ones?

Who reads its own rows drifts: what it took to be likely it finds likelier still. So it writes some rows before it is
handed over, and where an item, or a share of the catalogue, comes too often or too seldom, logits move.
"""

from __future__ import annotations

from typing import Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.progress import Tell, quiet
from leaven.protocols import Keys

Floats = npt.NDArray[np.float64]

_STRATA = 16
_ROUNDS = 3
_EVENTS = 40_000  # of a round, about
_LIGHT = 20.0  # events by which counts count as larger: few of them move little


class Wish(Protocol):
    """What is asked for."""

    @property
    def where(self) -> str: ...
    @property
    def match_popularity(self) -> bool: ...


class Writes(Protocol):
    """A fitted generator that draws by logits."""

    @property
    def config(self) -> Wish: ...

    def lifted(self, lift: Floats) -> Self:
        """The same, its logits moved by so much: float64 (items,)."""
        ...

    def sample(self, keys: Keys, like: Histories | None = None) -> Histories:
        """One row a key."""
        ...


W = TypeVar("W", bound=Writes)


def as_popular(fitted: W, train: Histories, key: int, tell: Tell = quiet, rounds: int = _ROUNDS) -> W:
    """The same generator, frequent items as frequent as in `train`, and so are rare ones together.

    Rare ones move with their stratum: a sixteenth of all events, by how popular their items are. Likelihoods stay what
    the net says; and so does all, where the config does not ask for this. rounds: how often it writes rows, and logits
    move.
    """
    if not fitted.config.match_popularity:
        return fitted
    counts = _counts(train)
    stratum = strata(counts)
    for turn in range(rounds):
        tell(turn, rounds, "matching popularity")
        made = _made(fitted, train, rng.key(key, "popularity", turn))
        fitted = fitted.lifted(lifts(counts * (made.sum() / max(counts.sum(), 1.0)), made, stratum))
    tell(rounds, rounds, "matching popularity")
    return fitted


def lifts(expected: Floats, made: Floats, stratum: npt.NDArray[np.int64]) -> Floats:
    """float64 (items,): by how much logits move where items came `made` times instead of `expected`."""
    sums = (np.bincount(stratum, weights=one, minlength=_STRATA) + _LIGHT for one in (expected, made))
    of_stratum = np.divide(*sums)[stratum]
    return np.asarray(np.log((expected + _LIGHT) / (made + _LIGHT / of_stratum)))


def strata(counts: Floats) -> npt.NDArray[np.int64]:
    """int64 (items,): the stratum of each item, the most popular ones in 0; each has about as many events."""
    order = np.argsort(-counts, kind="stable")
    middle = np.cumsum(counts[order]) - counts[order] / 2
    stratum = np.empty(len(counts), np.int64)
    stratum[order] = np.minimum(middle / max(counts.sum(), 1.0) * _STRATA, _STRATA - 1).astype(np.int64)
    return stratum


def _made(fitted: Writes, train: Histories, key: int) -> Floats:
    """float64 (items,): how often it writes each item, in rows of its own or behind, before, between real ones."""
    rows = int(np.clip(_EVENTS / max(train.events / max(len(train), 1), 1), 100, 10_000))
    if fitted.config.where == "alone":
        return _counts(fitted.sample(rng.row_keys(key, np.arange(1, rows + 1, dtype=np.uint64)), None))
    like = train.take(np.sort(np.argsort(rng.row_keys(key, train.keys), kind="stable")[:rows]))
    made = fitted.sample(rng.row_keys(key, like.keys), like)
    return np.maximum(_counts(made) - _counts(like), 0.0)


def _counts(rows: Histories) -> Floats:
    return np.bincount(rows.items, minlength=rows.n_items + 2)[1 : rows.n_items + 1].astype(np.float64)
