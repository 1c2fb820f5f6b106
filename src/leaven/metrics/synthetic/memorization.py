"""Similarity of rows to training rows: nearest neighbors, exact copies, shared runs.

Pure functions. Most return one figure per row against the training rows; memorization metrics compare these figures
with those of unseen real rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.kernels.ngram_hashes import hash_item_multisets, hash_ngrams
from leaven.metrics.synthetic.distribution_distances import squared_distances
from leaven.metrics.synthetic.protocol import FeaturizedRows, MetricTraits, ReferenceData

Points = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_CHUNK = 1024  # rows per batch against all training rows
_ROUNDING = 1e-6  # cancellation error of squared distances: smaller distances are 0


def find_nearest(
    rows: Points, training: Points, own: npt.NDArray[np.int64] | None = None
) -> tuple[Points, npt.NDArray[np.int64]]:
    """Return (distance to the nearest training row, its index), float64 and int64 (rows,).

    own int64 (rows,): a training row to ignore, for rows that are training rows.
    """
    distance, index = np.empty(len(rows)), np.empty(len(rows), np.int64)
    for first in range(0, len(rows), _CHUNK):
        part = slice(first, first + _CHUNK)
        squares = squared_distances(rows[part], training)
        if own is not None:
            squares[np.arange(len(squares)), own[part]] = np.inf
        index[part] = squares.argmin(axis=1)
        distance[part] = np.sqrt(squares.min(axis=1))
    return np.where(distance < _ROUNDING, 0.0, distance), index


def is_authentic(distance: Points, place: npt.NDArray[np.int64], training: Points) -> Mask:
    """Return whether the nearest training row has another training row as near as this row, or nearer, bool (rows,).

    Alaa and others, ICML 2022, section 3.3: a row is memorized if it is closer to its nearest training row than that
    row's own neighbor.
    """
    targets, inverse = np.unique(place, return_inverse=True)
    gap, _ = find_nearest(training[targets], training, targets)
    return np.asarray(distance >= gap[inverse], np.bool_)


def compute_data_copying(
    new: Points, held: Points, cell_new: npt.NDArray[np.int64], cell_held: npt.NDArray[np.int64]
) -> float:
    """Return C_T: far below 0, new rows lie nearer to training rows than unseen real rows; far above, farther away.

    Meehan, Chaudhuri and Dasgupta, AISTATS 2020, equation 3: in each cell of the space the standardized Mann-Whitney
    statistic of the distances to the nearest training row, averaged by the held-out rows of the cells. Cells with fewer
    than 5 rows of either side are left out; NaN if none is left.
    """
    total, weight = 0.0, 0
    for cell in np.unique(cell_held):
        in_new, in_held = new[cell_new == cell], held[cell_held == cell]
        if min(len(in_new), len(in_held)) >= 5:
            total += len(in_held) * _standardize_mann_whitney(in_new, in_held)
            weight += len(in_held)
    return total / weight if weight else float("nan")


def _standardize_mann_whitney(a: Points, b: Points) -> float:
    """Return the Mann-Whitney statistic, about standard normal for equal distributions, ties half.

    Own code: SciPy's `mannwhitneyu` returns p, which is 0 in floating point for copies far out in the tail.
    """
    from scipy.stats import rankdata

    m, n = len(a), len(b)
    both = rankdata(np.concatenate([a, b]))
    u = both[:m].sum() - m * (m + 1) / 2
    _, ties = np.unique(both, return_counts=True)
    spread = m * n / 12 * (m + n + 1 - (ties**3 - ties).sum() / ((m + n) * (m + n - 1)))
    return float((u - m * n / 2) / np.sqrt(spread)) if spread > 0 else 0.0


def is_exact_copy(rows: Histories, training: Histories, shortest: int = 3) -> Mask:
    """Return whether a row has the items of a training row in order, bool (rows,), from `shortest` events on."""
    return np.asarray(np.isin(hash_rows(rows), hash_rows(training)) & (rows.lengths >= shortest), np.bool_)


def hash_rows(rows: Histories) -> npt.NDArray[np.uint64]:
    """Return a hash of each row's items in order, uint64 (rows,)."""
    return hash_item_multisets(rows.items, rows.starts, rows.event_positions())


def measure_longest_runs(rows: Histories, training: Histories, most: int = 50) -> npt.NDArray[np.int64]:
    """Return the length of the longest run of items shared with a training row, int64 (rows,), counted up to `most`."""
    lengths = np.zeros(len(rows), np.int64)
    index = np.arange(len(rows))
    for length in range(1, most + 1):
        hashes, row = hash_ngrams(rows.items, rows.starts, length)
        known, _ = hash_ngrams(training.items, training.starts, length)
        matching = np.unique(row[np.isin(hashes, known)])
        if not len(matching):
            break
        lengths[index[matching]] = length
        rows, index = rows.take(matching), index[matching]
    return lengths


