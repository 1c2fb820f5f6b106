"""The report's section about the quality of synthetic rows: verdicts, figures, distributions, neighbors, correlation
with the effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from leaven.report import charts, labels
from leaven.report.number_format import MISSING, format_number
from leaven.stats.effect import format_metric_name, format_percent

Facts = Mapping[str, Any]

GROUPS: Mapping[str, str] = {
    "fidelity": "Fidelity",
    "diversity": "Diversity",
    "consistency": "Consistency",
    "memorization": "Memorization",
    "privacy": "Privacy",
}
"""Group of metrics in the facts -> its title."""
VERDICT_STYLES: Mapping[str, dict[str, str]] = {
    "as_real": {"style": "helped", "sign": "●", "label": "as real"},
    "close": {"style": "unsure", "sign": "◐", "label": "close"},
    "worse": {"style": "harmed", "sign": "○", "label": "worse"},
    "check": {"style": "same", "sign": MISSING, "label": "check only"},
}
"""Verdict in the facts -> class of the page's style, sign and label."""
DIRECTIONS: Mapping[str, str] = {"low": "lower", "high": "higher", "real": "as real"}
MAX_PREDICTIONS = 12
PNG_PREFIX = "data:image/png;base64,"
_RANKS = {"nearest": "among the nearest", "middle": "in the middle", "farthest": "among the farthest"}


def build_quality_section(facts: Facts) -> dict[str, Any] | None:
    """The section of a run: one line of verdicts per variant, all figures, and their correlation with the effect."""
    found = facts.get("judging", {})
    variants = {str(name): result for name, result in found.get("arms", {}).items()}
    if not variants and not found.get("skipped"):
        return None
    measured = {name: result for name, result in variants.items() if result.get("figures")}
    skipped = [(name, str(result["skipped"])) for name, result in variants.items() if result.get("skipped")]
    return {
        "skipped": [("", str(found["skipped"]))] if found.get("skipped") else skipped,
        "groups": [*GROUPS.values(), "Utility"] if measured else [],
        "rows": [
            {"variant": name, "cells": [*build_verdict_cells(result), _build_utility_cell(result.get("useful", {}))]}
            for name, result in measured.items()
        ],
        "how": describe_comparison(next(iter(measured.values()))) if measured else "",
        "variants": [build_quality_view(result) | {"name": name} for name, result in measured.items()],
        "prediction": _build_prediction(found.get("prediction", {}), measured),
    }


def build_verdict_cells(found: Facts) -> list[dict[str, str]]:
    """The verdict of each group, with its deciding figure next to that of real rows."""
    figures = {figure.get("kind"): figure for figure in found.get("figures") or []}
    deciding, verdicts = found.get("deciding_metrics", {}), found.get("verdicts", {})
    built = []
    for group, title in GROUPS.items():
        cell = {"group": title, "figure": "", **VERDICT_STYLES.get(str(verdicts.get(group)), VERDICT_STYLES["check"])}
        if figure := figures.get(deciding.get(group)):
            name = str(figure.get("kind", "")).replace("_", " ")
            cell["figure"] = f"{name} {format_value(figure.get('value'))}, real {format_value(figure.get('reference'))}"
        else:
            cell["label"] = "unknown"
        built.append(cell)
    return built


def _build_utility_cell(utility: Facts) -> dict[str, str]:
    style, lift = labels.get_verdict_style(utility.get("verdict")), utility.get("lift")
    figure = f"{format_metric_name(str(utility.get('metric', '')))} {format_percent(lift)}" if lift is not None else ""
    label = str(utility.get("verdict") or "unknown")
    return {"group": "Utility", "style": style, "sign": labels.STYLE_SIGNS[style], "label": label, "figure": figure}


def describe_comparison(found: Facts) -> str:
    """What the figures are compared with."""
    facts = found.get("setup", {})
    compared, rows = facts.get("compared", {}), facts.get("rows", {})
    half = min(int(compared.get("new", 0)), int(compared.get("held_out", 0))) // 2
    encoder = f" Embeddings: {facts['encoder']}." if facts.get("encoder") else ""
    owners = ", ".join(map(str, facts.get("notes", {}).get("left_out_columns") or ()))
    left_out = f" Columns that identify the user of a row are left out: {owners}." if owners else ""
    return (
        f"Each figure is shown next to the same figure of real rows: "
        f"{format_number(facts.get('n_splits'))} random splits of "
        f"{format_number(compared.get('held_out'))} held-out real rows compare one half with the other, "
        f"and with as many "
        f"synthetic rows ({format_number(half)} per side). Seed {format_number(facts.get('seed'))}; "
        f"{format_number(compared.get('new'))} of {format_number(rows.get('new'))} synthetic rows were measured."
        f"{encoder}{left_out}"
    )


def build_quality_view(found: Facts) -> dict[str, Any]:
    """All figures by group, skipped metrics, gates, distributions, neighbors."""
    figures = list(found.get("figures", []))
    groups = {
        title: [_format_figure(figure) for figure in figures if figure.get("group") == name]
        for name, title in GROUPS.items()
    }
    skipped = found.get("skipped_metrics", {})
    distributions = [one for one in found.get("distributions", []) if one.get("shares") and one.get("names")]
    is_steered = found.get("setup", {}).get("is_steered")
    return {
        "note": "A controller of this plan used the loss of the held-out users." if is_steered else "",
        "groups": [(title, lines) for title, lines in groups.items() if lines],
        "skipped": [(str(kind).replace("_", " "), str(reason)) for kind, reason in skipped.items()],
        "gates": [_format_gate(gate) for gate in found.get("gates", [])],
        "copies": format_number(found.get("n_copies", 0)),
        "plots": [_plot_distribution(one) for one in distributions],
        "neighbors": [_build_neighbors(pair) for pair in found.get("neighbors", [])],
    }


