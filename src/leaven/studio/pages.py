"""What all pages share: the workspace, loaded data, jobs, templates and forms."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from leaven.errors import LeavenError, SpecError
from leaven.report.html import load_style
from leaven.studio.gallery import Gallery
from leaven.studio.jobs import JobManager
from leaven.studio.loaded_data import DataCache
from leaven.studio.strings import choose_language, translate
from leaven.studio.workspace import Workspace

LANGUAGE_COOKIE = "leaven_language"


class Studio:
    """State of a running studio. Everything that must outlive it is in the working folder."""

    def __init__(self, space: Workspace) -> None:
        self.space = space
        self.cache = DataCache(space.folder)
        self.gallery = Gallery(space)
        self.jobs = JobManager(space.folder, space.runs_folder)

    def render(self, request: Request, template: str, title: str, context: dict[str, Any]) -> HTMLResponse:
        """A page; with `save=1` in its address, the same page as one file without scripts."""
        standalone = request.query_params.get("save") == "1"
        language = choose_language(request.cookies.get(LANGUAGE_COOKIE, ""), request.headers.get("accept-language", ""))
        query = f"{request.url.query}&save=1" if request.url.query else "save=1"
        shared = {
            "title": title,
            "language": language,
            "t": lambda text: translate(text, language),
            "standalone": standalone,
            "path": request.url.path,
            "save_address": f"{request.url.path}?{query}",
            "can_save": True,
            "error": None,
            "revision": self.space.revision,
            "report_style": load_style(),
            "studio_style": load_studio_style(),
        }
        html = load_templates().get_template(template).render(**(shared | context))
        headers = {"content-disposition": f'attachment; filename="leaven-{title.lower()}.html"'} if standalone else {}
        return HTMLResponse(html, headers=headers)


@cache
def load_templates() -> Environment:
    """The templates of the studio."""
    return Environment(
        loader=PackageLoader("leaven.studio"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


@cache
def load_studio_style() -> Any:
    """Rules that the studio adds to the style of reports."""
    from markupsafe import Markup

    return Markup((files("leaven.studio") / "static" / "studio.css").read_text(encoding="utf-8"))


async def read_form(request: Request) -> list[tuple[str, str]]:
    """(name, value) pairs of a form. Raises SpecError for a body that is none."""
    try:
        return parse_qsl((await request.body()).decode("utf-8"), keep_blank_values=True, max_num_fields=5000)
    except (UnicodeDecodeError, ValueError) as error:
        raise SpecError("form", "fields of a form", str(error), "reload the page") from error


def read_number(values: dict[str, str], name: str, default: int) -> int:
    """A whole number of a form. Raises SpecError for other text."""
    text = values.get(name, "") or str(default)
    if not text.isdigit():
        raise SpecError(name, "a whole number", repr(text[:20]), "")
    return int(text)


def go_to(address: str) -> RedirectResponse:
    """Answer of a form: the browser loads another page."""
    return RedirectResponse(address, 303)


@dataclass
class Caught:
    """The error of a block, as a page shows it; None where it ended."""

    error: dict[str, str] | None = None


@contextmanager
def catch_errors() -> Any:
    """Context manager: errors that leaven raises for users become part of the page."""
    caught = Caught()
    try:
        yield caught
    except LeavenError as error:
        caught.error = describe_error(error)


def describe_error(error: LeavenError) -> dict[str, str]:
    """Parts of an error for a page."""
    return {"where": error.where, "expected": error.expected, "got": error.got, "fix": error.fix}


def label_file(path: Path, roots: tuple[Path, ...]) -> str:
    """A path relative to the folder that holds it, with the folder's name."""
    root = next((one for one in roots if path.is_relative_to(one)), path.parent)
    return f"{root.name}/{path.relative_to(root)}"
