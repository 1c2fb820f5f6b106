"""Which files of a run hold rows, and whose rows are these?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.datasets.samples import Samples
from leaven.run_folder import Run

Keys = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
_SAMPLES = b"leaven.samples"
_CATALOG = "catalog.parquet"


@dataclass(frozen=True)
class RowFile:
    """part: train, valid … of the split, or the folder of an arm. place: of the step that wrote it; 0: real rows."""

    part: str
    place: int
    path: Path
    of_arm: bool = False


@dataclass(frozen=True, eq=False)
class Names:
    """keys, parents uint64 (rows,); users uint64 (rows,): the key of each row's user, where rows are less than that."""

    keys: Keys
    parents: Keys
    users: Keys

    def of(self, keys: Keys) -> Mask:
        """bool (rows,): rows that are one of these, were made from one of these, or belong to a user of these."""
        return np.isin(self.keys, keys) | np.isin(self.parents, keys) | np.isin(self.users, keys)


def row_files(run: Run) -> Iterator[RowFile]:
    """The parts of the split first, then the files of every arm in the order of its steps."""
    for path in sorted(run.data.glob("*.parquet")):
        if path.name != _CATALOG:
            yield RowFile(path.stem, 0, path)
    for path in sorted((run.folder / "arms").glob("*/expanded/*.parquet")):
        number = path.name.partition("-")[0]
        if number.isdecimal():
            yield RowFile(path.parent.parent.name, int(number), path, of_arm=True)


def names_of(path: Path) -> Names:
    """The names of a file's rows; nothing else of it is read."""
    import pyarrow.parquet as pq

    there = pq.read_schema(path).names
    first = "leaven_" if "leaven_keys" in there else ""
    wanted = [name for name in (f"{first}keys", f"{first}parents", f"{first}users") if name in there]
    table = pq.read_table(path, columns=wanted)
    keys, *others = (np.asarray(table.column(name), np.uint64) for name in wanted)
    parents, users = [*others, keys, keys][:2]
    return Names(keys, parents, users if f"{first}users" in there else keys)


def rows_of(path: Path, catalog: Catalog | None = None) -> Any:
    """All rows of a file: histories, or samples of a table."""
    import pyarrow.parquet as pq

    if _SAMPLES in (pq.read_schema(path).metadata or {}):
        return Samples.from_parquet(path)
    return replace(Histories.from_parquet(path), catalog=catalog)


def catalog_of(run: Run) -> Catalog | None:
    """The items of a run, where it has any."""
    from leaven.experiment.split_storage import load_catalog

    path = run.data / _CATALOG
    return load_catalog(path) if path.exists() else None
