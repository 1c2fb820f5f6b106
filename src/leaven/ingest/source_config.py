"""Where does a log lie, and which of its columns mean what?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NEEDED = ("user", "item", "time")
"""Our words without which there is no log."""
NUMBERS = ("value", "quantity", "price")
"""Our words whose columns hold numbers."""


@dataclass(frozen=True, eq=False)
class Source:
    """The wish for a log: where it lies and what its columns are called there.

    interactions  a path, folder, glob, URL (`s3://`, `memory://` and others of fsspec; `sqlite:///file.db`,
                  `postgresql://…` for databases), or a frame (pandas, Polars, Arrow)
    columns       our word -> the file's column: user, item, time; also kind, value, quantity, price, and
                  further ones that cleaning rules read (order, text, country …); empty: guessed
    separator     one character between fields; None: guessed
    encoding      a Python name of an encoding; None: guessed
    header        whether the first line names the columns; None: guessed. Without names, columns are "1", "2" …
    time_format   a strptime format such as "%d/%m/%Y %H:%M", or one of "s", "ms", "us", "ns"; None: guessed
    table         table of a database
    query         a SELECT of a database, instead of a table
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
class ItemSource:
    """The wish for a table of items: as `Source`; columns item, image, price, category, born, brand.

    text names the columns that hold words, under the file's own names.
    """

    items: Any
    columns: Mapping[str, str] = field(default_factory=lambda: {"item": "item_id"})
    text: Sequence[str] = ()
    separator: str | None = None
    encoding: str | None = None
    time_format: str | None = None
    table: str | None = None
    query: str | None = None
