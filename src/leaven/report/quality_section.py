"""The report's section about the quality of synthetic rows: verdicts, figures, distributions, neighbors, correlation
with the effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from leaven.facts import EffectFacts, RunFacts
from leaven.modalities.histograms import Distribution
from leaven.quality.quality_facts import Figure, GateResult, NeighborPair, QualityFacts
from leaven.quality.run_quality import RunQuality
from leaven.report import charts, labels
from leaven.report.number_format import MISSING, format_number
from leaven.report.row_previews import Chip
from leaven.report.sections import Plot
from leaven.stats.effect import format_metric_name, format_percent

GROUPS: Mapping[str, str] = {
    "fidelity": "Fidelity",
    "diversity": "Diversity",
    "consistency": "Consistency",
    "memorization": "Memorization",
    "privacy": "Privacy",
}
"""Group of metrics in the facts -> its title."""
DIRECTIONS: Mapping[str, str] = {"low": "lower", "high": "higher", "real": "as real"}
MAX_PREDICTIONS = 12
PNG_PREFIX = "data:image/png;base64,"
TURNED_OFF = "The synthetic rows were not evaluated: the spec turns it off (quality = false)."
_RANKS = {"nearest": "among the nearest", "middle": "in the middle", "farthest": "among the farthest"}


@dataclass(frozen=True)
class Badge:
    """A verdict on the page. style: class of the style sheet; figure: the figure that decides it."""

    style: str
    sign: str
    label: str
    group: str = ""
    figure: str = ""


VERDICTS: Mapping[str, Badge] = {
    "as_real": Badge("helped", "●", "as real"),
    "close": Badge("unsure", "◐", "close"),
    "worse": Badge("harmed", "○", "worse"),
    "check": Badge("same", MISSING, "check only"),
}
"""Verdict in the facts -> its badge."""


@dataclass(frozen=True)
class FigureLine:
    """One figure in the table of all figures."""

    name: str
    summary: str
    details: str
    value: str
    interval: str
    real: str
    better: str
    verdict: Badge


@dataclass(frozen=True)
class NeighborView:
    """A synthetic row and the nearest training row, with the items that both have marked."""

    rank: str
    distance: str
    images: tuple[Markup, ...]
    new: tuple[Chip, ...]
    real: tuple[Chip, ...]


@dataclass(frozen=True)
class QualityView:
    """All figures of one set of rows. groups: title -> figures; skipped: metric -> reason; gates: gate -> badge."""

    name: str
    note: str
    groups: Mapping[str, tuple[FigureLine, ...]]
    skipped: Mapping[str, str]
    gates: Mapping[str, Badge]
    n_copies: int
    plots: tuple[Plot, ...]
    neighbors: tuple[NeighborView, ...]


@dataclass(frozen=True)
class PredictionRow:
    """Rank correlation of one figure with the lift. is_clear: whether its interval is on one side of 0."""

    name: str
    summary: str
    rho: str
    interval: str
    is_clear: bool


@dataclass(frozen=True)
class PredictionView:
    """Rank correlations of figures with the lift, over `n_variants`; a correlation needs `min_variants`."""

    rows: tuple[PredictionRow, ...]
    n_variants: int
    min_variants: int


@dataclass(frozen=True)
class QualitySection:
    """Quality on a page. skipped: (variant, or "" for all, reason); rows: name -> badges under the titles `groups`."""

    skipped: tuple[tuple[str, str], ...] = ()
    groups: tuple[str, ...] = ()
    rows: Mapping[str, tuple[Badge, ...]] | None = None
    how: str = ""
    variants: tuple[QualityView, ...] = ()
    prediction: PredictionView | None = None


def build_quality_section(facts: RunFacts) -> QualitySection | None:
    """The section of a run: one line of verdicts per variant, all figures, and their correlation with the effect; None
    for a run without a comparison."""
    if facts.comparison is None and not facts.quality:
        return None
    quality = RunQuality.from_json(facts.quality) if facts.quality else RunQuality(skipped=TURNED_OFF)
    measured = quality.measured
    skipped = [("", quality.skipped), *((name, one.skipped) for name, one in quality.variants.items())]
    if not measured and not any(reason for _, reason in skipped):
        skipped = [("", "No variant has synthetic or changed rows.")]
    return QualitySection(
        skipped=tuple((name, reason) for name, reason in skipped if reason),
        groups=(*GROUPS.values(), "Utility") if measured else (),
        rows={
            name: (*build_badges(found), _build_utility_badge(quality.variants[name].effect))
            for name, found in measured.items()
        },
        how=describe_comparison(next(iter(measured.values()))) if measured else "",
        variants=tuple(build_quality_view(found, name) for name, found in measured.items()),
        prediction=_build_prediction(quality),
    )


def build_badges(found: QualityFacts) -> tuple[Badge, ...]:
    """The verdict of each group, with its deciding figure next to that of real rows."""
    verdicts, deciding = found.verdicts, found.deciding_metrics
    figures = {figure.kind: figure for figure in found.figures}
    badges = []
    for group, title in GROUPS.items():
        badge, kind = VERDICTS[verdicts[group]], deciding.get(group)
        figure = figures[kind] if kind is not None else None
        if figure is None:
            badges.append(Badge(badge.style, badge.sign, "unknown", title))
            continue
        text = f"{_format_kind(figure.kind)} {format_value(figure.value)}, real {format_value(figure.reference)}"
        badges.append(Badge(badge.style, badge.sign, badge.label, title, text))
    return tuple(badges)


def _build_utility_badge(effect: EffectFacts | None) -> Badge:
    verdict = effect.verdict if effect is not None else ""
    style, figure = labels.get_verdict_style(verdict), ""
    if effect is not None and effect.lift is not None:
        figure = f"{format_metric_name(effect.metric)} {format_percent(effect.lift)}"
    return Badge(style, labels.STYLE_SIGNS[style], verdict or "unknown", "Utility", figure)


def describe_comparison(found: QualityFacts) -> str:
    """What the figures are compared with."""
    setup = found.setup
    half = min(setup.compared.new, setup.compared.held_out) // 2
    encoder = f" Embeddings: {setup.encoder}." if setup.encoder else ""
    owners = setup.notes.get("left_out_columns", ())
    names = ", ".join(owners) if isinstance(owners, tuple) else ""
    left_out = f" Columns that identify the user of a row are left out: {names}." if names else ""
    return (
        f"Each figure is shown next to the same figure of real rows: {format_number(setup.n_splits)} random splits of "
        f"{format_number(setup.compared.held_out)} held-out real rows compare one half with the other, and with as "
        f"many synthetic rows ({format_number(half)} per side). Seed {setup.seed}; "
        f"{format_number(setup.compared.new)} of {format_number(setup.rows.new)} synthetic rows were measured."
        f"{encoder}{left_out}"
    )


def build_quality_view(found: QualityFacts, name: str = "") -> QualityView:
    """All figures by group, skipped metrics, gates, distributions, neighbors."""
    lines = {
        title: tuple(_build_line(figure) for figure in found.figures if figure.group == group)
        for group, title in GROUPS.items()
    }
    return QualityView(
        name=name,
        note="A controller of this plan used the loss of the held-out users." if found.setup.is_steered else "",
        groups={title: figures for title, figures in lines.items() if figures},
        skipped={_format_kind(kind): reason for kind, reason in found.skipped_metrics.items()},
        gates={gate.gate: _build_gate(gate) for gate in found.gates},
        n_copies=found.n_copies,
        plots=tuple(_plot_distribution(one) for one in found.distributions if one.shares and one.names),
        neighbors=tuple(_build_neighbors(pair) for pair in found.neighbors),
    )


def _build_line(figure: Figure) -> FigureLine:
    return FigureLine(
        name=_format_kind(figure.kind),
        summary=figure.summary,
        details=_describe_details(figure),
        value=format_value(figure.value),
        interval=_format_range(figure.interval),
        real=_format_range(figure.reference_range),
        better=DIRECTIONS[figure.better],
        verdict=VERDICTS[figure.verdict],
    )


def _describe_details(figure: Figure) -> str:
    """Details of a metric that a reader can use."""
    details, parts = figure.details, []
    if details.frechet_name:
        parts.append(f"{details.frechet_name}; of all rows {format_value(details.value_of_all_rows)}")
    if details.shift_direction and details.shift is not None:
        shift = format_value(details.shift)
        parts.append(f"{details.shift_direction}: the median is shifted by {shift} standard deviations")
    if features := [f"{name} {format_value(value)}" for name, value in details.separating_features[:3]]:
        parts.append(f"most distinctive: {', '.join(features)}")
    if details.tpr is not None:
        parts.append(f"true positive rate {format_value(details.tpr)} at a false positive rate of 1 %")
    return "; ".join(parts)


def _format_kind(kind: str) -> str:
    return kind.replace("_", " ")


def _format_range(ends: tuple[float, float]) -> str:
    return f"{format_value(ends[0])} to {format_value(ends[1])}"


def format_value(figure: float | None) -> str:
    """About three significant digits, with the same number of decimals for figures of similar size.

    >>> format_value(0.51234), format_value(12.345), format_value(1234.5), format_value(-0.2)
    ('0.512', '12.35', '1,234', '−0.200')
    """
    if figure is None:
        return MISSING
    decimals = 0 if abs(figure) >= 100 else 2 if abs(figure) >= 10 else 3
    return f"{figure:,.{decimals}f}".replace("-", "−")


def _build_gate(gate: GateResult) -> Badge:
    style, sign, label = ("helped", "●", "passed") if gate.passed else ("harmed", "○", "failed")
    return Badge(style, sign, label, figure=format_value(gate.value))


def _plot_distribution(found: Distribution) -> Plot:
    return Plot(found.title, charts.draw_overlay(found, f"{found.title}, shares of {', '.join(found.shares)} rows"))


def _build_neighbors(pair: NeighborPair) -> NeighborView:
    common = {pair.new[position] for position in pair.shared if position < len(pair.new)}
    return NeighborView(
        rank=_RANKS.get(pair.rank, ""),
        distance=format_value(pair.distance),
        images=tuple(Markup(image) for image in pair.images if image.startswith(PNG_PREFIX)),
        new=tuple(Chip(name, position in pair.shared) for position, name in enumerate(pair.new)),
        real=tuple(Chip(name, name in common) for name in pair.real),
    )


def _build_prediction(quality: RunQuality) -> PredictionView | None:
    """Rank correlations of figures with the lift; None for fewer than two variants."""
    found, measured = quality.prediction, quality.measured
    if found is None or len(measured) < 2:
        return None
    summaries = {figure.kind: figure.summary for facts in measured.values() for figure in facts.figures}
    rows = tuple(
        PredictionRow(
            _format_kind(one.kind),
            summaries.get(one.kind, ""),
            format_value(one.rho),
            _format_range((one.low, one.high)),
            one.low * one.high > 0,
        )
        for one in found.figures[:MAX_PREDICTIONS]
    )
    return PredictionView(rows, found.n_variants, found.min_variants)


def summarize_quality(found: QualityFacts) -> str:
    """One sentence: in which groups synthetic rows match real rows, and in which not."""
    verdicts = found.verdicts
    phrases = {"as_real": "match real rows in", "close": "come close in", "worse": "fall short in"}
    parts: list[str] = []
    for verdict, phrase in phrases.items():
        if names := [title.lower() for group, title in GROUPS.items() if verdicts[group] == verdict]:
            parts.append(f"{'but ' if verdict == 'worse' and parts else ''}{phrase} {_join_names(names)}")
    return f"Synthetic rows {', '.join(parts)}." if parts else "There are too few rows for a verdict."


def _join_names(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
