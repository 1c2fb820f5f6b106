"""The HTML pages of a run and of a quality evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from leaven.errors import DataError
from leaven.report import quality_section
from leaven.report.number_format import format_number
from leaven.report.sections import SECTIONS, drop_nulls


def render_report(facts: Mapping[str, Any]) -> str:
    """One self-contained HTML page: no script, no address that a browser would fetch.

    It shows nothing that is not in `facts`, and leaves out sections without facts.

    >>> "<h1" in render_report({"name": "beauty"})
    True
    """
    facts = drop_nulls(facts)
    sections = {anchor: build(facts) for anchor, _, build in SECTIONS}
    template = load_environment().get_template("report.html.j2")
    return template.render(
        name=str(facts.get("name") or "leaven"),
        version=str(facts.get("leaven") or ""),
        seed=facts.get("seed"),
        sections=sections,
        navigation=[(anchor, title) for anchor, title, _ in SECTIONS if sections[anchor]],
        style=load_style(),
    )


def render_quality(found: Mapping[str, Any], name: str = "quality") -> str:
    """One HTML page about one set of synthetic rows. found: the JSON of a quality result."""
    found = drop_nulls(found)
    n_rows = format_number((found.get("setup") or {}).get("rows", {}).get("new"))
    view = {
        "headline": quality_section.summarize_quality(found),
        "groups": list(quality_section.GROUPS.values()),
        "rows": [{"variant": f"{n_rows} synthetic", "cells": quality_section.build_verdict_cells(found)}],
        "how": quality_section.describe_comparison(found),
        "quality": quality_section.build_quality_view(found),
    }
    template = load_environment().get_template("quality_page.html.j2")
    return template.render(name=name, version=str(found.get("leaven") or ""), found=view, style=load_style())


def write_quality(found: Mapping[str, Any], page: Path) -> Path:
    """Write the page of a quality result, atomically."""
    return _write_page(page, render_quality(found))


def write_report(facts_file: Path, page: Path) -> Path:
    """Write the page of a run from its file of facts, atomically.

    Raises DataError where the facts are missing or are no JSON.
    """
    try:
        facts = json.loads(facts_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(str(facts_file), "the facts of a run", "no such file", "leaven run --resume") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{facts_file}:{error.lineno}", "JSON", error.msg, "run the last stage again") from error
    return _write_page(page, render_report(facts))


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
    return Environment(
        loader=PackageLoader("leaven.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
