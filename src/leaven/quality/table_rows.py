"""Tables of rows for a quality evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import METADATA_KEY, Samples
from leaven.errors import DataError
from leaven.metrics.synthetic.featurizers import Column


@dataclass(frozen=True, eq=False)
class TabularRows:
    """columns: name -> float64 (rows,), NaN where missing, or str (rows,), "" where missing."""

    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def take(self, index: npt.NDArray[np.int64]) -> TabularRows:
        """Return these rows, int64 indices, in that order."""
        return TabularRows({name: column[index] for name, column in self.columns.items()})

    def match_columns(self, real: TabularRows, role: str) -> TabularRows:
        """Return the columns in the order and with the types of a real table.

        Raises DataError for a value that is no number in a numeric column.
        """
        return TabularRows(
            {name: _convert_column(self.columns[name], column, name, role) for name, column in real.columns.items()}
        )

    def hash_rows(self) -> npt.NDArray[np.uint64]:
        """Return a hash of all values of each row, uint64 (rows,)."""
        total = np.zeros(len(self), np.uint64)
        for column in self.columns.values():
            values, index = np.unique(column, return_inverse=True)
            hashes = rng.derive_user_ids([str(value) for value in values])
            total = rng.mix_bits(total * np.uint64(3) + hashes[index.ravel()])
        return total


def _convert_column(column: Column, real: Column, name: str, role: str) -> Column:
    """Return a column with the type of the real one."""
    if column.dtype.kind == real.dtype.kind:
        return column
    if real.dtype.kind != "f":
        return np.array([("" if np.isnan(v) else f"{v:g}") for v in column])
    numbers = np.full(len(column), np.nan)
    invalid = []
    for index, text in enumerate(column):
        try:
            numbers[index] = float(text) if text else np.nan
        except ValueError:
            invalid.append(str(text))
    if invalid:
        got = f"{len(invalid):,} values that are no numbers, such as {invalid[0]!r}"
        raise DataError(f"{role}, column {name!r}", "numbers, as in the real table", got, "give numbers or leave empty")
    return numbers


def read_table(source: Any, role: str) -> TabularRows:
    """Return a table from `Samples` or Parquet of them (without their lineage), a CSV or Parquet file, a frame (pandas,
    Polars, Arrow) or a mapping of columns.

    Raises DataError if it cannot be read, has no rows, or holds infinite numbers.
    """
    import pyarrow as pa

    if isinstance(source, TabularRows):
        table = source
    elif isinstance(rows := load_stored_samples(source), Samples):
        table = build_table_from_samples(rows)
    else:
        arrow = source if isinstance(source, pa.Table) else _load_arrow(source, role)
        table = TabularRows({name: _extract_column(arrow.column(name)) for name in arrow.column_names})
    if not len(table):
        raise DataError(f"{role} table", "at least one row", "none", "check the file")
    for name, column in table.columns.items():
        if column.dtype.kind == "f" and np.isinf(column.astype(np.float64)).any():
            got = f"{int(np.isinf(column.astype(np.float64)).sum()):,} infinite ones"
            raise DataError(f"{role}, column {name!r}", "numbers", got, "leave the cells empty")
    return table


def build_table_from_samples(rows: Samples) -> TabularRows:
    """Return the cells and labels of labeled rows as a table."""
    columns: dict[str, Column] = {name: rows.numeric_column(name) for name in rows.numeric}
    columns |= {
        name: np.array([text or "" for text in rows.categorical_column(name)], np.str_) for name in rows.categorical
    }
    return TabularRows(columns | {"label": rows.label.astype(np.float64)})


def find_owner_columns(real: TabularRows, held: TabularRows) -> list[str]:
    """Return text columns that identify the owner of a row: no held-out value occurs in the real table.

    Such columns carry no information about quality and are left out.
    """
    texts = [name for name, column in real.columns.items() if column.dtype.kind != "f"]
    values = {name: held.columns[name][held.columns[name] != ""] for name in texts}
    return [name for name, cells in values.items() if len(cells) and not np.isin(cells, real.columns[name]).any()]


def load_stored_samples(source: Any) -> Any:
    """Return the labeled rows of the Parquet files of a path, folder or glob; any other source unchanged."""
    names = find_marked_files(source, METADATA_KEY)
    return Samples.from_parquet(*names) if names else source


def find_marked_files(source: Any, mark: bytes) -> list[str]:
    """Return the Parquet files of a path, folder or glob if the metadata of all contain a mark; else none."""
    if not isinstance(source, str | Path):
        return []
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(source)
    names = sorted(map(str, path.glob("*.parquet"))) if path.is_dir() else sorted(glob(str(source)))  # noqa: PTH207
    try:
        marked = [name for name in names if mark in (pq.read_schema(name).metadata or {})]
    except (pa.ArrowInvalid, OSError):
        return []
    return marked if len(marked) == len(names) else []


def _load_arrow(source: Any, role: str) -> Any:
    """Return an Arrow table from a mapping, a frame or a file."""
    import pyarrow as pa

    if isinstance(source, Mapping):
        return pa.table({name: np.asarray(values) for name, values in source.items()})
    if hasattr(source, "to_arrow"):
        return source.to_arrow()
    if not isinstance(source, str | Path):
        return pa.Table.from_pandas(source, preserve_index=False)
    return _load_file(str(source), role)


def _load_file(name: str, role: str) -> Any:
    """Return the Arrow table of a CSV or Parquet file. Raises DataError if it cannot be read."""
    import duckdb

    from leaven.ingest.reader import open_database

    if not Path(name).exists():
        raise DataError(f"{role} table {name}", "a file", "none", "check the path")
    database = open_database()
    parquet = name.lower().endswith((".parquet", ".pq"))
    try:
        found = database.read_parquet(name) if parquet else database.read_csv(name, sample_size=-1)
        return found.to_arrow_table()
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise DataError(f"{role} table {name}", "a CSV or Parquet file", first, "check how it was written") from error
    finally:
        database.close()


def _extract_column(values: Any) -> Column:
    """Return float64 for numeric columns, str for all others (booleans and times too)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        cast = pc.cast(values, pa.float64())
        return np.asarray(cast.to_numpy(zero_copy_only=False), np.float64)
    texts = ["" if value is None else str(value) for value in values.to_pylist()]
    return np.array(texts, dtype=np.str_)
