"""Keyed random numbers: draws that depend on seed, step, row, copy and epoch only.

A key has 64 bits. Draw *i* of a key is output *i* of SplitMix64 with that state (Steele, Lea and Flood, OOPSLA 2014,
fig. 17), a pure function of (key, i). `kernels/keyed_rng.py` provides the same functions in compiled form.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

RngKeys = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def derive_key(seed: int, *labels: str | int) -> int:
    """A key derived from a seed and labels, the same on any machine.

    >>> derive_key(7, "expand", 1) == derive_key(7, "expand", 1)
    True
    >>> derive_key(7, "expand", 1) == derive_key(7, "expand", 2)
    False
    """
    text = "\x1f".join([str(seed), *(f"{type(label).__name__}:{label}" for label in labels)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def derive_user_ids(user_names: list[str]) -> RngKeys:
    """uint64 (users,): a hash of each original user id."""
    digests = b"".join(hashlib.blake2b(user.encode(), digest_size=8).digest() for user in user_names)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def mix_bits(values: RngKeys) -> RngKeys:
    """The finalizer of SplitMix64: a bijection of 64 bits in which every input bit affects all output bits."""
    with np.errstate(over="ignore"):
        z = values.astype(np.uint64, copy=True)
        z = (z ^ (z >> np.uint64(30))) * _MIX_1
        z = (z ^ (z >> np.uint64(27))) * _MIX_2
        return z ^ (z >> np.uint64(31))


def derive_row_keys(step_key: int, row_ids: RngKeys, copy: int = 0, epoch: int = 0) -> RngKeys:
    """uint64 (rows,): the key of each row for one step, copy and epoch.

    `row_ids` are row ids (`Histories.row_ids`), so that keys depend on no order, shard or batch.
    """
    return mix_bits(row_ids.astype(np.uint64) ^ derive_copy_states(step_key, np.array([copy]), epoch)[0])


def derive_copy_states(step_key: int, copies: npt.NDArray[np.int64], epoch: int = 0) -> RngKeys:
    """uint64 (copies,): for each copy the state that its row keys derive from, for one step and epoch."""
    with np.errstate(over="ignore"):
        states = np.uint64(step_key) + _GOLDEN * (copies + 1).astype(np.uint64)
        return mix_bits(mix_bits(states) + _GOLDEN * np.uint64(epoch + 1))


def draw_bits(keys: RngKeys, draw: int) -> RngKeys:
    """uint64 (rows,): draw number `draw` of each key."""
    with np.errstate(over="ignore"):
        return mix_bits(keys.astype(np.uint64) + _GOLDEN * np.uint64(draw + 1))


def draw_uniform(keys: RngKeys, draw: int) -> npt.NDArray[np.float64]:
    """float64 (rows,) in [0, 1): draw number `draw` of each key, 53 bits."""
    return (draw_bits(keys, draw) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def make_generator(key: int) -> np.random.Generator:
    """A NumPy generator that depends on the key only, for model fitting and custom operators."""
    return np.random.Generator(np.random.Philox(key=int(key) & 0xFFFFFFFFFFFFFFFF))
