"""Which cells of labelled rows name users who are to be erased?

A column of a table may say whose row it is. What learned from it makes rows that bear a user's name though they were
made of nobody's row or of another's: these go too, and the name leaves the list of names that every file carries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leaven import rng
from leaven.datasets.samples import UNKNOWN, Samples
from leaven.provenance.row_files import Keys, Mask, RowFile, row_files, rows_of
from leaven.run_folder import Run


@dataclass(frozen=True, eq=False)
class Named:
    """columns: those whose names are the rows' own users; keys: of the users to erase."""

    columns: tuple[str, ...]
    keys: Keys

    @classmethod
    def of(cls, run: Run, keys: Keys) -> Named:
        """The columns of a run whose cells name the users of its rows; none for histories."""
        part = next((file for file in row_files(run) if not file.of_arm), None)
        rows = rows_of(part.path) if part else None
        return cls(_of_owners(rows) if isinstance(rows, Samples) else (), keys)

    def rows(self, file: RowFile) -> Mask | None:
        """bool (rows,): rows of a file that bear the name of one of these users; None where its lists lack them."""
        if not self.columns:
            return None
        rows: Samples = rows_of(file.path)
        gone = {name: self._gone(rows, name) for name in self.columns}
        if not any(one.any() for one in gone.values()):
            return None
        cells = [one[rows.codes[:, rows.categorical.index(name)]] for name, one in gone.items()]
        found: Mask = np.any(cells, axis=0)
        return found

    def without(self, rows: Samples) -> Samples:
        """The same rows, over lists of names in which these users are no more."""
        gone = {name: self._gone(rows, name) for name in self.columns}
        kept = {
            name: tuple(text for text, out in zip(rows.levels[name], gone[name][1:], strict=True) if not out)
            for name in self.columns
        }
        return rows.recoded({**rows.levels, **kept})

    def _gone(self, rows: Samples, name: str) -> Mask:
        """bool (names + 1,): by code, which names are those of these users."""
        return np.isin(_hashes(rows, name), self.keys)


def _of_owners(rows: Samples) -> tuple[str, ...]:
    """Category columns that name the user of every row."""
    found = []
    for place, name in enumerate(rows.categorical):
        named = rows.codes[:, place] != UNKNOWN
        if named.any() and (_hashes(rows, name)[rows.codes[named, place]] == rows.users[named]).all():
            found.append(name)
    return tuple(found)


def _hashes(rows: Samples, name: str) -> Keys:
    """uint64 (names + 1,): the key that a user of each name has; 0 for no name."""
    return np.concatenate([np.zeros(1, np.uint64), rng.user_keys(list(rows.levels[name]))])
