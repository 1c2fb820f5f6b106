"""Columns of labelled rows that identify users.

A column of a table may hold the user of each row. A generator fitted on it creates rows with a user's name that derive
from no row of the user: these are removed too, and the name leaves the list of category values that every file holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leaven import rng
from leaven.datasets.samples import UNKNOWN_CODE, Samples
from leaven.provenance.row_files import Mask, RowFile, RowIds, list_row_files, load_rows
from leaven.run_folder import RunFolder


@dataclass(frozen=True, eq=False)
class UserColumns:
    """Finds cells that name users. columns: those that hold the rows' users; keys: hashed ids of the users to erase."""

    columns: tuple[str, ...]
    keys: RowIds

    @classmethod
    def from_run(cls, run: RunFolder, keys: RowIds) -> UserColumns:
        """The columns of a run whose cells name the users of its rows; none for histories."""
        part = next((file for file in list_row_files(run) if not file.is_variant), None)
        rows = load_rows(part.path) if part else None
        return cls(_find_columns(rows) if isinstance(rows, Samples) else (), keys)

    def find_rows(self, file: RowFile) -> Mask | None:
        """bool (rows,): rows of a file that name one of the users; None where no list of values holds them."""
        if not self.columns:
            return None
        rows: Samples = load_rows(file.path)
        masks = {name: self._mask_values(rows, name) for name in self.columns}
        if not any(mask.any() for mask in masks.values()):
            return None
        cells = [mask[rows.codes[:, rows.categorical.index(name)]] for name, mask in masks.items()]
        found: Mask = np.any(cells, axis=0)
        return found

    def drop_users(self, rows: Samples) -> Samples:
        """The same rows, over lists of values without these users."""
        levels = {}
        for name in self.columns:
            is_erased = self._mask_values(rows, name)[1:]
            levels[name] = tuple(text for text, out in zip(rows.levels[name], is_erased, strict=True) if not out)
        return rows.recode_levels({**rows.levels, **levels})

    def _mask_values(self, rows: Samples, name: str) -> Mask:
        """bool (values + 1,): by code, which values name one of the users."""
        return np.isin(_hash_values(rows, name), self.keys)


def _find_columns(rows: Samples) -> tuple[str, ...]:
    """Categorical columns that name the user of every row."""
    found = []
    for index, name in enumerate(rows.categorical):
        is_known = rows.codes[:, index] != UNKNOWN_CODE
        if is_known.any() and (_hash_values(rows, name)[rows.codes[is_known, index]] == rows.user_ids[is_known]).all():
            found.append(name)
    return tuple(found)


def _hash_values(rows: Samples, name: str) -> RowIds:
    """uint64 (values + 1,): the hashed user id of each value; 0 for no value."""
    return np.concatenate([np.zeros(1, np.uint64), rng.derive_user_ids(list(rows.levels[name]))])
