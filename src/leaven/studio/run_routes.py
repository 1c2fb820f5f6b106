"""Addresses of runs: start, follow, stop, resume; reports, comparisons, lineage, erasure and exports."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from leaven import registry
from leaven.errors import LeavenError, SpecError
from leaven.exports import export
from leaven.facts import FACTS_FILE
from leaven.plan_search.run_search import PAGE_FILE, RESULT_FILE
from leaven.provenance import erase_users, trace_lineage
from leaven.report.run_index import list_run_folders
from leaven.run_folder import LOCK_FILE, REPORT_FILE, slugify
from leaven.studio import results_page
from leaven.studio.guard import EMBEDDED_POLICY
from leaven.studio.pages import Studio, describe_error, go_to, label_file, read_form, read_number

_MAX_RUNS = 100


def add_run_routes(app: FastAPI, studio: Studio) -> None:
    """Runs and their results."""
    _add_job_routes(app, studio)
    _add_result_routes(app, studio)


def _add_job_routes(app: FastAPI, studio: Studio) -> None:
    space, jobs = studio.space, studio.jobs

    @app.get("/runs")
    def show_runs(request: Request) -> HTMLResponse:
        entries = [one for root in space.roots for one in list_run_folders(root) if space.is_inside(Path(one.folder))]
        unique = {Path(one.folder).resolve(): one for one in entries}
        runs = [
            {"path": str(path), "label": label_file(path, space.roots), "entry": one}
            for path, one in sorted(unique.items(), key=lambda pair: -pair[1].changed)
        ]
        statuses = jobs.list_statuses()
        context = {
            "runs": runs[:_MAX_RUNS],
            "jobs": statuses,
            "is_active": any(one.is_active for one in statuses),
            "has_plan": space.spec is not None,
        }
        return studio.render(request, "runs.html.j2", "Runs", context)

    @app.post("/runs/start")
    async def start_run(request: Request) -> Response:
        form = dict(await read_form(request))
        command = form.get("command", "run")
        if command not in ("run", "auto"):
            raise SpecError("command", "run or auto", repr(command), "")
        spec = space.parse(space.document)
        if command == "run" and not spec.variants:
            raise SpecError("plan", "a variant to compare with training on real rows alone", "none", "add a variant")
        minutes = ["--minutes", str(read_number(form, "minutes", 10))] if command == "auto" else []
        jobs.start(command, spec, minutes)
        return go_to("/runs")

    @app.post("/runs/stop")
    async def stop_run(request: Request) -> Response:
        jobs.stop(dict(await read_form(request)).get("name", ""))
        return go_to("/runs")

    @app.post("/runs/resume")
    async def resume_run(request: Request) -> Response:
        jobs.resume(dict(await read_form(request)).get("name", ""))
        return go_to("/runs")


def _add_result_routes(app: FastAPI, studio: Studio) -> None:
    space = studio.space

    def find_run(path: str) -> Path:
        """The folder of a run. Raises SpecError where it is outside of the folders, or no run."""
        folder = space.require_inside(Path(path))
        if not (folder / LOCK_FILE).exists():
            raise SpecError(folder.name, "the folder of a run", "none", "choose one on the page Runs")
        return folder

    @app.get("/runs/view")
    def show_run(request: Request, run: str) -> HTMLResponse:
        return studio.render(request, "run.html.j2", "Run", _build_run(find_run(run), dict(request.query_params)))

    @app.get("/runs/report")
    def get_report(run: str) -> Response:
        page = find_report(find_run(run))
        if page is None:
            raise HTTPException(404, "no report yet")
        content = space.require_inside(page).read_text(encoding="utf-8")
        return HTMLResponse(content, headers={"content-security-policy": EMBEDDED_POLICY})

    @app.get("/runs/compare")
    def show_comparison(request: Request) -> HTMLResponse:
        chosen = [value for name, value in request.query_params.multi_items() if name == "run"]
        if len(chosen) != 2:
            raise SpecError("compare", "two runs", f"{len(chosen)}", "choose two on the page Runs")
        first, second = (find_run(path) for path in chosen)
        comparison = results_page.compare_folders(first, second)
        return studio.render(request, "compare.html.j2", "Runs", {"comparison": comparison})

    @app.post("/runs/erase")
    async def erase_user(request: Request) -> HTMLResponse:
        form = dict(await read_form(request))
        folder = find_run(form.get("run", ""))
        if not form.get("user") or form["user"] != form.get("typed"):
            raise SpecError("erase", "the id of the user, typed again", repr(form.get("typed", "")), "")
        result = erase_users(folder, [form["user"]])
        return studio.render(request, "run.html.j2", "Run", _build_run(folder, {}) | {"erased": result})

    @app.post("/runs/export")
    async def export_run(request: Request) -> HTMLResponse:
        form = dict(await read_form(request))
        folder, target = find_run(form.get("run", "")), form.get("target", "")
        registry.find_class_path("exports", target, "target")
        name = slugify(f"{folder.name}-{target}-{form.get('variant', '')}")
        out = next(
            path for number in range(1, 10_000) if not (path := space.folder / "exports" / f"{name}-{number}").exists()
        )
        out.parent.mkdir(exist_ok=True)
        context = _build_run(folder, {})
        try:
            manifest = export(folder, target, out, variant=form.get("variant", ""))
            context |= {"exported": {"folder": str(out), "manifest": manifest}}
        except LeavenError as error:
            context |= {"error": describe_error(error)}
        return studio.render(request, "run.html.j2", "Run", context)


def find_report(folder: Path) -> Path | None:
    """The page of a run, or of a search; None where there is none yet."""
    return next((folder / name for name in (REPORT_FILE, PAGE_FILE) if (folder / name).exists()), None)


def _build_run(folder: Path, query: dict[str, str]) -> dict[str, Any]:
    """What the page of a run shows. query: variant and step of the rows, or the row of a lineage."""
    context: dict[str, Any] = {
        "run": str(folder),
        "name": folder.name,
        "report": find_report(folder) is not None,
        "is_search": (folder / RESULT_FILE).exists(),
        "variants": [],
        "steps": [],
        "rows": None,
        "lineage": None,
        "row": query.get("row", ""),
        "targets": list(registry.list_kinds("exports")),
        "exported": None,
        "erased": None,
        "serve": shlex.join(["leaven", "serve", str(folder)]) if (folder / FACTS_FILE).exists() else "",
    }
    try:
        context |= {"variants": results_page.list_variants(folder), "steps": results_page.list_steps(folder)}
        if query.get("variant"):
            context["rows"] = results_page.show_step_rows(folder, query["variant"], read_number(query, "step", 1))
        if query.get("row"):
            context["lineage"] = results_page.describe_lineage(trace_lineage(folder, query["row"].strip()))
    except LeavenError as error:
        context["error"] = describe_error(error)
    return context
