"""The HTML pages of a run and of a quality evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from leaven.facts import RunFacts
from leaven.quality import QualityFacts
from leaven.report import labels, quality_section
from leaven.report.controller_section import build_controller_section
from leaven.report.interval_plot import draw_axis, draw_interval
from leaven.report.number_format import (
    format_label,
    format_lift,
    format_mean,
    format_named,
    format_number,
    format_p_value,
    format_reason,
    format_record,
    format_seconds,
    format_share,
    list_scalars,
    make_png_url,
)
from leaven.report.sections import (
    build_calibration_section,
    build_data_section,
    build_rows_section,
    build_segments_section,
    build_verdict_section,
    draw_learning_curves,
)
from leaven.report.sweep_plot import build_sweep_section
from leaven.stats.effect import format_metric_name
from leaven.translation import get_translator

TITLES: Mapping[str, str] = {
    "verdict": "Verdict",
    "sweep": "Sweep",
    "segments": "Segments",
    "calibration": "Calibration",
    "rows": "Synthetic rows",
    "quality": "Quality",
    "data": "Data",
    "training": "Training",
    "controllers": "Controllers",
    "cost": "Cost",
    "reproduction": "Reproduction",
    "glossary": "Glossary",
}
"""Anchor of a section -> its title in the navigation, in the order of the page."""


def render_report(facts: RunFacts, language: str = "") -> str:
    """One self-contained HTML page: no script, no address that a browser would fetch.

    It shows nothing that is not in `facts`, and leaves out sections without facts. language: "en" or "zh"; "": that of
    the run.

    >>> "<h1" in render_report(RunFacts("beauty"))
    True
    """
    translate = get_translator(language or facts.language)
    views: dict[str, Any] = {
        "sweep": build_sweep_section(facts.sweep),
        "segments": build_segments_section(facts.comparison),
        "calibration": build_calibration_section(facts.ctr, translate),
        "rows": build_rows_section(facts, translate),
        "quality": quality_section.build_quality_section(facts),
        "data": build_data_section(facts.data, translate),
        "training": draw_learning_curves(facts.trainings) if facts.trainings else None,
        "controllers": build_controller_section(facts),
        "cost": facts.cost if facts.cost.seconds else None,
        "reproduction": facts.reproduction if facts.reproduction.command else None,
    }
    shown = {anchor: title for anchor, title in TITLES.items() if anchor not in views or views[anchor] is not None}
    return (
        load_environment()
        .get_template("report.html.j2")
        .render(
            facts=facts,
            headline=labels.get_headline(facts),
            verdict=build_verdict_section(facts.comparison),
            views=views,
            glossary=labels.build_glossary(facts),
            navigation=shown,
            _=translate,
            style=load_style(),
        )
    )


def render_quality(found: QualityFacts, name: str = "quality") -> str:
    """One HTML page about one set of synthetic rows."""
    rows = {f"{format_number(found.setup.rows.new)} synthetic": quality_section.build_badges(found)}
    return (
        load_environment()
        .get_template("quality_page.html.j2")
        .render(
            name=name,
            headline=quality_section.summarize_quality(found),
            found=quality_section.QualitySection(groups=tuple(quality_section.GROUPS.values()), rows=rows),
            how=quality_section.describe_comparison(found),
            quality=quality_section.build_quality_view(found),
            style=load_style(),
        )
    )


def write_quality(found: QualityFacts, page: Path) -> Path:
    """Write the page of a quality result, atomically."""
    return _write_page(page, render_quality(found))


def write_report(facts: RunFacts, page: Path, language: str = "") -> Path:
    """Write the page of a run, atomically."""
    return _write_page(page, render_report(facts, language))


def _write_page(page: Path, text: str) -> Path:
    part = page.with_name(page.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(page)
    return page


def load_style() -> Markup:
    """The style sheet of every page."""
    return Markup((files("leaven.report") / "templates" / "style.css").read_text(encoding="utf-8"))


@cache
def load_environment() -> Environment:
    """The templates of every page."""
    environment = Environment(
        loader=PackageLoader("leaven.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "label": format_label,
        "mean": format_mean,
        "metric": format_metric_name,
        "named": format_named,
        "number": format_number,
        "p_value": format_p_value,
        "percent": format_lift,
        "png": make_png_url,
        "reason": format_reason,
        "record": format_record,
        "seconds": format_seconds,
        "share": format_share,
        "style": labels.get_verdict_style,
        "scalars": list_scalars,
    }
    environment.globals |= {"draw_axis": draw_axis, "draw_interval": draw_interval, "signs": labels.STYLE_SIGNS}
    environment.globals["_"] = get_translator("en")
    return environment
