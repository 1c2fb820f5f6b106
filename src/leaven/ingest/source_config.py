"""Configs of the sources of logs and of tables of items and users, and of how their files are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from leaven.errors import SpecError, suggest_name

REQUIRED_COLUMNS = ("user", "item", "time")
"""Columns that a log has, by our names; without times, the order of the lines is the order of the events."""
NUMBER_COLUMNS = ("value", "quantity", "price")
"""Columns that hold numbers, by our names."""
_BAD_LINE_TREATMENTS = ("error", "drop")
_LAYOUTS = ("table", "sequences")


@dataclass(frozen=True)
class ReadingOptions:
    """Config of reading: how files are split into cells, and which lines of them become events.

    separator    text between fields; None: inferred
    quote        character around fields that hold a separator; "": none, a quote belongs to the text; None: inferred
    escape       character before a quote inside a quoted field; None: inferred (the quote twice, or a backslash)
    skip_rows    lines before the header, or before the first line of data; None: inferred
    comment      text that starts a line that is no data; None: inferred, for the first lines only
    encoding     a Python name of an encoding; None: inferred
    header       whether the first line names the columns; None: inferred. Without a header, columns are "1", "2" …
    layout       "table", or "sequences": one user per line, followed by the user's items in order; None: inferred
    time_format  a strptime format such as "%d/%m/%Y %H:%M"; a unit since 1970: "s", "ms", "us", "ns", "minutes",
                 "hours", "days", "months", "years"; "excel" (days since 1900), "ticks" (.NET), "filetime" (Windows);
                 "order": numbers that only order events; None: inferred
    missing      words that mean that a cell has no value, in any case; None: the usual ones (NA, null, "(not set)" …)
    on_bad_line  "error", or "drop": lines that cannot be read are left out and counted
    min_rating   lines with a smaller or without a value are left out; None: all are kept. To make labels of it instead,
                 `label = "rating >= 4"` of a labeled table or of [samples]
    keep_kinds   kinds of events that are kept; empty: all
    valid, test  paths of given validation and test events; the log itself is then the training part

    Raises SpecError for an unknown treatment or layout, or separators of more than 4 characters.
    """

    separator: str | None = None
    quote: str | None = None
    escape: str | None = None
    skip_rows: int | None = None
    comment: str | None = None
    encoding: str | None = None
    header: bool | None = None
    layout: Literal["table", "sequences"] | None = None
    time_format: str | None = None
    missing: Sequence[str] | None = None
    on_bad_line: Literal["error", "drop"] = "error"
    min_rating: float | None = None
    keep_kinds: tuple[str, ...] = ()
    valid: str | None = None
    test: str | None = None

    def __post_init__(self) -> None:
        if self.on_bad_line not in _BAD_LINE_TREATMENTS:
            fix = suggest_name(self.on_bad_line, _BAD_LINE_TREATMENTS)
            raise SpecError("data.on_bad_line", "error or drop", repr(self.on_bad_line), fix)
        if self.layout is not None and self.layout not in _LAYOUTS:
            raise SpecError("data.layout", "table or sequences", repr(self.layout), suggest_name(self.layout, _LAYOUTS))
        if self.separator is not None and not 1 <= len(self.separator.encode()) <= 4:
            raise SpecError("data.separator", "1 to 4 characters", repr(self.separator), "separator = ';'")
        for name, mark in (("quote", self.quote), ("escape", self.escape)):
            if mark is not None and len(mark.encode()) > 1:
                raise SpecError(f"data.{name}", "one ASCII character, or ''", repr(mark), "'' switches it off")
        if self.skip_rows is not None and self.skip_rows < 0:
            raise SpecError("data.skip_rows", "0 or more lines", str(self.skip_rows), "")

    @property
    def drops_bad_lines(self) -> bool:
        """Whether lines that cannot be read are left out."""
        return self.on_bad_line == "drop"


AUTOMATIC = ReadingOptions()
"""Everything is inferred."""


@dataclass(frozen=True, eq=False)
class LogSource:
    """Config of a log: its location and the names of its columns.

    interactions  a path, folder, glob, URL (`s3://`, `memory://` and others of fsspec; `sqlite:///file.db`,
                  `postgresql://…` for databases), or a frame (pandas, Polars, Arrow)
    columns       our name -> the file's column: user, item, time; also kind, value, quantity, price, and
                  columns that cleaning rules read (order, text, country …); empty: inferred
    options       how the files are read
    table         name of a table in a database
    query         a SELECT in a database, instead of a table
    """

    interactions: Any
    columns: Mapping[str, str] = field(default_factory=dict)
    options: ReadingOptions = AUTOMATIC
    table: str | None = None
    query: str | None = None

    @property
    def location(self) -> Any:
        """The path, URL or frame that is read."""
        return self.interactions


@dataclass(frozen=True, eq=False)
class CatalogSource:
    """Config of a table of items, with fields as in `LogSource`; columns item, image, price, category, born, brand.

    text lists the text columns, under the file's own names.
    """

    items: Any
    columns: Mapping[str, str] = field(default_factory=lambda: {"item": "item_id"})
    text: Sequence[str] = ()
    options: ReadingOptions = AUTOMATIC
    table: str | None = None
    query: str | None = None

    @property
    def location(self) -> Any:
        """The path, URL or frame that is read."""
        return self.items


@dataclass(frozen=True, eq=False)
class UserSource:
    """Config of a table of users, with fields as in `LogSource`.

    columns      "user" -> the column of ids (not given: inferred); name of an attribute -> its column. Where no
                 attribute is named, all other columns are attributes under the file's own names
    categorical  attributes whose numbers are codes, such as postal codes
    """

    users: Any
    columns: Mapping[str, str] = field(default_factory=dict)
    categorical: Sequence[str] = ()
    options: ReadingOptions = AUTOMATIC
    table: str | None = None
    query: str | None = None

    @property
    def location(self) -> Any:
        """The path, URL or frame that is read."""
        return self.users
