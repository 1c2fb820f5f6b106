"""Addresses of the page Plan: every edit changes the text of the spec, by a card or in the text itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from leaven.augmentation.plan import COMBINE_MODES
from leaven.config.experiment_spec import RANKING
from leaven.errors import LeavenError, SpecError
from leaven.studio.controls import read_changes, show_values
from leaven.studio.pages import Studio, go_to, label_file, read_form, read_number
from leaven.studio.plan_page import build_plan, find_operator, list_own_controls, list_step_controls
from leaven.studio.spec_document import SpecDocument
from leaven.studio.workspace import OutdatedEdit

_GALLERY_VARIANT = "from the gallery"


def add_plan_routes(app: FastAPI, studio: Studio) -> None:
    """Plan: cards, text, undo, save and load."""
    _add_views(app, studio)
    _add_edits(app, studio)


def _add_views(app: FastAPI, studio: Studio) -> None:
    space = studio.space

    @app.get("/plan")
    def show_plan(request: Request) -> HTMLResponse:
        if space.spec is None:
            return studio.render(request, "plan.html.j2", "Plan", {"plan": None})
        data, loading = None, False
        try:
            spec = space.parse(space.document)
            data = studio.cache.load(spec) if request.query_params.get("count") == "1" else studio.cache.peek(spec)
            loading = data is None
        except LeavenError:  # the page Data shows what is wrong with it
            pass
        context = {
            "plan": build_plan(space, data),
            "loading": loading,
            "combine_modes": COMBINE_MODES,
            "can_undo": bool(space.history or space.draft),
            "spec_name": label_file(space.spec, space.roots),
            "specs": [{"path": str(path), "label": label_file(path, space.roots)} for path in space.list_specs()],
        }
        return studio.render(request, "plan.html.j2", "Plan", context)

    @app.get("/plan/file")
    def download_spec() -> Response:
        headers = {"content-disposition": 'attachment; filename="spec.toml"'}
        return Response(space.document.text, media_type="application/toml", headers=headers)


def _add_edits(app: FastAPI, studio: Studio) -> None:
    space = studio.space

    def apply(change: Callable[[SpecDocument], SpecDocument], revision: str) -> Response:
        """Edit the shown text. An invalid result stays as a draft, and the page shows what is wrong."""
        try:
            space.write_spec(change(space.shown_document), revision)
        except OutdatedEdit:
            raise
        except SpecError:
            if not space.draft:
                raise
        return go_to("/plan")

    @app.post("/plan/text")
    async def write_text(request: Request) -> Response:
        form = dict(await read_form(request))
        text = form.get("text", "").replace("\r\n", "\n")
        return apply(lambda document: SpecDocument(text, document.folder), form.get("revision", ""))

    @app.post("/plan/step")
    async def change_step(request: Request) -> Response:
        form = dict(await read_form(request))
        variant, step = read_number(form, "variant", 0), read_number(form, "step", 0)
        return apply(lambda document: _change_step(document, variant, step, form), form.get("revision", ""))

    @app.post("/plan/edit")
    async def edit_plan(request: Request) -> Response:
        form = dict(await read_form(request))
        edit = _EDITS.get(form.get("edit", ""))
        if edit is None:
            raise SpecError("edit", "a known edit", repr(form.get("edit", "")), "")
        variant, step = read_number(form, "variant", 0), read_number(form, "step", 0)
        return apply(lambda document: edit(document, variant, step, form), form.get("revision", ""))

    @app.post("/plan/add")
    async def add_from_gallery(request: Request) -> Response:
        form = dict(await read_form(request))
        fields = json.loads(form.get("fields", "{}"))
        return apply(lambda document: _add_from_gallery(document, form.get("kind", ""), fields), "")

    @app.post("/plan/undo")
    def undo_edit() -> Response:
        space.undo()
        return go_to("/plan")

    @app.post("/plan/open")
    async def open_spec(request: Request) -> Response:
        space.open_spec(Path(dict(await read_form(request)).get("spec", "")))
        return go_to("/plan")


def _change_step(document: SpecDocument, variant: int, step: int, form: dict[str, str]) -> SpecDocument:
    table = _get_step(document, variant, step)
    cls = find_operator(table.get("use"), str(document.read_table().get("task", RANKING.name)))
    controls = (*list_step_controls(cls, table), *list_own_controls(cls, table))
    changes = read_changes(controls, form, show_values(controls, table))
    return document.set_fields(["variant", variant, "step", step], changes)


def _get_step(document: SpecDocument, variant: int, step: int) -> dict[str, Any]:
    try:
        found: dict[str, Any] = document.list_variants()[variant]["step"][step]
    except (IndexError, KeyError):
        raise SpecError("step", "a step of the plan", f"number {step + 1}", "reload the page") from None
    return found


def _add_variant(document: SpecDocument, variant: int, step: int, form: dict[str, str]) -> SpecDocument:
    taken = {str(one.get("name")) for one in document.list_variants()}
    names = (f"variant {number}" for number in range(1, 1000))
    return document.add_variant(next(name for name in names if name not in taken))


def _change_variant(document: SpecDocument, variant: int, step: int, form: dict[str, str]) -> SpecDocument:
    held = document.list_variants()[variant]
    values = {"name": form.get("name", ""), "combine": form.get("combine", COMBINE_MODES[0])}
    default = {"name": "", "combine": COMBINE_MODES[0]}
    changes = {key: value for key, value in values.items() if value != held.get(key, default[key])}
    return document.set_fields(["variant", variant], changes)


_EDITS: dict[str, Callable[[SpecDocument, int, int, dict[str, str]], SpecDocument]] = {
    "add_variant": _add_variant,
    "change_variant": _change_variant,
    "remove_variant": lambda document, variant, step, form: document.remove_variant(variant),
    "add_step": lambda document, variant, step, form: document.add_step(variant, form.get("kind", "")),
    "remove_step": lambda document, variant, step, form: document.remove_step(variant, step),
    "move_step": lambda document, variant, step, form: document.move_step(variant, step, read_number(form, "place", 0)),
}


def _add_from_gallery(document: SpecDocument, kind: str, fields: dict[str, Any]) -> SpecDocument:
    """The spec with the operator of the gallery in a variant for it."""
    names = [one.get("name") for one in document.list_variants()]
    if _GALLERY_VARIANT not in names:
        document = document.add_variant(_GALLERY_VARIANT)
        names.append(_GALLERY_VARIANT)
    variant = names.index(_GALLERY_VARIANT)
    document = document.add_step(variant, kind)
    step = len(document.list_variants()[variant]["step"]) - 1
    return document.set_fields(["variant", variant, "step", step], fields)