def is_near_copy(rows: Histories, training: Histories, share: float = 0.8, shortest: int = 4) -> Mask:
    """Return whether a training row holds a run of at least `share` of the row, bool (rows,); False for short rows."""
    long = rows.lengths >= shortest
    is_mostly_shared = measure_longest_runs(rows, training) >= np.minimum(np.ceil(share * rows.lengths), 50)
    return np.asarray(long & is_mostly_shared, np.bool_)


def compute_novel_share(rows: Histories, training: Histories, size: int) -> Points:
    """Return the share of each row's runs of `size` items in no training row, float64 (rows,); NaN for shorter rows."""
    hashes, row = hash_ngrams(rows.items, rows.starts, size)
    known, _ = hash_ngrams(training.items, training.starts, size)
    n_novel = np.bincount(row[~np.isin(hashes, known)], minlength=len(rows)).astype(np.float64)
    count = np.bincount(row, minlength=len(rows))
    return np.where(count > 0, n_novel / np.maximum(count, 1), np.nan)


def compute_rare_run_share(rows: Histories, training: Histories, size: int = 3, few: int = 5) -> Points:
    """Return the share of each row's runs of `size` items in at least one training row but fewer than `few`, float64
    (rows,).

    NaN for shorter rows. Training rows are users: repeated runs of one user count once.
    """
    hashes, row = hash_ngrams(rows.items, rows.starts, size)
    known, owner = hash_ngrams(training.items, training.starts, size)
    order = np.lexsort((owner, known))
    known, owner = known[order], owner[order]
    first = np.ones(len(known), bool)
    first[1:] = (known[1:] != known[:-1]) | (owner[1:] != owner[:-1])
    runs, users = np.unique(known[first], return_counts=True)
    rare = np.isin(hashes, runs[users < few])
    count = np.bincount(row, minlength=len(rows))
    return np.where(count > 0, np.bincount(row[rare], minlength=len(rows)) / np.maximum(count, 1), np.nan)


def find_copied_rows(rows: Histories, training: Histories) -> npt.NDArray[np.int64]:
    """Return the training row that each row copies, in full or in a run of 4/5 of it, int64 (rows,); -1 for none."""
    source = np.full(len(rows), -1, np.int64)
    exact, near = is_exact_copy(rows, training), is_near_copy(rows, training)
    order = np.argsort(hash_rows(training), kind="stable")
    training_hashes = hash_rows(training)[order]
    hashes_of_exact = hash_rows(rows)[exact]
    source[exact] = order[np.searchsorted(training_hashes, hashes_of_exact)]
    left = np.flatnonzero(near & ~exact)
    sizes = np.minimum(np.ceil(0.8 * rows.lengths[left]), 50).astype(np.int64)
    for size in np.unique(sizes):
        part = left[sizes == size]
        hashes, row = hash_ngrams(rows.take(part).items, rows.take(part).starts, int(size))
        known, owner = hash_ngrams(training.items, training.starts, int(size))
        order_of_known = np.argsort(known, kind="stable")
        index = np.searchsorted(known[order_of_known], hashes)
        is_match = known[order_of_known][np.minimum(index, len(known) - 1)] == hashes
        source[part[row[is_match]]] = owner[order_of_known][index[is_match]]
    return source


def compute_distinct_share(rows: Histories, size: int) -> float:
    """Return the share of distinct runs of `size` items (Li and others, NAACL 2016, 5.2); NaN without runs."""
    hashes, _ = hash_ngrams(rows.items, rows.starts, size)
    return len(np.unique(hashes)) / len(hashes) if len(hashes) else float("nan")


@dataclass(frozen=True)
class DataCopying:
    """Distances to training rows against those of unseen real rows: far below 0 is copying, far above too far."""

    trait: ClassVar[MetricTraits] = MetricTraits("memorization", "real", tolerance=4.0)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """Return C_T: about -1 to 1 for real rows, at any n."""
        cell_new, cell_real = (sample.row_statistics["cell"].astype(int) for sample in (new, real))
        return compute_data_copying(new.row_statistics["nearest"], real.row_statistics["nearest"], cell_new, cell_real)


@dataclass(frozen=True)
class ClosestRecord:
    """Distance to the nearest training row against that of real rows: a sanity check only, not evidence of privacy."""

    trait: ClassVar[MetricTraits] = MetricTraits("privacy", "real", is_sanity_check=True, tolerance=0.1)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """Return the probability that a new row is farther from the training rows than an unseen real row; 0.5 for
        equal.
        """
        from leaven.metrics.synthetic.distribution_distances import rank_auc

        return rank_auc(new.row_statistics["nearest"], real.row_statistics["nearest"])
