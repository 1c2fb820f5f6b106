"""Apportions a total number of copies among rows in proportion to their weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaven import rng

Copies = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


def apportion_copies(
    weights: Floats, total: int, row_ids: npt.NDArray[np.uint64], key: int, max_copies: int | None = None
) -> Copies:
    """int32 (rows,): `total` copies, proportional to weight in expectation, each row within one of its exact share.

    Systematic sampling (Madow and Madow, Ann. Math. Stat. 15(1), 1944) over the rows in a random order given by key
    and row ids. weights float64 (rows,) >= 0; the limit `max_copies` per row must admit the total.

    >>> apportion_copies(np.array([1.0, 3.0]), 8, np.array([5, 6], np.uint64), key=1).tolist()
    [2, 6]
    """
    copies = np.zeros(len(weights), np.int32)
    if total == 0 or len(weights) == 0:
        return copies
    even, rest = divmod(total, len(weights))
    if not rest and even <= (even if max_copies is None else max_copies) and (weights == 1.0).all():
        return np.full(len(weights), even, np.int32)  # the same result as below
    hashes = rng.derive_row_keys(rng.derive_key(key, "allotted"), row_ids)
    order = np.lexsort((weights, hashes))
    shares = _compute_shares(weights[order], total, max_copies)
    offset = rng.draw_uniform(np.array([rng.derive_key(key, "begin")], np.uint64), 0)[0]
    ends = np.cumsum(shares)
    ends[ends >= ends[-1]] = total  # rounding of the sum must not lose a copy
    marks = np.minimum(np.floor(ends + offset), total)
    copies[order] = np.diff(marks, prepend=0.0).astype(np.int32)
    return copies


def _compute_shares(weights: Floats, total: int, max_copies: int | None) -> Floats:
    """float64 (rows,): exact shares; the excess of capped rows goes to the other rows by weight."""
    shares: Floats = weights * (total / weights.sum())
    capped = np.zeros(len(weights), np.bool_)
    while max_copies is not None and (shares > max_copies * (1 + 1e-12)).any():
        capped |= shares >= max_copies
        rest = weights[~capped].sum()
        left = total - max_copies * int(capped.sum())
        shares = np.where(capped, max_copies, weights * (left / rest if rest else 0.0))
    return shares
