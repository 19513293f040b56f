"""What protects every response and every form, whatever a route does.

Airflow 3.3 has no CSRF token: its session cookie is `SameSite=Lax`, and its API accepts a POST with any Origin. So a
form of another site is refused here. The content security policy allows no inline script and no inline style: text of a
provider that got past the escaping would still run nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
}


class Safety:
    """Pure ASGI middleware: the headers, the origin of forms, and the page for an unexpected error."""

    def __init__(self, app: ASGIApp, unexpected: Callable[[Request, Exception], Response]) -> None:
        self._app = app
        self._unexpected = unexpected

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", _caching(scope))
            await send(message)

        if scope["method"] not in ("GET", "HEAD") and not is_same_origin(Headers(scope=scope)):
            refusal = PlainTextResponse("This form was sent by another site. Open the page in Airflow.", 403)
            await refusal(scope, receive, with_headers)
            return
        try:
            await self._app(scope, receive, with_headers)
        except Exception as error:
            if started:
                raise
            await self._unexpected(Request(scope), error)(scope, receive, with_headers)


def _caching(scope: Scope) -> str:
    """Pages are about people and are never stored. Static files have a version in their URL."""
    return "public, max-age=31536000, immutable" if "/static/" in scope["path"] else "no-store"


def is_same_origin(headers: Headers) -> bool:
    """Whether a form comes from this site. Browsers always send one of the two headers with a POST."""
    if site := headers.get("sec-fetch-site"):
        return site == "same-origin"
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == headers.get("host")
