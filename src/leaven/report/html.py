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
from leaven.report.number_format import number
from leaven.report.sections import SECTIONS, present


def render(facts: Mapping[str, Any]) -> str:
    """One self-contained HTML page: no script, no address that a browser would fetch.

    It shows nothing that is not in `facts`, and leaves out sections without facts.

    >>> "<h1" in render({"name": "beauty"})
    True
    """
    facts = present(facts)
    sections = {anchor: build(facts) for anchor, _, build in SECTIONS}
    template = environment().get_template("report.html.j2")
    return template.render(
        name=str(facts.get("name") or "leaven"),
        version=str(facts.get("leaven") or ""),
        seed=facts.get("seed"),
        sections=sections,
        navigation=[(anchor, title) for anchor, title, _ in SECTIONS if sections[anchor]],
        style=style(),
    )


def render_judgement(found: Mapping[str, Any], name: str = "quality") -> str:
    """One HTML page about one set of synthetic rows. found: the JSON of a quality result."""
    found = present(found)
    n_rows = number((found.get("facts") or {}).get("rows", {}).get("new"))
    view = {
        "headline": quality_section.headline(found),
        "groups": list(quality_section.GROUPS.values()),
        "rows": [{"variant": f"{n_rows} synthetic", "cells": quality_section.cells(found)}],
        "how": quality_section.how(found),
        "quality": quality_section.judgement(found),
    }
    template = environment().get_template("quality_page.html.j2")
    return template.render(name=name, version=str(found.get("leaven") or ""), found=view, style=style())


def write_judgement(found: Mapping[str, Any], page: Path) -> Path:
    """Write the page of a quality result, atomically."""
    return _write_page(page, render_judgement(found))


def write(facts_file: Path, page: Path) -> Path:
    """Write the page of a run from its file of facts, atomically.

    Raises DataError where the facts are missing or are no JSON.
    """
    try:
        facts = json.loads(facts_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(str(facts_file), "the facts of a run", "no such file", "leaven run --resume") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{facts_file}:{error.lineno}", "JSON", error.msg, "run the last stage again") from error
    return _write_page(page, render(facts))


def _write_page(page: Path, text: str) -> Path:
    part = page.with_name(page.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(page)
    return page


def style() -> Markup:
    """The style sheet of every page."""
    return Markup((files("leaven.report") / "templates" / "style.css").read_text(encoding="utf-8"))


@cache
def environment() -> Environment:
    """The templates of every page."""
    return Environment(
        loader=PackageLoader("leaven.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
