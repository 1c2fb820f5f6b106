"""Encoders of histories and table rows into points and interpretable features.

Encoders are fitted on training rows only; the encoding of a row depends on no other row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import DataError

Points = npt.NDArray[np.float64]
Column = npt.NDArray[Any]

_MAX_EVENTS = 50  # last items of a history that form pairs
_MAX_CATEGORIES = 20
_N_GROUP_AXES = 6
_MIN_CATEGORY_SHARE = 0.01  # share of the training rows below which categories are pooled


@dataclass(frozen=True, eq=False)
class HistoryEncoder:
    """vectors float64 (n_items + 2, width): one per item; popularity int64 (n_items + 1,): training events per item."""

    vectors: Points
    popularity: npt.NDArray[np.int64]

    @classmethod
    def fit(cls, train: Histories, key: int, width: int = 16) -> HistoryEncoder:
        """Return principal components of item co-occurrence (positive pointwise mutual information).

        Levy and Goldberg, NeurIPS 2014, section 5. Raises DataError if no two items share a history.
        """
        from scipy.sparse.linalg import svds

        pairs = _count_pairs(train)
        if pairs.nnz == 0:
            raise DataError("the training rows", "histories of two items and more", "none", "give longer histories")
        width = max(1, min(width, min(pairs.shape) - 2))
        start = rng.make_generator(rng.derive_key(key, "svds")).standard_normal(pairs.shape[0])
        left, strength, _ = svds(pairs, k=width, v0=start)
        vectors = _fix_signs((left * np.sqrt(strength))[:, ::-1])
        counts = np.bincount(train.items, minlength=train.n_items + 2)[: train.n_items + 1].astype(np.int64)
        encoder = cls(vectors, counts)
        spread = encoder.embed(train).std()
        return cls(vectors / (spread if spread > 0 else 1.0), counts)

    def embed(self, rows: Histories) -> Points:
        """Return the mean of the items' vectors, float64 (rows, width); 0 for an empty row."""
        return _average_by_row(self.vectors[rows.items], rows)

    def group_items(self) -> npt.NDArray[np.int64]:
        """Return one of 12 groups per item, int64 (n_items + 2,): the strongest of the first six components, and its
        sign.

        Few groups, so that some hundred rows fill a table of transitions.
        """
        strongest = np.abs(self.vectors[:, :_N_GROUP_AXES]).argmax(axis=1)
        signs = self.vectors[np.arange(len(strongest)), strongest] > 0
        return np.asarray(2 * strongest + signs, np.int64)

    def compute_features(self, rows: Histories) -> tuple[Points, list[str]]:
        """Return interpretable features, float64 (rows, features), and their names."""
        popularity = np.log1p(np.append(self.popularity, 0)[rows.items].astype(np.float64))
        gap, has_gap = _compute_gaps(rows)
        # cosine of each event's item with the previous one; 0 for the first of a row
        norm = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        unit = (self.vectors / np.where(norm > 0, norm, 1.0))[rows.items]
        similarity = np.zeros(rows.n_events)
        similarity[1:] = (unit[1:] * unit[:-1]).sum(axis=1)
        similarity[rows.starts[:-1][rows.lengths > 0]] = 0.0
        columns = {
            "events": np.log1p(rows.lengths.astype(np.float64)),
            "repeats": compute_repeat_share(rows),
            "popularity": _average_by_row(popularity, rows),
            "spread of popularity": np.sqrt(
                np.maximum(_average_by_row(popularity**2, rows) - _average_by_row(popularity, rows) ** 2, 0.0)
            ),
            "similarity of neighbors": _average_by_row(similarity, rows),
            "gap": _average_by_row(gap, rows),
            "events in the same second": _average_by_row((gap == 0) & has_gap, rows),
            "hour": _average_by_row(np.sin(rows.times % 86_400 / 86_400 * 2 * np.pi), rows),
        }
        points = self.embed(rows)
        names = [*columns, *(f"taste {axis + 1}" for axis in range(points.shape[1]))]
        return np.column_stack([*columns.values(), points]), names


