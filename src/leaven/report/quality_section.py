"""The report's section about the quality of synthetic rows: verdicts, figures, distributions, neighbors, correlation
with the effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from leaven.report import charts, labels
from leaven.report.number_format import NONE, number
from leaven.stats.effect import percent, shown

Facts = Mapping[str, Any]

GROUPS: Mapping[str, str] = {
    "alike": "Fidelity",
    "varied": "Diversity",
    "consistent": "Consistency",
    "not copied": "Memorization",
    "private": "Privacy",
}
"""Group of metrics in the facts -> its title."""
LIGHTS: Mapping[str, dict[str, str]] = {
    "green": {"style": "helped", "sign": "●", "label": "as real"},
    "yellow": {"style": "unsure", "sign": "◐", "label": "close"},
    "red": {"style": "harmed", "sign": "○", "label": "worse"},
    "none": {"style": "same", "sign": NONE, "label": "check only"},
}
"""Verdict in the facts -> class of the page's style, sign and label."""
BETTER: Mapping[str, str] = {"low": "lower", "high": "higher", "real": "as real"}
MOST_PREDICTIONS = 12
PNG = "data:image/png;base64,"
_RANKS = {"nearest": "among the nearest", "middle": "in the middle", "farthest": "among the farthest"}


def judging(facts: Facts) -> dict[str, Any] | None:
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
            {"variant": name, "cells": [*cells(result), _build_utility_cell(result.get("useful", {}))]}
            for name, result in measured.items()
        ],
        "how": how(next(iter(measured.values()))) if measured else "",
        "variants": [judgement(result) | {"name": name} for name, result in measured.items()],
        "prediction": _build_prediction(found.get("prediction", {}), measured),
    }


def cells(found: Facts) -> list[dict[str, str]]:
    """The verdict of each group, with its deciding figure next to that of real rows."""
    figures = {figure.get("kind"): figure for figure in found.get("figures") or []}
    deciding, verdicts = found.get("deciding", {}), found.get("lights", {})
    built = []
    for group, title in GROUPS.items():
        cell = {"group": title, "figure": "", **LIGHTS.get(str(verdicts.get(group)), LIGHTS["none"])}
        if figure := figures.get(deciding.get(group)):
            name = str(figure.get("kind", "")).replace("_", " ")
            cell["figure"] = f"{name} {value(figure.get('value'))}, real {value(figure.get('reference'))}"
        else:
            cell["label"] = "unknown"
        built.append(cell)
    return built


def _build_utility_cell(utility: Facts) -> dict[str, str]:
    style, lift = labels.light(utility.get("verdict")), utility.get("lift")
    figure = f"{shown(str(utility.get('metric', '')))} {percent(lift)}" if lift is not None else ""
    label = str(utility.get("verdict") or "unknown")
    return {"group": "Utility", "style": style, "sign": labels.SIGNS[style], "label": label, "figure": figure}


def how(found: Facts) -> str:
    """What the figures are compared with."""
    facts = found.get("facts", {})
    compared, rows = facts.get("compared", {}), facts.get("rows", {})
    half = min([int(count) for count in compared.values()] or [0]) // 2
    encoder = f" Embeddings: {facts['encoder']}." if facts.get("encoder") else ""
    owners = ", ".join(map(str, facts.get("left_out_columns") or ()))
    left_out = f" Columns that identify the user of a row are left out: {owners}." if owners else ""
    return (
        f"Each figure is shown next to the same figure of real rows: {number(facts.get('halves'))} random splits of "
        f"{number(compared.get('held_out'))} held-out real rows compare one half with the other, and with as many "
        f"synthetic rows ({number(half)} per side). Seed {number(facts.get('seed'))}; "
        f"{number(compared.get('new'))} of {number(rows.get('new'))} synthetic rows were measured.{encoder}{left_out}"
    )


def judgement(found: Facts) -> dict[str, Any]:
    """All figures by group, skipped metrics, gates, distributions, neighbors."""
    figures = list(found.get("figures", []))
    groups = {
        title: [_format_figure(figure) for figure in figures if figure.get("group") == name]
        for name, title in GROUPS.items()
    }
    skipped = found.get("skipped_metrics") or found.get("skipped", {})
    looks = found.get("looks", {})
    distributions = [one for one in looks.get("distributions", []) if one.get("sides") and one.get("names")]
    is_steered = found.get("facts", {}).get("held_out_users_steered_the_plan")
    return {
        "note": "A controller of this plan used the loss of the held-out users." if is_steered else "",
        "groups": [(title, lines) for title, lines in groups.items() if lines],
        "skipped": [(str(kind).replace("_", " "), str(reason)) for kind, reason in skipped.items()],
        "gates": [_format_gate(gate) for gate in found.get("gates", [])],
        "copies": number(found.get("copies_found", len(found.get("copies", [])))),
        "plots": [_plot_distribution(one) for one in distributions],
        "neighbors": [_build_neighbors(pair) for pair in looks.get("neighbours", [])],
    }


