"""`lineage.parquet`: origin, step, parent and weight of every exported row, run-length encoded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leaven.exports.files import FolderWriter, read_parquet
from leaven.exports.source import LINEAGE_COLUMNS, USER, ExportSource

if TYPE_CHECKING:
    import pyarrow as pa

LINEAGE_FILE = "lineage.parquet"


def write_lineage(source: ExportSource, out: FolderWriter) -> None:
    """Write one row per run of equal rows: part, user, the lineage columns, and the number of rows."""
    import pyarrow as pa

    names = [name for name in (USER, *LINEAGE_COLUMNS) if name in source.columns]
    if not set(names) & set(LINEAGE_COLUMNS):
        return
    runs = []
    for part, table in source.parts.items():
        starts = _find_runs(table.select(names))
        run = table.select(names).take(pa.array(starts[:-1]))
        run = run.add_column(0, "part", pa.array([part] * len(run), pa.string()))
        runs.append(run.append_column("n_rows", pa.array(np.diff(starts))))
    out.write_parquet(LINEAGE_FILE, [pa.concat_tables(runs).unify_dictionaries()])


def read_lineage(folder: Path, parts: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """The parts with their lineage columns, where the export stored any."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (folder / LINEAGE_FILE).exists():
        return dict(parts)
    lineage, joined = read_parquet(folder / LINEAGE_FILE), dict[str, pa.Table]()
    for part, table in parts.items():
        runs = lineage.filter(pc.equal(lineage.column("part"), part))
        index = np.repeat(np.arange(len(runs)), runs.column("n_rows").to_numpy())
        missing = [name for name in LINEAGE_COLUMNS if name in runs.column_names and name not in table.column_names]
        columns = runs.select(missing).take(pa.array(index))
        for name in missing:
            table = table.append_column(name, columns.column(name))
        joined[part] = table
    return joined


def _find_runs(table: pa.Table) -> np.ndarray:
    """int64 (runs + 1,): the first row of each run of equal rows, and the number of rows."""
    import pyarrow as pa

    is_first = np.zeros(len(table), bool)
    is_first[:1] = True
    for column in table.columns:
        values = (
            column.unify_dictionaries().combine_chunks()
            if pa.types.is_dictionary(column.type)
            else column.combine_chunks()
        )
        if pa.types.is_dictionary(values.type):
            codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        else:
            codes = values.to_numpy(zero_copy_only=False)
        is_first[1:] |= codes[1:] != codes[:-1]
    return np.append(np.flatnonzero(is_first), len(table))
