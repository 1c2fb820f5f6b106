"""How does a log become events, with ids as the user wrote them and times in seconds?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.datasets.events import Events
from leaven.errors import DataError, nearest
from leaven.ingest.column_inference import ITEM_WORDS, WORDS, match
from leaven.ingest.databases import column_of, is_database, load_database, load_frame, without_password
from leaven.ingest.files import Raw, load_parquet, load_text, paths_of
from leaven.ingest.source_config import NEEDED, NUMBERS, ItemSource, Source
from leaven.ingest.timestamps import Times
from leaven.sql import quoted

if TYPE_CHECKING:
    import duckdb

_FLOAT_ID = r"^-?[0-9]+\.0+$"
_WHOLE_ID = r"^-?[0-9]+$"


def connect(memory: str = "2GB", threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """A database in memory that spills into the temporary folder and downloads nothing."""
    import duckdb

    spill = Path(tempfile.gettempdir()) / f"leaven-spill-{os.getpid()}"
    config: dict[str, Any] = {"memory_limit": memory, "temp_directory": str(spill)}
    config |= {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    # Lines are counted by codes, which are dense: an array of this many bits' length is counted in, not a hash table.
    config["perfect_ht_threshold"] = 22
    if threads is not None:
        config["threads"] = threads
    database = duckdb.connect(config=config)
    database.execute("SET TimeZone = 'UTC'")
    # What streams out is worked on while more is read: with 1 MB ahead, the two wait for each other.
    database.execute("SET streaming_buffer_size = '64MB'")
    return database


def read(
    source: Source | Any,
    columns: Mapping[str, str] | None = None,
    items: ItemSource | None = None,
    connection: duckdb.DuckDBPyConnection | None = None,
) -> Events:
    """The events of a log: every line, nothing dropped.

    source is a `Source`, or what its field `interactions` takes. `items` is read into table `items`.

    >>> import pyarrow as pa
    >>> log = pa.table({"user_id": ["007", "7"], "item_id": ["a", "b"], "timestamp": [1318896000, 1318896001]})
    >>> read(log).connection.sql("SELECT user, time FROM events").fetchall()
    [('007', 1318896000), ('7', 1318896001)]

    Raises DataError that names file, line or column for whatever cannot be read.
    """
    wish = source if isinstance(source, Source) else Source(source, columns or {})
    database = connection or connect()
    name = name_of(wish.interactions)
    with tempfile.TemporaryDirectory(prefix="leaven-") as folder:
        raw = load(database, "leaven_raw", wish.interactions, wish, Path(folder))
        facts = write_events(database, raw, name, wish)
        table = None
        if items is not None:
            facts["items"] = write_items(database, items, Path(folder))
            table = "items"
    words = tuple(str(row[0]) for row in database.execute("DESCRIBE events").fetchall())
    return Events(database, "events", words, table, facts)


def name_of(source: Any) -> str:
    """What a source is called in errors and facts."""
    if isinstance(source, str | Path):
        return without_password(str(source))
    return f"the {type(source).__module__.split('.')[0]} table"


def load(database: duckdb.DuckDBPyConnection, table: str, source: Any, wish: Any, folder: Path) -> Raw:
    """The source's own columns, whatever kind of source it is."""
    if is_database(source):
        return load_database(database, table, source, wish.table, wish.query)
    if not isinstance(source, str | Path):
        return load_frame(database, table, source)
    names = paths_of(str(source))
    if all(_holds_parquet(name) for name in names):
        return load_parquet(database, table, names, folder)
    return load_text(database, table, names, folder, wish)


def _holds_parquet(name: str) -> bool:
    if name.lower().endswith((".parquet", ".pq")):
        return True
    path = Path(name.removeprefix("file://"))
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) == b"PAR1"


def meaning(raw: Raw, name: str, given: Mapping[str, str]) -> dict[str, str]:
    """our word -> column: what the user gave, and guesses for user, item and time where nothing was given.

    Raises DataError where one of the three is missing.
    """
    if raw.format == "sequences":
        return {word: word for word in NEEDED}
    if "line" in given:
        raise DataError(f"{name}, columns", "another word than 'line'", "'line'", "it is the place in the file")
    known = match(raw.names, WORDS)
    if not given and raw.shape is not None and not raw.shape.header:
        from leaven.ingest.column_inference import by_values

        known = by_values(raw.shape)
    columns = dict(given) or {word: column for word, column in known.items() if word in (*NEEDED, "kind", *NUMBERS)}
    for word in NEEDED:
        if word not in columns:
            hint = f"say which of its columns it is: {', '.join(raw.names)}"
            raise DataError(f"{name}, columns", f"a column for {word!r}", "none", hint)
    return columns


