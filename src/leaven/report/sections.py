"""The sections of a run's page: builds texts, tables and plots from facts.

A section whose facts are missing is None, and the page leaves it out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from leaven.report import charts, controller_section, ctr_section, interval_plot, labels, quality_section
from leaven.report.items_section import build_galleries
from leaven.report.number_format import (
    MISSING,
    format_label,
    format_named,
    format_number,
    format_p_value,
    format_record,
    format_seconds,
    list_scalars,
)
from leaven.report.sweep_plot import build_sweep_section
from leaven.stats.effect import format_metric_name, format_percent

Facts = Mapping[str, Any]
Section = dict[str, Any] | None

MAX_PREVIEWS, MAX_ITEM_NAMES, MAX_EXAMPLES, MAX_COLUMNS = 10, 24, 3, 8


def drop_nulls(facts: Any) -> Any:
    """The facts without nulls: a null figure is a missing one."""
    if isinstance(facts, Mapping):
        return {name: drop_nulls(value) for name, value in facts.items() if value is not None}
    return [drop_nulls(value) for value in facts] if isinstance(facts, list | tuple) else facts


def build_verdict_section(facts: Facts) -> Section:
    """The headline, its sentences, and the table of variants."""
    comparison = facts.get("comparison", {})
    return {
        "headline": labels.get_headline(facts),
        "words": list(facts.get("verdict", {}).get("words", [])),
        "table": _build_effects_table(comparison),
        "metrics": _build_metrics_tables(comparison),
    }


def _build_effect_row(effect: Facts, scale: interval_plot.AxisScale) -> dict[str, Any]:
    low, high = effect.get("low"), effect.get("high")
    is_bounded = low is not None and high is not None  # a baseline near 0 has no meaningful relative lift
    style = labels.get_verdict_style(effect.get("verdict"))
    return {
        "variant": effect.get("arm", ""),
        "segment": effect.get("segment", ""),
        "mean": _format_mean(effect.get("mean")),
        "lift": _format_percent(effect.get("lift") if is_bounded else None),
        "interval": f"{_format_percent(low)} to {_format_percent(high)}" if is_bounded else "",
        "drawing": interval_plot.draw_interval(effect, scale),
        "p": format_p_value(effect.get("p_holm", effect.get("p"))),
        "shares": _describe_shares(effect),
        "verdict": effect.get("verdict", ""),
        "style": style,
        "sign": labels.STYLE_SIGNS[style],
        "words": effect.get("words", ""),
        "users": format_number(effect.get("users")),
    }


def _format_percent(value: float | None) -> str:
    return MISSING if value is None else format_percent(value)


def _format_mean(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4f}".replace("-", "−")


def _describe_shares(effect: Facts) -> str:
    if effect.get("better") is None:
        return ""
    better, worse = (format_percent(effect.get(name) or 0.0, signed=False) for name in ("better", "worse"))
    return f"better for {better} of the users, worse for {worse}"


def _build_effects_table(comparison: Facts) -> Section:
    effects = comparison.get("effects", [])
    if not effects:
        return None
    min_effect = float(comparison.get("min_effect") or 0.0)
    against_control = comparison.get("against_control", [])
    scale = interval_plot.AxisScale.from_effects([*effects, *against_control], min_effect)
    noise = [effect.get("training_noise") for effect in effects if (effect.get("seeds") or 1) > 1]
    known_noise = [share for share in noise if share is not None]
    return {
        "metric": format_metric_name(comparison.get("metric", "")),
        "smallest": format_percent(min_effect, signed=False),
        "baseline": effects[0].get("against", "baseline"),
        "baseline_mean": _format_mean(effects[0].get("baseline_mean")),
        "rows": [_build_effect_row(effect, scale) for effect in effects],
        "control": comparison.get("control", "repeat"),
        "against_control": [_build_effect_row(effect, scale) for effect in against_control],
        "axis": interval_plot.draw_axis(scale),
        "users": format_number(effects[0].get("users")),
        "seeds": format_number(effects[0].get("seeds")),
        "truth": _format_mean(comparison["truth"]) if comparison.get("truth") is not None else "",
        "noise": format_percent(max(known_noise), signed=False) if known_noise else "",
    }


@dataclass(frozen=True)
class _MetricColumn:
    """One metric of all variants. cells: variant -> mean, lift, style and verdict."""

    name: str
    cells: Mapping[str, dict[str, str]]

    @classmethod
    def from_effects(cls, name: str, effects: Sequence[Facts]) -> _MetricColumn:
        """A tested metric; effects: of every variant against the baseline."""
        baseline = str(effects[0].get("against", "baseline"))
        cells = {baseline: _build_mean_cell(effects[0].get("baseline_mean"))}
        for effect in effects:
            cells[str(effect.get("arm", ""))] = {
                "mean": _format_mean(effect.get("mean")),
                "lift": _format_percent(effect.get("lift")),
                "style": labels.get_verdict_style(effect.get("verdict")),
                "verdict": str(effect.get("verdict", "")),
            }
        return cls(name, cells)


def _build_mean_cell(mean: float | None) -> dict[str, str]:
    return {"mean": _format_mean(mean), "lift": "", "style": "", "verdict": ""}


def _build_metrics_tables(comparison: Facts) -> list[dict[str, Any]]:
    """All metrics of all variants, in tables of similar width; metrics of the whole catalog, or of all rows, have no
    test."""
    tested = {metric: effects for metric, effects in comparison.get("metrics", {}).items() if effects}
    columns = [_MetricColumn.from_effects(metric, effects) for metric, effects in tested.items()]
    variants = list(dict.fromkeys(variant for column in columns for variant in column.cells)) or ["baseline"]
    for metric, means in comparison.get("catalog", {}).items():
        cells = {variant: _build_mean_cell(mean) for variant, mean in (means or {}).items()}
        columns.append(_MetricColumn(metric, cells))
    if len(columns) < 2:
        return []
    width = -(-len(columns) // -(-len(columns) // MAX_COLUMNS))
    missing = _build_mean_cell(None)
    return [
        {
            "names": [format_metric_name(column.name) for column in columns[first : first + width]],
            "rows": [
                {
                    "variant": variant,
                    "cells": [column.cells.get(variant, missing) for column in columns[first : first + width]],
                }
                for variant in variants
            ],
        }
        for first in range(0, len(columns), width)
    ]


def build_segments_section(facts: Facts) -> Section:
    """Effects by segment: for each grouping of users, each group with its variants."""
    comparison = facts.get("comparison", {})
    effects = comparison.get("segments", [])
    if not effects:
        return None
    scale = interval_plot.AxisScale.from_effects(effects, float(comparison.get("min_effect") or 0.0))
    tables: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for effect in effects:
        groups = tables.setdefault(str(effect.get("by", "")), {})
        groups.setdefault(str(effect.get("segment", "")), []).append(_build_effect_row(effect, scale))
    return {
        "metric": format_metric_name(comparison.get("metric", "")),
        "tables": tables,
        "axis": interval_plot.draw_axis(scale),
    }


def build_rows_section(facts: Facts) -> Section:
    """What each variant's plan did to the rows."""
    variants = [arm for arm in facts.get("arms", []) if arm.get("steps") or arm.get("rows_new")]
    return {"variants": [_build_variant(variant) for variant in variants]} if variants else None


