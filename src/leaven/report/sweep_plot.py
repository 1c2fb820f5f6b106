"""What does one arm do along the values of one thing? Points with intervals, and where the curve turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leaven.report import charts, labels
from leaven.report.number_format import number
from leaven.stats.effect import percent, shown

Facts = Mapping[str, Any]


def study(facts: Facts) -> dict[str, Any] | None:
    """The part "study" of the facts as a section: sentences, two plots, a table; None where there is none."""
    found = facts.get("study") or {}
    points = found.get("points") or []
    if not points:
        return None
    columns, rows = table(found)
    return {
        "title": f"“{found['arm']}” along {found['what']}",
        "words": list(found.get("words") or []),
        "plots": [plot for plot in (_effect(found), _likeness(found)) if plot],
        "columns": columns,
        "rows": rows,
    }


def table(found: Facts) -> tuple[list[str], list[dict[str, Any]]]:
    """(titles, one line a value: cells, verdict with its light and sign, marks); for the page and the terminal."""
    alike = any(point.get("auc") is not None for point in found["points"])
    titles = [found["what"], "rows added", shown(found["metric"]), "lift", "95 % interval"]
    rows = []
    for place, point in enumerate(found["points"]):
        light = labels.light(point.get("verdict"))
        interval = f"{percent(point['low'])} to {percent(point['high'])}" if point.get("verdict") else ""
        cells = [point["value"], number(point["rows_new"]), f"{point['mean']:.4f}", percent(point["lift"]), interval]
        if alike:
            cells.append(f"{point['auc']:.3f}" if point.get("auc") is not None else "–")
        sign = labels.SIGNS[light] if point.get("verdict") else ""
        said = ", ".join(text for where, text in _marks(found, "lift") + _marks(found, "auc") if where == place)
        rows.append({"cells": cells, "verdict": point.get("verdict", ""), "light": light, "sign": sign, "marks": said})
    return [*titles, *(["AUC"] if alike else []), ""], rows


def _marks(found: Facts, name: str) -> list[tuple[int, str]]:
    """(place of a value, what happens there) on one of the curves."""
    marks = [(found.get("best"), "best"), (found.get("hurts"), "more hurts")] if name == "lift" else []
    bend = "effect bends" if name == "lift" else "likeness bends"
    marks.append(((found.get("knees") or {}).get(name), bend))
    return [(int(place), text) for place, text in marks if place is not None]


def _effect(found: Facts) -> dict[str, Any]:
    title = f"Lift of {shown(found['metric'])}, 95 % interval"
    return _plot(found, "lift", ("low", "high"), title, 0.0)


def _likeness(found: Facts) -> dict[str, Any] | None:
    real = found.get("real_auc") or {}
    title = "Made rows told from real ones by a classifier (0.5: not at all; dashed: real rows)"
    return _plot(found, "auc", ("auc_low", "auc_high"), title, real.get("auc")) if real else None


def _plot(found: Facts, name: str, ends: tuple[str, str], title: str, level: float | None) -> dict[str, Any]:
    there = [point for point in found["points"] if point.get(name) is not None]
    drawn: Sequence[tuple[float, float, float, float]] = [
        (float(point["x"]), float(point[name]), float(point[ends[0]]), float(point[ends[1]])) for point in there
    ]
    marks: dict[float, str] = {}
    for place, text in _marks(found, name):
        x = float(found["points"][place]["x"])
        marks[x] = f"{marks[x]}, {text}" if x in marks else text
    told = f"{title}, {len(drawn)} values of {found['what']}"
    response = charts.Response(drawn, level, list(marks.items()))
    return {"title": title, "svg": charts.response(response, found["x"], "", told, share=name == "lift")}
