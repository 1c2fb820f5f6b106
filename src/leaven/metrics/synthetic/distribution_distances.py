"""Distances between two distributions of points.

Pure functions of two sets of points, float64 (rows, width). All of them are biased at finite n, differently for every
data set: compare a value with that of real data at the same n (`quality/`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.errors import MissingExtra

Points = npt.NDArray[np.float64]


def frechet_distance(a: Points, b: Points) -> float:
    """Return the squared Fréchet distance of the normal distributions with the means and covariances of both sets.

    |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)): Dowson and Landau, Journal of Multivariate Analysis 12 (1982);
    of embeddings: Heusel and others, NeurIPS 2017, section 4 (FID). Where we differ: the trace of the root comes from a
    symmetric matrix with the same eigenvalues, so that no complex root can appear.

    >>> frechet_distance(np.array([[0.0], [2.0]]), np.array([[1.0], [3.0]]))
    1.0
    """
    shift = a.mean(axis=0) - b.mean(axis=0)
    first, second = _compute_covariance(a), _compute_covariance(b)
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ second @ root)
    cross = np.sqrt(np.maximum(inner, 0.0)).sum()
    return float(shift @ shift + np.trace(first) + np.trace(second) - 2 * cross)


def _compute_covariance(points: Points) -> Points:
    return np.atleast_2d(np.cov(points, rowvar=False))


def frechet_distance_at_infinity(a: Points, b: Points, key: int, sizes: int = 8) -> float:
    """Return the Fréchet distance without its 1/n bias: the intercept of a line through several n.

    Chong and Forsyth, CVPR 2020, section 3 (FID at infinity). Where we differ: both sets shrink together, and pseudo-
    random subsets replace their quasi-random ones. May be below 0 by chance.
    """
    n_rows = min(len(a), len(b))
    counts = np.unique(np.linspace(max(n_rows // 4, 2), n_rows, sizes).astype(int))
    generator = rng.make_generator(rng.derive_key(key, "frechet"))
    distances = [
        frechet_distance(a[generator.permutation(len(a))[:n]], b[generator.permutation(len(b))[:n]]) for n in counts
    ]
    if len(counts) < 2:
        return distances[0]
    return float(np.polyfit(1.0 / counts, distances, 1)[1])


def sliced_wasserstein(a: Points, b: Points, key: int, directions: int = 128) -> float:
    """Return the root mean squared Wasserstein-2 distance along random directions; both sets are cut to equal size.

    Bonneel and others, Journal of Mathematical Imaging and Vision 51 (2015), section 3.1.
    """
    n = min(len(a), len(b))
    generator = rng.make_generator(rng.derive_key(key, "sliced"))
    unit_vectors = generator.standard_normal((a.shape[1], directions))
    unit_vectors /= np.linalg.norm(unit_vectors, axis=0)
    gaps = np.sort(a[:n] @ unit_vectors, axis=0) - np.sort(b[:n] @ unit_vectors, axis=0)
    return float(np.sqrt((gaps**2).mean()))


def squared_distances(a: Points, b: Points) -> Points:
    """Return squared Euclidean distances, float64 (rows of a, rows of b)."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    return np.asarray(np.maximum(squares, 0.0), np.float64)


def gaussian_kernel(a: Points, b: Points) -> Points:
    """Return the mean of Gaussian kernels of 1/2, 1 and 2 times the median distance, float64 (all rows, all rows)."""
    both = np.concatenate([a, b])
    squares = squared_distances(both, both)
    median = float(np.median(squares[np.triu_indices(len(both), 1)])) or 1.0
    total = np.zeros_like(squares)
    for width in (0.25, 1.0, 4.0):
        total += np.exp(-squares / (width * median))
    return total / 3.0


def squared_mmd(gram: Points, first: npt.NDArray[np.bool_]) -> float:
    """Unbiased squared maximum mean discrepancy of the two parts of a kernel matrix; may fall below 0.

    Gretton and others, JMLR 13 (2012), equation 3. first bool (rows,): which rows belong to the first set.
    """
    m, n = int(first.sum()), int((~first).sum())
    sides = np.stack([first, ~first]).astype(np.float64)
    sums = sides @ gram @ sides.T
    diagonal = np.diag(gram)
    same_a = (sums[0, 0] - diagonal[first].sum()) / (m * (m - 1))
    same_b = (sums[1, 1] - diagonal[~first].sum()) / (n * (n - 1))
    return float(same_a + same_b - 2 * sums[0, 1] / (m * n))


