"""Which item does a draw point at, given a state and every item's vector?

Logits, softmax and draw in one pass over the catalogue, block by block, so that no row's logits ever lie in memory. A
row is read by itself: its item does not depend on the rows beside it, to the last bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_BLOCK = 256  # items whose vectors stay in the cache while all rows pass over them
_LOG2_E = np.float32(1.4426950408889634)
_LEAST = np.float32(-126.0)  # 2 to the power of less is no normal number
_NOTHING = np.float32(-3e38)


class Shelves(NamedTuple):
    """Items in the order of their first day, in blocks.

    vectors  float32 (blocks, width, 256): what a state is multiplied by; bias float32 (blocks, 256)
    place    int64 (items,): item, from 0, of each place; born int64 (items,): its first second of sale, ascending
    at       int64 (items,): place of each item
    """

    vectors: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    place: Ints
    born: Ints
    at: Ints


def shelves_of(vectors: Floats, bias: Floats, born: Ints) -> Shelves:
    """vectors float64 (items, width), bias float64 (items,), born int64 (items,)."""
    place = np.argsort(born, kind="stable").astype(np.int64)
    at = np.empty(len(place), np.int64)
    at[place] = np.arange(len(place))
    blocks, width = -(-len(place) // _BLOCK), vectors.shape[1]
    filled = np.zeros((blocks * _BLOCK, width), np.float32)
    filled[: len(place)] = vectors[place]
    flat = np.zeros(blocks * _BLOCK, np.float32)
    flat[: len(place)] = bias[place]
    by_block = np.ascontiguousarray(filled.reshape(blocks, _BLOCK, width).transpose(0, 2, 1))
    return Shelves(by_block, flat.reshape(blocks, _BLOCK), place, born[place], at)


def pointed(
    shelves: Shelves, states: Singles, now: Ints, held: npt.NDArray[np.int32], keep_seen: float, u: Floats
) -> Ints:
    """int64 (rows,): the item, from 0, that each row's draw points at.

    states float32 (rows, width); now int64 (rows,): what is not on sale yet is left out, unless nothing is; held int32
    (rows, most): items, from 0, that the row holds, once each, -1 behind them: they are `keep_seen` times as likely,
    unless nothing else is left; u float64 (rows,) in 0..1.
    """
    on_sale = np.searchsorted(shelves.born, now, side="right")
    on_sale[on_sale == 0] = len(shelves.born)
    found = np.empty(len(states), np.int64)
    _point(shelves, np.ascontiguousarray(states), on_sale, held, np.float32(keep_seen), u, found)
    return found


@njit(cache=True)
def _point(
    shelves: Shelves,
    states: Singles,
    on_sale: Ints,
    held: npt.NDArray[np.int32],
    keep_seen: np.float32,
    u: Floats,
    found: Ints,
) -> None:
    rows, blocks = len(states), len(shelves.vectors)
    masses, tops = np.zeros((rows, blocks), np.float32), np.full((rows, blocks), -np.inf, np.float32)
    shares, factor = np.empty(_BLOCK, np.float32), np.ones(_BLOCK, np.float32)
    for block in range(blocks):
        for row in range(rows):
            if block * _BLOCK < on_sale[row]:
                _factors(shelves, held[row], keep_seen, block, factor)
                count = min(on_sale[row] - block * _BLOCK, _BLOCK)
                tops[row, block], masses[row, block] = _shares(shelves, states[row], factor, block, count, shares)
    for row in range(rows):
        keep = keep_seen
        if not masses[row].any():  # it holds everything that is on sale: it may repeat itself
            keep = np.float32(1.0)
            factor[:] = keep
            for block in range(-(-on_sale[row] // _BLOCK)):
                count = min(on_sale[row] - block * _BLOCK, _BLOCK)
                tops[row, block], masses[row, block] = _shares(shelves, states[row], factor, block, count, shares)
        block, left = _block_of(masses[row], tops[row], u[row])
        _factors(shelves, held[row], keep, block, factor)
        count = min(on_sale[row] - block * _BLOCK, _BLOCK)
        _shares(shelves, states[row], factor, block, count, shares)
        found[row] = shelves.place[block * _BLOCK + _first_above(shares, count, left)]


@njit(cache=True)
def _block_of(masses: Singles, tops: Singles, u: float) -> tuple[int, float]:
    """(the block that the draw falls into, how much of its mass, in its own units, lies before the draw)."""
    scale = np.exp((tops - tops.max()).astype(np.float64))
    wanted, passed, last, before = u * (masses * scale).sum(), 0.0, 0, 0.0
    for block in range(len(masses)):
        mass = masses[block] * scale[block]
        if mass > 0.0:
            last, before = block, passed
            passed += mass
            if passed > wanted:
                break
    return last, (wanted - before) / scale[last]


@njit(cache=True)
def _first_above(shares: Singles, count: int, wanted: float) -> int:
    """The first place at which the shares, summed up, exceed `wanted`; rounding must not point behind the last one."""
    passed, last = 0.0, 0
    for at in range(count):
        if shares[at] > 0.0:
            passed, last = passed + shares[at], at
            if passed > wanted:
                break
    return last


@njit(cache=True)
def _factors(shelves: Shelves, held: npt.NDArray[np.int32], keep_seen: np.float32, block: int, factor: Singles) -> None:
    """How likely each item of the block remains: `keep_seen` times where the row holds it."""
    factor[:] = np.float32(1.0)
    for item in held:
        if item < 0:
            break
        at = shelves.at[item] - block * _BLOCK
        if 0 <= at < _BLOCK:
            factor[at] = keep_seen


@njit(cache=True, fastmath={"nsz", "contract", "reassoc"})
def _shares(
    shelves: Shelves, state: Singles, factor: Singles, block: int, count: int, shares: Singles
) -> tuple[np.float32, np.float32]:
    """(largest logit, mass) of the first `count` items of a block; `shares` holds each item's mass against it."""
    vectors = shelves.vectors[block]
    for at in range(_BLOCK):
        shares[at] = shelves.bias[block, at]
    fours = len(state) - len(state) % 4
    for k in range(0, fours, 4):
        a, b, c, d = state[k], state[k + 1], state[k + 2], state[k + 3]
        for at in range(_BLOCK):
            shares[at] += a * vectors[k, at] + b * vectors[k + 1, at] + c * vectors[k + 2, at] + d * vectors[k + 3, at]
    for k in range(fours, len(state)):
        for at in range(_BLOCK):
            shares[at] += state[k] * vectors[k, at]
    top = _NOTHING
    for at in range(count):
        top = max(top, shares[at] if factor[at] > 0 else _NOTHING)
    mass = np.float32(0.0)
    for at in range(_BLOCK):
        shares[at] = _exp(shares[at] - top) * factor[at]
    for at in range(count):
        mass += shares[at]
    return top, mass


@njit(cache=True, inline="always")
def _exp(x: np.float32) -> np.float32:
    """exp of a number at most 0 to seven digits: plain arithmetic, so that the compiler does many at a time."""
    power = min(max(x * _LOG2_E, _LEAST), np.float32(1.0))  # above 0 stand only items that nobody may take
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
def hold(held: npt.NDArray[np.int32], rows: Ints, items: Ints) -> None:
    """Writes each item into the first free place of its row, unless the row holds it; both int64 (events,)."""
    for row, item in zip(rows, items):  # noqa: B905  # numba knows no `strict`
        for at in range(held.shape[1]):
            if held[row, at] == item:
                break
            if held[row, at] < 0:
                held[row, at] = item
                break
