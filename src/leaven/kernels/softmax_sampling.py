"""Draws items from the softmax of state · item vector, without materializing the logits.

Logits, softmax and draw take one pass over the catalog, block by block. Each row is processed on its own: its item
does not depend on the other rows of the batch, to the last bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_BLOCK = 256  # items whose vectors stay in the CPU cache for all rows
_LOG2_E = np.float32(1.4426950408889634)
_MIN_EXPONENT = np.float32(-126.0)  # of a normal float32
_EXCLUDED = np.float32(-3e38)


class ItemBlocks(NamedTuple):
    """Item vectors in blocks, ordered by first sale time.

    vectors     float32 (blocks, width, 256); bias float32 (blocks, 256)
    item_order  int64 (items,): item, from 0, at each position; born int64 (items,): its first second of sale, ascending
    positions   int64 (items,): position of each item
    """

    vectors: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    item_order: Ints
    first_sale: Ints
    positions: Ints


def build_item_blocks(vectors: Floats, bias: Floats, first_sale: Ints) -> ItemBlocks:
    """Item blocks from vectors float64 (items, width), bias float64 (items,), born int64 (items,)."""
    order = np.argsort(first_sale, kind="stable").astype(np.int64)
    at = np.empty(len(order), np.int64)
    at[order] = np.arange(len(order))
    blocks, width = -(-len(order) // _BLOCK), vectors.shape[1]
    padded = np.zeros((blocks * _BLOCK, width), np.float32)
    padded[: len(order)] = vectors[order]
    flat = np.zeros(blocks * _BLOCK, np.float32)
    flat[: len(order)] = bias[order]
    by_block = np.ascontiguousarray(padded.reshape(blocks, _BLOCK, width).transpose(0, 2, 1))
    return ItemBlocks(by_block, flat.reshape(blocks, _BLOCK), order, first_sale[order], at)


def sample_from_states(
    item_blocks: ItemBlocks,
    states: Singles,
    times: Ints,
    seen_items: npt.NDArray[np.int32],
    repeat_factor: float,
    u: Floats,
) -> Ints:
    """int64 (rows,): the drawn item, from 0, of each row.

    states float32 (rows, width); times int64 (rows,): items not yet on sale are excluded, unless none is on sale.
    seen_items int32 (rows, max items): distinct items, from 0, of the row's history, padded with -1: their probability
    is scaled by `repeat_factor`, unless no other item is left. u float64 (rows,): uniform draws in 0..1.
    """
    on_sale = np.searchsorted(item_blocks.first_sale, times, side="right")
    on_sale[on_sale == 0] = len(item_blocks.first_sale)
    drawn = np.empty(len(states), np.int64)
    _draw_rows(item_blocks, np.ascontiguousarray(states), on_sale, seen_items, np.float32(repeat_factor), u, drawn)
    return drawn


@njit(cache=True)
def _draw_rows(
    item_blocks: ItemBlocks,
    states: Singles,
    on_sale: Ints,
    seen_items: npt.NDArray[np.int32],
    repeat_factor: np.float32,
    u: Floats,
    drawn: Ints,
) -> None:
    rows, blocks = len(states), len(item_blocks.vectors)
    masses, tops = np.zeros((rows, blocks), np.float32), np.full((rows, blocks), -np.inf, np.float32)
    shares, factor = np.empty(_BLOCK, np.float32), np.ones(_BLOCK, np.float32)
    for block in range(blocks):
        for row in range(rows):
            if block * _BLOCK < on_sale[row]:
                _set_factors(item_blocks, seen_items[row], repeat_factor, block, factor)
                count = min(on_sale[row] - block * _BLOCK, _BLOCK)
                tops[row, block], masses[row, block] = _compute_masses(
                    item_blocks, states[row], factor, block, count, shares
                )
    for row in range(rows):
        keep = repeat_factor
        if not masses[row].any():  # its history contains all items on sale: repeats are allowed
            keep = np.float32(1.0)
            factor[:] = keep
            for block in range(-(-on_sale[row] // _BLOCK)):
                count = min(on_sale[row] - block * _BLOCK, _BLOCK)
                tops[row, block], masses[row, block] = _compute_masses(
                    item_blocks, states[row], factor, block, count, shares
                )
        block, threshold = _choose_block(masses[row], tops[row], u[row])
        _set_factors(item_blocks, seen_items[row], keep, block, factor)
        count = min(on_sale[row] - block * _BLOCK, _BLOCK)
        _compute_masses(item_blocks, states[row], factor, block, count, shares)
        drawn[row] = item_blocks.item_order[block * _BLOCK + _find_position(shares, count, threshold)]


@njit(cache=True)
def _choose_block(masses: Singles, tops: Singles, u: float) -> tuple[int, float]:
    """(block of the draw, mass of that block before the draw, in the block's own scale)."""
    scale = np.exp((tops - tops.max()).astype(np.float64))
    threshold, passed, last, before = u * (masses * scale).sum(), 0.0, 0, 0.0
    for block in range(len(masses)):
        mass = masses[block] * scale[block]
        if mass > 0.0:
            last, before = block, passed
            passed += mass
            if passed > threshold:
                break
    return last, (threshold - before) / scale[last]


@njit(cache=True)
def _find_position(shares: Singles, count: int, threshold: float) -> int:
    """The first position at which the cumulative shares exceed `threshold`; the last one at most, despite rounding."""
    passed, last = 0.0, 0
    for at in range(count):
        if shares[at] > 0.0:
            passed, last = passed + shares[at], at
            if passed > threshold:
                break
    return last


@njit(cache=True)
def _set_factors(
    item_blocks: ItemBlocks, seen_items: npt.NDArray[np.int32], repeat_factor: np.float32, block: int, factor: Singles
) -> None:
    """Set the probability factor of each item of the block: `repeat_factor` for items in the history, else 1."""
    factor[:] = np.float32(1.0)
    for item in seen_items:
        if item < 0:
            break
        at = item_blocks.positions[item] - block * _BLOCK
        if 0 <= at < _BLOCK:
            factor[at] = repeat_factor


@njit(cache=True, fastmath={"nsz", "contract", "reassoc"})
def _compute_masses(
    item_blocks: ItemBlocks, state: Singles, factor: Singles, block: int, count: int, shares: Singles
) -> tuple[np.float32, np.float32]:
    """(maximum logit, total mass) of the first `count` items; writes exp(logit - maximum) * factor to `shares`."""
    vectors = item_blocks.vectors[block]
    for at in range(_BLOCK):
        shares[at] = item_blocks.bias[block, at]
    fours = len(state) - len(state) % 4
    for k in range(0, fours, 4):
        a, b, c, d = state[k], state[k + 1], state[k + 2], state[k + 3]
        for at in range(_BLOCK):
            shares[at] += a * vectors[k, at] + b * vectors[k + 1, at] + c * vectors[k + 2, at] + d * vectors[k + 3, at]
    for k in range(fours, len(state)):
        for at in range(_BLOCK):
            shares[at] += state[k] * vectors[k, at]
    top = _EXCLUDED
    for at in range(count):
        top = max(top, shares[at] if factor[at] > 0 else _EXCLUDED)
    mass = np.float32(0.0)
    for at in range(_BLOCK):
        shares[at] = _fast_exp(shares[at] - top) * factor[at]
    for at in range(count):
        mass += shares[at]
    return top, mass


@njit(cache=True, inline="always")
def _fast_exp(x: np.float32) -> np.float32:
    """exp(x) for x <= 0 to seven digits, in plain arithmetic that the compiler vectorizes."""
    power = min(max(x * _LOG2_E, _MIN_EXPONENT), np.float32(1.0))  # above 0 only for excluded items
    whole = np.floor(power + np.float32(0.5))
    part = power - whole
    two = np.float32(1.5403530e-4)
    two = two * part + np.float32(1.3333558e-3)
    two = two * part + np.float32(9.6181291e-3)
    two = two * part + np.float32(5.5504109e-2)
    two = two * part + np.float32(2.4022651e-1)
    two = two * part + np.float32(6.9314718e-1)
    two = two * part + np.float32(1.0)
    return two * np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)


