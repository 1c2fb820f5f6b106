"""Reads any table as an Arrow table, by the same code as logs: for previews of items and the evaluation of rows."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.errors import DataError
from leaven.ingest.cell_parsing import parse_number, parse_text
from leaven.ingest.source_config import AUTOMATIC, CatalogSource, ReadingOptions
from leaven.ingest.source_loading import describe_source, load_source, open_database
from leaven.sql import quote_identifier

if TYPE_CHECKING:
    import pyarrow as pa


def read_table(source: Any, options: ReadingOptions = AUTOMATIC, parse_numbers: bool = False) -> pa.Table:
    """All columns of a file, folder, database or frame, in the order of its lines. Cells of text files stay text.

    parse_numbers: columns of a text file whose cells are all numbers or missing become float64.

    >>> import pyarrow as pa
    >>> read_table(pa.table({"title": ["red shirt"]})).to_pydict()
    {'title': ['red shirt']}

    Raises DataError with file and line for what cannot be read.
    """
    import duckdb

    database, name = open_database(), describe_source(source)
    try:
        with tempfile.TemporaryDirectory(prefix="leaven-") as folder:
            raw = load_source(
                database, "leaven_table", CatalogSource(source, {"item": ""}, options=options), Path(folder)
            )
            cells = [
                f"{_convert_cell(database, raw.table, column, options) if parse_numbers else quote_identifier(column)} "
                f"AS {quote_identifier(column)}"
                for column in raw.names
            ]
            return database.sql(f"SELECT {', '.join(cells)} FROM {raw.table} ORDER BY line").to_arrow_table()
    except duckdb.Error as error:
        fix = "give separator, quote or encoding"
        raise DataError(name, "a table that can be read", str(error).splitlines()[0][:200], fix) from error
    finally:
        database.close()


def _convert_cell(database: Any, table: str, column: str, options: ReadingOptions) -> str:
    """A column as float64 where all of its texts are numbers or missing, else unchanged."""
    cell = quote_identifier(column)
    kind = database.sql(f"SELECT typeof({cell}) FROM {table} LIMIT 1").fetchall()
    if not kind or kind[0][0] != "VARCHAR":
        return cell
    number = parse_number(cell, options.missing)
    sql = f"SELECT count({parse_text(cell, options.missing)}), count({number}) FROM {table}"
    filled, numbers = database.sql(sql).fetchall()[0]
    return number if filled and filled == numbers else cell
