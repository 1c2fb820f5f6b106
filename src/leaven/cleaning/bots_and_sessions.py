"""Finds bots and splits the events of a user into sessions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from leaven.cleaning.backends import fetch_scalar
from leaven.cleaning.cleaning_config import CleaningConfig
from leaven.cleaning.id_encoding import EXAMPLES, EncodedLog, Rules, build_rule_facts

_HOUR = 3600
_BUSY_SQL = """
SELECT log.user_code AS user_code, log.time AS time FROM {lines} AS log
SEMI JOIN (SELECT user_code FROM {lines} GROUP BY user_code HAVING count(*) > {limit}) AS busy
ON log.user_code = busy.user_code"""
_BOTS_SQL = """
SELECT user_code, max(seconds) AS seconds FROM (
    SELECT user_code, count(DISTINCT time) AS seconds FROM clean_busy
    GROUP BY user_code, floor((time + {shift}) / {hour}.0)) AS hours
WHERE seconds > {limit} GROUP BY user_code"""
_PAUSES_SQL = """
SELECT *, sum(begins) OVER (PARTITION BY user_code ORDER BY time, line ROWS UNBOUNDED PRECEDING) AS session FROM (
    SELECT *, CASE WHEN time - lag(time) OVER (PARTITION BY user_code ORDER BY time, line) > {gap} THEN 1 ELSE 0 END
        AS begins FROM {lines}) AS paused"""
_NAMES_SQL = """
SELECT "user", user_code, old_code, session FROM (
    SELECT named."user" AS "user", named.old_code AS old_code, named.session AS session,
        CAST(row_number() OVER (ORDER BY named."user", named.old_code) AS INTEGER) AS user_code
    FROM (SELECT concat(users."user", '#', CAST(sessions.session + 1 AS VARCHAR)) AS "user",
            sessions.user_code AS old_code, sessions.session AS session
        FROM (SELECT DISTINCT user_code, session FROM clean_paused) AS sessions
        JOIN {users} AS users ON sessions.user_code = users.user_code) AS named) AS ranked"""


def find_bots(log: EncodedLog, config: CleaningConfig) -> tuple[str, list[dict[str, Any]]]:
    """A note and examples of the most active bots, "" without bots; creates table clean_bots.

    Distinct seconds are counted, not lines: a basket bought in one second counts once. Hours start at full and at
    half hours, so that no burst of half an hour is split between two of them. The log is searched as it was read,
    since other rules drop lines of bots.
    """
    limit = config.bot_seconds_per_hour
    if not limit:
        return "", []
    log.backend.create_table("clean_busy", _BUSY_SQL.format(lines=log.lines, limit=limit))
    parts = [_BOTS_SQL.format(limit=limit, shift=shift, hour=_HOUR) for shift in (0, _HOUR // 2)]
    both = " UNION ALL ".join(f"SELECT user_code, seconds FROM ({part}) AS busy_{n}" for n, part in enumerate(parts))
    sql = f"SELECT user_code, max(seconds) AS seconds FROM ({both}) AS found GROUP BY user_code"
    log.backend.create_table("clean_bots", sql)
    count = fetch_scalar(log.backend, "SELECT count(*) FROM clean_bots")
    if not count:
        return "", []
    sql = f"""
        SELECT users."user", bots.seconds FROM clean_bots AS bots JOIN {log.users} AS users
        ON bots.user_code = users.user_code ORDER BY bots.seconds DESC, users."user" LIMIT {EXAMPLES}"""
    shown = [{"user": user, "seconds_in_an_hour": int(count)} for user, count in log.backend.fetch_rows(sql)]
    return f"{count:,} users act in more than {limit} different seconds of an hour", shown


def split_sessions(log: EncodedLog, config: CleaningConfig) -> tuple[EncodedLog, Rules]:
    """The log with each session as a user: user#1, user#2 … (names stay unique: the last # separates the number)."""
    if not config.session_gap_hours:
        return log, []
    if not log.has_clock:
        return log, [build_rule_facts("sessions", 0, 0, [], "skipped: the log has no clock")]
    log.backend.create_table(
        "clean_paused", _PAUSES_SQL.format(lines=log.lines, gap=int(config.session_gap_hours * _HOUR))
    )
    log.backend.create_table("clean_sessions", _NAMES_SQL.format(users=log.users))
    users, whole = log.backend.fetch_rows("SELECT count(DISTINCT old_code), count(*) FROM clean_sessions")[0]
    cells = ", ".join(f"log.{name} AS {name}" for name in ["line", *log.cells] if name != "user_code")
    sql = f"""
        SELECT sessions.user_code AS user_code, {cells} FROM clean_paused AS log
        JOIN clean_sessions AS sessions ON log.user_code = sessions.old_code AND log.session = sessions.session"""
    log.backend.create_table("clean_session_lines", sql)
    log.backend.drop_table("clean_paused")
    touched = fetch_scalar(
        log.backend, "SELECT sum(session) FROM (SELECT max(session) AS session FROM clean_sessions GROUP BY old_code)"
    )
    note = f"{users:,} users became {whole:,} histories, split at pauses over {config.session_gap_hours:g} hours"
    return replace(log, lines="clean_session_lines", users="clean_sessions", has_sessions=True), [
        build_rule_facts("sessions", touched, 0, [], note)
    ]
