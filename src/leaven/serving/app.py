"""The HTTP server of a trained recommender, as a FastAPI application."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import Body, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from pydantic import Field
from starlette.exceptions import HTTPException as AnyHttpError

from leaven.errors import LeavenError
from leaven.serving.batching import RequestBatcher
from leaven.serving.guard import Guard, Limits, RequestMetrics
from leaven.serving.requests import MAX_BATCH, AnswerBody, EventBody, ModelBody, RecommendBody
from leaven.serving.service import ModelChange, RecommenderService

Batch = Annotated[list[RecommendBody], Field(min_length=1, max_length=MAX_BATCH)]
_LOG = logging.getLogger("leaven.serving")
_MAX_ERRORS = 3


class _Runtime:
    """What the routes share: the service, its limits, its threads and its metrics."""

    def __init__(self, service: RecommenderService, limits: Limits) -> None:
        self.service, self.limits, self.registry = service, limits, CollectorRegistry()
        self._events = Counter("leaven_events", "Events appended to histories", registry=self.registry)
        self._changes = Counter("leaven_model_changes", "Models loaded while serving", registry=self.registry)
        self._items = Gauge("leaven_catalog_items", "Items of the served catalog", registry=self.registry)
        self._items.set(service.scorer.model.n_items)
        self._batcher = RequestBatcher(service)
        self._appending, self._loading = CapacityLimiter(1), CapacityLimiter(1)

    async def answer(self, bodies: Sequence[RecommendBody]) -> list[dict[str, object]]:
        """Answers of the service. Raises HTTPException after the time limit."""
        try:
            return await self._batcher.answer(bodies, self.limits.timeout_seconds)
        except TimeoutError:
            raise HTTPException(503, f"no answer within {self.limits.timeout_seconds:g} seconds") from None

    async def append_event(self, body: EventBody) -> int:
        """The number of events of the user, with this one."""
        append = self.service.append_event
        count = await to_thread.run_sync(append, body.user, body.item, body.time, limiter=self._appending)
        self._events.inc()
        return count

    async def change_model(self, load: Callable[[], ModelChange]) -> ModelChange:
        """Load a model in its own thread; requests are answered meanwhile."""
        changed = await to_thread.run_sync(load, limiter=self._loading)
        self._changes.inc()
        self._items.set(self.service.scorer.model.n_items)
        return changed

    @asynccontextmanager
    async def reload_on_hangup(self, app: FastAPI) -> AsyncIterator[None]:
        """While the server runs, SIGHUP loads the served model again; a model that cannot be loaded is logged."""
        loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[ModelChange]]()

        def note_result(task: asyncio.Task[ModelChange]) -> None:
            tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                _LOG.error("the model was not reloaded: %s", error)

        def start_reload() -> None:
            task = loop.create_task(self.change_model(self.service.reload_model))
            tasks.add(task)
            task.add_done_callback(note_result)

        try:
            loop.add_signal_handler(signal.SIGHUP, start_reload)
        except (RuntimeError, ValueError, NotImplementedError):  # not in the main thread, or no such signal
            yield
            return
        yield
        loop.remove_signal_handler(signal.SIGHUP)


def build_app(service: RecommenderService, token: str = "", limits: Limits | None = None) -> FastAPI:
    """The application. token: that every request except /health and /ready needs; "": none."""
    runtime = _Runtime(service, limits or Limits())
    # its pages of documentation load scripts from another host, so that only openapi.json is served
    app = FastAPI(
        title="leaven", version=version("leaven"), lifespan=runtime.reload_on_hangup, docs_url=None, redoc_url=None
    )
    _add_error_handlers(app)
    _add_status_routes(app, runtime)
    _add_scoring_routes(app, runtime)
    paths = tuple(app.openapi()["paths"])
    metrics = RequestMetrics(runtime.registry, paths)
    app.add_middleware(Guard, token=token, limits=runtime.limits, metrics=metrics)  # type: ignore[arg-type]
    return app


def _add_status_routes(app: FastAPI, runtime: _Runtime) -> None:
    service = runtime.service

    @app.get("/health")
    async def get_health() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok", "leaven": version("leaven")}

    @app.get("/ready")
    async def get_readiness() -> dict[str, object]:
        """The served model. The server listens only after it has been loaded."""
        model = service.scorer.model
        return {"model": model.version, "name": model.name, "kind": model.kind, "items": model.n_items}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def get_metrics() -> PlainTextResponse:
        """Metrics in Prometheus' text format."""
        return PlainTextResponse(generate_latest(runtime.registry), media_type="text/plain; version=0.0.4")

    @app.get("/shadow")
    async def compare_models() -> dict[str, object]:
        """Agreement and latency of the second model."""
        if service.shadow is None:
            raise HTTPException(404, "no second model: start with --shadow RUN")
        return asdict(service.shadow.report(service.scorer.model.name))


def _add_scoring_routes(app: FastAPI, runtime: _Runtime) -> None:
    service = runtime.service

    @app.post("/recommend", response_model=AnswerBody | list[AnswerBody])
    async def recommend(body: Annotated[RecommendBody | Batch, Body()]) -> JSONResponse:
        """The best items for one history, or for each of a batch."""
        bodies: Sequence[RecommendBody] = body if isinstance(body, list) else [body]
        answers = await runtime.answer(bodies)
        return JSONResponse(answers if isinstance(body, list) else answers[0])

    @app.post("/events", status_code=201)
    async def append_event(body: EventBody) -> dict[str, int]:
        """Append an event to a user's history; the next answer reads it."""
        return {"events": await runtime.append_event(body)}

    @app.post("/models")
    async def load_model(body: ModelBody) -> dict[str, str]:
        """Serve the model of another run folder, without a pause."""
        folder = Path(body.run)
        if not service.is_allowed(folder):
            raise HTTPException(403, f"models are loaded from folders below {service.models_root.name} only")
        return asdict(await runtime.change_model(lambda: service.load_model(folder, body.variant)))


def _add_error_handlers(app: FastAPI) -> None:
    """Answer errors with a status and a reason, never with a traceback."""

    @app.exception_handler(RequestValidationError)
    async def refuse_body(request: Request, error: RequestValidationError) -> JSONResponse:
        found = error.errors()
        lines = [f"{_join_location(one['loc'])}: {one['msg']}" for one in found[:_MAX_ERRORS]]
        more = f" and {len(found) - _MAX_ERRORS} more" if len(found) > _MAX_ERRORS else ""
        return JSONResponse({"error": "; ".join(lines) + more}, 422)

    @app.exception_handler(AnyHttpError)
    async def refuse_request(request: Request, error: AnyHttpError) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code)

    @app.exception_handler(LeavenError)
    async def refuse_values(request: Request, error: LeavenError) -> JSONResponse:
        return JSONResponse({"error": str(error).replace("\n  → ", "; ")}, 422)

    @app.exception_handler(Exception)
    async def report_failure(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": "internal error", "time": int(time.time())}, 500)


def _join_location(parts: Sequence[str | int]) -> str:
    """The place of an error in a body, without pydantic's names of alternatives."""
    return ".".join(str(part) for part in parts if "[" not in str(part))


def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve until the process is stopped; requests in progress are answered first."""
    import uvicorn

    if "torch" in sys.modules:  # requests run next to each other; threads inside of one only cost time
        sys.modules["torch"].set_num_threads(1)
    config = uvicorn.Config(app, host, port, log_level="warning", access_log=False, timeout_graceful_shutdown=10)
    try:
        uvicorn.Server(config).run()
    except KeyboardInterrupt:  # uvicorn raises the signal again after it has stopped
        return
