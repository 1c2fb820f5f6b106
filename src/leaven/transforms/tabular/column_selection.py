"""Selects the columns and cells that tabular transforms change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.errors import SpecError, suggest_name
from leaven.protocols import RngKeys, Strength


def resolve_columns(field: str, names: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """The named columns, or all columns without names.

    Raises SpecError, with the nearest name, for an unknown column.
    """
    for name in names:
        if name not in columns:
            raise SpecError(f"{field}.columns", "a column of the samples", repr(name), suggest_name(name, columns))
    return tuple(names) or tuple(columns)


def draw_cells(
    keys: RngKeys, label: str, names: Sequence[str], share: float, strength: Strength
) -> npt.NDArray[np.bool_]:
    """bool (rows, names): cells that are changed, drawn independently; none at strength 0.

    The draw of a cell depends on the key of its row and the name of its column, not on other columns.
    """
    threshold = share * strength.astype(np.float64)
    cells = [draw_column_uniform(keys, label, name) < threshold for name in names]
    return np.column_stack(cells) if cells else np.zeros((len(keys), 0), bool)


def draw_column_uniform(keys: RngKeys, label: str, name: str) -> npt.NDArray[np.float64]:
    """float64 (rows,) in [0, 1): the draw of each row for a purpose and a column."""
    return rng.draw_uniform(keys, rng.derive_key(0, label, name) >> 2)


def replace_cells(
    rows: Samples, numbers: npt.NDArray[Any] | None = None, codes: npt.NDArray[Any] | None = None
) -> Samples:
    """The rows with other cells."""
    return replace(
        rows,
        numbers=rows.numbers if numbers is None else numbers,
        codes=rows.codes if codes is None else codes,
    )
