"""What a shell and a notebook show of a log, of histories and of samples: counts, period, first rows, a curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.datasets.event_table import MIN_CLOCK_TIME, EventRows, SampleRows
from leaven.datasets.log_names import LogNames, find_user
from leaven.display import Display, draw_sparkline, format_period

if TYPE_CHECKING:
    import duckdb

_ROWS = 5  # first rows that are shown
_ITEMS = 4  # last items of a history that are shown
_COLUMNS = 6  # columns of samples that are shown
_BINS = 40
_MAX_EXACT = 5_000_000  # events of a log whose users and items are counted exactly


class EventLog(Protocol):
    """The part of `Events` that is shown."""

    @property
    def connection(self) -> duckdb.DuckDBPyConnection: ...
    @property
    def table(self) -> str: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def has_clock(self) -> bool: ...


def display_histories(rows: EventRows) -> Display:
    """Counts of rows, events and items, the period, the lengths as a curve, and the first rows with own ids."""
    lengths = rows.lengths
    n_events = int(lengths.sum())
    facts = _count_rows(rows.origin, rows.names)
    facts["items"] = f"{rows.n_items:,} in the catalog, {len(np.unique(rows.items)):,} in these rows"
    if n_events and int(rows.times.max()) >= MIN_CLOCK_TIME:
        facts["period"] = format_period(int(rows.times.min()), int(rows.times.max()))
    if n_events:
        counts = np.bincount(np.minimum(lengths, _BINS))
        facts["events per row"] = f"{int(np.median(lengths))} median, {lengths.min()} to {lengths.max():,}"
        facts["lengths"] = f"{draw_sparkline(counts.tolist())} 0 to {min(_BINS, int(lengths.max()))} events"
    ends = np.cumsum(lengths)
    first = [
        [
            find_user(rows.names, rows.row_ids[row : row + 1]) or str(rows.row_ids[row]),
            f"{lengths[row]:,}",
            _name_origin(int(rows.origin[row]), rows.names),
            _list_last_items(rows.items[ends[row] - lengths[row] : ends[row]], rows.n_items, rows.catalog),
        ]
        for row in range(min(_ROWS, len(lengths)))
    ]
    title = f"Histories: {len(lengths):,} rows, {n_events:,} events"
    return Display(title, facts, ("user", ">events", "origin", "last items"), first)


def display_samples(rows: SampleRows) -> Display:
    """Counts of rows, share of positive labels, columns, and the first rows."""
    facts = _count_rows(rows.origin, rows.names)
    if len(rows.label):
        facts["positive"] = f"{100 * float(rows.label.mean()):.1f} %"
        if int(rows.times.max()) >= MIN_CLOCK_TIME:
            facts["period"] = format_period(int(rows.times[rows.times > 0].min()), int(rows.times.max()))
    facts["columns"] = f"{len(rows.numeric)} of numbers, {len(rows.categorical)} of categories"
    shown = min(_ROWS, len(rows.label))
    columns = [
        (name, [rows.levels[name][code - 1] if code else "–" for code in rows.codes[:shown, place].tolist()])
        for place, name in enumerate(rows.categorical[:_COLUMNS])
    ]
    columns += [
        (f">{name}", ["–" if np.isnan(value) else f"{value:.4g}" for value in rows.numbers[:shown, place]])
        for place, name in enumerate(rows.numeric[: _COLUMNS - len(columns)])
    ]
    columns.append((">label", [f"{value:g}" for value in rows.label[:shown]]))
    cells = [[column[row] for _, column in columns] for row in range(shown)]
    return Display(f"Samples: {len(rows.label):,} rows", facts, [name for name, _ in columns], cells)


def display_events(log: EventLog) -> Display:
    """Counts of events, users and items, the period, events over time as a curve, and the first events.

    A log whose connection is closed, or in use, shows only that.
    """
    import duckdb

    try:
        return _query_events(log)
    except duckdb.Error as error:
        return Display("Log", {"not readable": str(error).partition("\n")[0]})


def _query_events(log: EventLog) -> Display:
    query, table = log.connection.execute, log.table
    n_events = int(query(f"SELECT count(*) FROM {table}").fetchall()[0][0])
    count = "count(DISTINCT {})" if n_events <= _MAX_EXACT else "approx_count_distinct({})"
    about = "" if n_events <= _MAX_EXACT else "about "
    columns = f'{count.format(chr(34) + "user" + chr(34))}, {count.format("item")}, min("time"), max("time")'
    users, items, first, last = query(f"SELECT {columns} FROM {table}").fetchall()[0]
    facts = {"users": f"{about}{users:,}", "items": f"{about}{items:,}"}
    if log.has_clock and first is not None:
        facts["period"] = format_period(first, last)
        bins = f'CAST(least({_BINS - 1}, ("time" - {first}) * {_BINS} // {last - first + 1}) AS INTEGER)'
        rows = query(f'SELECT {bins} bin, count(*) FROM {table} WHERE "time" IS NOT NULL GROUP BY bin').fetchall()
        counts = dict(rows)
        facts["over time"] = draw_sparkline([counts.get(one, 0) for one in range(_BINS)])
    elif not log.has_clock:
        facts["clock"] = "none: times are places in the user's order"
    names = [name for name in log.columns if name != "line"]
    quoted = ", ".join(f'"{name}"' for name in names)
    cells = query(f"SELECT {quoted} FROM {table} ORDER BY line LIMIT {_ROWS}").fetchall()
    shown = [["–" if cell is None else str(cell) for cell in row] for row in cells]
    return Display(f"Log: {n_events:,} events", facts, names, shown)


def _count_rows(origin: npt.NDArray[np.int16], names: LogNames | None) -> dict[str, str]:
    """Numbers of real rows and of those of each step."""
    counts = np.bincount(origin) if len(origin) else np.zeros(1, np.int64)
    parts = [f"{counts[step]:,} {_name_origin(step, names)}" for step in range(len(counts)) if counts[step]]
    return {"rows": ", ".join(parts) or "none"}


def _name_origin(step: int, names: LogNames | None) -> str:
    steps: Sequence[str] = () if names is None else names.steps
    return "real" if step == 0 else steps[step - 1] if step <= len(steps) else f"step {step}"


def _list_last_items(items: npt.NDArray[np.int32], n_items: int, catalog: Catalog | None) -> str:
    known: Any = catalog if catalog is not None else Catalog(ids=range(1, n_items + 1))  # type: ignore[arg-type]
    names = [str(known.item_name(int(item))) for item in items[-_ITEMS:]]
    return ("… " if len(items) > _ITEMS else "") + " | ".join(names)