def _build_variant(variant: Facts) -> dict[str, Any]:
    counts = (("rows_real", "real rows"), ("rows_new", "synthetic rows"))
    return {
        "name": variant.get("name", ""),
        "combine": variant.get("combine", ""),
        "rows": [(text, format_number(variant.get(key))) for key, text in counts if variant.get(key) is not None],
        "steps": [_build_step(step) for step in variant.get("steps", [])],
        "galleries": build_galleries(variant),
        "previews": [_build_preview(preview) for preview in variant.get("previews", [])[:MAX_PREVIEWS]],
    }


def _build_step(step: Facts) -> dict[str, Any]:
    modes = [str(step[name]).replace("_", " ") for name in ("mode", "when") if step.get(name)]
    return {
        "index": step.get("index", ""),
        "use": step.get("use", ""),
        "text": step.get("text") or step.get("use", ""),
        "how": " · ".join(modes + _describe_schedule(step)),
        "weight": format_number(step.get("weight")),
        "made": format_number(step.get("made")),
        "unchanged": _list_reasons(step.get("unchanged")),
        "refused": _list_reasons(step.get("refused")),
    }


def _describe_schedule(step: Facts) -> list[str]:
    """The part of training in which the step is active, and the rows of each round, where these vary."""
    share, rounds = step.get("during", []), step.get("rounds", [])
    parts = [f"from {100 * share[0]:.0f} % to {100 * share[1]:.0f} %"] if len(share) == 2 else []
    return parts + ([" + ".join(map(format_number, rounds)) + " rows"] if rounds else [])


