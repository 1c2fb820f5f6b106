"""Arrow tables as files and as frames of other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy.typing as npt

from leaven.errors import MissingExtra, SpecError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

Column = npt.NDArray[Any]
"""Values of one column, of any dtype."""
Fields = dict[str, Any]
"""Name -> value of fields of a dataclass, for its constructor or `replace`."""
IdForm = Literal["original", "internal"]
"""Ids of a table: the user's own, or dense item ids and hashed row ids."""


def check_id_form(ids: str) -> str:
    """Return `ids`. Raises SpecError for another word than those of `IdForm`."""
    if ids not in ("original", "internal"):
        raise SpecError("ids", "'original' or 'internal'", repr(ids), "")
    return ids


def write_table(table: pa.Table, path: str | Path, **options: Any) -> None:
    """Write a Parquet file atomically, through a temporary file. options: of `pyarrow.parquet.write_table`."""
    import pyarrow.parquet as pq

    target = Path(path)
    part = target.with_name(target.name + ".part")
    pq.write_table(table, part, compression="zstd", **options)
    part.replace(target)


def write_plain_table(table: pa.Table, path: str | Path) -> None:
    """Write a Parquet file whose dictionary-encoded texts other tools read as plain texts."""
    write_table(table, path, store_schema=False)


def decode_dictionaries(table: pa.Table) -> pa.Table:
    """The table with plain columns instead of dictionary-encoded ones.

    >>> import pyarrow as pa
    >>> decode_dictionaries(pa.table({"a": pa.array(["x"]).dictionary_encode()})).schema.field("a").type
    DataType(string)
    """
    import pyarrow as pa

    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(field.type.value_type))
    return table


def to_pandas_frame(table: pa.Table) -> pd.DataFrame:
    """A pandas frame with plain texts. Raises MissingExtra without pandas."""
    try:
        import pandas  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra("pandas", "frames") from error
    frame: pd.DataFrame = decode_dictionaries(table).to_pandas()
    return frame


def to_polars_frame(table: pa.Table) -> pl.DataFrame:
    """A Polars frame with plain texts. Raises MissingExtra without Polars."""
    try:
        import polars as pl
    except ModuleNotFoundError as error:
        raise MissingExtra("polars", "frames") from error
    frame = pl.from_arrow(decode_dictionaries(table))
    assert isinstance(frame, pl.DataFrame)
    return frame