def write_events(database: duckdb.DuckDBPyConnection, raw: Raw, name: str, wish: Source) -> dict[str, Any]:
    """Table `events` from the raw lines; returns the facts."""
    columns = meaning(raw, name, wish.columns)
    found = {word: column_of(raw, name, columns, word) for word in columns}
    kinds = {str(row[0]): str(row[1]) for row in database.execute(f"DESCRIBE {raw.table}").fetchall()}
    kind = {word: kinds[columns[word] if columns[word] in kinds else columns[word].split(":")[0]] for word in columns}
    said: dict[str, str] = {}
    cells = ["line"]
    for word, column in found.items():
        if word == "time":
            sql = column if raw.format == "sequences" else _time(database, raw, name, column, kind[word], wish, said)
        elif word in ("user", "item"):
            sql = _id(database, raw, f"{name}, column {columns[word]!r}", column, kind[word], said, word)
        elif word in NUMBERS:
            sql = _number(database, raw, f"{name}, column {columns[word]!r}", column, kind[word])
        else:
            sql = f"nullif(CAST({column} AS VARCHAR), '')"
        cells.append(f"{sql} AS {quoted(word)}")
    lazy = raw.format == "parquet" and "files" in raw.facts and _is_view(database, raw.table)
    create = "VIEW" if lazy else "TABLE"
    for other in ("VIEW", "TABLE"):
        if other == _kind_of(database, "events"):
            database.execute(f"DROP {other} events")
    database.execute(f"CREATE TEMP {create} events AS SELECT {', '.join(cells)} FROM {raw.table}")
    if not lazy:
        database.execute(f"DROP TABLE {raw.table}")
    facts: dict[str, Any] = {"source": name, "format": raw.format, "columns": columns, **raw.facts, **said}
    facts["lines"] = _scalar(database, "SELECT count(*) FROM events")
    if not facts["lines"]:
        raise DataError(name, "at least one event", "a header and no lines", "check how the file was written")
    return facts


def _time(
    database: duckdb.DuckDBPyConnection, raw: Raw, name: str, column: str, kind: str, wish: Source, said: dict[str, str]
) -> str:
    times = Times(database, raw.table, column, name)
    times.place = raw.place  # type: ignore[method-assign]
    rule = times.rule(kind, wish.time_format)
    said["time"] = rule.said
    return rule.sql


def _id(
    database: duckdb.DuckDBPyConnection, raw: Raw, where: str, column: str, kind: str, said: dict[str, str], word: str
) -> str:
    """Ids are text. Whole numbers that passed through a float ("17850.0") lose the ".0" where all are such."""
    if kind in ("DOUBLE", "FLOAT"):
        odd = f"isfinite({column}) AND {column} <> floor({column})"
        _refuse(database, raw, where, odd, column, "ids that are text or whole numbers")
        said[f"{word}_ids"] = "numbers with .0, read as whole numbers"
        return f"CASE WHEN isfinite({column}) THEN CAST(CAST({column} AS HUGEINT) AS VARCHAR) END"
    if kind != "VARCHAR":
        return f"CAST({column} AS VARCHAR)"
    # Few ids have blanks, and to look for one is cheaper than to trim.
    blank = f"{column} = '' OR contains({column}, ' ')"
    text = f"CASE WHEN {blank} THEN nullif(trim({column}), '') ELSE {column} END"
    floats = f"regexp_full_match({text}, '{_FLOAT_ID}')"
    # Ids with letters, the usual case, need no look at every line.
    head = f"SELECT {text} AS id FROM {raw.table} WHERE {text} IS NOT NULL LIMIT 1000"
    numeric = _scalar(database, f"SELECT count(*) FROM ({head}) WHERE TRY_CAST(id AS DOUBLE) IS NOT NULL")
    if not numeric or not _scalar(database, f"SELECT line FROM {raw.table} WHERE {floats} LIMIT 1"):
        return text
    other = _scalar(database, f"SELECT min(line) FROM {raw.table} WHERE regexp_full_match({text}, '{_WHOLE_ID}')")
    first = _scalar(database, f"SELECT min(line) FROM {raw.table} WHERE {floats}")
    if other:
        pair = [_scalar(database, f"SELECT {text} FROM {raw.table} WHERE line = {at}") for at in (first, other)]
        got = f"{pair[0]!r} in {raw.place(first)} and {pair[1]!r} in {raw.place(other)}"
        raise DataError(where, "ids written in one way", got, "write all with .0 or all without")
    if _scalar(database, f"SELECT line FROM {raw.table} WHERE {text} IS NOT NULL AND NOT {floats} LIMIT 1"):
        return text
    said[f"{word}_ids"] = "numbers with .0, read as whole numbers"
    return f"regexp_replace({text}, '\\.0+$', '')"


