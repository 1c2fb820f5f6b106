"""Are the new points distributed like the real ones?

Pure functions of two sets of points, float64 (rows, width). All of them are biased at finite n, and differently
for every data set: a figure says something only beside the same figure of real data at the same n (`quality/`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.errors import MissingExtra

Points = npt.NDArray[np.float64]


def frechet(a: Points, b: Points) -> float:
    """Squared Fréchet distance of the normal laws with the means and covariances of both sets.

    |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)): Dowson and Landau, Journal of Multivariate Analysis 12
    (1982); of embeddings: Heusel and others, NeurIPS 2017, section 4 (FID). Where we differ: the trace of the root
    comes from a symmetric matrix with the same eigenvalues, so that no complex root can appear.

    >>> frechet(np.array([[0.0], [2.0]]), np.array([[1.0], [3.0]]))
    1.0
    """
    shift = a.mean(axis=0) - b.mean(axis=0)
    first, second = _covariance(a), _covariance(b)
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ second @ root)
    cross = np.sqrt(np.maximum(inner, 0.0)).sum()
    return float(shift @ shift + np.trace(first) + np.trace(second) - 2 * cross)


def _covariance(points: Points) -> Points:
    return np.atleast_2d(np.cov(points, rowvar=False))


def frechet_at_infinity(a: Points, b: Points, key: int, sizes: int = 8) -> float:
    """The Fréchet distance without its bias, which falls with 1/n: the intercept of a line through several n.

    Chong and Forsyth, CVPR 2020, section 3 (FID at infinity). Where we differ: both sets shrink together, and
    ordinary pseudo-random subsets stand for their quasi-random ones. May fall below 0 by chance.
    """
    most = min(len(a), len(b))
    counts = np.unique(np.linspace(max(most // 4, 2), most, sizes).astype(int))
    chance = rng.generator(rng.key(key, "frechet"))
    found = [frechet(a[chance.permutation(len(a))[:n]], b[chance.permutation(len(b))[:n]]) for n in counts]
    if len(counts) < 2:
        return found[0]
    return float(np.polyfit(1.0 / counts, found, 1)[1])


def sliced_wasserstein(a: Points, b: Points, key: int, directions: int = 128) -> float:
    """Root of the mean squared Wasserstein-2 distance along random directions; both sets of equal size.

    Bonneel and others, Journal of Mathematical Imaging and Vision 51 (2015), section 3.1.
    """
    n = min(len(a), len(b))
    chance = rng.generator(rng.key(key, "sliced"))
    ways = chance.standard_normal((a.shape[1], directions))
    ways /= np.linalg.norm(ways, axis=0)
    gaps = np.sort(a[:n] @ ways, axis=0) - np.sort(b[:n] @ ways, axis=0)
    return float(np.sqrt((gaps**2).mean()))


def squared_distances(a: Points, b: Points) -> Points:
    """float64 (rows of a, rows of b): squared Euclidean distances."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    return np.asarray(np.maximum(squares, 0.0), np.float64)


def kernel(a: Points, b: Points) -> Points:
    """float64 (rows of both, rows of both): mean of Gaussian kernels, widths 1/2, 1 and 2 times the median distance."""
    both = np.concatenate([a, b])
    squares = squared_distances(both, both)
    middle = float(np.median(squares[np.triu_indices(len(both), 1)])) or 1.0
    total = np.zeros_like(squares)
    for width in (0.25, 1.0, 4.0):
        total += np.exp(-squares / (width * middle))
    return total / 3.0


def mmd(gram: Points, first: npt.NDArray[np.bool_]) -> float:
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
    """Chance of an MMD as large between two parts of the same sizes drawn at random from all rows."""
    seen = mmd(gram, first)
    chance = rng.generator(rng.key(key, "mmd"))
    above = sum(mmd(gram, first[chance.permutation(len(first))]) >= seen for _ in range(permutations))
    return (1 + above) / (1 + permutations)


def auc(positives: Points, negatives: Points) -> float:
    """Chance that a positive score is above a negative one; ties count half (Mann and Whitney, 1947)."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([positives, negatives]))
    mine = ranks[: len(positives)].sum() - len(positives) * (len(positives) + 1) / 2
    return float(mine / (len(positives) * len(negatives)))


def two_sample_auc(a: Points, b: Points, key: int) -> float:
    """How well a classifier tells the sets apart on rows that it did not learn from: 0.5 not at all, 1 always.

    Lopez-Paz and Oquab, ICLR 2017, section 3. Where we differ: the area under the curve stands for the accuracy,
    and two folds are crossed. Logistic regression over the features, their squares and their products with the
    first few; raises MissingExtra without scikit-learn.
    """
    rows = _widened(np.concatenate([a, b]))
    label = np.repeat([1, 0], [len(a), len(b)])
    fold = np.concatenate([_dealt(len(a), key), _dealt(len(b), key + 1)])
    values = []
    for part in (0, 1):
        learn, look = fold != part, fold == part
        scores = _classifier().fit(rows[learn], label[learn]).decision_function(rows[look])
        values.append(auc(scores[label[look] == 1], scores[label[look] == 0]))
    return float(np.mean(values))


def _dealt(rows: int, key: int) -> npt.NDArray[np.int64]:
    """int64 (rows,): 0 or 1, half of each, at random."""
    return rng.generator(rng.key(key, "folds")).permutation(rows) % 2


def _widened(rows: Points, most: int = 6) -> Points:
    """Standardised features, their squares, and products of the first few, so that a linear rule sees dependence."""
    scale = rows.std(axis=0)
    rows = np.clip((rows - rows.mean(axis=0)) / np.where(scale > 0, scale, 1.0), -8, 8)
    few = min(most, rows.shape[1])
    pairs = [rows[:, i] * rows[:, j] for i in range(few) for j in range(i + 1, few)]
    return np.column_stack([rows, rows**2, *pairs])


def _classifier() -> Any:
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError:
        raise MissingExtra("scikit-learn", "judge") from None
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))


def gave_away(a: Points, b: Points, names: list[str], most: int = 5) -> list[tuple[str, float]]:
    """The features that tell the sets apart best, each with the distance of its own AUC from 0.5, doubled."""
    apart = [abs(2 * auc(a[:, place], b[:, place]) - 1) for place in range(a.shape[1])]
    order = np.argsort(-np.array(apart), kind="stable")[:most]
    return [(names[place], round(apart[place], 4)) for place in order]


def jensen_shannon(p: Points, q: Points) -> float:
    """Divergence of two tables of counts in bits, 0 alike to 1 apart (Lin, 1991, equation 4.1)."""
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    return float((_entropy(middle) - (_entropy(p) + _entropy(q)) / 2) / np.log(2))


def _entropy(p: Points) -> float:
    there = p[p > 0]
    return float(-(there * np.log(there)).sum())


def wasserstein(a: Points, b: Points) -> float:
    """Wasserstein-1 distance of two sets of numbers, in their own unit; any sizes."""
    if len(a) == len(b):
        return float(np.abs(np.sort(a) - np.sort(b)).mean())
    from scipy.stats import wasserstein_distance

    return float(wasserstein_distance(a, b))
