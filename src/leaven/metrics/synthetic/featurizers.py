"""Where does a history, or a line of a table, lie among others?

Encoders are fitted on training rows alone; what they say of other rows depends on nothing else.
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

_RECENT = 50  # last items of a history that meet each other
_MOST_CATEGORIES = 20
_GROUPED_BY = 6
_RAREST = 0.01  # share of the training lines below which a category counts among the others


@dataclass(frozen=True, eq=False)
class HistoryEncoder:
    """vectors float64 (n_items + 2, width): of each item; popularity int64 (n_items + 1,): training events of each."""

    vectors: Points
    popularity: npt.NDArray[np.int64]

    @classmethod
    def fit(cls, train: Histories, key: int, width: int = 16) -> HistoryEncoder:
        """Principal components of how often items meet in a history (positive pointwise mutual information).

        Levy and Goldberg, NeurIPS 2014, section 5. Raises DataError where no two items ever meet.
        """
        from scipy.sparse.linalg import svds

        meetings = _meetings(train)
        if meetings.nnz == 0:
            raise DataError("the training rows", "histories of two items and more", "none", "give longer histories")
        width = max(1, min(width, min(meetings.shape) - 2))
        start = rng.generator(rng.key(key, "svds")).standard_normal(meetings.shape[0])
        left, strength, _ = svds(meetings, k=width, v0=start)
        vectors = (left * np.sqrt(strength))[:, ::-1]
        vectors = vectors * np.where(vectors.sum(axis=0) < 0, -1.0, 1.0)  # else a sign of chance
        counts = np.bincount(train.items, minlength=train.n_items + 2)[: train.n_items + 1].astype(np.int64)
        encoder = cls(vectors, counts)
        spread = encoder.points(train).std()
        return cls(vectors / (spread if spread > 0 else 1.0), counts)

    def points(self, rows: Histories) -> Points:
        """float64 (rows, width): mean of the items' vectors; 0 for an empty row."""
        return _means(self.vectors[rows.items], rows)

    def groups(self) -> npt.NDArray[np.int64]:
        """int64 (n_items + 2,): one of 12 groups, by which of the first six components stands out most, and its sign.

        Few groups, so that some hundred rows fill a table of who follows whom.
        """
        strongest = np.abs(self.vectors[:, :_GROUPED_BY]).argmax(axis=1)
        signs = self.vectors[np.arange(len(strongest)), strongest] > 0
        return np.asarray(2 * strongest + signs, np.int64)

    def features(self, rows: Histories) -> tuple[Points, list[str]]:
        """(float64 (rows, features), their names): what a person could tell rows apart by."""
        loved = np.log1p(np.append(self.popularity, 0)[rows.items].astype(np.float64))
        gap, inside = _gaps(rows)
        alike = self._alike(rows)
        columns = {
            "events": np.log1p(rows.lengths.astype(np.float64)),
            "repeats": repeat_share(rows),
            "popularity": _means(loved, rows),
            "spread of popularity": np.sqrt(np.maximum(_means(loved**2, rows) - _means(loved, rows) ** 2, 0.0)),
            "likeness of neighbours": _means(alike, rows),
            "gap": _means(gap, rows),
            "events in the same second": _means((gap == 0) & inside, rows),
            "hour": _means(np.sin(rows.times % 86_400 / 86_400 * 2 * np.pi), rows),
        }
        points = self.points(rows)
        names = [*columns, *(f"taste {place + 1}" for place in range(points.shape[1]))]
        return np.column_stack([*columns.values(), points]), names

    def _alike(self, rows: Histories) -> Points:
        """float64 (events,): cosine of each event's item with the one before; 0 for the first of a row."""
        norm = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        unit = (self.vectors / np.where(norm > 0, norm, 1.0))[rows.items]
        found = np.zeros(rows.events)
        found[1:] = (unit[1:] * unit[:-1]).sum(axis=1)
        found[rows.starts[:-1][rows.lengths > 0]] = 0.0
        return found


def _meetings(train: Histories):  # type: ignore[no-untyped-def]
    """Sparse (n_items + 2, n_items + 2): positive pointwise mutual information of items in one history."""
    from scipy import sparse

    place = np.arange(train.events) - np.repeat(train.starts[:-1], train.lengths)
    late = place >= np.repeat(train.lengths, train.lengths) - _RECENT
    row, items = train.row_of_event()[late], train.items[late]
    shape = (len(train), train.n_items + 2)
    held = sparse.csr_matrix((np.ones(len(items)), (row, items)), shape=shape)
    held.data[:] = 1.0
    counts = (held.T @ held).tocoo()
    apart = counts.row != counts.col
    first, second, together = counts.row[apart], counts.col[apart], counts.data[apart]
    each = np.bincount(first, weights=together, minlength=shape[1])
    if not len(together):
        return sparse.csr_matrix((shape[1], shape[1]))
    information = np.log(together * together.sum() / (each[first] * each[second]))
    keep = information > 0
    cells = (information[keep], (first[keep], second[keep]))
    return sparse.csr_matrix(cells, shape=(shape[1], shape[1]))


