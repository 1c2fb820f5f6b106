"""The report's section about controllers: what was decided during training, and on which signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from leaven.report import charts
from leaven.report.number_format import MISSING, format_number, format_share

Facts = Mapping[str, Any]
Rows = Sequence[Facts]

UP, DOWN, HELD = "up", "down", "held"


def build_controller_section(facts: Facts) -> dict[str, Any] | None:
    """Charts of strength and its signals, flags, and a table with one row per decision; None without decisions."""
    trainings = _group_by_training(facts)
    if not trainings:
        return None
    flags = {key: _find_flag(rows) for key, rows in trainings.items()}
    variants = list(dict.fromkeys(variant for variant, _ in trainings))
    return {
        "counted": summarize_decisions(facts),
        "flags": [f"{variant}, seed {seed}: {flag}" for (variant, seed), flag in flags.items() if flag],
        "variants": [
            _build_variant(variant, {seed: rows for (name, seed), rows in trainings.items() if name == variant})
            for variant in variants
        ],
    }


def summarize_decisions(facts: Facts) -> list[str]:
    """One sentence per variant: the number of decisions, their directions, and the cost of pilots."""
    sentences, trainings = [], _group_by_training(facts)
    for variant in dict.fromkeys(variant for variant, _ in trainings):
        logs = [rows for (name, _), rows in trainings.items() if name == variant]
        if not any(row.get("signals") for rows in logs for row in rows):
            sentences.append(f"{variant}: {logs[0][0].get('why')}")
            continue
        moves = [move for rows in logs for move in classify_moves(rows)]
        directions = ", ".join(f"{moves.count(move)} {move}" for move in (UP, DOWN, HELD))
        trained = "1 training" if len(logs) == 1 else f"{format_number(len(logs))} trainings"
        sentences.append(f"{variant}: {format_number(len(moves))} decisions in {trained}: {directions}")
    steps = facts.get("cost", {}).get("pilot_steps")
    return [*sentences, f"pilots took {format_number(steps)} optimizer steps"] if sentences and steps else sentences


def classify_moves(rows: Rows) -> list[str]:
    """For each decision of one training, whether the mean strength over strata went up, down, or was held."""
    strengths = [_list_strengths(row) or [0.0] for row in rows]
    levels = [0.0, *(sum(levels) / len(levels) for levels in strengths)]
    return [UP if now > before else DOWN if now < before else HELD for before, now in pairwise(levels)]


def _group_by_training(facts: Facts) -> dict[tuple[str, str], list[Facts]]:
    """(variant, seed) -> its decisions."""
    trainings: dict[tuple[str, str], list[Facts]] = {}
    for row in facts.get("decisions") or []:
        trainings.setdefault((str(row.get("arm", "")), str(row.get("seed", ""))), []).append(row)
    return trainings


def _build_variant(name: str, by_seed: Mapping[str, list[Facts]]) -> dict[str, Any]:
    return {
        "name": name,
        "plots": [plot for plot in (_plot_strengths(name, by_seed), _plot_gaps(name, by_seed)) if plot],
        "seeds": [{"seed": seed, "rows": [_format_row(row) for row in rows]} for seed, rows in by_seed.items()],
    }


def _plot_strengths(name: str, by_seed: Mapping[str, list[Facts]]) -> dict[str, Any] | None:
    """Strength over steps, as a step function: a decision holds until the next validation."""
    series = []
    for seed, rows in by_seed.items():
        for nth, stratum in enumerate(_name_strata(rows)):
            series.append((stratum, seed, _to_stairs(_list_points(rows, list(map(_list_strengths, rows)), nth))))
    return _plot_series("Strength", name, series)


def _plot_gaps(name: str, by_seed: Mapping[str, list[Facts]]) -> dict[str, Any] | None:
    """Excess loss of control users over a probe of the training rows, and the target, over steps."""
    series = []
    for seed, rows in by_seed.items():
        for nth, stratum in enumerate(_name_strata(rows)):
            for key in ("gap", "target"):
                points = _list_points(rows, [_list_signals(row, key) for row in rows], nth)
                series.append((f"{key} {stratum}", seed, points))
    return _plot_series("Gap of control users to the probe, nats", name, series)


def _list_points(rows: Rows, figures: Sequence[Sequence[float]], nth: int) -> charts.Points:
    """(step, figure of stratum nth) of the decisions that have both."""
    pairs = [(row.get("step"), strata) for row, strata in zip(rows, figures, strict=True) if row.get("signals")]
    return [(float(step), strata[nth]) for step, strata in pairs if step is not None and len(strata) > nth]


def _list_signals(row: Facts, key: str) -> list[float]:
    """One figure per stratum; none where any stratum lacks it."""
    strata = row.get("signals", {}).get("strata", [])
    figures = [stratum.get(key) for stratum in strata]
    return [float(figure) for figure in figures] if all(isinstance(figure, int | float) for figure in figures) else []


def _plot_series(title: str, name: str, series: Sequence[tuple[str, str, charts.Points]]) -> dict[str, Any] | None:
    """A chart of the series that have two points or more; all users together need no name of a stratum."""
    long = [
        (label.removesuffix(" all") if label != "all" else "strength", seed, points)
        for label, seed, points in series
        if len(points) > 1
    ]
    return {"title": title, "svg": charts.draw_curves(long, f"{title} of {name} by optimizer step")} if long else None


def _to_stairs(points: charts.Points) -> charts.Points:
    stairs: charts.Points = []
    for nth, (step, level) in enumerate(points):
        stairs += [(step, points[nth - 1][1])] if nth else []
        stairs.append((step, level))
    return stairs


def _name_strata(rows: Rows) -> list[str]:
    signals: Facts = next((row["signals"] for row in rows if row.get("signals")), {})
    names = [str(stratum.get("stratum", "")) for stratum in signals.get("strata", [])]
    return names if names == ["all"] else [f"{name} events" for name in names]


def _format_row(row: Facts) -> dict[str, str]:
    strengths = _list_strengths(row)
    gaps, losses = _list_signals(row, "gap"), _list_signals(row, "control")
    return {
        "step": format_number(row.get("step")),
        "strength": " · ".join(f"{level:.2f}" for level in strengths) or MISSING,
        "acts": str(row.get("decision", {}).get("step") or ("all" if any(strengths) else MISSING)),
        "gap": " · ".join(f"{gap:.3f}".replace("-", "−") for gap in gaps) or MISSING,
        "control": " · ".join(f"{loss:.3f}" for loss in losses) or MISSING,
        "why": str(row.get("why", "")),
        "at": format_share(float(row.get("progress") or 0.0)),
    }


def _list_strengths(row: Facts) -> list[float]:
    """The strength of each stratum; its share of the copies where only that varies."""
    decision = row.get("decision", {})
    pairs = zip(decision.get("strength", []), decision.get("share", []), strict=False)
    return [min(float(strength), float(share)) for strength, share in pairs]


def _find_flag(rows: Rows) -> str:
    return next((flag for row in rows if (flag := str(row.get("decision", {}).get("flag") or ""))), "")
