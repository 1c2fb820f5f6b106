"""Are the new rows the real ones over again?

Pure functions. `nearest` and `runs` say one figure a row against the training rows; the tests of copying compare
these figures with those of real rows that no generator saw.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.kernels.ngram_hashes import multisets, run_hashes
from leaven.metrics.synthetic.distribution_distances import squared_distances

Points = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_CHUNK = 1024  # rows against all training rows at a time
_ROUNDING = 1e-6  # squares of differences are sums that cancel: nearer than this is the same place


def nearest(
    rows: Points, training: Points, own: npt.NDArray[np.int64] | None = None
) -> tuple[Points, npt.NDArray[np.int64]]:
    """(distance to the nearest training row, which one), float64 and int64 (rows,).

    own int64 (rows,): a training row that does not count, for rows that are training rows themselves.
    """
    distance, place = np.empty(len(rows)), np.empty(len(rows), np.int64)
    for first in range(0, len(rows), _CHUNK):
        part = slice(first, first + _CHUNK)
        squares = squared_distances(rows[part], training)
        if own is not None:
            squares[np.arange(len(squares)), own[part]] = np.inf
        place[part] = squares.argmin(axis=1)
        distance[part] = np.sqrt(squares.min(axis=1))
    return np.where(distance < _ROUNDING, 0.0, distance), place


def authentic(distance: Points, place: npt.NDArray[np.int64], training: Points) -> Mask:
    """bool (rows,): the nearest training row has another training row that is nearer than this row, or as near.

    Alaa and others, ICML 2022, section 3.3: a row is a copy in spirit where it lies closer to its nearest training
    row than that one's own neighbour does.
    """
    met, back = np.unique(place, return_inverse=True)
    gap, _ = nearest(training[met], training, met)
    return np.asarray(distance >= gap[back], np.bool_)


def data_copying(new: Points, held: Points, cell_new: npt.NDArray[np.int64], cell_held: npt.NDArray[np.int64]) -> float:
    """C_T: far below 0, new rows lie nearer to training rows than unseen real ones do; far above, too far away.

    Meehan, Chaudhuri and Dasgupta, AISTATS 2020, equation 3: in each cell of the space the standardised Mann-Whitney
    statistic of the distances to the nearest training row, averaged by the held-out rows of the cells. Cells with fewer
    than 5 rows of either side are left out; NaN where none is left.
    """
    total, weight = 0.0, 0
    for cell in np.unique(cell_held):
        mine, theirs = new[cell_new == cell], held[cell_held == cell]
        if min(len(mine), len(theirs)) >= 5:
            total += len(theirs) * _mann_whitney(mine, theirs)
            weight += len(theirs)
    return total / weight if weight else float("nan")


def _mann_whitney(a: Points, b: Points) -> float:
    """Standardised: about normal where both come from one law, ties counted half."""
    from scipy.stats import rankdata

    m, n = len(a), len(b)
    both = rankdata(np.concatenate([a, b]))
    u = both[:m].sum() - m * (m + 1) / 2
    _, ties = np.unique(both, return_counts=True)
    spread = m * n / 12 * (m + n + 1 - (ties**3 - ties).sum() / ((m + n) * (m + n - 1)))
    return float((u - m * n / 2) / np.sqrt(spread)) if spread > 0 else 0.0


def exact_copies(rows: Histories, training: Histories, shortest: int = 3) -> Mask:
    """bool (rows,): the same items in the same order as a training row, from `shortest` events on."""
    return np.asarray(np.isin(whole(rows), whole(training)) & (rows.lengths >= shortest), np.bool_)


def whole(rows: Histories) -> npt.NDArray[np.uint64]:
    """uint64 (rows,): a hash of each row's items in their order."""
    place = np.arange(rows.events) - np.repeat(rows.starts[:-1], rows.lengths)
    return multisets(rows.items, rows.starts, place)