@njit(cache=True)
def record_seen_items(seen_items: npt.NDArray[np.int32], rows: Ints, items: Ints) -> None:
    """Append each item to its row of `seen_items`, unless it is there already; rows and items int64 (events,)."""
    for row, item in zip(rows, items):  # noqa: B905  # numba knows no `strict`
        for at in range(seen_items.shape[1]):
            if seen_items[row, at] == item:
                break
            if seen_items[row, at] < 0:
                seen_items[row, at] = item
                break


@njit(cache=True)
def sample_from_logits(
    logits: Floats, first_sale: Ints, times: Ints, in_history: npt.NDArray[np.uint8], repeat_factor: float, u: Floats
) -> Ints:
    """int64 (rows,): the index, from 0, of the drawn item of each row.

    logits float64 (rows, items); first_sale int64 (items,), times int64 (rows,): items not yet on sale are excluded,
    unless none is on sale. in_history uint8 (rows, items): the probability of items in the row's history is scaled by
    `repeat_factor`, unless all are (without columns: none is). u float64 (rows,): uniform draws in 0..1.
    """
    drawn, factors = np.empty(len(logits), np.int64), np.empty(logits.shape[1])
    for row in range(len(logits)):
        drawn[row] = -1
        for relaxed in range(3):  # 0: on sale, discounted; 1: on sale; 2: any item
            for item in range(logits.shape[1]):
                is_seen = relaxed == 0 and in_history.shape[1] > 0 and in_history[row, item] > 0
                factors[item] = min(repeat_factor, 1.0) if is_seen else 1.0
                if first_sale[item] > times[row] and relaxed < 2:
                    factors[item] = 0.0
            drawn[row] = _draw_item(logits[row], factors, u[row])
            if drawn[row] >= 0:
                break
    return drawn


@njit(cache=True)
def _draw_item(logits: Floats, factors: Floats, u: float) -> int:
    """An item with probability proportional to exp(logit) * factor; -1 where all factors are 0."""
    top = -np.inf
    for item in range(len(logits)):
        if factors[item] > 0.0:
            top = max(top, logits[item])
    if top == -np.inf:
        return -1
    total = 0.0
    for item in range(len(logits)):
        if factors[item] > 0.0:
            total += np.exp(logits[item] - top) * factors[item]
    threshold, passed, last = u * total, 0.0, -1
    for item in range(len(logits)):
        share = np.exp(logits[item] - top) * factors[item] if factors[item] > 0.0 else 0.0
        if share > 0.0:
            passed, last = passed + share, item
            if passed > threshold:
                return item
    return last  # rounding must not pass the last item
