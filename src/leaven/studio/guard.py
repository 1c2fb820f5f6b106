"""ASGI middleware of the studio: host, origin, token, size of bodies, and the security headers of every answer."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.exceptions import HTTPException

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

UPLOAD_PATH = "/upload"
"""The only path that takes bodies beyond `_MAX_FORM_BYTES`."""
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
"""Content security policy: nothing from outside. Inline styles are those of charts."""
EMBEDDED_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"
"""Policy of pages that a run wrote: they are shown in a frame, without scripts."""
_MAX_FORM_BYTES = 2_000_000
_SAFE_METHODS = ("GET", "HEAD")


class StudioGuard:
    """Refuses requests that do not come from the studio's own page.

    token            in the address of the first request; the answer moves it into a cookie that scripts cannot read
    hosts            names in the `Host` header that are served, so that no other site's name can point here
    max_upload_bytes largest file that may be sent
    """

    def __init__(self, app: App, token: str, hosts: tuple[str, ...], max_upload_bytes: int) -> None:
        self._app, self._token, self._hosts, self._max_upload = app, token, hosts, max_upload_bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if refusal := self._find_refusal(scope, headers):
            await _answer(send, int(refusal[:3]), refusal[4:])
        elif address := self._find_address_without_token(scope):
            name = _name_cookie(headers["host"])
            cookie = f"{name}={self._token}; HttpOnly; SameSite=Strict; Path=/"
            await _answer(send, 303, "", [(b"location", address.encode()), (b"set-cookie", cookie.encode())])
        elif not self._has_cookie(headers):
            await _answer(send, 401, "open the address that `leaven studio` printed: it holds the token")
        else:
            await self._app(scope, self._limit_body(scope, receive), _add_headers(send))

    def _find_refusal(self, scope: Message, headers: Mapping[str, str]) -> str:
        """Status and reason of a request that is refused; "" for none."""
        host = headers.get("host", "")
        if urlsplit(f"//{host}").hostname not in self._hosts:
            return "421 this host name is not served"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not _is_navigation(scope, headers):
            return "403 requests of other sites are refused"
        if scope["method"] not in _SAFE_METHODS and headers.get("origin") != f"http://{host}":
            return "403 requests of other sites are refused"
        length = headers.get("content-length", "0")
        if not length.isdigit():
            return "400 Content-Length is no number"
        limit = self._get_limit(scope)
        return f"413 larger than {limit:,} bytes" if int(length) > limit else ""

    def _find_address_without_token(self, scope: Message) -> str:
        """The requested address without its token, where the token is right; "" otherwise."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = dict(query).get("token", "")
        if scope["method"] != "GET" or not hmac.compare_digest(given.encode(), self._token.encode()):
            return ""
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        return "/" + str(scope["path"]).lstrip("/") + (f"?{rest}" if rest else "")

    def _has_cookie(self, headers: Mapping[str, str]) -> bool:
        try:
            held = SimpleCookie(headers.get("cookie", "")).get(_name_cookie(headers["host"]))
        except CookieError:
            return False
        return held is not None and hmac.compare_digest(held.value.encode(), self._token.encode())

    def _get_limit(self, scope: Message) -> int:
        return self._max_upload if scope["path"] == UPLOAD_PATH else _MAX_FORM_BYTES

    def _limit_body(self, scope: Message, receive: Receive) -> Receive:
        """`receive` that raises HTTPException where a body without a stated length is too large."""
        size, limit = 0, self._get_limit(scope)

        async def receive_and_count() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise HTTPException(413, f"larger than {limit:,} bytes")
            return message

        return receive_and_count


def _is_navigation(scope: Message, headers: Mapping[str, str]) -> bool:
    """Whether a person follows a link; the answer cannot be read by the page that holds the link."""
    return scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"


def _name_cookie(host: str) -> str:
    """Name of the cookie. Browsers share cookies between ports, so that two studios need two names."""
    return f"leaven_studio_{urlsplit(f'//{host}').port or 80}"


def _add_headers(send: Send) -> Send:
    """`send` that adds the security headers; an answer may set its own policy."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message.get("headers", [])}
            added = [(name, value) for name, value in _SECURITY_HEADERS if name not in given]
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await send(message)

    return send_with_headers


_SECURITY_HEADERS = (
    (b"content-security-policy", PAGE_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # without a referrer, forms of the page itself would have no origin
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


async def _answer(send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = text.encode()
    given = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send(
        {"type": "http.response.start", "status": status, "headers": [*given, *(headers or []), *_SECURITY_HEADERS]}
    )
    await send({"type": "http.response.body", "body": body})
