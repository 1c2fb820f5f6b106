"""ASGI middleware: token, rate limit, size of the body, and metrics of every request."""

from __future__ import annotations

import hmac
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.exceptions import HTTPException

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

OPEN_PATHS = ("/health", "/ready")
"""Paths that need no token and count for no rate limit."""
_MAX_CLIENTS = 10_000


@dataclass(frozen=True)
class Limits:
    """Limits of requests. requests_per_second: of each client address; bursts may be twice as many; 0: no limit."""

    max_body_bytes: int = 1_000_000
    timeout_seconds: float = 5.0
    requests_per_second: float = 1000.0


class RequestMetrics:
    """Counts and durations of requests, as Prometheus metrics."""

    def __init__(self, registry: CollectorRegistry, paths: tuple[str, ...]) -> None:
        self._paths = paths
        self._requests = Counter(
            "leaven_requests", "Requests by path and status", ["path", "status"], registry=registry
        )
        buckets = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
        self._seconds = Histogram(
            "leaven_request_seconds", "Duration of requests by path", ["path"], buckets=buckets, registry=registry
        )

    def observe(self, path: str, status: int, seconds: float) -> None:
        """Count one request. Unknown paths share one label, so that a client cannot create labels."""
        label = path if path in self._paths else "other"
        self._requests.labels(label, str(status)).inc()
        self._seconds.labels(label).observe(seconds)


class RateLimiter:
    """Token bucket of each client; the clients that were seen last are remembered."""

    def __init__(self, rate: float) -> None:
        self._rate, self._buckets = rate, OrderedDict[str, tuple[float, float]]()

    def allows(self, client: str, now: float) -> bool:
        """Whether a request of a client is within the limit at this time in seconds."""
        if not self._rate:
            return True
        left, before = self._buckets.pop(client, (2 * self._rate, now))
        left = min(left + (now - before) * self._rate, 2 * self._rate)
        self._buckets[client] = (left - 1 if left >= 1 else left, now)
        if len(self._buckets) > _MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return left >= 1


class Guard:
    """Refuses requests before the application reads them: wrong token, too many requests, a body that is too large."""

    def __init__(self, app: App, token: str, limits: Limits, metrics: RequestMetrics) -> None:
        self._app, self._token, self._limits, self._metrics = app, token.encode(), limits, metrics
        self._rates = RateLimiter(limits.requests_per_second)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500
        headers = {name.lower(): value for name, value in scope["headers"]}

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        refusal = self._find_refusal(scope, headers)
        if refusal is not None:
            await _refuse(send_and_note, *refusal)
        else:
            await self._app(scope, self._limit_body(receive), send_and_note)
        self._metrics.observe(scope["path"], status, time.perf_counter() - start)

    def _find_refusal(self, scope: Message, headers: Mapping[bytes, bytes]) -> tuple[int, str] | None:
        """(status, reason) of a request that is refused."""
        if scope["path"] in OPEN_PATHS:
            return None
        given = headers.get(b"authorization", b"")
        if self._token and not hmac.compare_digest(given, b"Bearer " + self._token):
            return 401, "a valid token is required: Authorization: Bearer TOKEN"
        client = scope["client"][0] if scope.get("client") else "unknown"
        if not self._rates.allows(client, time.monotonic()):
            return 429, f"more than {self._limits.requests_per_second:g} requests per second"
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            return 400, "Content-Length is no number"
        if int(length) > self._limits.max_body_bytes:
            return 413, self._describe_limit()
        return None

    def _describe_limit(self) -> str:
        return f"the body is larger than {self._limits.max_body_bytes:,} bytes"

    def _limit_body(self, receive: Receive) -> Receive:
        """`receive` that raises HTTPException where a body without a stated length is too large."""
        size = 0

        async def receive_and_count() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._limits.max_body_bytes:
                raise HTTPException(413, self._describe_limit())
            return message

        return receive_and_count


async def _refuse(send: Send, status: int, reason: str) -> None:
    body = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status == 429:
        headers.append((b"retry-after", b"1"))
    if status == 413:
        headers.append((b"connection", b"close"))  # the rest of the body is not read
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
