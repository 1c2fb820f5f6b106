"""Histories of small Markov chains with known transition probabilities, for tests of generators."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import SpecError

Table = npt.NDArray[np.float64]


def simulate_first_order(n_items: int, rows: int, length: int, seed: int) -> tuple[Histories, Table]:
    """Histories of a Markov chain, and its transition probabilities float64 (n_items, n_items), row = last item - 1.

    The first item is uniform; each row of the table favors a few followers.

    >>> histories, transitions = simulate_first_order(n_items=5, rows=10, length=8, seed=1)
    >>> histories.n_events, transitions.shape
    (80, (5, 5))
    """
    transitions = _draw_transitions((n_items, n_items), seed)
    items = _draw_first_items(n_items, rows, length, seed)
    generator = rng.make_generator(rng.derive_key(seed, "chain", "walk"))
    for step in range(1, length):
        items[:, step] = _draw_next(transitions[items[:, step - 1]], generator)
    return _build_histories(items, n_items), transitions


def simulate_second_order(n_items: int, rows: int, length: int, seed: int) -> tuple[Histories, Table]:
    """Histories of a chain of order two, and its transition probabilities float64 (n_items, n_items, n_items).

    Axes: item before last - 1, last item - 1, next item - 1. The first two items are uniform.
    """
    transitions = _draw_transitions((n_items, n_items, n_items), seed)
    items = _draw_first_items(n_items, rows, length, seed)
    generator = rng.make_generator(rng.derive_key(seed, "chain", "walk"))
    for step in range(2, length):
        items[:, step] = _draw_next(transitions[items[:, step - 2], items[:, step - 1]], generator)
    return _build_histories(items, n_items), transitions


def _draw_transitions(shape: tuple[int, ...], seed: int) -> Table:
    generator = rng.make_generator(rng.derive_key(seed, "chain", "law"))
    weights = generator.gamma(0.3, 1.0, shape) + 1e-3  # never zero: every transition has a likelihood
    transitions: Table = weights / weights.sum(axis=-1, keepdims=True)
    return transitions


def _draw_first_items(n_items: int, rows: int, length: int, seed: int) -> npt.NDArray[np.int64]:
    if min(n_items, rows, length) < 1:
        raise SpecError("chain", "at least one item, row and event", f"{(n_items, rows, length)}", "")
    return rng.make_generator(rng.derive_key(seed, "chain", "first")).integers(0, n_items, (rows, length))


def _draw_next(probabilities: Table, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """int64 (rows,): one index per row of probabilities (rows, items)."""
    passed = probabilities.cumsum(axis=1) < generator.random(len(probabilities))[:, None]
    indices: npt.NDArray[np.int64] = np.minimum(passed.sum(axis=1), probabilities.shape[1] - 1)
    return indices


def _build_histories(items: npt.NDArray[np.int64], n_items: int) -> Histories:
    rows, length = items.shape
    times = np.tile(np.arange(length) * 3600, rows)
    keys = rng.derive_user_ids([f"u{row:06d}" for row in range(rows)])
    return Histories.from_arrays(items.ravel() + 1, times, np.arange(rows + 1) * length, keys, n_items)
