"""What is left of a log, and what happened to the rest?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from leaven.cleaning.attributes import clean_catalog, survey_catalog
from leaven.cleaning.backends import DuckTables, Tables
from leaven.cleaning.bots_and_sessions import visits
from leaven.cleaning.cleaning_config import Clean
from leaven.cleaning.duplicates import one_of_each, one_text, repeated, repeated_lines
from leaven.cleaning.event_rules import line_rules, look, without
from leaven.cleaning.id_encoding import Coded, code, readable, rule
from leaven.cleaning.k_core import below, rare
from leaven.datasets.events import Codes, Events
from leaven.errors import DataError

if TYPE_CHECKING:
    import duckdb

Items = tuple[str, tuple[str, ...]] | None
"""The table of items and its columns; None where there is none."""


@dataclass(frozen=True, eq=False)
class Cleaned:
    """events: what is left. rules: what each rule did, in the order applied:

    rule      its name
    touched   lines (or items) that it finds: in the log as read for rules on a line and for duplicates; in what
              was left by then for texts, visits and rare users and items
    dropped   lines that it took when its turn came
    examples  at most 5, as a person reads them
    note      what a reader should know, such as why it was skipped
    """

    events: Events
    rules: list[dict[str, Any]]


def clean(events: Events, wish: Clean | None = None) -> Cleaned:
    """The log without what the wish calls dirt, every rule counted.

    >>> import pyarrow as pa
    >>> from leaven.datasets.events import Events
    >>> from leaven.ingest import read
    >>> time = [1318896000, 1318896000, 1318896001]
    >>> log = pa.table({"user": ["a", "a", None], "item": ["x", "x", "y"], "time": time})
    >>> [(found["rule"], found["dropped"]) for found in clean(read(log)).rules if found["dropped"]]
    [('missing_user', 1), ('duplicates', 1)]

    Raises DataError where nothing is left, naming the rule that took most.
    """
    tables = DuckTables(events.connection)
    log, rules = clean_tables(tables, events.table, events.columns, _catalog(events), wish or Clean())
    log, name = _kept(events.connection, log)
    tables.view(name, readable(log, f"SELECT * FROM {log.lines}", "INNER"))
    codes = Codes(log.lines, log.users, log.items, log.total)
    return Cleaned(replace(events, table=name, items=log.catalog, codes=codes), rules)


def _kept(connection: duckdb.DuckDBPyConnection, log: Coded) -> tuple[Coded, str]:
    """The log under names that no later cleaning takes, and the name of its view; what else was made is dropped."""
    found = connection.execute("SELECT count(*) FROM duckdb_views() WHERE view_name LIKE 'cleaned@_%' ESCAPE '@'")
    name = f"cleaned_{found.fetchall()[0][0] + 1}"
    names: dict[str, Any] = {part: f"{name}_{part}" for part in ("lines", "users", "items")}
    old = {getattr(log, part): new for part, new in names.items()}
    if log.catalog is not None and log.catalog.startswith("clean_"):
        names["catalog"] = old[log.catalog] = f"{name}_catalog"
    for table, new in old.items():
        connection.execute(f"ALTER TABLE {table} RENAME TO {new}")
    _sweep(connection)
    return replace(log, **names), name


def _sweep(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what was made on the way."""
    left = "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'clean@_%' ESCAPE '@'"
    for (table,) in connection.execute(left).fetchall():
        connection.execute(f"DROP TABLE {table}")


def clean_tables(
    tables: Tables, source: str, columns: Sequence[str], catalog: Items, wish: Clean
) -> tuple[Coded, list[dict[str, Any]]]:
    """(the coded log that is left, the facts of each rule)."""
    log, facts = clean_catalog(_coded(tables, source, columns, catalog), wish)
    rules, skipped = line_rules(log, wish)
    found = look(log, rules, wish)
    good = without(log, rules, wish) if any(one["dropped"] for one in found) else log
    once, repeats = one_of_each(good, wish, log)
    facts += [*found, *skipped, *repeats]
    for gone in {log.lines, good.lines} - {once.lines}:
        tables.drop(gone)
    log = once
    for step in (one_text, visits, rare):
        changed, more = step(log, wish)
        facts += more
        if changed.lines != log.lines:
            tables.drop(log.lines)
        log = changed
    if not log.total:
        raise _nothing_left(facts)
    return log, facts


def _nothing_left(facts: list[dict[str, Any]]) -> DataError:
    worst = max(facts, key=lambda one: int(one["dropped"]))
    got = f"none; the rule {worst['rule']!r} dropped {worst['dropped']:,} lines"
    return DataError("clean", "events that are left", got, "loosen that rule in [clean]")


def survey(events: Events, wish: Clean | None = None) -> list[dict[str, Any]]:
    """What each rule alone would find in the log as it was read; nothing is dropped.

    The first three entries count lines, users and items. `touched` counts lines (items for rules on the catalogue).
    """
    wish = wish or Clean()
    tables = DuckTables(events.connection)
    log = _coded(tables, events.table, events.columns, _catalog(events))
    facts = survey_catalog(log, wish)
    rules, skipped = line_rules(log, wish)
    sizes = {name: f"SELECT count(*) FROM {table}" for name, table in (("users", log.users), ("items", log.items))}
    counted = [rule("lines", log.count(), 0, [])]
    counted += [rule(name, int(tables.rows(sql)[0][0]), 0, []) for name, sql in sizes.items()]
    found = [*facts, *look(log, rules, wish), *skipped]
    if wish.duplicates:
        found.append(_duplicates(log))
    found += [*one_text(log, wish)[1], *below(log, wish)]
    _sweep(events.connection)
    return counted + [one | {"dropped": 0} for one in found]


def _duplicates(log: Coded) -> dict[str, Any]:
    touched = repeated(log)
    return rule("duplicates", touched, 0, repeated_lines(log) if touched else [], "lines that equal an earlier one")


def _catalog(events: Events) -> Items:
    if not events.items:
        return None
    names = events.connection.execute(f"DESCRIBE {events.items}").fetchall()
    return events.items, tuple(str(row[0]) for row in names)


def _coded(tables: Tables, source: str, columns: Sequence[str], catalog: Items) -> Coded:
    log = code(tables, source, columns)
    return replace(log, catalog=catalog[0], catalog_columns=catalog[1]) if catalog else log