def _format_figure(figure: Facts) -> dict[str, str]:
    return {
        "name": str(figure.get("kind", "")).replace("_", " "),
        "says": str(figure.get("summary", "")),
        "more": _format_details(figure.get("details", {})),
        "value": format_value(figure.get("value")),
        "interval": _format_range(figure.get("interval")),
        "real": _format_range(figure.get("reference_range")),
        "better": DIRECTIONS.get(str(figure.get("better")), ""),
        **VERDICT_STYLES.get(str(figure.get("verdict")), VERDICT_STYLES["check"]),
    }


def _format_details(details: Facts) -> str:
    """Details of a metric that a reader can use."""
    parts = []
    if details.get("frechet_name"):
        parts.append(f"{details['frechet_name']}; of all rows {format_value(details.get('value_of_all_rows'))}")
    if details.get("shift_direction") and details.get("shift") is not None:
        shift = format_value(details["shift"])
        parts.append(f"{details['shift_direction']}: the median is shifted by {shift} standard deviations")
    if features := [
        f"{entry[0]} {format_value(entry[1])}" for entry in details.get("separating_features", [])[:3] if len(entry) > 1
    ]:
        parts.append(f"most distinctive: {', '.join(features)}")
    if details.get("tpr") is not None:
        parts.append(f"true positive rate {format_value(details['tpr'])} at a false positive rate of 1 %")
    return "; ".join(parts)


def _format_range(ends: Any) -> str:
    pair = list(ends or [])
    return f"{format_value(pair[0])} to {format_value(pair[1])}" if len(pair) == 2 else ""


def format_value(figure: Any) -> str:
    """About three significant digits, with the same number of decimals for figures of similar size.

    >>> format_value(0.51234), format_value(12.345), format_value(1234.5), format_value(-0.2)
    ('0.512', '12.35', '1,234', '−0.200')
    """
    if not isinstance(figure, int | float):
        return MISSING
    decimals = 0 if abs(figure) >= 100 else 2 if abs(figure) >= 10 else 3
    return f"{figure:,.{decimals}f}".replace("-", "−")


def _format_gate(gate: Facts) -> dict[str, str]:
    is_passed = bool(gate.get("passed"))
    style, sign, label = ("helped", "●", "passed") if is_passed else ("harmed", "○", "failed")
    figure = format_value(gate.get("value"))
    return {"gate": str(gate.get("gate", "")), "style": style, "sign": sign, "label": label, "value": figure}


def _plot_distribution(found: Facts) -> dict[str, Any]:
    title = str(found.get("title", ""))
    return {"title": title, "svg": charts.draw_overlay(found, f"{title}, shares of {', '.join(found['shares'])} rows")}


def _build_neighbors(pair: Facts) -> dict[str, Any]:
    """A synthetic row and the nearest training row, with the items that both have marked."""
    shared = {int(position) for position in pair.get("shared") or []}
    new, real = list(pair.get("new", [])), list(pair.get("real", []))
    common = {new[position] for position in shared if position < len(new)}
    return {
        "rank": _RANKS.get(str(pair.get("rank")), ""),
        "distance": format_value(pair.get("distance")),
        "images": [Markup(image) for image in pair.get("images", []) if str(image).startswith(PNG_PREFIX)],
        "new": [{"name": name, "mark": position in shared} for position, name in enumerate(new)],
        "real": [{"name": name, "mark": name in common} for name in real],
    }


def _build_prediction(found: Facts, measured: Mapping[str, Facts]) -> dict[str, Any] | None:
    """Rank correlations of figures with the lift; None for fewer than two variants."""
    if not found or len(measured) < 2:
        return None
    says = {
        figure.get("kind"): figure.get("summary", "")
        for result in measured.values()
        for figure in result.get("figures", [])
    }
    rows = []
    for figure in found.get("figures", [])[:MAX_PREDICTIONS]:
        low, high = figure.get("low"), figure.get("high")
        rows.append(
            {
                "name": str(figure.get("kind", "")).replace("_", " "),
                "says": says.get(figure.get("kind"), ""),
                "rho": format_value(figure.get("rho")),
                "interval": f"{format_value(low)} to {format_value(high)}",
                "is_clear": low is not None and high is not None and low * high > 0,
            }
        )
    return {
        "rows": rows,
        "n_variants": format_number(found.get("n_variants")),
        "minimum": format_number(found.get("min_variants")),
    }


def summarize_quality(found: Facts) -> str:
    """One sentence: in which groups synthetic rows match real rows, and in which not.

    >>> summarize_quality({"verdicts": {"fidelity": "worse", "diversity": "as_real", "privacy": "as_real"}})
    'Synthetic rows match real rows in diversity and privacy, but fall short in fidelity.'
    """
    verdicts = found.get("verdicts", {})
    phrases = {"as_real": "match real rows in", "close": "come close in", "worse": "fall short in"}
    parts: list[str] = []
    for verdict, phrase in phrases.items():
        if names := [title.lower() for group, title in GROUPS.items() if verdicts.get(group) == verdict]:
            parts.append(f"{'but ' if verdict == 'worse' and parts else ''}{phrase} {_join_names(names)}")
    return f"Synthetic rows {', '.join(parts)}." if parts else "There are too few rows for a verdict."


def _join_names(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
