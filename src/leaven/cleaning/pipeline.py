"""Applies the cleaning rules to a log, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from leaven.cleaning.attributes import clean_catalog, survey_catalog
from leaven.cleaning.backends import DuckDbBackend, SqlBackend
from leaven.cleaning.bots_and_sessions import split_sessions
from leaven.cleaning.cleaning_config import CleaningConfig
from leaven.cleaning.duplicates import count_duplicates, drop_duplicates, fetch_duplicate_examples, unify_texts
from leaven.cleaning.event_rules import build_rules, count_matches, drop_matches
from leaven.cleaning.id_encoding import EncodedLog, Rules, build_rule_facts, encode_log, select_decoded
from leaven.cleaning.k_core import apply_k_core, count_rare_events
from leaven.datasets.events import EncodedEvents, Events
from leaven.errors import DataError

if TYPE_CHECKING:
    import duckdb

Items = tuple[str, tuple[str, ...]] | None
"""The table of items and its columns, or None."""


@dataclass(frozen=True, eq=False)
class CleaningResult:
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


def clean_events(events: Events, config: CleaningConfig | None = None) -> CleaningResult:
    """The log without the lines that the rules drop, and the facts of each rule.

    >>> import pyarrow as pa
    >>> from leaven.datasets.events import Events
    >>> from leaven.ingest import read_events
    >>> time = [1318896000, 1318896000, 1318896001]
    >>> log = pa.table({"user": ["a", "a", None], "item": ["x", "x", "y"], "time": time})
    >>> [(found["rule"], found["dropped"]) for found in clean_events(read_events(log)).rules if found["dropped"]]
    [('missing_user', 1), ('duplicates', 1)]

    Raises DataError where nothing is left, with the rule that dropped most.
    """
    backend = DuckDbBackend(events.connection)
    log, rules = clean_tables(
        backend, events.table, events.columns, _describe_catalog(events), config or CleaningConfig(), events.has_clock
    )
    log, name = _rename_tables(events.connection, log)
    backend.create_view(name, select_decoded(log, f"SELECT * FROM {log.lines}", "INNER"))
    codes = EncodedEvents(log.lines, log.users, log.items, log.n_events)
    has_sessions = log.has_sessions or events.has_sessions
    cleaned = replace(events, table=name, item_table=log.catalog, encoded=codes, has_sessions=has_sessions)
    return CleaningResult(cleaned, rules)


def _rename_tables(connection: duckdb.DuckDBPyConnection, log: EncodedLog) -> tuple[EncodedLog, str]:
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
    backend: SqlBackend,
    source: str,
    columns: Sequence[str],
    catalog: Items,
    config: CleaningConfig,
    has_clock: bool = True,
) -> tuple[EncodedLog, Rules]:
    """The remaining encoded log, and the facts of each rule."""
    log, facts = clean_catalog(_encode(backend, source, columns, catalog, has_clock), config)
    rules, skipped = build_rules(log, config)
    found = count_matches(log, rules, config)
    good = drop_matches(log, rules, config) if any(facts_of_rule["dropped"] for facts_of_rule in found) else log
    once, repeats = drop_duplicates(good, config, log)
    facts += [*found, *skipped, *repeats]
    for table in {log.lines, good.lines} - {once.lines}:
        backend.drop_table(table)
    log = once
    for step in (unify_texts, split_sessions, apply_k_core):
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


def survey_events(events: Events, config: CleaningConfig | None = None) -> Rules:
    """The facts of each rule applied alone to the log as it was read; nothing is dropped.

    The first three entries count lines, users and items. `touched` counts lines (items for rules on the catalog).
    """
    config = config or CleaningConfig()
    backend = DuckDbBackend(events.connection)
    log = _encode(backend, events.table, events.columns, _describe_catalog(events), events.has_clock)
    facts = survey_catalog(log, config)
    rules, skipped = build_rules(log, config)
    sizes = {name: f"SELECT count(*) FROM {table}" for name, table in (("users", log.users), ("items", log.items))}
    counted = [build_rule_facts("lines", log.count_lines(), 0, [])]
    counted += [build_rule_facts(name, int(backend.fetch_rows(sql)[0][0]), 0, []) for name, sql in sizes.items()]
    found = [*facts, *count_matches(log, rules, config), *skipped]
    if config.duplicates:
        touched = count_duplicates(log)
        shown = fetch_duplicate_examples(log) if touched else []
        found.append(build_rule_facts("duplicates", touched, 0, shown, "lines that equal an earlier one"))
    found += [*unify_texts(log, config)[1], *count_rare_events(log, config)]
    _drop_intermediate(events.connection)
    return counted + [one | {"dropped": 0} for one in found]


def _describe_catalog(events: Events) -> Items:
    if not events.item_table:
        return None
    names = events.connection.execute(f"DESCRIBE {events.item_table}").fetchall()
    return events.item_table, tuple(str(row[0]) for row in names)


def _encode(backend: SqlBackend, source: str, columns: Sequence[str], catalog: Items, has_clock: bool) -> EncodedLog:
    log = replace(encode_log(backend, source, columns), has_clock=has_clock)
    return replace(log, catalog=catalog[0], catalog_columns=catalog[1]) if catalog else log