def _means(values: npt.NDArray[np.float64] | npt.NDArray[np.bool_], rows: Histories) -> Points:
    """float64 (rows,) or (rows, width): mean over each row's events; 0 for an empty row."""
    total = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0, dtype=np.float64)])
    length = np.maximum(rows.lengths, 1).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray((total[rows.starts[1:]] - total[rows.starts[:-1]]) / length, np.float64)


def _gaps(rows: Histories) -> tuple[Points, npt.NDArray[np.bool_]]:
    """(float64 (events,): log(1 + seconds since the event before), bool (events,): whether there is one before)."""
    inside = np.ones(rows.events, bool)
    inside[rows.starts[:-1][rows.lengths > 0]] = False
    since = np.diff(rows.times, prepend=rows.times[:1])
    return np.where(inside, np.log1p(np.maximum(since, 0).astype(np.float64)), 0.0), inside


def gaps(rows: Histories) -> Points:
    """float64 (gaps,): log(1 + seconds) between neighbouring events of all rows."""
    found, inside = _gaps(rows)
    return found[inside]


def repeat_share(rows: Histories) -> Points:
    """float64 (rows,): share of the events whose item the row had before; 0 for an empty row."""
    return np.asarray((rows.lengths - rows.distinct()) / np.maximum(rows.lengths, 1), np.float64)


@dataclass(frozen=True, eq=False)
class TableEncoder:
    """numbers: column -> (mean, scale, whether it has gaps); categories: column -> (names, scale)."""

    numbers: Mapping[str, tuple[float, float, bool]]
    categories: Mapping[str, tuple[tuple[str, ...], float]]
    constant: tuple[str, ...]

    @classmethod
    def fit(cls, train: Mapping[str, Column]) -> TableEncoder:
        """Numbers standardised, categories one-hot and scaled so that each column has variance 1 in all.

        Columns with one value only are left out and named in `constant`; rare categories are pooled. Raises DataError
        where nothing is left.
        """
        numbers, categories, constant = {}, {}, []
        for name, column in train.items():
            if column.dtype.kind == "f":
                there = column[np.isfinite(column)]
                gappy = len(there) < len(column)
                if len(there) and (there.std() > 0 or gappy):
                    numbers[name] = (float(there.mean()), float(there.std()) or 1.0, gappy)
                    continue
            elif len(names := _frequent(column)) > 1:
                shares = np.array([(column == one).mean() for one in names])
                categories[name] = (names, float(1 / np.sqrt(max((shares * (1 - shares)).sum(), 1e-12))))
                continue
            constant.append(name)
        if not numbers and not categories:
            raise DataError("the real table", "a column that varies", "none that does", "give columns with values")
        return cls(numbers, categories, tuple(constant))

    @property
    def names(self) -> list[str]:
        """What each coordinate is called."""
        named = [one for name, (*_, gappy) in self.numbers.items() for one in [name, *[f"{name} missing"] * gappy]]
        return named + [f"{name} = {one}" for name, (values, _) in self.categories.items() for one in values]

    def points(self, rows: Mapping[str, Column]) -> Points:
        """float64 (rows, coordinates); a missing number stands at the mean, with a coordinate that says so."""
        columns: list[Points] = []
        for name, (mean, scale, gappy) in self.numbers.items():
            there = np.isfinite(rows[name])
            columns.append(np.where(there, (rows[name] - mean) / scale, 0.0))
            if gappy:
                columns.append((~there).astype(np.float64))
        for name, (values, scale) in self.categories.items():
            columns.extend((rows[name] == one) * scale for one in values)
        return np.column_stack(columns)


def _frequent(column: Column) -> tuple[str, ...]:
    """Names of the frequent categories, most frequent first; the others are all zeros."""
    names, counts = np.unique(column.astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_MOST_CATEGORIES]
    return tuple(str(names[place]) for place in order if counts[place] >= _RAREST * len(column))


@dataclass(frozen=True, eq=False)
class Axes:
    """Principal axes of training vectors. mean (width,), directions (width, width), strongest first; scale."""

    mean: Points
    directions: Points
    scale: float

    @classmethod
    def fit(cls, vectors: npt.NDArray[Any], scaled: bool) -> Axes:
        """Turned only, so that all distances stay; scaled: to a variance of 1 in the mean."""
        vectors = np.asarray(vectors, np.float64)
        mean = vectors.mean(axis=0)
        values, directions = np.linalg.eigh((vectors - mean).T @ (vectors - mean) / max(len(vectors) - 1, 1))
        directions = directions[:, ::-1]
        directions = directions * np.where(directions.sum(axis=0) < 0, -1.0, 1.0)  # else a sign of chance
        spread = float(np.sqrt(max(values.mean(), 0.0)))
        return cls(mean, directions, spread if scaled and spread > 0 else 1.0)

    def points(self, vectors: npt.NDArray[Any]) -> Points:
        """float64 (rows, width)."""
        return np.asarray((np.asarray(vectors, np.float64) - self.mean) @ self.directions / self.scale, np.float64)
