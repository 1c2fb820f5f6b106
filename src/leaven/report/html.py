"""How do the facts of a run become one page?"""

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
    """One HTML page, whole in itself: no script, no address that a browser would fetch.

    It shows nothing that is not in `facts`; sections without facts are left out.

    >>> "<h1" in render({"name": "beauty"})
    True
    """
    facts = present(facts)
    shown = {anchor: view(facts) for anchor, _, view in SECTIONS}
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            name=str(facts.get("name") or "leaven"),
            version=str(facts.get("leaven") or ""),
            seed=facts.get("seed"),
            sections=shown,
            navigation=[(anchor, title) for anchor, title, _ in SECTIONS if shown[anchor]],
            style=style(),
        )
    )


def render_judgement(found: Mapping[str, Any], name: str = "judgement") -> str:
    """One HTML page about one set of made rows. found: a judgement, JSON-able."""
    found = present(found)
    cells = quality_section.cells(found)
    shown = {
        "headline": quality_section.headline(found),
        "groups": list(quality_section.GROUPS.values()),
        "rows": [{"arm": f"{number((found.get('facts') or {}).get('rows', {}).get('new'))} new", "cells": cells}],
        "how": quality_section.how(found),
        "judgement": quality_section.judgement(found),
    }
    template = environment().get_template("judgement.html.j2")
    return template.render(name=name, version=str(found.get("leaven") or ""), found=shown, style=style())


def write_judgement(found: Mapping[str, Any], page: Path) -> Path:
    """Render it; the page is whole or it is not there."""
    part = page.with_name(page.name + ".part")
    part.write_text(render_judgement(found), encoding="utf-8")
    part.replace(page)
    return page


def write(facts_file: Path, page: Path) -> Path:
    """Render the facts of a run beside them; the page is whole or it is not there.

    Raises DataError where the facts are missing or are no JSON.
    """
    try:
        facts = json.loads(facts_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(str(facts_file), "the facts of a run", "no such file", "leaven run --resume") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{facts_file}:{error.lineno}", "JSON", error.msg, "run the last stage again") from error
    part = page.with_name(page.name + ".part")
    part.write_text(render(facts), encoding="utf-8")
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
