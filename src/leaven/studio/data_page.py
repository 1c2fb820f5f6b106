"""The page Data: files with their columns, statistics as charts, and what cleaning would drop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from leaven.cleaning import CleaningConfig
from leaven.config import Spec
from leaven.ctr_features import LabeledTable
from leaven.ingest import infer_format
from leaven.ingest.known_columns import EVENT_COLUMN_NAMES, ITEM_COLUMN_NAMES
from leaven.report.charts import draw_bars, draw_line, draw_logarithmic_line, parse_points
from leaven.report.number_format import format_label, format_named, format_number, format_record
from leaven.studio.controls import Control, describe_controls
from leaven.studio.loaded_data import LoadedData
from leaven.studio.spec_document import SpecDocument

_MAX_COLUMNS = 60
_MAX_CELLS = 5
_LONGEST = 40  # characters of a cell
_EXAMPLES = 3
_CHARTS = {"per_day", "hours", "length_histogram", "popularity"}


@dataclass(frozen=True)
class FileColumn:
    """One column of a file. role: our name for it, "" where it is not read; cells: its first values."""

    name: str
    role: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class DataFile:
    """One file. table: its table of columns in the spec; roles: the names that a column may get.

    n_hidden: columns beyond those that are shown
    """

    name: str
    table: str
    format: str
    columns: tuple[FileColumn, ...]
    roles: tuple[str, ...]
    n_hidden: int = 0


@dataclass(frozen=True)
class RuleRow:
    """One cleaning rule: its name, counts, examples and note."""

    label: str
    touched: int
    dropped: int
    examples: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class HealthView:
    """Figures, charts and cleaning of loaded data.

    figures  (name, as read, cleaned); charts: (title, SVG)
    idle     names of the rules that found nothing
    """

    figures: tuple[tuple[str, str, str], ...]
    charts: tuple[tuple[str, Markup], ...]
    rules: tuple[RuleRow, ...]
    idle: tuple[str, ...]
    split: tuple[tuple[str, str], ...]
    split_error: str
    one_in: int
    lines: int


def list_files(spec: Spec, document: SpecDocument) -> list[DataFile]:
    """The files of a spec with their first cells. Raises LeavenError for a file that cannot be read."""
    if isinstance(spec.data, LabeledTable):
        columns = {"label": spec.data.label, "user": spec.data.user, "time": spec.data.time}
        return [_describe_file(spec.data.labeled, "data", columns, tuple(columns))]
    given = dict(spec.data.columns)
    files = [_describe_file(spec.data.interactions, "data.columns", given, tuple(EVENT_COLUMN_NAMES))]
    if spec.items is not None:
        held = {**{f"text {place}": name for place, name in enumerate(spec.items.text)}, **spec.items.columns}
        roles = tuple(name for name in ITEM_COLUMN_NAMES if name != "text")
        files.append(_describe_file(spec.items.items, "data.item_columns", held, (*roles, "text")))
    return files


def _describe_file(source: Any, table: str, columns: Mapping[str, str], roles: tuple[str, ...]) -> DataFile:
    found = infer_format(str(source), given=[name for name in columns.values() if name])
    role_of = {column: role.split(" ")[0] for role, column in columns.items() if column}
    shown = [
        FileColumn(name, role_of.get(name, ""), tuple(_shorten(row[place]) for row in found.rows[:_MAX_CELLS]))
        for place, name in enumerate(found.names[:_MAX_COLUMNS])
    ]
    return DataFile(Path(str(source)).name, table, found.format, tuple(shown), roles, len(found.names) - len(shown))


def _shorten(cell: str) -> str:
    return cell if len(cell) <= _LONGEST else cell[: _LONGEST - 1] + "…"


def edit_columns(document: SpecDocument, table: str, roles: Mapping[str, str]) -> SpecDocument:
    """The spec with these columns. roles: column of the file -> our name; the last column of a name counts."""
    path = table.split(".")
    named = {role: column for column, role in roles.items() if role and role != "text"}
    held: Any = document.read_table()
    for key in path:
        held = held.get(key, {})
    if table != "data":
        gone = {role: None for role in held if role not in named and role != "text"}
        document = document.set_fields(path, gone)
    document = document.set_fields(path, {role: column for role, column in named.items() if held.get(role) != column})
    texts = [column for column, role in roles.items() if role == "text"]
    if table == "data.item_columns":
        document = document.set_value([*path, "text"], texts or None)
    elif texts:
        document = document.set_value([*path, "text"], texts[-1])
    return document


def list_clean_controls() -> tuple[Control, ...]:
    """Controls of the cleaning rules."""
    return describe_controls(CleaningConfig)


def read_clean_values(config: CleaningConfig) -> dict[str, str]:
    """Field -> its value, as the inputs of a form hold it."""
    held = {one.name: getattr(config, one.name) for one in fields(config)}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in held.items()}


@lru_cache(maxsize=1)  # drawing the charts takes most of the time of the page
def build_health(data: LoadedData) -> HealthView:
    """Figures and charts of loaded data."""
    figures = [
        (format_label(key), format_named(key, data.raw.get(key)), format_named(key, value))
        for key, value in data.health.items()
        if key not in _CHARTS
    ]
    rules = [
        RuleRow(
            format_label(str(rule["rule"])),
            int(rule["touched"]),
            int(rule["dropped"]),
            tuple(format_record(example) for example in (rule.get("examples") or [])[:_EXAMPLES]),
            str(rule.get("note") or ""),
        )
        for rule in data.rules
    ]
    found = sorted((rule for rule in rules if rule.touched), key=lambda rule: (-rule.dropped, -rule.touched))
    split = [
        (format_label(key), format_number(value) if isinstance(value, int | float) else str(value))
        for key, value in data.split.items()
        if key != "error" and isinstance(value, int | float | str) and value != 0
    ]
    return HealthView(
        tuple(figures),
        tuple(_draw_charts(data)),
        tuple(found),
        tuple(rule.label for rule in rules if not rule.touched),
        tuple(split),
        str(data.split.get("error", "")),
        data.one_in,
        int(data.reading.get("lines", 0)),
    )


def _draw_charts(data: LoadedData) -> Sequence[tuple[str, Markup]]:
    health, charts = data.health, []
    drawings = (
        ("Events over time", "per_day", draw_line, "day", "events"),
        ("Events of a history", "length_histogram", draw_bars, "events", "users"),
        ("Popularity of items", "popularity", draw_logarithmic_line, "rank of the item", "events"),
        ("Hours of the day (UTC)", "hours", draw_bars, "hour", "events"),
        ("First events of items over time", "first_seen", draw_line, "share of all events", "items seen"),
    )
    for title, key, draw, x_title, y_title in drawings:
        points = parse_points(health[key]) if key in health else _list_first_seen(data) if key == "first_seen" else []
        if len(points) > 1:
            charts.append((title, draw(points, x_title, y_title, title)))
    return charts


def _list_first_seen(data: LoadedData) -> list[tuple[float | str, float]]:
    """(share of the events in time order, share of the items that occur up to there): a steep end means new items."""
    rows = data.histories
    if rows is None or not rows.n_events:
        return []
    items = rows.items[np.argsort(rows.times, kind="stable")]
    _, first = np.unique(items, return_index=True)
    places = np.linspace(0, len(items), 41)
    seen = np.searchsorted(np.sort(first), places) / len(first)
    return [(float(place / len(items)), float(share)) for place, share in zip(places, seen, strict=True)]
