"""Reads logs into DuckDB: ids as text, times in seconds and nanoseconds."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.datasets.events import Events
from leaven.errors import DataError, suggest_name
from leaven.ingest.attribute_tables import (
    USER_TABLE,
    create_items_table,
    create_users_table,
    describe_unmatched,
    match_users,
)
from leaven.ingest.column_inference import infer_columns_by_value
from leaven.ingest.column_sql import ColumnSql
from leaven.ingest.databases import find_column
from leaven.ingest.files import RawTable
from leaven.ingest.known_columns import EVENT_COLUMN_NAMES, match_columns
from leaven.ingest.source_config import (
    AUTOMATIC,
    NUMBER_COLUMNS,
    REQUIRED_COLUMNS,
    CatalogSource,
    LogSource,
    ReadingOptions,
    UserSource,
)
from leaven.ingest.source_loading import (
    describe_source,
    drop_relation,
    fetch_scalar,
    find_relation_kind,
    load_source,
    open_database,
)
from leaven.ingest.time_formats import infer_time_unit, is_plausible
from leaven.sql import quote_identifier, quote_literal

if TYPE_CHECKING:
    import duckdb

PART_COLUMN = "part"
"""0, 1, 2: training, validation and test events of logs whose parts are given."""
_LIST = r"^\s*\[.*\]\s*$"


def read_events(
    source: LogSource | Any,
    columns: Mapping[str, str] | None = None,
    items: CatalogSource | None = None,
    connection: duckdb.DuckDBPyConnection | None = None,
    options: ReadingOptions = AUTOMATIC,
    users: UserSource | None = None,
) -> Events:
    """The events of a log: every line, unless the options leave some out, which the facts count.

    source is a `LogSource`, or a value of its field `interactions`. `items` is read into table `items`, `users` into
    table `users`.

    >>> import pyarrow as pa
    >>> log = pa.table({"user_id": ["007", "7"], "item_id": ["a", "b"], "timestamp": [1318896000, 1318896001]})
    >>> read_events(log).connection.sql("SELECT user, time FROM events").fetchall()
    [('007', 1318896000), ('7', 1318896001)]

    Raises DataError with file, line or column for anything that cannot be read.
    """
    config = source if isinstance(source, LogSource) else LogSource(source, columns or {}, options)
    database = connection or open_database()
    with tempfile.TemporaryDirectory(prefix="leaven-") as folder:
        facts = _create_events_table(database, config, Path(folder))
        if config.options.valid or config.options.test:
            facts |= _append_given_parts(database, config, Path(folder))
        if items is not None:
            facts["items"] = create_items_table(database, items, Path(folder))
        if users is not None:
            facts["users"] = match_users(database, "events", create_users_table(database, users, Path(folder)))
            if note := describe_unmatched(facts["users"]):
                facts["notes"] = [*facts.get("notes", ()), note]
    names = tuple(str(row[0]) for row in database.execute("DESCRIBE events").fetchall())
    return Events(
        database,
        "events",
        names,
        None if items is None else "items",
        facts,
        item_source=items,
        has_clock=bool(facts["has_clock"]),
        user_table=None if users is None else USER_TABLE,
    )


@dataclass(frozen=True)
class _Columns:
    """columns: our name -> the file's column; has_time: whether one of them holds times; notes: on guesses."""

    columns: dict[str, str]
    has_time: bool
    notes: tuple[str, ...] = ()


def _resolve_columns(raw: RawTable, name: str, given: Mapping[str, str]) -> _Columns:
    """The given columns, or inferred ones where none are given.

    Raises DataError where user or item is missing, or where a column that is not named looks like times.
    """
    if raw.format == "sequences":
        return _Columns({word: word for word in REQUIRED_COLUMNS}, True)
    if "line" in given:
        raise DataError(f"{name}, columns", "another name than 'line'", "'line'", "it is the line number in the file")
    columns, notes = dict(given), []
    if not columns:
        columns = infer_event_columns(raw)
        if raw.text_format is not None and not raw.text_format.header:
            shown = ", ".join(f"{word} = column {column}" for word, column in columns.items())
            notes.append(f"guessed, no header: {shown}")
    for word in ("user", "item"):
        if word not in columns:
            hint = f"name it in columns; the file has: {', '.join(raw.names)}"
            raise DataError(f"{name}, columns", f"a column for {word!r}", "none", hint)
    if "time" not in columns:
        _refuse_unnamed_times(raw, name, columns)
        notes.append("no column of times: the order of the lines is the order of the events")
    return _Columns(columns, "time" in columns, tuple(notes))


