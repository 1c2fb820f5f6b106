"""The report's section about controllers: what was decided during training, and on which signals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from leaven.facts import DecisionFacts, RunFacts, StratumFacts
from leaven.report import charts
from leaven.report.number_format import format_number
from leaven.report.sections import Plot

Log = tuple[DecisionFacts, ...]
"""Decisions of one training, in order."""

UP, DOWN, HELD = "up", "down", "held"


@dataclass(frozen=True)
class ControlledVariant:
    """One variant with a controller. logs: the decisions of each of its trainings."""

    name: str
    plots: tuple[Plot, ...]
    logs: tuple[Log, ...]


@dataclass(frozen=True)
class ControllerSection:
    """counted: a sentence per variant; flags: warnings of controllers."""

    counted: tuple[str, ...]
    flags: tuple[str, ...]
    variants: tuple[ControlledVariant, ...]


def build_controller_section(facts: RunFacts) -> ControllerSection | None:
    """Charts of strength and its signals, flags, and the decisions; None without decisions."""
    by_variant = _group_logs(facts)
    if not by_variant:
        return None
    flags = [
        f"{name}, seed {log[0].seed}: {row.flag}"
        for name, logs in by_variant.items()
        for log in logs
        for row in log
        if row.flag
    ]
    variants = [ControlledVariant(name, tuple(_draw_plots(name, logs)), logs) for name, logs in by_variant.items()]
    return ControllerSection(tuple(summarize_decisions(facts)), tuple(dict.fromkeys(flags)), tuple(variants))


def summarize_decisions(facts: RunFacts) -> list[str]:
    """One sentence per variant: the number of decisions, their directions, and the cost of pilots."""
    sentences = []
    for variant, logs in _group_logs(facts).items():
        if not any(row.strata for log in logs for row in log):
            sentences.append(f"{variant}: {logs[0][0].reason}")
            continue
        moves = [move for log in logs for move in classify_moves(log)]
        directions = ", ".join(f"{moves.count(move)} {move}" for move in (UP, DOWN, HELD))
        trained = "1 training" if len(logs) == 1 else f"{format_number(len(logs))} trainings"
        sentences.append(f"{variant}: {format_number(len(moves))} decisions in {trained}: {directions}")
    if sentences and facts.cost.pilot_steps:
        sentences.append(f"pilots took {format_number(facts.cost.pilot_steps)} optimizer steps")
    return sentences


def classify_moves(log: Log) -> list[str]:
    """For each decision of one training, whether the mean strength over strata went up, down, or was held."""
    levels = [0.0, *(sum(row.levels) / max(len(row.levels), 1) for row in log)]
    return [UP if now > before else DOWN if now < before else HELD for before, now in pairwise(levels)]


def _group_logs(facts: RunFacts) -> dict[str, tuple[Log, ...]]:
    """Variant -> decisions of each of its trainings."""
    found: dict[str, tuple[Log, ...]] = {}
    ordered = sorted(facts.decisions, key=lambda row: row.seed)
    for variant in dict.fromkeys(row.variant for row in facts.decisions):
        mine = [row for row in ordered if row.variant == variant]
        found[variant] = tuple(tuple(rows) for _, rows in groupby(mine, key=lambda row: row.seed))
    return found


def _draw_plots(name: str, logs: Sequence[Log]) -> list[Plot]:
    """Strength over steps, as a step function; excess loss of control users over a probe of the training users, and
    its target."""
    strengths, gaps = [], []
    for log in logs:
        seed, steered = str(log[0].seed), [row for row in log if row.strata]
        for nth, stratum in enumerate(steered[0].strata if steered else ()):
            label = "" if stratum.name == "all" else f"{stratum.name} events"
            levels = [(float(row.step), row.levels[nth]) for row in steered]
            strengths.append((label or "strength", seed, _to_stairs(levels)))
            gaps.append((f"gap {label}".strip(), seed, _list_points(steered, nth, lambda one: one.gap)))
            gaps.append((f"target {label}".strip(), seed, _list_points(steered, nth, lambda one: one.target)))
    titled = {"Strength": strengths, "Gap of control users to the probe, nats": gaps}
    plots = []
    for title, series in titled.items():
        long = [one for one in series if len(one[2]) > 1]
        if long:
            plots.append(Plot(title, charts.draw_curves(long, f"{title} of {name} by optimizer step")))
    return plots


def _list_points(log: Sequence[DecisionFacts], nth: int, get: Callable[[StratumFacts], float | None]) -> charts.Points:
    figures = [(float(row.step), get(row.strata[nth])) for row in log]
    return [(step, figure) for step, figure in figures if figure is not None]


def _to_stairs(points: Sequence[tuple[float, float]]) -> charts.Points:
    """A decision holds until the next validation."""
    stairs: charts.Points = []
    for nth, (step, level) in enumerate(points):
        stairs += [(step, points[nth - 1][1])] if nth else []
        stairs.append((step, level))
    return stairs