def longest_runs(rows: Histories, training: Histories, most: int = 50) -> npt.NDArray[np.int64]:
    """int64 (rows,): the longest run of items in a row that some training row holds too, counted up to `most`."""
    found = np.zeros(len(rows), np.int64)
    index = np.arange(len(rows))
    for length in range(1, most + 1):
        hashes, row = run_hashes(rows.items, rows.starts, length)
        known, _ = run_hashes(training.items, training.starts, length)
        held = np.unique(row[np.isin(hashes, known)])
        if not len(held):
            break
        found[index[held]] = length
        rows, index = rows.take(held), index[held]
    return found


def near_copies(rows: Histories, training: Histories, share: float = 0.8, shortest: int = 4) -> Mask:
    """bool (rows,): one run of at least `share` of the row stands in a training row, from `shortest` events on."""
    long = rows.lengths >= shortest
    most_of_it = longest_runs(rows, training) >= np.minimum(np.ceil(share * rows.lengths), 50)
    return np.asarray(long & most_of_it, np.bool_)


def novel_share(rows: Histories, training: Histories, size: int) -> Points:
    """float64 (rows,): share of each row's runs of `size` items that no training row holds; NaN for shorter rows."""
    hashes, row = run_hashes(rows.items, rows.starts, size)
    known, _ = run_hashes(training.items, training.starts, size)
    fresh = np.bincount(row[~np.isin(hashes, known)], minlength=len(rows)).astype(np.float64)
    count = np.bincount(row, minlength=len(rows))
    return np.where(count > 0, fresh / np.maximum(count, 1), np.nan)


def backed_by_few(rows: Histories, training: Histories, size: int = 3, few: int = 5) -> Points:
    """float64 (rows,): share of each row's runs of `size` items that some training rows hold, but fewer than `few`.

    NaN for shorter rows. Training rows are users: a run that one of them has twice counts once.
    """
    hashes, row = run_hashes(rows.items, rows.starts, size)
    known, owner = run_hashes(training.items, training.starts, size)
    order = np.lexsort((owner, known))
    known, owner = known[order], owner[order]
    first = np.ones(len(known), bool)
    first[1:] = (known[1:] != known[:-1]) | (owner[1:] != owner[:-1])
    runs, users = np.unique(known[first], return_counts=True)
    rare = np.isin(hashes, runs[users < few])
    count = np.bincount(row, minlength=len(rows))
    return np.where(count > 0, np.bincount(row[rare], minlength=len(rows)) / np.maximum(count, 1), np.nan)


def copied_from(rows: Histories, training: Histories) -> npt.NDArray[np.int64]:
    """int64 (rows,): a training row that each row copies, wholly or in one run of four fifths; -1 for none."""
    found = np.full(len(rows), -1, np.int64)
    exact, near = exact_copies(rows, training), near_copies(rows, training)
    order = np.argsort(whole(training), kind="stable")
    held = whole(training)[order]
    mine = whole(rows)[exact]
    found[exact] = order[np.searchsorted(held, mine)]
    left = np.flatnonzero(near & ~exact)
    sizes = np.minimum(np.ceil(0.8 * rows.lengths[left]), 50).astype(np.int64)
    for size in np.unique(sizes):
        part = left[sizes == size]
        hashes, row = run_hashes(rows.take(part).items, rows.take(part).starts, int(size))
        known, owner = run_hashes(training.items, training.starts, int(size))
        place = np.argsort(known, kind="stable")
        at = np.searchsorted(known[place], hashes)
        hit = known[place][np.minimum(at, len(known) - 1)] == hashes
        found[part[row[hit]]] = owner[place][at[hit]]
    return found


def distinct_share(rows: Histories, size: int) -> float:
    """Different runs of `size` items over all runs of that size (Li and others, NAACL 2016, 5.2); NaN for none."""
    hashes, _ = run_hashes(rows.items, rows.starts, size)
    return len(np.unique(hashes)) / len(hashes) if len(hashes) else float("nan")
