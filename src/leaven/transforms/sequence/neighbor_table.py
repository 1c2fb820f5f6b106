"""Which items may stand for an item, and how sure is that?

A table is fitted on real training rows, then frozen. Only items of those rows are in it, as an item and
as a neighbour: what will be sold in the future cannot come in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories, Ints, Items
from leaven.errors import DataError, SpecError
from leaven.transforms.validation import check_count, check_range, check_word

SOURCES = ("cooccurrence", "spectral", "linear", "words", "vectors")


@dataclass(frozen=True)
class Neighbours:
    """The wish for a table of neighbours.

    by      where likeness comes from, one or several: "cooccurrence" (users in common), "spectral" (vectors of what
            meets oftener than by chance), "linear" (regression of items on items), "words" (of the catalogue),
            "vectors" (from a file: what an encoder of words, pictures or anything made of each item)
    shares  weight of each of them; none: all alike
    top     neighbours an item, at most
    window  a meeting is within so many places; 0: anywhere in a history
    fade    weight of a meeting for each further place between the two, 0..1
    shrink  "cooccurrence": doubt added to every pair, so that one meeting of two rare items is not certain
    rank    "spectral", "linear": directions that are kept
    ridge   "linear": how strongly rare items are held back
    vectors "vectors": their file, .npy or .npz (see `embedding_similarity.py`); in a spec relative to it
    """

    by: tuple[str, ...] = ("cooccurrence",)
    shares: tuple[float, ...] = ()
    top: int = 20
    window: int = 0
    fade: float = 0.8
    shrink: float = 2.0
    rank: int = 64
    ridge: float = 20.0
    vectors: str = ""

    def __post_init__(self) -> None:
        for name in self.by:
            check_word("neighbours.by", name, SOURCES)
        if not self.by or len(set(self.by)) < len(self.by):
            raise SpecError("neighbours.by", "one or more different sources", repr(self.by), "")
        if self.shares and (len(self.shares) != len(self.by) or min(self.shares) <= 0):
            raise SpecError("neighbours.shares", f"{len(self.by)} numbers above 0", repr(self.shares), "one a source")
        check_count("neighbours.top", self.top, 1)
        check_count("neighbours.window", self.window, 0)
        check_range("neighbours.fade", (self.fade, 1), 0, 1)
        check_range("neighbours.shrink", (self.shrink, self.shrink), 0)
        check_count("neighbours.rank", self.rank, 1)
        check_range("neighbours.ridge", (self.ridge, self.ridge), 1e-6)
        if bool(self.vectors) != ("vectors" in self.by):
            got = f"by = {list(self.by)}, vectors = {self.vectors!r}"
            raise SpecError("neighbours.vectors", 'a file where by names "vectors", else none', got, "give both")

    def fit(self, train: Histories) -> NeighbourTable:
        """The table, from real rows alone.

        Raises DataError for words where the catalogue has none and for vectors of other items, FitError where no two
        items meet.
        """
        rows = train if train.is_real.all() else train.real_only()
        tables = [self._table(source, rows) for source in self.by]
        if len(tables) == 1:
            return tables[0]
        return _mixed(tables, self.shares or (1.0,) * len(tables), self.top)

    def _table(self, source: str, rows: Histories) -> NeighbourTable:
        from leaven.transforms.sequence import item_similarity

        meeting = item_similarity.Meeting(self.top, self.window, self.fade, self.shrink)
        if source == "cooccurrence":
            return NeighbourTable(*item_similarity.by_cooccurrence(rows, meeting))
        if source == "spectral":
            return NeighbourTable(*item_similarity.by_spectrum(rows, meeting, self.rank))
        if source == "linear":
            return NeighbourTable(*item_similarity.by_regression(rows, self.top, self.rank, self.ridge))
        if source == "vectors":
            from leaven.transforms.sequence.embedding_similarity import by_vectors

            return NeighbourTable(*by_vectors(rows, self.vectors, self.top))
        from leaven.transforms.sequence.text_similarity import by_words

        return NeighbourTable(*by_words(rows, self.top))


@dataclass(frozen=True, eq=False)
class NeighbourTable:
    """For each item its neighbours, best first.

    starts     int64 (n_items + 2,)  item i has neighbours starts[i]:starts[i + 1]
    items      int32 (pairs,)        and these are they
    confidence float32 (pairs,)      how sure, above 0 and at most 1

    >>> rows = Histories.of([[1, 2], [1, 2], [3, 1]], n_items=4)
    >>> table = Neighbours().fit(rows)
    >>> table.of(1).tolist(), table.of(4).tolist()
    ([2, 3], [])
    """

    starts: Ints
    items: Items
    confidence: npt.NDArray[np.float32]

    @property
    def n_items(self) -> int:
        """Number of items of the catalogue."""
        return len(self.starts) - 2

    def of(self, item: int) -> Items:
        """int32: the neighbours of one item, best first."""
        return self.items[self.starts[item] : self.starts[item + 1]]

    def save(self, path: Path) -> None:
        """Write beside and rename."""
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            np.savez(file, starts=self.starts, items=self.items, confidence=self.confidence)
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> NeighbourTable:
        """What `save` wrote.

        Raises DataError where the file is no such table.
        """
        try:
            with np.load(path, allow_pickle=False) as held:
                return cls(held["starts"], held["items"], held["confidence"])
        except (OSError, KeyError, ValueError) as error:
            raise DataError(str(path), "a table of neighbours", str(error), "fit it again") from error


def _mixed(tables: list[NeighbourTable], shares: tuple[float, ...], top: int) -> NeighbourTable:
    """The weighted mean of the confidences, each table's scaled to a largest of 1; the best `top` of it."""
    from scipy import sparse

    from leaven.transforms.sequence.item_similarity import best

    size = tables[0].n_items + 1
    mixed = sparse.csr_matrix((size, size), dtype=np.float64)
    for table, share in zip(tables, shares, strict=True):
        scale = share / sum(shares) / max(float(table.confidence.max(initial=0.0)), 1e-12)
        shape = (table.confidence.astype(np.float64) * scale, table.items, table.starts)
        mixed = mixed + sparse.csr_matrix(shape, shape=(size, size))
    starts, others = mixed.indptr.astype(np.int64), mixed.indices.astype(np.int32)
    return NeighbourTable(*best(starts, others, mixed.data.astype(np.float32), top))
