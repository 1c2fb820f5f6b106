"""Which users are machines, and where does one visit of a user end?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from leaven.cleaning.backends import scalar
from leaven.cleaning.cleaning_config import Clean
from leaven.cleaning.id_encoding import EXAMPLES, Coded, rule

Rules = list[dict[str, Any]]

HOUR = 3600
BUSY_SQL = """
SELECT log.user_code AS user_code, log.time AS time FROM {lines} AS log
SEMI JOIN (SELECT user_code FROM {lines} GROUP BY user_code HAVING count(*) > {limit}) AS busy
ON log.user_code = busy.user_code"""
BOTS_SQL = """
SELECT user_code, max(moments) AS moments FROM (
    SELECT user_code, count(DISTINCT time) AS moments FROM clean_busy
    GROUP BY user_code, floor((time + {shift}) / {hour}.0)) AS hours
WHERE moments > {limit} GROUP BY user_code"""
PAUSES_SQL = """
SELECT *, sum(begins) OVER (PARTITION BY user_code ORDER BY time, line ROWS UNBOUNDED PRECEDING) AS visit FROM (
    SELECT *, CASE WHEN time - lag(time) OVER (PARTITION BY user_code ORDER BY time, line) > {gap} THEN 1 ELSE 0 END
        AS begins FROM {lines}) AS paused"""
NAMES_SQL = """
SELECT "user", user_code, old_code, visit FROM (
    SELECT named."user" AS "user", named.old_code AS old_code, named.visit AS visit,
        CAST(row_number() OVER (ORDER BY named."user", named.old_code) AS INTEGER) AS user_code
    FROM (SELECT concat(users."user", '#', CAST(visits.visit + 1 AS VARCHAR)) AS "user",
            visits.user_code AS old_code, visits.visit AS visit
        FROM (SELECT DISTINCT user_code, visit FROM clean_paused) AS visits
        JOIN {users} AS users ON visits.user_code = users.user_code) AS named) AS ranked"""


def machines(log: Coded, wish: Clean) -> tuple[str, list[dict[str, Any]]]:
    """(a note, the busiest of the users too fast for people), "" where there are none; table clean_bots names them.

    Moments, not lines: a basket bought in one second is one. Hours begin at full and at half hours, so that
    no burst of half an hour hides between two of them. They are looked for in the log as it was read: other
    rules take lines of theirs, and with them the haste.
    """
    limit = wish.bot_moments_per_hour
    if not limit:
        return "", []
    log.tables.make("clean_busy", BUSY_SQL.format(lines=log.lines, limit=limit))
    parts = [BOTS_SQL.format(limit=limit, shift=shift, hour=HOUR) for shift in (0, HOUR // 2)]
    both = " UNION ALL ".join(f"SELECT user_code, moments FROM ({part}) AS busy_{n}" for n, part in enumerate(parts))
    sql = f"SELECT user_code, max(moments) AS moments FROM ({both}) AS found GROUP BY user_code"
    log.tables.make("clean_bots", sql)
    count = scalar(log.tables, "SELECT count(*) FROM clean_bots")
    if not count:
        return "", []
    sql = f"""
        SELECT users."user", bots.moments FROM clean_bots AS bots JOIN {log.users} AS users
        ON bots.user_code = users.user_code ORDER BY bots.moments DESC, users."user" LIMIT {EXAMPLES}"""
    shown = [{"user": user, "moments_in_an_hour": int(most)} for user, most in log.tables.rows(sql)]
    return f"{count:,} users act in more than {limit} different seconds of an hour", shown


def visits(log: Coded, wish: Clean) -> tuple[Coded, Rules]:
    """The log with a user of its own for each visit: user#1, user#2 … (the last # parts them, so no two meet)."""
    if not wish.gap_hours:
        return log, []
    log.tables.make("clean_paused", PAUSES_SQL.format(lines=log.lines, gap=int(wish.gap_hours * HOUR)))
    log.tables.make("clean_visits", NAMES_SQL.format(users=log.users))
    users, whole = log.tables.rows("SELECT count(DISTINCT old_code), count(*) FROM clean_visits")[0]
    cells = ", ".join(f"log.{name} AS {name}" for name in ["line", *log.cells] if name != "user_code")
    sql = f"""
        SELECT visits.user_code AS user_code, {cells} FROM clean_paused AS log
        JOIN clean_visits AS visits ON log.user_code = visits.old_code AND log.visit = visits.visit"""
    log.tables.make("clean_visited", sql)
    log.tables.drop("clean_paused")
    touched = scalar(
        log.tables, "SELECT sum(visit) FROM (SELECT max(visit) AS visit FROM clean_visits GROUP BY old_code)"
    )
    note = f"{users:,} users became {whole:,} histories, parted by pauses over {wish.gap_hours:g} hours"
    return replace(log, lines="clean_visited", users="clean_visits"), [rule("visits", touched, 0, [], note)]