def infer_event_columns(raw: RawTable) -> dict[str, str]:
    """The columns of a log that are read without being named."""
    if raw.text_format is not None and not raw.text_format.header:
        known = infer_columns_by_value(raw.text_format)
    else:
        known = match_columns(raw.names, EVENT_COLUMN_NAMES)
    return {word: column for word, column in known.items() if word in (*REQUIRED_COLUMNS, "kind", *NUMBER_COLUMNS)}


def _refuse_unnamed_times(raw: RawTable, name: str, columns: Mapping[str, str]) -> None:
    """Raises DataError where another column of a text file holds times: it has to be named."""
    if raw.text_format is None:
        return
    for index, column in enumerate(raw.names):
        cells = [row[index].strip() for row in raw.text_format.rows[:100] if len(row) > index and row[index].strip()]
        if column not in columns.values() and infer_time_unit(cells):
            fix = f"name it: time = {column!r}; or leave it out of the file where the order of the lines counts"
            raise DataError(f"{name}, columns", "a column for 'time'", f"none named, but {column!r} looks like it", fix)


def _create_events_table(database: duckdb.DuckDBPyConnection, config: LogSource, folder: Path) -> dict[str, Any]:
    """Creates table `events`; returns the facts.

    Raises DataError for whatever the database cannot convert.
    """
    import duckdb

    name = describe_source(config.interactions)
    try:
        raw = load_source(database, "leaven_raw", config, folder)
        return _convert_events(database, raw, config, name)
    except duckdb.Error as error:
        fix = "name the columns, or give the options of reading: separator, quote, encoding, time_format"
        raise DataError(name, "a log that can be read", " ".join(str(error).split())[:300], fix) from error


def _convert_events(database: duckdb.DuckDBPyConnection, raw: RawTable, config: LogSource, name: str) -> dict[str, Any]:
    """Creates table `events` from the raw lines. Local Parquet files become a view."""
    options = config.options
    resolved = _resolve_columns(raw, name, config.columns)
    columns, notes = resolved.columns, [*raw.facts.get("notes", ()), *resolved.notes]
    raw, is_list = _explode_lists(database, raw, name, columns)
    sql = ColumnSql(database, raw, name, columns, options)
    for word in columns:
        sql.find(word)
    cells, has_clock = ["line"], resolved.has_time and raw.format != "sequences"
    for word in [*columns, *(() if resolved.has_time else ("time",))]:
        if word == "time":
            if raw.format == "sequences":
                cells.append(f"{sql.find(word)} AS time")
            elif not resolved.has_time:
                user = sql.convert_id("user")
                cells.append(f"row_number() OVER (PARTITION BY {user} ORDER BY line) - 1 AS time")
            else:
                rule = sql.convert_time(word)
                has_clock = rule.has_clock
                cells.append(f"{rule.seconds} AS time")
                cells += [f"{rule.nanosecond} AS nanosecond"] if rule.nanosecond else []
            continue
        if word in NUMBER_COLUMNS and word not in config.columns:
            try:
                cell = sql.convert_number(word)
            except DataError as error:
                if sql.measure_numbers(word) >= 0.5:
                    raise
                notes.append(f"column {columns[word]!r} is left out: it is no {word} ({error.got})")
                continue
        elif word in ("user", "item"):
            cell = sql.convert_id(word)
        else:
            cell = sql.convert_number(word) if word in NUMBER_COLUMNS else sql.convert_text(word)
        cells.append(f"{cell} AS {quote_identifier(word)}")
    kind = "TABLE" if is_list else find_relation_kind(database, raw.table)
    drop_relation(database, "events")
    where, filtered = _build_filters(database, raw, sql, name)
    database.execute(f"CREATE TEMP {kind} events AS SELECT {', '.join(cells)} FROM {raw.table}{where}")
    if kind == "TABLE":
        drop_relation(database, raw.table)
    found = {key: value for key, value in raw.facts.items() if key != "notes"}
    facts: dict[str, Any] = {"source": name, "format": raw.format, "columns": columns, **found, **sql.notes, **filtered}
    count, first, last = database.execute("SELECT count(*), min(time), max(time) FROM events").fetchall()[0]
    facts |= {"lines": count, "has_clock": has_clock}
    if not has_clock:
        facts.setdefault("time", "positions in the user's lines, from 0: no clock")
    elif warning := _describe_implausible(first, last):
        notes.append(warning)
    if notes:
        facts["notes"] = notes
    if not facts["lines"]:
        raise DataError(name, "at least one event", "a header and no lines", "check how the file was written")
    return facts


