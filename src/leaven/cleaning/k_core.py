"""Which users and items are left when every one has enough events: the k-core, at its fixed point?

Counts are made once. A round then looks only at the lines of those who just fell below, so that rounds cost
little; the lines themselves are never written again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from leaven.cleaning.backends import scalar
from leaven.cleaning.cleaning_config import Clean
from leaven.cleaning.id_encoding import Coded, rule

Rules = list[dict[str, Any]]

COUNTS_SQL = "SELECT {code}, count(*) AS n FROM {lines} GROUP BY {code}"
LOST_SQL = """
SELECT log.{other} AS {other}, count(*) AS lost FROM {lines} AS log
SEMI JOIN (SELECT {code} FROM {mine} WHERE n < {least}) AS fallen ON log.{code} = fallen.{code}
SEMI JOIN {theirs} AS living ON log.{other} = living.{other} GROUP BY log.{other}"""
LEFT_SQL = """
SELECT theirs.{other} AS {other}, theirs.n - coalesce(lost.lost, 0) AS n
FROM {theirs} AS theirs LEFT JOIN clean_lost AS lost ON theirs.{other} = lost.{other}"""
SIDES = ("item_code", "user_code")


def rare(log: Coded, wish: Clean) -> tuple[Coded, Rules]:
    """The log with the users and items that stay; those who went are only taken from its lists of ids."""
    least = {"user_code": wish.min_user_events, "item_code": wish.min_item_events}
    counts = {side: f"clean_{side}_counts" for side in SIDES}
    for side in SIDES:
        log.tables.make(counts[side], COUNTS_SQL.format(code=side, lines=log.lines))
    gone = {side: {"lines": 0, "ids": 0, "rounds": 0} for side in SIDES}
    shown = {side: _examples(log, side, counts[side], least[side]) for side in SIDES}
    busy = [side for side in SIDES if least[side] > 1]
    changed = True
    while changed:
        rounds = [_round(log, side, counts, least[side], gone[side]) for side in busy]
        changed = any(rounds)
    found = [_facts(side, least[side], gone[side], shown[side]) for side in busy]
    return _listed(log, counts), found


def _round(log: Coded, side: str, counts: dict[str, str], least: int, gone: dict[str, int]) -> bool:
    """Take one side's ids below the bound, and their lines from the other side's counts; whether there were any."""
    ids, lines = log.tables.rows(f"SELECT count(*), sum(n) FROM {counts[side]} WHERE n < {least}")[0]
    if not ids:
        return False
    other = SIDES[1 - SIDES.index(side)]
    names = {"lines": log.lines, "code": side, "other": other, "mine": counts[side], "theirs": counts[other]}
    log.tables.make("clean_lost", LOST_SQL.format(least=least, **names))
    log.tables.make("clean_left", LEFT_SQL.format(**names))
    log.tables.make(counts[other], "SELECT * FROM clean_left")
    log.tables.make("clean_left", f"SELECT * FROM {counts[side]} WHERE n >= {least}")
    log.tables.make(counts[side], "SELECT * FROM clean_left")
    gone["lines"] += int(lines)
    gone["ids"] += int(ids)
    gone["rounds"] += 1
    return True


def _examples(log: Coded, side: str, counts: str, least: int) -> list[dict[str, Any]]:
    """The first ids below the bound before anything else went."""
    name = side.removesuffix("_code")
    ids = log.users if name == "user" else log.items
    sql = f"""
        SELECT ids.{_quoted(name)}, counts.n FROM {counts} AS counts JOIN {ids} AS ids ON counts.{side} = ids.{side}
        WHERE counts.n < {least} ORDER BY counts.{side} LIMIT 5"""
    return [{name: original, "events": int(n)} for original, n in log.tables.rows(sql)]


def _quoted(name: str) -> str:
    return f'"{name}"'


def _facts(side: str, least: int, gone: dict[str, int], shown: list[dict[str, Any]]) -> dict[str, Any]:
    name = side.removesuffix("_code")
    note = f"{gone['ids']:,} {name}s with fewer than {least} events, in rounds: {gone['rounds']}" if gone["ids"] else ""
    return rule(f"rare_{name}s", gone["lines"], gone["lines"], shown, note)


def _listed(log: Coded, counts: dict[str, str]) -> Coded:
    """Lists of the ids that have lines: an id that lost its last line is no user and no item any more."""
    tables: dict[str, Any] = {}
    for name, ids in (("user", log.users), ("item", log.items)):
        code = f"{name}_code"
        sql = f"""
            SELECT ids."{name}" AS "{name}", ids.{code} AS {code} FROM {ids} AS ids
            SEMI JOIN (SELECT {code} FROM {counts[code]} WHERE n > 0) AS counts ON ids.{code} = counts.{code}"""
        tables[f"{name}s"] = f"clean_kept_{name}s"
        log.tables.make(tables[f"{name}s"], sql)
    kept = scalar(log.tables, f"SELECT sum(n) FROM {counts['user_code']}")
    return replace(log, total=kept, **tables)


def below(log: Coded, wish: Clean) -> Rules:
    """Lines of users, and of items, below the bounds, before anything is dropped."""
    found = []
    for side, least in (("user_code", wish.min_user_events), ("item_code", wish.min_item_events)):
        if least > 1:
            log.tables.make("clean_counts", COUNTS_SQL.format(code=side, lines=log.lines))
            low = f"FROM clean_counts WHERE n < {least} AND {side} IS NOT NULL"
            ids, lines = log.tables.rows(f"SELECT count(*), sum(n) {low}")[0]
            gone = {"ids": int(ids), "lines": int(lines or 0), "rounds": 1}
            found.append(_facts(side, least, gone, _examples(log, side, "clean_counts", least)) | {"dropped": 0})
    return found
