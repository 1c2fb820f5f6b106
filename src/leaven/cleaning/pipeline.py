"""Applies the cleaning rules to a log, in their order."""

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
from leaven.cleaning.id_encoding import Coded, Rules, code, readable, rule
from leaven.cleaning.k_core import below, rare
from leaven.datasets.events import Codes, Events
from leaven.errors import DataError

if TYPE_CHECKING:
    import duckdb

Items = tuple[str, tuple[str, ...]] | None
"""The table of items and its columns, or None."""


@dataclass(frozen=True, eq=False)
class Cleaned:
    """events: the remaining ones. rules: the facts of each rule, in the order applied:

    rule      its name
    touched   lines (or items) that it matches: in the log as read for rules on a line and for duplicates; in the
              remaining log for texts, sessions and rare users and items
    dropped   lines that it dropped
    examples  at most 5, decoded
    note      an explanation, such as why it was skipped
    """

    events: Events
    rules: Rules


def clean(events: Events, config: Clean | None = None) -> Cleaned:
    """The log without the lines that the rules drop, and the facts of each rule.

    >>> import pyarrow as pa
    >>> from leaven.datasets.events import Events
    >>> from leaven.ingest import read
    >>> time = [1318896000, 1318896000, 1318896001]
    >>> log = pa.table({"user": ["a", "a", None], "item": ["x", "x", "y"], "time": time})
    >>> [(found["rule"], found["dropped"]) for found in clean(read(log)).rules if found["dropped"]]
    [('missing_user', 1), ('duplicates', 1)]

    Raises DataError where nothing is left, with the rule that dropped most.
    """
    backend = DuckTables(events.connection)
    log, rules = clean_tables(backend, events.table, events.columns, _describe_catalog(events), config or Clean())
    log, name = _rename_tables(events.connection, log)
    backend.create_view(name, readable(log, f"SELECT * FROM {log.lines}", "INNER"))
    codes = Codes(log.lines, log.users, log.items, log.n_events)
    return Cleaned(replace(events, table=name, items=log.catalog, codes=codes), rules)


def _rename_tables(connection: duckdb.DuckDBPyConnection, log: Coded) -> tuple[Coded, str]:
    """Renames the tables of the log to unused names and drops others; returns the log and the name of its view."""
    found = connection.execute("SELECT count(*) FROM duckdb_views() WHERE view_name LIKE 'cleaned@_%' ESCAPE '@'")
    name = f"cleaned_{found.fetchall()[0][0] + 1}"
    names: dict[str, Any] = {part: f"{name}_{part}" for part in ("lines", "users", "items")}
    old = {getattr(log, part): new for part, new in names.items()}
    if log.catalog is not None and log.catalog.startswith("clean_"):
        names["catalog"] = old[log.catalog] = f"{name}_catalog"
    for table, new in old.items():
        connection.execute(f"ALTER TABLE {table} RENAME TO {new}")
    _drop_intermediate(connection)
    return replace(log, **names), name


def _drop_intermediate(connection: duckdb.DuckDBPyConnection) -> None:
    """Drops the intermediate tables."""
    left = "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'clean@_%' ESCAPE '@'"
    for (table,) in connection.execute(left).fetchall():
        connection.execute(f"DROP TABLE {table}")


def clean_tables(
    backend: Tables, source: str, columns: Sequence[str], catalog: Items, config: Clean
) -> tuple[Coded, Rules]:
    """The remaining encoded log, and the facts of each rule."""
    log, facts = clean_catalog(_encode(backend, source, columns, catalog), config)
    rules, skipped = line_rules(log, config)
    found = look(log, rules, config)
    good = without(log, rules, config) if any(facts_of_rule["dropped"] for facts_of_rule in found) else log
    once, repeats = one_of_each(good, config, log)
    facts += [*found, *skipped, *repeats]
    for table in {log.lines, good.lines} - {once.lines}:
        backend.drop_table(table)
    log = once
    for step in (one_text, visits, rare):
        changed, more = step(log, config)
        facts += more
        if changed.lines != log.lines:
            backend.drop_table(log.lines)
        log = changed
    if not log.n_events:
        worst = max(facts, key=lambda one: int(one["dropped"]))
        got = f"none; the rule {worst['rule']!r} dropped {worst['dropped']:,} lines"
        raise DataError("clean", "remaining events", got, "loosen that rule in [clean]")
    return log, facts


def survey(events: Events, config: Clean | None = None) -> Rules:
    """The facts of each rule applied alone to the log as it was read; nothing is dropped.

    The first three entries count lines, users and items. `touched` counts lines (items for rules on the catalog).
    """
    config = config or Clean()
    backend = DuckTables(events.connection)
    log = _encode(backend, events.table, events.columns, _describe_catalog(events))
    facts = survey_catalog(log, config)
    rules, skipped = line_rules(log, config)
    sizes = {name: f"SELECT count(*) FROM {table}" for name, table in (("users", log.users), ("items", log.items))}
    counted = [rule("lines", log.count_lines(), 0, [])]
    counted += [rule(name, int(backend.fetch_rows(sql)[0][0]), 0, []) for name, sql in sizes.items()]
    found = [*facts, *look(log, rules, config), *skipped]
    if config.duplicates:
        touched = repeated(log)
        shown = repeated_lines(log) if touched else []
        found.append(rule("duplicates", touched, 0, shown, "lines that equal an earlier one"))
    found += [*one_text(log, config)[1], *below(log, config)]
    _drop_intermediate(events.connection)
    return counted + [one | {"dropped": 0} for one in found]


def _describe_catalog(events: Events) -> Items:
    if not events.items:
        return None
    names = events.connection.execute(f"DESCRIBE {events.items}").fetchall()
    return events.items, tuple(str(row[0]) for row in names)


def _encode(backend: Tables, source: str, columns: Sequence[str], catalog: Items) -> Coded:
    log = code(backend, source, columns)
    return replace(log, catalog=catalog[0], catalog_columns=catalog[1]) if catalog else log
