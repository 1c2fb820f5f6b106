"""Does a generator find a law that we know? Small chains with known transitions, for tests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import SpecError

Table = npt.NDArray[np.float64]


def first_order(n_items: int, rows: int, length: int, seed: int) -> tuple[Histories, Table]:
    """Histories of a Markov chain, and its transitions float64 (n_items, n_items), row = last item - 1.

    The first item is uniform; each row of the table favours a few followers.

    >>> histories, transitions = first_order(n_items=5, rows=10, length=8, seed=1)
    >>> histories.events, transitions.shape
    (80, (5, 5))
    """
    law = _law((n_items, n_items), seed)
    items = _first_items(n_items, rows, length, seed)
    chance = rng.generator(rng.key(seed, "chain", "walk"))
    for step in range(1, length):
        items[:, step] = _drawn(law[items[:, step - 1]], chance)
    return _as_histories(items, n_items), law


def second_order(n_items: int, rows: int, length: int, seed: int) -> tuple[Histories, Table]:
    """Histories of a chain of order two, and its transitions float64 (n_items, n_items, n_items).

    Axes: item before last - 1, last item - 1, next item - 1. The first two items are uniform.
    """
    law = _law((n_items, n_items, n_items), seed)
    items = _first_items(n_items, rows, length, seed)
    chance = rng.generator(rng.key(seed, "chain", "walk"))
    for step in range(2, length):
        items[:, step] = _drawn(law[items[:, step - 2], items[:, step - 1]], chance)
    return _as_histories(items, n_items), law


def _law(shape: tuple[int, ...], seed: int) -> Table:
    chance = rng.generator(rng.key(seed, "chain", "law"))
    weights = chance.gamma(0.3, 1.0, shape) + 1e-3  # never zero: every step has a likelihood
    law: Table = weights / weights.sum(axis=-1, keepdims=True)
    return law


def _first_items(n_items: int, rows: int, length: int, seed: int) -> npt.NDArray[np.int64]:
    if min(n_items, rows, length) < 1:
        raise SpecError("chain", "at least one item, row and event", f"{(n_items, rows, length)}", "")
    return rng.generator(rng.key(seed, "chain", "first")).integers(0, n_items, (rows, length))


def _drawn(laws: Table, chance: np.random.Generator) -> npt.NDArray[np.int64]:
    """int64 (rows,): one place of each law (rows, items)."""
    passed = laws.cumsum(axis=1) < chance.random(len(laws))[:, None]
    places: npt.NDArray[np.int64] = np.minimum(passed.sum(axis=1), laws.shape[1] - 1)
    return places


def _as_histories(items: npt.NDArray[np.int64], n_items: int) -> Histories:
    rows, length = items.shape
    times = np.tile(np.arange(length) * 3600, rows)
    keys = rng.user_keys([f"u{row:06d}" for row in range(rows)])
    return Histories.real(items.ravel() + 1, times, np.arange(rows + 1) * length, keys, n_items)
