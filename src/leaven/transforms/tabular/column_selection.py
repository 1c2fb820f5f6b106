"""Which columns does a table transform change, and how are cells chosen?"""

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
    """The columns that a wish names; all of them where it names none.

    Raises SpecError that names the nearest where one is not there.
    """
    for name in wanted:
        if name not in there:
            raise SpecError(f"{where}.columns", "a column of the samples", repr(name), nearest(name, there))
    return tuple(wanted) or tuple(there)


def chosen(keys: Keys, label: str, names: Sequence[str], share: float, strength: Strength) -> npt.NDArray[np.bool_]:
    """bool (rows, names): which cells are changed, each by a lot of its own; none at strength 0.

    The lot of a cell hangs on its row's key and its column's name, not on what other columns there are.
    """
    bar = share * strength.astype(np.float64)
    lots = [lot(keys, label, name) < bar for name in names]
    return np.column_stack(lots) if lots else np.zeros((len(keys), 0), bool)


def lot(keys: Keys, label: str, name: str) -> npt.NDArray[np.float64]:
    """float64 (rows,) in [0, 1): the draw of each row for a purpose and a column."""
    return rng.uniform(keys, rng.key(0, label, name) >> 2)


def changed(rows: Samples, numbers: npt.NDArray[Any] | None = None, codes: npt.NDArray[Any] | None = None) -> Samples:
    """The same rows with other cells."""
    return replace(
        rows,
        numbers=rows.numbers if numbers is None else numbers,
        codes=rows.codes if codes is None else codes,
    )