def _format_figure(figure: Facts) -> dict[str, str]:
    return {
        "name": str(figure.get("kind", "")).replace("_", " "),
        "says": str(figure.get("says", "")),
        "more": _format_details(figure.get("more", {})),
        "value": value(figure.get("value")),
        "interval": _format_range(figure.get("interval")),
        "real": _format_range(figure.get("reference_range")),
        "better": BETTER.get(str(figure.get("better")), ""),
        **LIGHTS.get(str(figure.get("light")), LIGHTS["none"]),
    }


def _format_details(details: Facts) -> str:
    """Details of a metric that a reader can use."""
    parts = []
    if details.get("called"):
        parts.append(f"{details['called']}; of all rows {value(details.get('of_all'))}")
    if details.get("means") and details.get("shift") is not None:
        parts.append(f"{details['means']}: the median is shifted by {value(details['shift'])} standard deviations")
    if features := [f"{entry[0]} {value(entry[1])}" for entry in details.get("gave_away", [])[:3] if len(entry) > 1]:
        parts.append(f"most distinctive: {', '.join(features)}")
    if details.get("tpr") is not None:
        parts.append(f"true positive rate {value(details['tpr'])} at a false positive rate of 1 %")
    return "; ".join(parts)


def _format_range(ends: Any) -> str:
    pair = list(ends or [])
    return f"{value(pair[0])} to {value(pair[1])}" if len(pair) == 2 else ""


def value(figure: Any) -> str:
    """About three significant digits, with the same number of decimals for figures of similar size.

    >>> value(0.51234), value(12.345), value(1234.5), value(-0.2)
    ('0.512', '12.35', '1,234', '−0.200')
    """
    if not isinstance(figure, int | float):
        return NONE
    decimals = 0 if abs(figure) >= 100 else 2 if abs(figure) >= 10 else 3
    return f"{figure:,.{decimals}f}".replace("-", "−")


def _format_gate(gate: Facts) -> dict[str, str]:
    is_passed = bool(gate.get("passed"))
    style, sign, label = ("helped", "●", "passed") if is_passed else ("harmed", "○", "failed")
    figure = value(gate.get("value"))
    return {"gate": str(gate.get("gate", "")), "style": style, "sign": sign, "label": label, "value": figure}


def _plot_distribution(found: Facts) -> dict[str, Any]:
    title = str(found.get("title", ""))
    return {"title": title, "svg": charts.overlay(found, f"{title}, shares of {', '.join(found['sides'])} rows")}


def _build_neighbors(pair: Facts) -> dict[str, Any]:
    """A synthetic row and the nearest training row, with the items that both have marked."""
    shared = {int(position) for position in pair.get("shared") or []}
    new, real = list(pair.get("new", [])), list(pair.get("real", []))
    common = {new[position] for position in shared if position < len(new)}
    return {
        "rank": _RANKS.get(str(pair.get("sort")), ""),
        "distance": value(pair.get("distance")),
        "images": [Markup(image) for image in pair.get("pictures", []) if str(image).startswith(PNG)],
        "new": [{"name": name, "mark": position in shared} for position, name in enumerate(new)],
        "real": [{"name": name, "mark": name in common} for name in real],
    }


def _build_prediction(found: Facts, measured: Mapping[str, Facts]) -> dict[str, Any] | None:
    """Rank correlations of figures with the lift; None for fewer than two variants."""
    if not found or len(measured) < 2:
        return None
    says = {
        figure.get("kind"): figure.get("says", "")
        for result in measured.values()
        for figure in result.get("figures", [])
    }
    rows = []
    for figure in found.get("figures", [])[:MOST_PREDICTIONS]:
        low, high = figure.get("low"), figure.get("high")
        rows.append(
            {
                "name": str(figure.get("kind", "")).replace("_", " "),
                "says": says.get(figure.get("kind"), ""),
                "rho": value(figure.get("rho")),
                "interval": f"{value(low)} to {value(high)}",
                "is_clear": low is not None and high is not None and low * high > 0,
            }
        )
    return {"rows": rows, "n_variants": number(found.get("arms")), "minimum": number(found.get("fewest"))}


def headline(found: Facts) -> str:
    """One sentence: in which groups synthetic rows match real rows, and in which not.

    >>> headline({"lights": {"alike": "red", "varied": "green", "private": "green"}})
    'Synthetic rows match real rows in diversity and privacy, but fall short in fidelity.'
    """
    verdicts = found.get("lights", {})
    phrases = {"green": "match real rows in", "yellow": "come close in", "red": "fall short in"}
    parts: list[str] = []
    for verdict, phrase in phrases.items():
        if names := [title.lower() for group, title in GROUPS.items() if verdicts.get(group) == verdict]:
            parts.append(f"{'but ' if verdict == 'red' and parts else ''}{phrase} {_join_names(names)}")
    return f"Synthetic rows {', '.join(parts)}." if parts else "There are too few rows for a verdict."


def _join_names(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