def _number(database: duckdb.DuckDBPyConnection, raw: Raw, where: str, column: str, kind: str) -> str:
    if kind != "VARCHAR":
        return f"CAST({column} AS DOUBLE)"
    text = f"nullif(trim({column}), '')"
    _refuse(
        database,
        raw,
        where,
        f"{text} IS NOT NULL AND TRY_CAST({text} AS DOUBLE) IS NULL",
        column,
        "a number with a point",
    )
    return f"CAST({text} AS DOUBLE)"


def _refuse(
    database: duckdb.DuckDBPyConnection, raw: Raw, where: str, condition: str, column: str, wanted: str
) -> None:
    sql = f"SELECT line, CAST({column} AS VARCHAR) FROM {raw.table} WHERE {condition} ORDER BY line LIMIT 1"
    if bad := database.execute(sql).fetchall():
        fix = "correct it, leave it empty where it is missing, or name another column"
        raise DataError(f"{where}, {raw.place(int(bad[0][0]))}", wanted, repr(bad[0][1]), fix)


def write_items(database: duckdb.DuckDBPyConnection, wish: ItemSource, folder: Path) -> dict[str, Any]:
    """Table `items`: item first, then the texts under their own names, image, price, category, brand, born.

    Raises DataError for a column that is not there, or an item without id or twice.
    """
    name = name_of(wish.items)
    raw = load(database, "leaven_raw_items", wish.items, wish, folder)
    columns = dict(wish.columns)
    for word in columns:
        if word not in ITEM_WORDS or word == "text":
            known = nearest(word, [known for known in ITEM_WORDS if known != "text"])
            raise DataError(f"{name}, columns", "one of our words for items", repr(word), known)
    if "item" not in columns:
        raise DataError(f"{name}, columns", "a column for 'item'", "none", f"name one of {', '.join(raw.names)}")
    kinds = {str(row[0]): str(row[1]) for row in database.execute(f"DESCRIBE {raw.table}").fetchall()}
    said: dict[str, str] = {}
    cells = []
    for word in ("item", *(word for word in columns if word != "item")):
        column = column_of(raw, name, columns, word)
        kind, where = kinds[columns[word]], f"{name}, column {columns[word]!r}"
        if word == "item":
            sql = _id(database, raw, where, column, kind, said, word)
        elif word == "price":
            sql = _number(database, raw, where, column, kind)
        elif word == "born":
            sql = _time(database, raw, name, column, kind, Source(wish.items, time_format=wish.time_format), said)
        else:
            sql = f"coalesce(trim(CAST({column} AS VARCHAR)), '')"
        cells.append(f"{sql} AS {word}")
    for text in wish.text:
        column = column_of(raw, name, {"text": text}, "text")
        cells.append(f"coalesce(trim(CAST({column} AS VARCHAR)), '') AS {column}")
    database.execute(f"CREATE OR REPLACE TEMP TABLE items AS SELECT {', '.join(cells)} FROM {raw.table} ORDER BY line")
    database.execute(f"DROP {'VIEW' if _is_view(database, raw.table) else 'TABLE'} {raw.table}")
    doubled = "SELECT item FROM items WHERE item IS NOT NULL GROUP BY item HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
    twice = _scalar(database, doubled)
    if twice is not None:
        raise DataError(name, "each item once", f"{twice!r} more than once", "keep one line an item")
    return {"source": name, "lines": _scalar(database, "SELECT count(*) FROM items"), **raw.facts, **said}


def _kind_of(database: duckdb.DuckDBPyConnection, table: str) -> str:
    views = f"SELECT 'VIEW' FROM duckdb_views() WHERE view_name = '{table}'"
    tables = f"SELECT 'TABLE' FROM duckdb_tables() WHERE table_name = '{table}'"
    return str(_scalar(database, f"{views} UNION ALL {tables}") or "")


def _is_view(database: duckdb.DuckDBPyConnection, table: str) -> bool:
    return _kind_of(database, table) == "VIEW"


def _scalar(database: duckdb.DuckDBPyConnection, sql: str) -> Any:
    rows = database.execute(sql).fetchall()
    return rows[0][0] if rows else None
