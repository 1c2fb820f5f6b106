"""Previews of labelled rows: cells before and after a step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples

_MAX_COLUMNS = 12
"""Maximum number of shown columns, including the label."""


def some_rows(train: Samples, rows: int, seed: int) -> Samples:
    """`rows` random rows, the same ones for the same seed."""
    drawn = rng.bits(rng.row_keys(rng.key(seed, "preview"), train.keys), 0)
    return train.take(np.argsort(drawn, kind="stable")[:rows])


def pair(before: Samples, after: Samples) -> tuple[list[str], list[str], list[int]]:
    """(cells before, cells after, indices of changed cells) of one row, changed columns first.

    Where `before` is empty, the first columns of the new row are shown, all of them as changed.
    """
    new = _format_cells(after)
    old = _format_cells(before) if len(before) else {}
    changed = [name for name in new if old.get(name) != new[name] and name != "label"]
    others = [name for name in new if name not in changed and name != "label"]
    first = [*changed, *others][: _MAX_COLUMNS - 1]
    names = [*first, "label"]
    return (
        [f"{name} {old[name]}" for name in names if old],
        [f"{name} {new[name]}" for name in names],
        [index for index, name in enumerate(names) if old.get(name) != new[name]],
    )


def _format_cells(row: Samples) -> dict[str, str]:
    """Column -> its cell as text."""
    cells = {name: _format_number(row.numbers[0, place]) for place, name in enumerate(row.numeric)}
    cells |= {name: str(row.texts(name)[0] or "–") for name in row.categorical}
    return cells | {"label": _format_number(row.label[0])}


def _format_number(value: npt.NDArray[np.float64] | float) -> str:
    return "–" if np.isnan(value) else f"{float(value) + 0.0:.4g}"  # never "-0"
