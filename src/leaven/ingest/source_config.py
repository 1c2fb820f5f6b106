"""Configs of the sources of logs and of tables of items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

REQUIRED_COLUMNS = ("user", "item", "time")
"""Columns that every log has, by our names."""
NUMBER_COLUMNS = ("value", "quantity", "price")
"""Columns that hold numbers, by our names."""


@dataclass(frozen=True, eq=False)
class LogSource:
    """Config of a log: its location and the names of its columns.

    interactions  a path, folder, glob, URL (`s3://`, `memory://` and others of fsspec; `sqlite:///file.db`,
                  `postgresql://…` for databases), or a frame (pandas, Polars, Arrow)
    columns       our name -> the file's column: user, item, time; also kind, value, quantity, price, and
                  columns that cleaning rules read (order, text, country …); empty: inferred
    separator     one character between fields; None: inferred
    encoding      a Python name of an encoding; None: inferred
    header        whether the first line names the columns; None: inferred. Without a header, columns are "1", "2" …
    time_format   a strptime format such as "%d/%m/%Y %H:%M", or one of "s", "ms", "us", "ns"; None: inferred
    table         name of a table in a database
    query         a SELECT in a database, instead of a table
    """

    interactions: Any
    columns: Mapping[str, str] = field(default_factory=dict)
    separator: str | None = None
    encoding: str | None = None
    header: bool | None = None
    time_format: str | None = None
    table: str | None = None
    query: str | None = None


@dataclass(frozen=True, eq=False)
class CatalogSource:
    """Config of a table of items, with fields as in `LogSource`; columns item, image, price, category, born, brand.

    text lists the text columns, under the file's own names. The header is always inferred.
    """

    items: Any
    columns: Mapping[str, str] = field(default_factory=lambda: {"item": "item_id"})
    text: Sequence[str] = ()
    separator: str | None = None
    encoding: str | None = None
    time_format: str | None = None
    table: str | None = None
    query: str | None = None
    header: ClassVar[bool | None] = None