def _count_pairs(train: Histories):  # type: ignore[no-untyped-def]
    """Return positive pointwise mutual information of items that share a history, sparse (n_items + 2, n_items + 2)."""
    from scipy import sparse

    is_recent = train.event_positions() >= np.repeat(train.lengths, train.lengths) - _MAX_EVENTS
    row, items = train.event_rows()[is_recent], train.items[is_recent]
    shape = (len(train), train.n_items + 2)
    matrix = sparse.csr_matrix((np.ones(len(items)), (row, items)), shape=shape)
    matrix.data[:] = 1.0
    counts = (matrix.T @ matrix).tocoo()
    is_pair = counts.row != counts.col
    first, second, n_shared = counts.row[is_pair], counts.col[is_pair], counts.data[is_pair]
    n_by_item = np.bincount(first, weights=n_shared, minlength=shape[1])
    if not len(n_shared):
        return sparse.csr_matrix((shape[1], shape[1]))
    information = np.log(n_shared * n_shared.sum() / (n_by_item[first] * n_by_item[second]))
    keep = information > 0
    cells = (information[keep], (first[keep], second[keep]))
    return sparse.csr_matrix(cells, shape=(shape[1], shape[1]))


def _fix_signs(axes: Points) -> Points:
    """Return axes (rows, axes) with sums of 0 or more: a decomposition leaves the signs open."""
    return np.asarray(axes * np.where(axes.sum(axis=0) < 0, -1.0, 1.0), np.float64)


def _average_by_row(values: npt.NDArray[np.float64] | npt.NDArray[np.bool_], rows: Histories) -> Points:
    """Return the mean over each row's events, float64 (rows,) or (rows, width); 0 for an empty row."""
    total = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0, dtype=np.float64)])
    length = np.maximum(rows.lengths, 1).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray((total[rows.starts[1:]] - total[rows.starts[:-1]]) / length, np.float64)


def _compute_gaps(rows: Histories) -> tuple[Points, npt.NDArray[np.bool_]]:
    """Return log(1 + seconds since the previous event), float64 (events,), and whether there is one, bool (events,)."""
    has_gap = np.ones(rows.n_events, bool)
    has_gap[rows.starts[:-1][rows.lengths > 0]] = False
    seconds = np.diff(rows.times, prepend=rows.times[:1])
    return np.where(has_gap, np.log1p(np.maximum(seconds, 0).astype(np.float64)), 0.0), has_gap


def compute_log_gaps(rows: Histories) -> Points:
    """Return log(1 + seconds) between consecutive events of all rows, float64 (gaps,)."""
    log_gaps, has_gap = _compute_gaps(rows)
    return log_gaps[has_gap]


def compute_repeat_share(rows: Histories) -> Points:
    """Return the share of events whose item occurs earlier in the row, float64 (rows,); 0 for an empty row."""
    return np.asarray((rows.lengths - rows.count_distinct_items()) / np.maximum(rows.lengths, 1), np.float64)


@dataclass(frozen=True, eq=False)
class TabularEncoder:
    """numbers: column -> (mean, scale, whether values are missing); categories: column -> (names, scale)."""

    numbers: Mapping[str, tuple[float, float, bool]]
    categories: Mapping[str, tuple[tuple[str, ...], float]]
    constant_columns: tuple[str, ...]

    @classmethod
    def fit(cls, train: Mapping[str, Column]) -> TabularEncoder:
        """Return an encoder: numbers standardized, categories one-hot and scaled to a total variance of 1 per column.

        Columns with one value are left out and named in `constant_columns`; rare categories are pooled. Raises
        DataError if no column is left.
        """
        numbers, categories, constant = {}, {}, []
        for name, column in train.items():
            if column.dtype.kind == "f":
                finite = column[np.isfinite(column)]
                has_missing = len(finite) < len(column)
                if len(finite) and (finite.std() > 0 or has_missing):
                    numbers[name] = (float(finite.mean()), float(finite.std()) or 1.0, has_missing)
                    continue
            elif len(names := _list_frequent(column)) > 1:
                shares = np.array([(column == one).mean() for one in names])
                categories[name] = (names, float(1 / np.sqrt(max((shares * (1 - shares)).sum(), 1e-12))))
                continue
            constant.append(name)
        if not numbers and not categories:
            raise DataError("the real table", "a column that varies", "none that does", "give columns with values")
        return cls(numbers, categories, tuple(constant))

    @property
    def feature_names(self) -> list[str]:
        """The names of the coordinates."""
        named = [
            one
            for name, (*_, has_missing) in self.numbers.items()
            for one in [name, *[f"{name} missing"] * has_missing]
        ]
        return named + [f"{name} = {one}" for name, (values, _) in self.categories.items() for one in values]

    def embed(self, rows: Mapping[str, Column]) -> Points:
        """Return float64 (rows, coordinates); a missing number is the mean, with an indicator coordinate."""
        columns: list[Points] = []
        for name, (mean, scale, has_missing) in self.numbers.items():
            is_finite = np.isfinite(rows[name])
            columns.append(np.where(is_finite, (rows[name] - mean) / scale, 0.0))
            if has_missing:
                columns.append((~is_finite).astype(np.float64))
        for name, (values, scale) in self.categories.items():
            columns.extend((rows[name] == one) * scale for one in values)
        return np.column_stack(columns)