def _list_reasons(counts: Any) -> list[tuple[str, str]]:
    """(reason, count); a reason that is a key is shown as words, a sentence stays as it is."""
    if isinstance(counts, int):
        return [("", format_number(counts))]
    reasons = ((str(reason), n) for reason, n in (counts or {}).items() if n)
    return [(reason if " " in reason else reason.replace("_", " "), format_number(n)) for reason, n in reasons]


def _build_preview(preview: Facts) -> dict[str, Any]:
    """The ends of a row before and after; marked: removed items before, changed ones after."""
    before, after = list(preview.get("before", [])), list(preview.get("after", []))
    changed = {int(position) for position in preview.get("changed") or []}
    n_removed = Counter(before) - Counter(after)
    removed = []
    for name in before:
        removed.append(n_removed[name] > 0)
        n_removed[name] -= 1
    return {
        "step": preview.get("step", ""),
        "before": [{"name": name, "mark": mark} for name, mark in zip(before, removed, strict=True)][-MAX_ITEM_NAMES:],
        "after": [{"name": name, "mark": position in changed} for position, name in enumerate(after)][-MAX_ITEM_NAMES:],
        "cut": {"before": len(before) > MAX_ITEM_NAMES, "after": len(after) > MAX_ITEM_NAMES},
    }


def build_data_section(facts: Facts) -> Section:
    """The log before training: statistics, cleaning, plots, the split."""
    data = facts.get("data", {})
    statistics = data.get("health", {})
    plots = _draw_plots(statistics)
    section: dict[str, Any] = {
        "tiles": list_scalars(statistics, skip=[plot["key"] for plot in plots]),
        "reading": list_scalars(data.get("reading", {})),
        "cleaning": [_format_rule(rule) for rule in data.get("cleaning", [])],
        "split": list_scalars(data.get("split", {})),
        "warnings": [str(warning.get("words", "")) for warning in data.get("oddities", [])],
        "plots": plots,
    }
    return section if any(section.values()) else None


def _format_rule(rule: Facts) -> dict[str, Any]:
    return {
        "rule": format_label(str(rule.get("rule", ""))),
        "touched": format_number(rule.get("touched")),
        "dropped": format_number(rule.get("dropped")),
        "examples": [format_record(example) for example in rule.get("examples", [])[:MAX_EXAMPLES]],
        "note": rule.get("note") or "",
    }


@dataclass(frozen=True)
class _Plot:
    """A plot of the log. keys: names of its figures in the facts, the first that exists is drawn."""

    title: str
    keys: tuple[str, ...]
    draw: Callable[[charts.Points, str, str, str], Any]
    x_title: str
    y_title: str


_PLOTS = (
    _Plot("Length of histories", ("length_histogram", "lengths"), charts.draw_bars, "events of a history", "histories"),
    _Plot(
        "Popularity of items",
        ("popularity",),
        partial(charts.draw_line, logarithmic=True),
        "rank of the item",
        "events",
    ),
    _Plot("Events over time", ("per_day", "days"), charts.draw_line, "day", "events"),
    _Plot("Hours of the day", ("hours", "per_hour"), charts.draw_bars, "hour", "events"),
)


