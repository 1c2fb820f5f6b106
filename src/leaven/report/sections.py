"""The sections of a run's page: what templates show beyond the facts themselves.

A section without facts is None, and the page leaves it out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from leaven.facts import (
    CleaningRuleFacts,
    ComparisonFacts,
    CtrFacts,
    DataFacts,
    EffectFacts,
    GalleryFacts,
    ImageExample,
    RunFacts,
    TextExample,
    TrainingFacts,
    ValidationFacts,
    VariantFacts,
)
from leaven.report import charts
from leaven.report.data_notes import list_cleaning_losses, list_reading_notes
from leaven.report.interval_plot import AxisScale
from leaven.report.number_format import format_number, list_scalars
from leaven.report.plan_diagram import draw_plan, render_mermaid
from leaven.report.row_previews import PreviewView, TextView, build_preview, build_text
from leaven.translation import Translator, get_translator

ENGLISH = get_translator("en")
MAX_PREVIEWS, MAX_EXAMPLES, MAX_COLUMNS = 10, 3, 8


@dataclass(frozen=True)
class Plot:
    """A chart with its title."""

    title: str
    svg: Markup


@dataclass(frozen=True)
class EffectsTable:
    """Effects that share one axis."""

    metric: str
    min_effect: float
    effects: tuple[EffectFacts, ...]
    scale: AxisScale


@dataclass(frozen=True)
class MetricCell:
    """Mean of a variant on a metric, with its effect where the metric has a test."""

    mean: float | None = None
    effect: EffectFacts | None = None


@dataclass(frozen=True)
class MetricsTable:
    """Some metrics of all variants. rows: variant -> one cell per metric."""

    metrics: tuple[str, ...]
    rows: Mapping[str, tuple[MetricCell, ...]]


@dataclass(frozen=True)
class VerdictSection:
    """The tables under the headline."""

    effects: EffectsTable
    against_control: EffectsTable | None
    metrics: tuple[MetricsTable, ...]
    noise: float | None


def build_verdict_section(comparison: ComparisonFacts | None) -> VerdictSection | None:
    """The table of variants, the comparison with duplicated rows, and all metrics; None without a comparison."""
    if comparison is None or not comparison.effects:
        return None
    scale = AxisScale.from_effects([*comparison.effects, *comparison.against_control], comparison.min_effect)

    def build_table(effects: tuple[EffectFacts, ...]) -> EffectsTable:
        return EffectsTable(comparison.metric, comparison.min_effect, effects, scale)

    against_control = build_table(comparison.against_control) if comparison.against_control else None
    noise = [e.training_noise for e in comparison.effects if e.seeds > 1 and e.training_noise is not None]
    metrics = _build_metrics_tables(comparison)
    return VerdictSection(build_table(comparison.effects), against_control, metrics, max(noise, default=None))


def _build_metrics_tables(comparison: ComparisonFacts) -> tuple[MetricsTable, ...]:
    """All metrics of all variants, in tables of similar width."""
    columns: dict[str, dict[str, MetricCell]] = {}
    for metric, effects in comparison.metrics.items():
        if effects:
            columns[metric] = {effects[0].against: MetricCell(effects[0].baseline_mean)}
            columns[metric] |= {effect.variant: MetricCell(effect.mean, effect) for effect in effects}
    variants = dict.fromkeys(name for cells in columns.values() for name in cells) or {comparison.baseline: None}
    for metric, means in comparison.pooled.items():
        columns[metric] = {name: MetricCell(mean) for name, mean in means.items()}
    if len(columns) < 2:
        return ()
    names = tuple(columns)
    width = -(-len(names) // -(-len(names) // MAX_COLUMNS))
    groups = [names[first : first + width] for first in range(0, len(names), width)]
    return tuple(
        MetricsTable(
            group,
            {v: tuple(columns[m][v] if v in columns[m] else MetricCell() for m in group) for v in variants},
        )
        for group in groups
    )


@dataclass(frozen=True)
class SegmentsSection:
    """Effects by segment. groups: grouping -> group of users -> effect of each variant. skipped: groupings whose groups
    are all too small."""

    metric: str
    scale: AxisScale
    groups: Mapping[str, Mapping[str, tuple[EffectFacts, ...]]]
    skipped: tuple[str, ...] = ()


def build_segments_section(comparison: ComparisonFacts | None) -> SegmentsSection | None:
    """Effects by segment; without groups where no users were compared separately."""
    if comparison is None or not comparison.effects:
        return None
    groups: dict[str, dict[str, tuple[EffectFacts, ...]]] = {}
    for effect in comparison.segments:
        of_grouping = groups.setdefault(effect.by, {})
        of_grouping[effect.segment] = (*of_grouping.setdefault(effect.segment, ()), effect)
    scale = AxisScale.from_effects(comparison.segments, comparison.min_effect)
    return SegmentsSection(comparison.metric, scale, groups, comparison.skipped_groupings)


def build_calibration_section(facts: CtrFacts | None, translate: Translator = ENGLISH) -> Plot | None:
    """The calibration of each variant; None for other tasks."""
    if facts is None:
        return None
    series: list[tuple[str, charts.Points]] = [
        (name, [(one.predicted, one.observed) for one in variant.calibration])
        for name, variant in facts.variants.items()
    ]
    alt_text = f"Share of positives by mean predicted CTR, {len(series)} variants; the diagonal is perfect calibration"
    svg = charts.draw_calibration(series, translate("mean predicted CTR"), translate("share of positives"), alt_text)
    return Plot("Predicted and observed share", svg)


@dataclass(frozen=True)
class GalleryView:
    """Examples of one step on items."""

    facts: GalleryFacts
    texts: tuple[TextView, ...]
    images: tuple[ImageExample, ...]


@dataclass(frozen=True)
class VariantView:
    """Rows of one variant, with examples."""

    facts: VariantFacts
    previews: tuple[PreviewView, ...]
    galleries: tuple[GalleryView, ...]
    plan: Markup
    mermaid: str


def build_rows_section(facts: RunFacts, translate: Translator = ENGLISH) -> list[VariantView] | None:
    """What the plan of each variant did to the rows; None for a run without variants."""
    if not facts.variants:
        return None
    return [
        VariantView(
            variant,
            tuple(build_preview(preview) for preview in variant.previews[:MAX_PREVIEWS]),
            tuple(_build_gallery(gallery) for gallery in variant.galleries),
            draw_plan(variant.plan, translate),
            render_mermaid(variant.plan, variant.name),
        )
        for variant in facts.variants
        if variant.steps
    ]


def _build_gallery(gallery: GalleryFacts) -> GalleryView:
    texts = tuple(build_text(example) for example in gallery.examples if isinstance(example, TextExample))
    images = tuple(example for example in gallery.examples if isinstance(example, ImageExample))
    return GalleryView(gallery, texts, images)


@dataclass(frozen=True)
class DataSection:
    """The log before training. idle_rules: names of rules of cleaning that found nothing. losses, notes: sentences on
    dropped lines and on assumptions."""

    tiles: list[tuple[str, str]]
    reading: list[tuple[str, str]]
    split: list[tuple[str, str]]
    rules: tuple[CleaningRuleFacts, ...]
    idle_rules: tuple[CleaningRuleFacts, ...]
    plots: tuple[Plot, ...]
    losses: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def build_data_section(data: DataFacts, translate: Translator = ENGLISH) -> DataSection | None:
    """Statistics, cleaning, plots and split; None without any."""
    if not (data.statistics or data.reading or data.cleaning or data.split or data.warnings):
        return None
    plots = {key: plot for shape in _PLOTS for key, plot in _draw_plot(shape, data.statistics, translate).items()}
    return DataSection(
        tiles=list_scalars(data.statistics, skip=tuple(plots)),
        reading=list_scalars(data.reading, skip=("notes", "left_out")),
        split=list_scalars(data.split),
        rules=tuple(rule for rule in data.cleaning if rule.touched or rule.dropped),
        idle_rules=tuple(rule for rule in data.cleaning if not (rule.touched or rule.dropped)),
        plots=tuple(plots.values()),
        losses=list_cleaning_losses(data),
        notes=list_reading_notes(data),
    )


@dataclass(frozen=True)
class _PlotShape:
    """A plot of the log. key: name of its figures in the statistics."""

    title: str
    key: str
    draw: Callable[[charts.Points, str, str, str], Markup]
    x_title: str
    y_title: str


_PLOTS = (
    _PlotShape("Length of histories", "length_histogram", charts.draw_bars, "events of a history", "histories"),
    _PlotShape("Popularity of items", "popularity", charts.draw_logarithmic_line, "rank of the item", "events"),
    _PlotShape("Events over time", "per_day", charts.draw_line, "day", "events"),
    _PlotShape("Hours of the day", "hours", charts.draw_bars, "hour", "events"),
)


def _draw_plot(shape: _PlotShape, statistics: Mapping[str, object], translate: Translator) -> dict[str, Plot]:
    """{key: plot}; empty without figures."""
    points = charts.parse_points(statistics[shape.key]) if shape.key in statistics else []
    if len(points) < 2:
        return {}
    alt_text = f"{shape.title}: {shape.y_title} by {shape.x_title}, largest {format_number(max(y for _, y in points))}"
    x_title, y_title = translate(shape.x_title), translate(shape.y_title)
    return {shape.key: Plot(shape.title, shape.draw(points, x_title, y_title, alt_text))}


_CURVES: Mapping[str, Callable[[ValidationFacts], float | None]] = {
    "NDCG on validation": lambda point: point.ndcg,
    "Log loss on validation": lambda point: point.log_loss,
    "Training loss": lambda point: point.loss,
}
"""Title of a learning curve -> its figure."""


def draw_learning_curves(trainings: Sequence[TrainingFacts]) -> list[Plot]:
    """A chart for each figure of which a training has two points or more."""
    plots = []
    for title, get_figure in _CURVES.items():
        series = []
        for training in trainings:
            figures = [(point.step, get_figure(point)) for point in training.curve]
            points: charts.Points = [(float(x), y) for x, y in figures if y is not None and math.isfinite(y)]
            if len(points) > 1:
                series.append((training.variant, str(training.seed), points))
        if series:
            svg = charts.draw_curves(series, f"{title} by optimizer step, {len(series)} trainings")
            plots.append(Plot(title, svg))
    return plots
