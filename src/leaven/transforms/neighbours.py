"""Which items may stand for an item, and how sure is that?

A table is fitted on real training rows, then frozen. Only items of those rows are in it, as an item and
as a neighbour: what will be sold in the future cannot come in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.data.histories import Histories, Ints, Items
from leaven.errors import DataError, SpecError
from leaven.transforms.positions import item_counts
from leaven.transforms.ranges import check_count, check_range, check_word

SOURCES = ("cooccurrence",)


@dataclass(frozen=True)
class Neighbours:
    """The wish for a table of neighbours.

    by      where likeness comes from: one of SOURCES, or several
    shares  weight of each of them; none: all alike
    top     neighbours an item, at most
    window  co-occurrence within so many places; 0: anywhere in a history
    fade    weight of a meeting for each further place between the two, 0..1
    shrink  events' worth of doubt that is added to every item, so that a single meeting of two rare items
            does not count as certain
    """

    by: tuple[str, ...] = ("cooccurrence",)
    shares: tuple[float, ...] = ()
    top: int = 20
    window: int = 0
    fade: float = 1.0
    shrink: float = 1.0

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

    def fit(self, train: Histories) -> NeighbourTable:
        """The table, from real rows alone."""
        rows = train if train.is_real.all() else train.real_only()
        tables = [_BUILDERS[name](self, rows) for name in self.by]
        return tables[0]


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


def _by_cooccurrence(wish: Neighbours, rows: Histories) -> NeighbourTable:
    """Cosine of the users of two items, busy users counting less (item-CF with inverse user frequency).

    s(i, j) = sum of w(u) over users of both / (sqrt(W(i) W(j)) + shrink), with w(u) = 1 / log(1 + length)
    and W(i) the sum of w(u) over the events of i (Breese and others, UAI 1998, for the frequency; the
    shrinkage is ours to choose).
    """
    from leaven.kernels.cooccurrence import count_pairs, strongest

    lengths = rows.lengths
    weight = (1.0 / np.log1p(np.maximum(lengths, 2))).astype(np.float32)
    row_of_event = rows.row_of_event().astype(np.int32)
    reach = (wish.window or len(rows.items) + 1, wish.window or len(rows.items) + 1, float(wish.fade))
    read = [_frozen(array) for array in (rows.items, rows.starts, row_of_event, weight)]
    starts, others, sums = count_pairs(*read, rows.n_items, reach)
    mass = np.bincount(rows.items, weight[row_of_event], minlength=rows.n_items + 2)
    item = np.repeat(np.arange(rows.n_items + 1), np.diff(starts))
    sums /= (np.sqrt(mass[item] * mass[others]) + wish.shrink).astype(np.float32)
    np.minimum(sums, 1.0, out=sums)  # an item taken twice by a user meets the other twice
    return NeighbourTable(*strongest(_frozen(starts), _frozen(others), _frozen(sums), wish.top))


def _frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    from leaven.kernels.rows import frozen

    return frozen(array)


_BUILDERS = {"cooccurrence": _by_cooccurrence}


def seen_items(train: Histories) -> npt.NDArray[np.bool_]:
    """bool (n_items + 2,): the items that occur in real training rows."""
    return item_counts(train) > 0