def _draw_plots(statistics: Facts) -> list[dict[str, Any]]:
    """The plots whose figures exist; `key` is the name of the figures."""
    drawn = []
    for plot in _PLOTS:
        tables = ((key, charts.parse_points(statistics.get(key))) for key in plot.keys)
        key, points = next(((key, points) for key, points in tables if len(points) > 1), ("", []))
        if key:
            largest = format_number(max(y for _, y in points))
            alt_text = f"{plot.title}: {plot.y_title} by {plot.x_title}, largest {largest}"
            svg = plot.draw(points, plot.x_title, plot.y_title, alt_text)
            drawn.append({"key": key, "title": plot.title, "svg": svg})
    return drawn


def build_training_section(facts: Facts) -> Section:
    """Training curves, and one line per training."""
    fits = facts.get("fits", [])
    if not fits:
        return None
    titles = {
        "valid_ndcg": "NDCG on validation",
        "minus_valid_log_loss": "Negative log loss on validation",
        "loss": "Training loss",
    }
    plots = [{"title": title, "svg": _draw_curves(fits, key, title)} for key, title in titles.items()]
    return {"plots": [plot for plot in plots if plot["svg"]], "fits": [_format_fit(fit) for fit in fits]}


def _draw_curves(fits: Sequence[Facts], key: str, title: str) -> Any:
    series = []
    for fit in fits:
        known = [point for point in fit.get("curve", []) if _has_figure(point, key) and _has_figure(point, "step")]
        curve: charts.Points = [(float(point["step"]), float(point[key])) for point in known]
        if len(curve) > 1:
            series.append((str(fit.get("arm", "")), str(fit.get("seed", "")), curve))
    return charts.draw_curves(series, f"{title} by optimizer step, {len(series)} trainings") if series else ""


def _has_figure(point: Facts, key: str) -> bool:
    value = point.get(key)
    return isinstance(value, int | float) and math.isfinite(value)


def _format_fit(fit: Facts) -> dict[str, str]:
    return {
        "variant": str(fit.get("arm", "")),
        "seed": str(fit.get("seed", "")),
        "seconds": format_seconds(fit.get("seconds")),
        "steps": format_number(fit.get("steps")),
        "targets": format_number(fit.get("targets")),
        "peak": format_named("peak_mb", fit.get("peak_mb")),
        "stopped": str(fit.get("stopped") or ""),
    }


def build_cost_section(facts: Facts) -> Section:
    """Seconds of each stage, rows, memory."""
    found = facts.get("cost", {})
    stages = {stage: s for stage, s in found.get("seconds", {}).items() if isinstance(s, int | float)}
    total = sum(stages.values()) or 1.0
    bars = [
        {"stage": format_label(stage), "seconds": format_seconds(s), "share": round(100 * s / total, 1)}
        for stage, s in stages.items()
    ]
    tiles = list_scalars(found, skip=("seconds",))
    return {"bars": bars, "tiles": tiles} if bars or tiles else None


def build_reproduction_section(facts: Facts) -> Section:
    """The command, versions and machine of the run."""
    found = facts.get("repeat", {})
    section = {
        "command": found.get("command", ""),
        "fingerprint": found.get("fingerprint", ""),
        "versions": [(str(name), format_number(version)) for name, version in found.get("versions", {}).items()],
        "machine": list_scalars(found.get("machine", {})),
    }
    return section if any(section.values()) else None


SECTIONS = (
    ("verdict", "Verdict", build_verdict_section),
    ("sweep", "Sweep", build_sweep_section),
    ("segments", "Segments", build_segments_section),
    ("calibration", "Calibration", ctr_section.build_calibration_section),
    ("rows", "Synthetic rows", build_rows_section),
    ("quality", "Quality", quality_section.build_quality_section),
    ("data", "Data", build_data_section),
    ("training", "Training", build_training_section),
    ("controllers", "Controllers", controller_section.build_controller_section),
    ("cost", "Cost", build_cost_section),
    ("reproduction", "Reproduction", build_reproduction_section),
    ("glossary", "Glossary", lambda facts: {"entries": labels.build_glossary(facts)}),
)
"""(anchor, title in the navigation, facts -> section), in the order of the page."""
