"""Addresses of the pages Data and Gallery."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

from anyio import open_file, to_thread
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from leaven.errors import LeavenError, SpecError, suggest_name
from leaven.introspection import describe_family
from leaven.modalities import get_modality
from leaven.registry import find_class_path
from leaven.studio import data_page
from leaven.studio.controls import Control, list_controls, read_values
from leaven.studio.gallery import GalleryRequest, KindEntry, list_available_modalities, list_operators
from leaven.studio.loaded_data import LoadedData
from leaven.studio.pages import Studio, catch_errors, describe_error, go_to, label_file, read_form, read_number

_MAX_ROWS = 60
_MAX_PROBLEM = 600  # characters of an error in an address


def add_data_routes(app: FastAPI, studio: Studio) -> None:
    """Data: open files, name columns, statistics, cleaning rules, uploads."""
    space = studio.space

    @app.get("/data")
    def show_data(request: Request) -> HTMLResponse:
        with catch_errors() as caught:
            return studio.render(request, "data.html.j2", "Data", _build_data_context(studio, request))
        return studio.render(request, "data.html.j2", "Data", _list_openable(studio) | {"error": caught.error})

    @app.get("/data/health")
    def show_health(request: Request) -> HTMLResponse:
        with catch_errors() as caught:
            studio.cache.load(space.document.parse())
            return studio.render(request, "health.html.j2", "Data", _build_data_context(studio, request))
        return studio.render(request, "health.html.j2", "Data", {"health": None, "error": caught.error})

    @app.post("/data/open")
    async def open_files(request: Request) -> Response:
        paths = [value for name, value in await read_form(request) if name == "file"]
        try:
            await to_thread.run_sync(space.start_spec, paths)
        except LeavenError as error:
            query = urlencode({"problem": str(error)[:_MAX_PROBLEM]})
            return go_to(f"/data?{query}")
        return go_to("/data")

    @app.post("/data/columns")
    async def name_columns(request: Request) -> Response:
        form = await read_form(request)
        values = dict(form)
        roles = {name.removeprefix("column:"): role for name, role in form if name.startswith("column:")}
        edited = data_page.edit_columns(space.document, values["table"], roles)
        space.write_spec(edited, values.get("revision", ""))
        return go_to("/data")

    @app.post("/data/clean")
    async def change_rules(request: Request) -> Response:
        values = dict(await read_form(request))
        controls = data_page.list_clean_controls()
        own = read_values(controls, values)
        table = {control.name: own.get(control.name) for control in controls}
        space.write_spec(space.document.set_fields(["clean"], table), values.get("revision", ""))
        return go_to("/data?rules=1")

    @app.post("/upload")
    async def take_upload(request: Request) -> Response:
        target = space.choose_upload_path(request.query_params.get("name", ""))
        part = target.with_name(target.name + ".part")
        try:
            async with await open_file(part, "wb") as stream:
                async for chunk in request.stream():
                    await stream.write(chunk)
            part.replace(target)
        except OSError as error:
            raise SpecError("upload", "room for the file", str(error.strerror), "free space, then try again") from error
        finally:
            part.unlink(missing_ok=True)
        return PlainTextResponse(str(target))


def _list_openable(studio: Studio) -> dict[str, Any]:
    space = studio.space
    shown = [{"path": str(path), "label": label_file(path, space.roots)} for path in space.list_data_files()]
    return {"available": shown, "opened": [], "files": [], "health": None}


def _build_data_context(studio: Studio, request: Request) -> dict[str, Any]:
    context = _list_openable(studio)
    if problem := request.query_params.get("problem"):
        context["error"] = {"where": "open", "expected": "a log", "got": problem, "fix": ""}
    if studio.space.spec is None:
        return context
    document = studio.space.document
    spec = document.parse()
    files = data_page.list_files(spec, document)
    wants_all = request.query_params.get("save") == "1"
    data = studio.cache.load(spec) if wants_all else studio.cache.peek(spec)
    data_table = document.read_table()["data"]
    opened = [
        str(document.folder / data_table[key]) for key in ("interactions", "items", "labeled") if key in data_table
    ]
    return context | {
        "files": files,
        "opened": opened,
        "health": None if data is None else data_page.build_health(data),
        "clean_controls": () if data is None or data.events is None else data_page.list_clean_controls(),
        "clean_values": data_page.read_clean_values(spec.clean),
        "show_clean": request.query_params.get("rules") == "1",
    }


def add_gallery_routes(app: FastAPI, studio: Studio) -> None:
    """Gallery: one operator on some rows; everything that it shows is in its address."""

    @app.get("/gallery")
    def show_gallery(request: Request) -> HTMLResponse:
        with catch_errors() as caught:
            if studio.space.spec is None:
                return studio.render(request, "gallery.html.j2", "Gallery", {"modalities": []})
            data = studio.cache.load(studio.space.document.parse())
            return studio.render(request, "gallery.html.j2", "Gallery", _build_gallery(studio, data, request))
        return studio.render(request, "gallery.html.j2", "Gallery", {"modalities": [], "error": caught.error})


def _build_gallery(studio: Studio, data: LoadedData, request: Request) -> dict[str, Any]:
    form = dict(request.query_params)
    names = list_available_modalities(data)
    modality = get_modality(form.get("modality", names[0]), "modality")
    operators = list_operators(modality)
    family = form.get("family", operators[0].family)
    kind = form.get("kind", next(one.kind for one in operators if one.family == family))
    if family not in modality.families.operators:
        raise SpecError(
            "family", "operators of these rows", repr(family), suggest_name(family, modality.families.operators)
        )
    find_class_path(family, kind, "operator")
    entry = KindEntry(family, kind, is_slow=family == modality.families.generators.name)
    context: dict[str, Any] = {
        "modalities": names,
        "operators": operators,
        "request": GalleryRequest(modality.name, family, kind, {}),
        "summary": next((one.summary for one in describe_family(family) if one.name == kind), ""),
        "controls": (),
        "values": form,
        "waits": entry.is_slow and form.get("fit") != "1",
        "is_slow": entry.is_slow,
        "rows": [],
        "rows_error": None,
        "n_changed": 0,
        "one_in": data.one_in,
        "milliseconds": 0,
        "fields_json": "{}",
        "step_kind": _name_step(modality.views.name if modality.views else "", kind),
    }
    try:
        controls = list_controls(family, kind)
        context["controls"] = controls
        return context | _show_rows(studio, data, modality.name, entry, controls, form, context["waits"])
    except (LeavenError, ImportError) as error:
        shown = describe_error(error) if isinstance(error, LeavenError) else _describe_missing(kind, error)
        return context | {"rows_error": shown}


def _show_rows(
    studio: Studio,
    data: LoadedData,
    modality: str,
    entry: KindEntry,
    controls: tuple[Control, ...],
    form: dict[str, str],
    waits: bool,
) -> dict[str, Any]:
    try:
        strength = min(max(float(form.get("strength", "1")), 0.0), 1.0)
    except ValueError:
        raise SpecError("strength", "a number from 0 to 1", repr(form["strength"][:20]), "") from None
    shown = GalleryRequest(
        modality,
        entry.family,
        entry.kind,
        read_values(controls, form),
        rows=min(read_number(form, "rows", 20), _MAX_ROWS),
        seed=read_number(form, "seed", 7),
        strength=strength,
        first=read_number(form, "first", 0),
    )
    if waits:
        return {"request": shown}
    start = time.perf_counter()
    rows = studio.gallery.show_rows(data, shown)
    return {
        "request": shown,
        "rows": rows,
        "fields_json": json.dumps(shown.fields),
        "n_changed": sum(not row.reason for row in rows),
        "milliseconds": round(1000 * (time.perf_counter() - start)),
    }


def _describe_missing(kind: str, error: ImportError) -> dict[str, str]:
    return {"where": kind, "expected": f"the library {error.name}", "got": "none", "fix": f"pip install {error.name}"}


def _name_step(prefix: str, kind: str) -> str:
    """The kind as a step of a spec: kinds of item views have their modality in front."""
    return f"{prefix}.{kind}" if prefix else kind
