"""The files of a run that hold rows, and the ids of these rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.datasets.log_names import NAMES_FILE
from leaven.datasets.samples import Samples
from leaven.run_folder import RunFolder

RowIds = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
_SAMPLES = b"leaven.samples"
_CATALOG = "catalog.parquet"


@dataclass(frozen=True)
class RowFile:
    """A file of rows. part: train, valid … of the split, or the folder of a variant. step: number of the step that
    wrote it; 0: real rows."""

    part: str
    step: int
    path: Path
    is_variant: bool = False


@dataclass(frozen=True, eq=False)
class RowNames:
    """Ids of a file's rows. row_ids, parents: uint64 (rows,); users: uint64 (rows,), hashed ids of the users, equal to
    `row_ids` where a row is a whole user."""

    row_ids: RowIds
    parents: RowIds
    users: RowIds

    def match(self, keys: RowIds) -> Mask:
        """bool (rows,): rows that have one of these ids, as their own, their parent's or their user's."""
        return np.isin(self.row_ids, keys) | np.isin(self.parents, keys) | np.isin(self.users, keys)


def list_row_files(run: RunFolder) -> Iterator[RowFile]:
    """The parts of the split, then the files of every variant in the order of its steps."""
    for path in sorted(run.data_folder.glob("*.parquet")):
        if path.name not in (_CATALOG, NAMES_FILE):
            yield RowFile(path.stem, 0, path)
    for path in sorted(run.variants_folder.glob("*/expanded/*.parquet")):
        number = path.name.partition("-")[0]
        if number.isdecimal():
            yield RowFile(path.parent.parent.name, int(number), path, is_variant=True)


def load_row_names(path: Path) -> RowNames:
    """Read the ids of a file's rows, and no other column."""
    import pyarrow.parquet as pq

    columns = pq.read_schema(path).names
    prefix = "leaven_" if "leaven_row_ids" in columns else ""
    wanted = [name for name in (f"{prefix}row_ids", f"{prefix}parents", f"{prefix}user_ids") if name in columns]
    table = pq.read_table(path, columns=wanted)
    keys, *others = (np.asarray(table.column(name), np.uint64) for name in wanted)
    parents, users = [*others, keys, keys][:2]
    return RowNames(keys, parents, users if f"{prefix}user_ids" in columns else keys)


def load_rows(path: Path, catalog: Catalog | None = None) -> Any:
    """Read all rows of a file: histories, or samples of a table."""
    import pyarrow.parquet as pq

    if _SAMPLES in (pq.read_schema(path).metadata or {}):
        return Samples.from_parquet(path)
    return replace(Histories.from_parquet(path), catalog=catalog)


def load_run_catalog(run: RunFolder) -> Catalog | None:
    """Read the items of a run, where it has any."""
    from leaven.experiment.split_storage import load_catalog

    path = run.data_folder / _CATALOG
    return load_catalog(path) if path.exists() else None
