"""How does a labelled row look to a person, before and after a step?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples

MOST = 12
"""Columns that are shown of a row, the label among them."""


def some_rows(train: Samples, rows: int, seed: int) -> Samples:
    """So many rows, the same ones for the same seed."""
    drawn = rng.bits(rng.row_keys(rng.key(seed, "preview"), train.keys), 0)
    return train.take(np.argsort(drawn, kind="stable")[:rows])


def pair(before: Samples, after: Samples) -> tuple[list[str], list[str], list[int]]:
    """(cells before, cells after, places of those that changed) of one row each, changed columns first.

    `before` may have no row: then the first columns of the new row are shown, and all of them are new.
    """
    new = _cells(after)
    old = _cells(before) if len(before) else {}
    changed = [name for name in new if old.get(name) != new[name] and name != "label"]
    others = [name for name in new if name not in changed and name != "label"]
    first = [*changed, *others][: MOST - 1]
    names = [*first, "label"]
    said = [f"{name} {new[name]}" for name in names]
    return (
        [f"{name} {old[name]}" for name in names if old],
        said,
        [place for place, name in enumerate(names) if old.get(name) != new[name]],
    )


def _cells(row: Samples) -> dict[str, str]:
    """column -> its cell as text."""
    cells = {name: _number(row.numbers[0, place]) for place, name in enumerate(row.numeric)}
    cells |= {name: str(row.texts(name)[0] or "–") for name in row.categorical}
    return cells | {"label": _number(row.label[0])}


def _number(value: npt.NDArray[np.float64] | float) -> str:
    return "–" if np.isnan(value) else f"{float(value) + 0.0:.4g}"  # never "-0"