def mmd_permutation_p(gram: Points, first: npt.NDArray[np.bool_], key: int, permutations: int = 200) -> float:
    """Return the share of random partitions of the same sizes with an MMD at least as large."""
    observed = squared_mmd(gram, first)
    generator = rng.make_generator(rng.derive_key(key, "mmd"))
    n_above = sum(squared_mmd(gram, first[generator.permutation(len(first))]) >= observed for _ in range(permutations))
    return (1 + n_above) / (1 + permutations)


def rank_auc(positives: Points, negatives: Points) -> float:
    """Return the probability that a positive score exceeds a negative one; ties count half (Mann and Whitney, 1947).

    Own code: SciPy's `mannwhitneyu` also computes p and takes 3.6 ms instead of 0.9 ms for twice 1,000 scores.
    """
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([positives, negatives]))
    rank_sum = ranks[: len(positives)].sum() - len(positives) * (len(positives) + 1) / 2
    return float(rank_sum / (len(positives) * len(negatives)))


def two_sample_auc(a: Points, b: Points, key: int) -> float:
    """Return the AUC of a classifier of the two sets on unseen rows: 0.5 is chance, 1 perfect separation.

    Lopez-Paz and Oquab, ICLR 2017, section 3. Where we differ: AUC replaces accuracy, with two-fold cross-fitting.
    Logistic regression over the features, their squares and the products of the first few; raises MissingExtra without
    scikit-learn.
    """
    rows = _expand_features(np.concatenate([a, b]))
    label = np.repeat([1, 0], [len(a), len(b)])
    fold = np.concatenate([_assign_folds(len(a), key), _assign_folds(len(b), key + 1)])
    values = []
    for part in (0, 1):
        is_train, is_test = fold != part, fold == part
        scores = _build_classifier().fit(rows[is_train], label[is_train]).decision_function(rows[is_test])
        values.append(rank_auc(scores[label[is_test] == 1], scores[label[is_test] == 0]))
    return float(np.mean(values))


def _assign_folds(rows: int, key: int) -> npt.NDArray[np.int64]:
    """Return random folds 0 and 1 of equal size, int64 (rows,)."""
    return rng.make_generator(rng.derive_key(key, "folds")).permutation(rows) % 2


def _expand_features(rows: Points, most: int = 6) -> Points:
    """Return standardized features, their squares, and products of the first few, so that a linear model sees
    dependence.
    """
    scale = rows.std(axis=0)
    rows = np.clip((rows - rows.mean(axis=0)) / np.where(scale > 0, scale, 1.0), -8, 8)
    few = min(most, rows.shape[1])
    pairs = [rows[:, i] * rows[:, j] for i in range(few) for j in range(i + 1, few)]
    return np.column_stack([rows, rows**2, *pairs])


def _build_classifier() -> Any:
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError:
        raise MissingExtra("scikit-learn", "quality") from None
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))


def rank_separating_features(a: Points, b: Points, names: list[str], max_features: int = 5) -> list[tuple[str, float]]:
    """Return the features that separate the sets best, each with twice the distance of its AUC from 0.5."""
    separation = [abs(2 * rank_auc(a[:, column], b[:, column]) - 1) for column in range(a.shape[1])]
    order = np.argsort(-np.array(separation), kind="stable")[:max_features]
    return [(names[column], round(separation[column], 4)) for column in order]


def jensen_shannon_divergence(p: Points, q: Points) -> float:
    """Return the divergence of two tables of counts in bits, 0 equal to 1 disjoint (Lin, 1991, equation 4.1).

    Own code: SciPy's `jensenshannon` returns the square root, and its square differs in the last bits.
    """
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    return float((_compute_entropy(middle) - (_compute_entropy(p) + _compute_entropy(q)) / 2) / np.log(2))


def _compute_entropy(p: Points) -> float:
    positive = p[p > 0]
    return float(-(positive * np.log(positive)).sum())


def wasserstein_distance(a: Points, b: Points) -> float:
    """Return the Wasserstein-1 distance of two samples, in their unit; any sizes.

    Equal sizes need one sort each; SciPy's general form is slower and serves the others.
    """
    if len(a) == len(b):
        return float(np.abs(np.sort(a) - np.sort(b)).mean())
    from scipy import stats

    return float(stats.wasserstein_distance(a, b))
