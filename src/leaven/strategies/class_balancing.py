"""Copy counts that balance labels, categories or cold items in a table of labeled rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.errors import SpecError, suggest_name
from leaven.kernels.apportionment import Copies, apportion_copies
from leaven.protocols import GroupOf

Codes = npt.NDArray[np.int64]
Towards = Literal["class", "category", "cold"]


@dataclass(frozen=True)
class BalancedRows:
    """Copy counts that bring every group of rows up to the size of the largest group.

    towards        class: the two labels. category: the names of `column`. cold: rows whose name in `column` has at most
                   `max_cold_rows` training rows, against all others
    column         a category column; "": item_category for category, item for cold
    balance_share  share of the gap to the largest group that is filled, 0..1
    max_cold_rows  maximum number of training rows of a cold name
    max_copies     maximum number of copies of one row

    A generator called with these counts conditions each synthetic row on the group of its source row.

    >>> rows = Samples.from_lists({"price": [1.0, 2.0, 3.0, 4.0]}, label=[1, 0, 0, 0])
    >>> BalancedRows()(rows, key=7).tolist()
    [2, 0, 0, 0]

    """

    towards: Towards = "class"
    column: str = ""
    balance_share: float = 1.0
    max_cold_rows: int = 5
    max_copies: int = 20

    def __post_init__(self) -> None:
        if self.towards not in get_args(Towards):
            fix = suggest_name(str(self.towards), get_args(Towards))
            raise SpecError("balanced.towards", "a known target", repr(self.towards), fix)
        if not 0 <= self.balance_share <= 1:
            raise SpecError("balanced.balance_share", "a share in 0..1", str(self.balance_share))
        if self.max_cold_rows < 1 or self.max_copies < 1:
            got = f"{self.max_cold_rows} and {self.max_copies}"
            raise SpecError("balanced", "cold_rows and most_copies from 1", got)

    def __call__(self, train: Samples, key: int) -> Copies:
        """Return copies per row, int32 (rows,). Raises SpecError for a missing column."""
        group = self.groups(train)(train)
        copies = np.zeros(len(train), np.int32)
        counts = np.bincount(group) if len(group) else np.zeros(1, np.int64)
        for code in np.flatnonzero(counts):
            members = np.flatnonzero(group == code)
            total = min(round(self.balance_share * int(counts.max() - len(members))), len(members) * self.max_copies)
            own = rng.derive_key(key, "group", int(code))
            copies[members] = apportion_copies(
                np.ones(len(members)), total, train.row_ids[members], own, self.max_copies
            )
        return copies

    def groups(self, train: Samples) -> GroupOf:
        """Return a function rows -> int64 (rows,), the group of each row; names absent from training are unknown."""
        if self.towards == "class":
            return _label_class
        column = self.column or ("item" if self.towards == "cold" else "item_category")
        if column not in train.categorical:
            got = repr(column)
            raise SpecError("balanced.column", "a category column", got, suggest_name(column, train.categorical))
        if self.towards == "category":
            return lambda rows: _read_codes(rows, train, column)
        cold = (
            np.bincount(_read_codes(train, train, column), minlength=len(train.levels[column]) + 1)
            <= self.max_cold_rows
        )
        return lambda rows: cold[_read_codes(rows, train, column)].astype(np.int64)


def _label_class(rows: Samples) -> Codes:
    return (rows.label > 0.5).astype(np.int64)


def _read_codes(rows: Samples, train: Samples, column: str) -> Codes:
    own = rows if rows.levels == train.levels else rows.recode_levels(train.levels)
    return own.codes[:, own.categorical.index(column)].astype(np.int64)
