"""The report's section about a sweep: curves of effect and fidelity with intervals, and a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaven.facts import Interval, SweepFacts, SweepPoint
from leaven.report import charts, labels
from leaven.report.number_format import MISSING, format_number
from leaven.report.sections import Plot
from leaven.stats.effect import format_metric_name, format_percent

Marks = list[tuple[int, str]]
"""(index of a point, label)."""


@dataclass(frozen=True)
class SweepRow:
    """One value of the field. marks: what it is on the curve, such as the best one."""

    cells: tuple[str, ...]
    verdict: str
    marks: str

    @property
    def sign(self) -> str:
        """The sign of the verdict; "" without one."""
        return labels.STYLE_SIGNS[labels.get_verdict_style(self.verdict)] if self.verdict else ""


@dataclass(frozen=True)
class SweepTable:
    """titles: of the cells."""

    titles: tuple[str, ...]
    rows: tuple[SweepRow, ...]


@dataclass(frozen=True)
class SweepSection:
    """A sweep on the page."""

    title: str
    sentences: tuple[str, ...]
    plots: tuple[Plot, ...]
    table: SweepTable


def build_sweep_section(facts: SweepFacts | None) -> SweepSection | None:
    """Sentences, two plots and a table; None where there is no sweep."""
    if facts is None:
        return None
    title = f"Lift of {format_metric_name(facts.metric)}, 95 % interval"
    effects = [(point, point.lift) for point in facts.points]
    plots = [_draw_curve(facts, effects, _list_effect_marks(facts), title, 0.0)]
    if facts.training_auc is not None:
        title = "AUC of a classifier of synthetic against real rows (0.5: indistinguishable; dashed: training rows)"
        measured = [(point, point.auc) for point in facts.points if point.auc is not None]
        level = facts.training_auc.value
        plots.append(_draw_curve(facts, measured, _list_fidelity_marks(facts), title, level))
    table = build_sweep_table(facts)
    return SweepSection(f"“{facts.variant}” along {facts.field}", facts.sentences, tuple(plots), table)


def build_sweep_table(facts: SweepFacts) -> SweepTable:
    """One line per value; for the page and the terminal."""
    has_auc = any(point.auc is not None for point in facts.points)
    titles = (facts.field, "rows added", format_metric_name(facts.metric), "lift", "95 % interval")
    marks = _list_effect_marks(facts) + _list_fidelity_marks(facts)
    rows = []
    for index, point in enumerate(facts.points):
        interval = f"{format_percent(point.lift.low)} to {format_percent(point.lift.high)}" if point.verdict else ""
        cells = [point.value, format_number(point.synthetic_rows), f"{point.mean:.4f}"]
        cells += [format_percent(point.lift.value), interval]
        if has_auc:
            cells.append(f"{point.auc.value:.3f}" if point.auc is not None else MISSING)
        mine = ", ".join(label for position, label in marks if position == index)
        rows.append(SweepRow(tuple(cells), point.verdict, mine))
    return SweepTable((*titles, "AUC") if has_auc else titles, tuple(rows))


def _list_effect_marks(facts: SweepFacts) -> Marks:
    marks = {"best": facts.best, "more harms": facts.harm, "knee of effect": facts.effect_knee}
    return [(index, label) for label, index in marks.items() if index is not None]


def _list_fidelity_marks(facts: SweepFacts) -> Marks:
    return [] if facts.fidelity_knee is None else [(facts.fidelity_knee, "knee of fidelity")]


def _draw_curve(
    facts: SweepFacts, figures: Sequence[tuple[SweepPoint, Interval]], marks: Marks, title: str, level: float
) -> Plot:
    labelled: dict[float, str] = {}
    for index, label in marks:
        x = facts.points[index].x
        labelled[x] = f"{labelled[x]}, {label}" if x in labelled else label
    points = [(point.x, one.value, one.low, one.high) for point, one in figures]
    curve = charts.ResponseCurve(points, level, list(labelled.items()))
    alt_text = f"{title}, {len(points)} values of {facts.field}"
    return Plot(title, charts.draw_response(curve, facts.axis, "", alt_text, share=level == 0.0))
