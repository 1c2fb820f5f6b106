"""Filters rare users and items to the k-core: every remaining user and item has enough events.

Events are counted once. Each round then reads only the lines of the ids that it removes; lines are never
written again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from leaven.cleaning.backends import fetch_scalar
from leaven.cleaning.cleaning_config import CleaningConfig
from leaven.cleaning.id_encoding import EncodedLog, Rules, build_rule_facts
from leaven.sql import quote_identifier

_COUNTS_SQL = "SELECT {code}, count(*) AS n FROM {lines} GROUP BY {code}"
_LOST_SQL = """
SELECT log.{other} AS {other}, count(*) AS lost FROM {lines} AS log
SEMI JOIN (SELECT {code} FROM {mine} WHERE n < {minimum}) AS fallen ON log.{code} = fallen.{code}
SEMI JOIN {theirs} AS living ON log.{other} = living.{other} GROUP BY log.{other}"""
_LEFT_SQL = """
SELECT theirs.{other} AS {other}, theirs.n - coalesce(lost.lost, 0) AS n
FROM {theirs} AS theirs LEFT JOIN clean_lost AS lost ON theirs.{other} = lost.{other}"""
_SIDES = ("item_code", "user_code")


def apply_k_core(log: EncodedLog, config: CleaningConfig) -> tuple[EncodedLog, Rules]:
    """The log without rare users and items, which are removed from its tables of ids only."""
    minimum = {"user_code": config.min_user_events, "item_code": config.min_item_events}
    counts = {side: f"clean_{side}_counts" for side in _SIDES}
    for side in _SIDES:
        log.backend.create_table(counts[side], _COUNTS_SQL.format(code=side, lines=log.lines))
    gone = {side: {"lines": 0, "ids": 0, "rounds": 0} for side in _SIDES}
    shown = {side: _fetch_id_examples(log, side, counts[side], minimum[side]) for side in _SIDES}
    busy = [side for side in _SIDES if minimum[side] > 1]
    changed = True
    while changed:
        rounds = [_remove_rare(log, side, counts, minimum[side], gone[side]) for side in busy]
        changed = any(rounds)
    found = [_describe_removed(side, minimum[side], gone[side], shown[side]) for side in busy]
    return _keep_counted_ids(log, counts), found


def _remove_rare(log: EncodedLog, side: str, counts: dict[str, str], minimum: int, gone: dict[str, int]) -> bool:
    """Removes one side's rare ids, and their lines from the other side's counts; returns whether there were any."""
    ids, lines = log.backend.fetch_rows(f"SELECT count(*), sum(n) FROM {counts[side]} WHERE n < {minimum}")[0]
    if not ids:
        return False
    other = _SIDES[1 - _SIDES.index(side)]
    names = {"lines": log.lines, "code": side, "other": other, "mine": counts[side], "theirs": counts[other]}
    log.backend.create_table("clean_lost", _LOST_SQL.format(minimum=minimum, **names))
    log.backend.create_table("clean_left", _LEFT_SQL.format(**names))
    log.backend.create_table(counts[other], "SELECT * FROM clean_left")
    log.backend.create_table("clean_left", f"SELECT * FROM {counts[side]} WHERE n >= {minimum}")
    log.backend.create_table(counts[side], "SELECT * FROM clean_left")
    gone["lines"] += int(lines)
    gone["ids"] += int(ids)
    gone["rounds"] += 1
    return True


def _fetch_id_examples(log: EncodedLog, side: str, counts: str, minimum: int) -> Rules:
    """The first ids below the minimum, before anything is removed."""
    name = side.removesuffix("_code")
    ids = log.users if name == "user" else log.items
    sql = f"""
        SELECT ids.{quote_identifier(name)}, counts.n
        FROM {counts} AS counts JOIN {ids} AS ids ON counts.{side} = ids.{side}
        WHERE counts.n < {minimum} ORDER BY counts.{side} LIMIT 5"""
    return [{name: original, "events": int(n)} for original, n in log.backend.fetch_rows(sql)]


def _describe_removed(side: str, minimum: int, gone: dict[str, int], shown: Rules) -> dict[str, Any]:
    name = side.removesuffix("_code")
    note = (
        f"{gone['ids']:,} {name}s with fewer than {minimum} events, in rounds: {gone['rounds']}" if gone["ids"] else ""
    )
    return build_rule_facts(f"rare_{name}s", gone["lines"], gone["lines"], shown, note)


def _keep_counted_ids(log: EncodedLog, counts: dict[str, str]) -> EncodedLog:
    """The log with the ids that still have lines."""
    tables: dict[str, Any] = {}
    for name, ids in (("user", log.users), ("item", log.items)):
        code = f"{name}_code"
        sql = f"""
            SELECT ids."{name}" AS "{name}", ids.{code} AS {code} FROM {ids} AS ids
            SEMI JOIN (SELECT {code} FROM {counts[code]} WHERE n > 0) AS counts ON ids.{code} = counts.{code}"""
        tables[f"{name}s"] = f"clean_kept_{name}s"
        log.backend.create_table(tables[f"{name}s"], sql)
    kept = fetch_scalar(log.backend, f"SELECT sum(n) FROM {counts['user_code']}")
    return replace(log, n_events=kept, **tables)


def count_rare_events(log: EncodedLog, config: CleaningConfig) -> Rules:
    """The facts of rare users and items before anything is dropped."""
    found = []
    for side, minimum in (("user_code", config.min_user_events), ("item_code", config.min_item_events)):
        if minimum > 1:
            log.backend.create_table("clean_counts", _COUNTS_SQL.format(code=side, lines=log.lines))
            low = f"FROM clean_counts WHERE n < {minimum} AND {side} IS NOT NULL"
            ids, lines = log.backend.fetch_rows(f"SELECT count(*), sum(n) {low}")[0]
            gone = {"ids": int(ids), "lines": int(lines or 0), "rounds": 1}
            found.append(
                _describe_removed(side, minimum, gone, _fetch_id_examples(log, side, "clean_counts", minimum))
                | {"dropped": 0}
            )
    return found