def _list_frequent(column: Column) -> tuple[str, ...]:
    """Return the names of the frequent categories, most frequent first; all others are encoded as zeros."""
    names, counts = np.unique(column.astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_MAX_CATEGORIES]
    return tuple(str(names[index]) for index in order if counts[index] >= _MIN_CATEGORY_SHARE * len(column))


@dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """Principal axes of training vectors. mean (width,), directions (width, width), strongest first; scale."""

    mean: Points
    directions: Points
    scale: float

    @classmethod
    def fit(cls, vectors: npt.NDArray[Any], scaled: bool) -> PrincipalAxes:
        """Return the axes: a rotation that keeps all distances; scaled: to a mean variance of 1."""
        vectors = np.asarray(vectors, np.float64)
        mean = vectors.mean(axis=0)
        values, directions = np.linalg.eigh((vectors - mean).T @ (vectors - mean) / max(len(vectors) - 1, 1))
        directions = _fix_signs(directions[:, ::-1])
        spread = float(np.sqrt(max(values.mean(), 0.0)))
        return cls(mean, directions, spread if scaled and spread > 0 else 1.0)

    def embed(self, vectors: npt.NDArray[Any]) -> Points:
        """float64 (rows, width)."""
        return np.asarray((np.asarray(vectors, np.float64) - self.mean) @ self.directions / self.scale, np.float64)


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """weight float64 (tokens + 2,): inverse document frequency, 0 for unknown tokens; axes (tokens + 2, width)."""

    weight: Points
    axes: Points

    @classmethod
    def fit(cls, train: Histories, key: int, width: int = 32) -> TextEncoder:
        """Return latent semantic axes: principal components of log counts weighted by inverse document frequency.

        Deerwester and others, JASIS 41 (1990); Salton and Buckley, Information Processing and Management 24 (1988).
        Raises DataError if no two texts share a token.
        """
        from scipy.sparse.linalg import svds

        counts = _count_tokens(train)
        texts = np.asarray((counts > 0).sum(axis=0)).ravel()
        weight = np.where(texts > 0, np.log((1 + len(train)) / (1 + texts)) + 1, 0.0)
        if not (texts > 1).any():
            raise DataError("the real texts", "two texts that share a word", "none", "give more or longer texts")
        weighted = _weigh_counts(counts, weight)
        width = max(1, min(width, min(weighted.shape) - 2))
        start = rng.make_generator(rng.derive_key(key, "svds")).standard_normal(min(weighted.shape))
        _, _, right = svds(weighted, k=width, v0=start)
        axes = _fix_signs(right[::-1].T)
        encoder = cls(weight, np.ascontiguousarray(axes))
        spread = encoder.embed(train).std()
        return cls(weight, encoder.axes / (spread if spread > 0 else 1.0))

    def embed(self, rows: Histories) -> Points:
        """Return float64 (texts, width); 0 for a text without known tokens."""
        return np.asarray(_weigh_counts(_count_tokens(rows), self.weight) @ self.axes, np.float64)

    def compute_features(self, rows: Histories) -> tuple[Points, list[str]]:
        """Return interpretable features, float64 (texts, 3), and their names."""
        length = np.maximum(rows.lengths, 1)
        weights = self.weight[rows.items]
        row = rows.event_rows()
        rarity = np.bincount(row, weights, len(rows)) / length
        unknown = np.bincount(row, weights == 0, len(rows)) / length
        return np.column_stack([np.log1p(rows.lengths), rarity, unknown]), ["words", "rarity of words", "unknown words"]


def _count_tokens(rows: Histories) -> Any:
    """Return the count of each token in each text, sparse (texts, tokens + 2)."""
    from scipy import sparse

    cells = (np.ones(rows.n_events), (rows.event_rows(), rows.items))
    return sparse.csr_matrix(cells, shape=(len(rows), rows.n_items + 2))


def _weigh_counts(counts: Any, weight: Points) -> Any:
    """Return weighted log counts, each text scaled to norm 1."""
    from scipy import sparse

    weighted = counts.copy()
    weighted.data = np.log1p(weighted.data)
    weighted = weighted @ sparse.diags(weight)
    norm = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return sparse.diags(1 / np.where(norm > 0, norm, 1.0)) @ weighted
