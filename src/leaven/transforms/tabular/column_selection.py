"""Selects the columns and cells that tabular transforms change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.errors import SpecError, nearest
from leaven.protocols import Keys, Strength


def named(where: str, wanted: Sequence[str], there: Sequence[str]) -> tuple[str, ...]:
    """The named columns, or all columns without names.

    Raises SpecError, with the nearest name, for an unknown column.
    """
    for name in wanted:
        if name not in there:
            raise SpecError(f"{where}.columns", "a column of the samples", repr(name), nearest(name, there))
    return tuple(wanted) or tuple(there)


def chosen(keys: Keys, label: str, names: Sequence[str], share: float, strength: Strength) -> npt.NDArray[np.bool_]:
    """bool (rows, names): cells that are changed, drawn independently; none at strength 0.

    The draw of a cell depends on the key of its row and the name of its column, not on other columns.
    """
    threshold = share * strength.astype(np.float64)
    cells = [lot(keys, label, name) < threshold for name in names]
    return np.column_stack(cells) if cells else np.zeros((len(keys), 0), bool)


def lot(keys: Keys, label: str, name: str) -> npt.NDArray[np.float64]:
    """float64 (rows,) in [0, 1): the draw of each row for a purpose and a column."""
    return rng.uniform(keys, rng.key(0, label, name) >> 2)


def changed(rows: Samples, numbers: npt.NDArray[Any] | None = None, codes: npt.NDArray[Any] | None = None) -> Samples:
    """The rows with other cells."""
    return replace(
        rows,
        numbers=rows.numbers if numbers is None else numbers,
        codes=rows.codes if codes is None else codes,
    )