def _describe_implausible(first: int | None, last: int | None) -> str:
    """A warning where the first or the last day is before 1990 or after next year; "" where both are plausible."""
    if first is None or last is None or (is_plausible(first) and is_plausible(last)):
        return ""
    try:
        days = [datetime.fromtimestamp(one, UTC).date().isoformat() for one in (first, last)]
    except (ValueError, OverflowError, OSError):
        days = [str(first), str(last)]
    return f"implausible times: from {days[0]} to {days[1]}; check time_format"


def _build_filters(
    database: duckdb.DuckDBPyConnection, raw: RawTable, sql: ColumnSql, name: str
) -> tuple[str, dict[str, Any]]:
    """The WHERE of the lines that become events, and how many do not, by reason.

    Raises DataError for a filter without its column, and for a kind that the log does not have.
    """
    options, conditions, facts = sql.options, dict[str, str](), dict[str, Any]()
    for word, unread in sql.unread.items():
        conditions[f"unreadable {word}"] = f"({unread})"
    for field, word, wanted in (
        ("min_rating", "value", options.min_rating),
        ("keep_kinds", "kind", options.keep_kinds),
    ):
        if wanted in (None, ()):
            continue
        if word not in sql.columns:
            fix = f"name it in columns: {word}, one of {', '.join(raw.names)}"
            raise DataError(f"{name}, {field}", f"a column for {word!r}", "none", fix)
        if field == "min_rating":
            conditions["below min_rating"] = f"coalesce({sql.convert_number(word)} < {options.min_rating}, true)"
            continue
        cell = sql.convert_text(word)
        held = {str(row[0]) for row in database.execute(f"SELECT DISTINCT {cell} FROM {raw.table}").fetchall()}
        for kind in options.keep_kinds:
            if kind not in held:
                raise DataError(
                    f"{name}, keep_kinds", "kinds of the log", repr(kind), suggest_name(kind, sorted(held)[:50])
                )
        listed = ", ".join(map(quote_literal, options.keep_kinds))
        conditions["not in keep_kinds"] = f"coalesce({cell} NOT IN ({listed}), true)"
    if not conditions:
        return "", {}
    counts = ", ".join(f"count(*) FILTER (WHERE coalesce({one}, false))" for one in conditions.values())
    row = database.execute(f"SELECT {counts} FROM {raw.table}").fetchall()[0]
    facts["left_out"] = {reason: int(count) for reason, count in zip(conditions, row, strict=True) if count}
    return f" WHERE NOT ({' OR '.join(f'coalesce({one}, false)' for one in conditions.values())})", facts


