"""Builds the table of each item's neighbors with their confidences.

A table is fitted on real training rows, then frozen. Only items of those rows are in it, as items and as neighbors:
items of the future cannot leak in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories, Ints, Items
from leaven.errors import DataError, SpecError
from leaven.field_checks import check_choice, check_count, check_range
from leaven.storage import replace_file

NEIGHBOR_SOURCES = ("cooccurrence", "spectral", "linear", "text", "vectors")


@dataclass(frozen=True)
class NeighborTableConfig:
    """Config of a table of item neighbors.

    sources         similarity measures, one or several: "cooccurrence" (common users), "spectral" (vectors from mutual
                    information), "linear" (item–item regression), "text" (of the catalog), "vectors" (embeddings from
                    a file, of any encoder)
    weights         weight of each source; (): equal
    max_neighbors   neighbors of each item, at most
    window          largest distance of two co-occurring events; 0: anywhere in a history
    distance_decay  factor on the weight of a pair for each further event between the two, 0..1
    shrinkage       "cooccurrence": added to the denominator, so that one co-occurrence of two rare items scores low
    rank            "spectral", "linear": singular directions that are kept
    ridge           "linear": regularization, which holds back rare items
    vectors         "vectors": the file, .npy or .npz (see `embedding_similarity.py`); in a spec relative to it
    """

    sources: tuple[str, ...] = ("cooccurrence",)
    weights: tuple[float, ...] = ()
    max_neighbors: int = 20
    window: int = 0
    distance_decay: float = 0.8
    shrinkage: float = 2.0
    rank: int = 64
    ridge: float = 20.0
    vectors: str = ""

    def __post_init__(self) -> None:
        for name in self.sources:
            check_choice("neighbors.sources", name, NEIGHBOR_SOURCES)
        if not self.sources or len(set(self.sources)) < len(self.sources):
            raise SpecError("neighbors.sources", "one or more different sources", repr(self.sources), "")
        if self.weights and (len(self.weights) != len(self.sources) or min(self.weights) <= 0):
            raise SpecError(
                "neighbors.weights",
                f"{len(self.sources)} numbers above 0",
                repr(self.weights),
                "write one for each source",
            )
        check_count("neighbors.max_neighbors", self.max_neighbors, 1)
        check_count("neighbors.window", self.window, 0)
        check_range("neighbors.distance_decay", (self.distance_decay, 1), 0, 1)
        check_range("neighbors.shrinkage", (self.shrinkage, self.shrinkage), 0)
        check_count("neighbors.rank", self.rank, 1)
        check_range("neighbors.ridge", (self.ridge, self.ridge), 1e-6)
        if bool(self.vectors) != ("vectors" in self.sources):
            got = f"sources = {list(self.sources)}, vectors = {self.vectors!r}"
            raise SpecError("neighbors.vectors", 'a file if sources hold "vectors", else none', got, "give both")

    def fit(self, train: Histories) -> NeighborTable:
        """The table, from real rows only.

        Raises DataError for "text" without item text and for vectors of other items, FitError where no two items
        co-occur.
        """
        rows = train if train.is_real.all() else train.select_real()
        tables = [self._fit_source(source, rows) for source in self.sources]
        if len(tables) == 1:
            return tables[0]
        # top entries of the weighted mean of confidences, each table scaled to a maximum of 1
        shares = self.weights or (1.0,) * len(tables)
        from scipy import sparse

        from leaven.transforms.sequence.item_similarity import select_top_neighbors

        size = tables[0].n_items + 1
        mean = sparse.csr_matrix((size, size), dtype=np.float64)
        for table, share in zip(tables, shares, strict=True):
            scale = share / sum(shares) / max(float(table.confidence.max(initial=0.0)), 1e-12)
            shape = (table.confidence.astype(np.float64) * scale, table.items, table.starts)
            mean = mean + sparse.csr_matrix(shape, shape=(size, size))
        starts, others = mean.indptr.astype(np.int64), mean.indices.astype(np.int32)
        return NeighborTable(*select_top_neighbors(starts, others, mean.data.astype(np.float32), self.max_neighbors))

    def _fit_source(self, source: str, rows: Histories) -> NeighborTable:
        from leaven.transforms.sequence import item_similarity

        meeting = item_similarity.CooccurrenceConfig(
            self.max_neighbors, self.window, self.distance_decay, self.shrinkage
        )
        if source == "cooccurrence":
            table = item_similarity.find_cooccurring_neighbors(rows, meeting)
        elif source == "spectral":
            table = item_similarity.find_spectral_neighbors(rows, meeting, self.rank)
        elif source == "linear":
            table = item_similarity.find_regression_neighbors(rows, self.max_neighbors, self.rank, self.ridge)
        elif source == "vectors":
            table = item_similarity.find_vector_neighbors(rows, self.vectors, self.max_neighbors)
        else:
            table = item_similarity.find_text_neighbors(rows, self.max_neighbors)
        return NeighborTable(*table)


@dataclass(frozen=True, eq=False)
class NeighborTable:
    """The neighbors of each item, best first.

    starts     int64 (n_items + 2,)  item i has neighbors starts[i]:starts[i + 1]
    items      int32 (pairs,)        the neighbors
    confidence float32 (pairs,)      above 0 and at most 1

    >>> rows = Histories.from_lists([[1, 2], [1, 2], [3, 1]], n_items=4)
    >>> table = NeighborTableConfig().fit(rows)
    >>> table.get_neighbors(1).tolist(), table.get_neighbors(4).tolist()
    ([2, 3], [])
    """

    starts: Ints
    items: Items
    confidence: npt.NDArray[np.float32]

    @property
    def n_items(self) -> int:
        """Number of items of the catalog."""
        return len(self.starts) - 2

    def get_neighbors(self, item: int) -> Items:
        """int32: the neighbors of one item, best first."""
        return self.items[self.starts[item] : self.starts[item + 1]]

    def save(self, path: Path) -> None:
        """Write an .npz file atomically."""
        with replace_file(path) as part, part.open("wb") as file:
            np.savez(file, starts=self.starts, items=self.items, confidence=self.confidence)

    @classmethod
    def load(cls, path: Path) -> NeighborTable:
        """Read a file of `save`.

        Raises DataError where the file holds no such table.
        """
        try:
            with np.load(path, allow_pickle=False) as content:
                return cls(content["starts"], content["items"], content["confidence"])
        except (OSError, KeyError, ValueError) as error:
            raise DataError(str(path), "a table of neighbors", str(error), "fit it again") from error
