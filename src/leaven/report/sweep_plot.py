"""The report's section about a sweep: curves of effect and fidelity with intervals, and a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leaven.report import charts, labels
from leaven.report.number_format import MISSING, format_number
from leaven.stats.effect import format_metric_name, format_percent

Facts = Mapping[str, Any]


def build_sweep_section(facts: Facts) -> dict[str, Any] | None:
    """The part "study" of the facts as a section: sentences, two plots, a table; None where there is none."""
    found = facts.get("study") or {}
    if not found.get("points"):
        return None
    columns, rows = build_sweep_table(found)
    plots = [
        _plot_curve(
            found, "lift", ("low", "high"), f"Lift of {format_metric_name(found['metric'])}, 95 % interval", 0.0
        )
    ]
    if real := found.get("real_auc") or {}:
        title = "AUC of a classifier of synthetic against real rows (0.5: indistinguishable; dashed: training rows)"
        plots.append(_plot_curve(found, "auc", ("auc_low", "auc_high"), title, real.get("auc")))
    return {
        "title": f"“{found['arm']}” along {found['what']}",
        "words": list(found.get("words") or []),
        "plots": plots,
        "columns": columns,
        "rows": rows,
    }


def build_sweep_table(found: Facts) -> tuple[list[str], list[dict[str, Any]]]:
    """(titles, one line per value: cells, verdict with its style and sign, marks); for the page and the terminal."""
    has_auc = any(point.get("auc") is not None for point in found["points"])
    titles = [found["what"], "rows added", format_metric_name(found["metric"]), "lift", "95 % interval"]
    marks = _list_marks(found, "lift") + _list_marks(found, "auc")
    rows = []
    for index, point in enumerate(found["points"]):
        style = labels.get_verdict_style(point.get("verdict"))
        interval = f"{format_percent(point['low'])} to {format_percent(point['high'])}" if point.get("verdict") else ""
        cells = [
            point["value"],
            format_number(point["rows_new"]),
            f"{point['mean']:.4f}",
            format_percent(point["lift"]),
            interval,
        ]
        if has_auc:
            cells.append(f"{point['auc']:.3f}" if point.get("auc") is not None else MISSING)
        rows.append(
            {
                "cells": cells,
                "verdict": point.get("verdict", ""),
                "style": style,
                "sign": labels.STYLE_SIGNS[style] if point.get("verdict") else "",
                "marks": ", ".join(label for position, label in marks if position == index),
            }
        )
    return [*titles, *(["AUC"] if has_auc else []), ""], rows


def _list_marks(found: Facts, name: str) -> list[tuple[int, str]]:
    """(index of a value, label) of the turning points of a curve."""
    marks = [(found.get("best"), "best"), (found.get("hurts"), "more harms")] if name == "lift" else []
    marks.append(((found.get("knees") or {}).get(name), "knee of effect" if name == "lift" else "knee of fidelity"))
    return [(int(index), label) for index, label in marks if index is not None]


def _plot_curve(found: Facts, name: str, ends: tuple[str, str], title: str, level: float | None) -> dict[str, Any]:
    points = [
        (float(point["x"]), float(point[name]), float(point[ends[0]]), float(point[ends[1]]))
        for point in found["points"]
        if point.get(name) is not None
    ]
    marks: dict[float, str] = {}
    for index, label in _list_marks(found, name):
        x = float(found["points"][index]["x"])
        marks[x] = f"{marks[x]}, {label}" if x in marks else label
    alt_text = f"{title}, {len(points)} values of {found['what']}"
    curve = charts.ResponseCurve(points, level, list(marks.items()))
    return {"title": title, "svg": charts.draw_response(curve, found["x"], "", alt_text, share=name == "lift")}