def _explode_lists(
    database: duckdb.DuckDBPyConnection, raw: RawTable, name: str, columns: Mapping[str, str]
) -> tuple[RawTable, bool]:
    """The raw table with one line per event where the items, and perhaps the times, are lists; whether they were."""
    kinds = {str(row[0]): str(row[1]) for row in database.execute(f"DESCRIBE {raw.table}").fetchall()}
    if raw.format == "sequences":
        return raw, False
    parts = {}
    for word, column in columns.items():
        cell = find_column(raw, name, dict(columns), word)
        kind = kinds.get(column, kinds.get(column.split(":")[0], ""))
        if kind.endswith("[]"):
            parts[word] = cell
        elif kind == "VARCHAR" and word in ("item", "time", *NUMBER_COLUMNS) and _are_lists(database, raw, cell):
            bare = f"trim(regexp_replace({cell}, '[\\[\\]\"'']', '', 'g'))"
            parts[word] = f"list_filter(string_split_regex({bare}, '\\s*,\\s*|\\s+'), lambda one: one <> '')"
    if "user" in parts or "item" not in parts:
        return raw, False
    lengths = " OR ".join(f"len({cell}) <> len({parts['item']})" for cell in parts.values())
    bad = database.execute(f"SELECT line FROM {raw.table} WHERE {lengths} ORDER BY line LIMIT 1").fetchall()
    if bad:
        where = f"{name}, {raw.describe_line(int(bad[0][0]))}"
        raise DataError(
            where, "lists of one length", "lists of different lengths", "leave the other list out of columns"
        )
    others = {word: column for word, column in columns.items() if word not in parts}
    cells = [find_column(raw, name, dict(columns), word) for word in others]
    lists = [f"unnest({cell}) AS {find_column(raw, name, dict(columns), word)}" for word, cell in parts.items()]
    place = f"unnest(range(len({parts['item']}))) AS leaven_place"
    inner = f"SELECT line AS leaven_row, {place}, {', '.join([*dict.fromkeys(cells), *lists])} FROM {raw.table}"
    sql = "SELECT row_number() OVER (ORDER BY leaven_row, leaven_place) AS line, * EXCLUDE (leaven_row, leaven_place)"
    database.execute(f"CREATE OR REPLACE TEMP TABLE leaven_exploded AS {sql} FROM ({inner})")
    drop_relation(database, raw.table)
    facts = {**raw.facts, "lists": f"one event for each entry of {', '.join(columns[word] for word in parts)}"}
    return replace(raw, table="leaven_exploded", lines_before=None, facts=facts), True


def _are_lists(database: duckdb.DuckDBPyConnection, raw: RawTable, cell: str) -> bool:
    """Whether all of the first cells of a column are lists in brackets."""
    head = f"SELECT {cell} AS cell FROM {raw.table} WHERE {cell} IS NOT NULL AND trim({cell}) <> '' LIMIT 1000"
    sql = f"SELECT count(*), count(*) FILTER (WHERE regexp_full_match(cell, '{_LIST}')) FROM ({head})"
    cells, lists = database.execute(sql).fetchall()[0]
    return bool(cells and cells == lists)


def _append_given_parts(database: duckdb.DuckDBPyConnection, config: LogSource, folder: Path) -> dict[str, Any]:
    """Adds the given validation and test events to table `events`, with a column `part`; returns the facts."""
    options = config.options
    paths = {1: options.valid, 2: options.test}
    plain = replace(options, valid=None, test=None)
    counts, clocks = {}, set()
    for part in (0, 1, 2):
        if part:
            if not paths[part]:
                continue
            facts = _create_events_table(database, LogSource(paths[part], config.columns, plain), folder)
            counts[("train", "valid", "test")[part]] = facts["lines"]
            clocks.add(facts["has_clock"])
        database.execute(f"CREATE OR REPLACE TEMP TABLE leaven_part_{part} AS SELECT * FROM events")
    drop_relation(database, "events")
    given = [0, *(part for part, path in paths.items() if path)]
    start, selects = 0, []
    for part in given:
        cells = f"* REPLACE (line + {start} AS line), CAST({part} AS TINYINT) AS {PART_COLUMN}"
        selects.append(f"SELECT {cells} FROM leaven_part_{part}")
        start += int(fetch_scalar(database, f"SELECT coalesce(max(line), 0) FROM leaven_part_{part}"))
    database.execute(f"CREATE TEMP TABLE events AS {' UNION ALL BY NAME '.join(selects)}")
    for part in given:
        drop_relation(database, f"leaven_part_{part}")
    return {"lines": fetch_scalar(database, "SELECT count(*) FROM events"), "given_parts": counts}
