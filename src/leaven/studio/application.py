"""The studio as a FastAPI application."""

from __future__ import annotations

import logging
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.exceptions import HTTPException

from leaven.errors import DataError, LeavenError
from leaven.report.html import load_style
from leaven.studio.data_routes import add_data_routes, add_gallery_routes
from leaven.studio.guard import StudioGuard
from leaven.studio.pages import LANGUAGE_COOKIE, Studio, describe_error, go_to, load_studio_style
from leaven.studio.plan_routes import add_plan_routes
from leaven.studio.run_routes import add_run_routes
from leaven.studio.strings import LANGUAGES
from leaven.studio.workspace import Workspace

MAX_UPLOAD_BYTES = 4_000_000_000
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_STATIC = {"htmx.min.js": "text/javascript", "studio.js": "text/javascript"}
_LOG = logging.getLogger("leaven.studio")


def build_app(
    space: Workspace, token: str, hosts: tuple[str, ...] = LOOPBACK, max_upload_bytes: int = MAX_UPLOAD_BYTES
) -> FastAPI:
    """The application. token: of the first address; hosts: names that the studio answers to."""
    app = FastAPI(title="leaven studio", version=version("leaven"), docs_url=None, redoc_url=None, openapi_url=None)
    studio = Studio(space)
    _add_shared_routes(app)
    add_data_routes(app, studio)
    add_gallery_routes(app, studio)
    add_plan_routes(app, studio)
    add_run_routes(app, studio)
    _add_error_handlers(app, studio)
    guard: Any = StudioGuard
    app.add_middleware(guard, token=token, hosts=hosts, max_upload_bytes=max_upload_bytes)
    return app


def _add_shared_routes(app: FastAPI) -> None:
    @app.get("/")
    def show_first_page() -> Response:
        return go_to("/data")

    @app.get("/static/style.css")
    def get_style() -> Response:
        return Response(load_style() + load_studio_style(), media_type="text/css")

    @app.get("/static/{name}")
    def get_static(name: str) -> Response:
        if name not in _STATIC:
            raise HTTPException(404, "not found")
        content = (files("leaven.studio") / "static" / name).read_bytes()
        return Response(content, media_type=_STATIC[name])

    @app.get("/language")
    def change_language(to: str, back: str = "/data") -> Response:
        inside = "/" + back.lstrip("/\\")
        answer = go_to(inside)
        if to in LANGUAGES:
            answer.set_cookie(LANGUAGE_COOKIE, to, samesite="strict", httponly=True)
        return answer


def _add_error_handlers(app: FastAPI, studio: Studio) -> None:
    """Errors are pages with a way out, never a traceback."""

    @app.exception_handler(LeavenError)
    async def show_error(request: Request, error: LeavenError) -> Response:
        if request.url.path == "/upload":
            return PlainTextResponse(str(error), 422)
        context = {"error": describe_error(error), "can_save": False}
        page = studio.render(request, "layout.html.j2", "Problem", context)
        page.status_code = 422
        return page

    @app.exception_handler(OSError)
    async def show_disk_error(request: Request, error: OSError) -> Response:
        return await show_error(request, DataError("disk", "a file that can be written", str(error.strerror), ""))

    @app.exception_handler(HTTPException)
    async def show_http_error(request: Request, error: HTTPException) -> Response:
        return PlainTextResponse(str(error.detail), error.status_code)

    @app.exception_handler(Exception)
    async def show_failure(request: Request, error: Exception) -> Response:
        _LOG.exception("an unexpected error", exc_info=error)
        return PlainTextResponse("an unexpected error; the terminal of `leaven studio` shows it", 500)
