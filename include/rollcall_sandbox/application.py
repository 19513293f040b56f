"""The sandbox over HTTP: Infinite Campus's URL shapes for the providers, a few of its own for tests and the demo."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from rollcall.errors import RollcallError
from rollcall_sandbox import page
from rollcall_sandbox.auth import Call, TokenRefused
from rollcall_sandbox.provider import Provider, token_refusal
from rollcall_sandbox.quirk import HttpResponse
from rollcall_sandbox.quirks_faults import SLOW_ANSWER_SECONDS

Providers = Mapping[str, Provider]

_CAMPUS_TOKEN = "/campus/oauth2/token"  # noqa: S105 - a path


def application(providers: Providers, origin: str) -> Starlette:
    """The ASGI application that serves these districts, by their app.

    :param origin: scheme, host and port it is served at.
    """

    async def about(_request: Request) -> Response:
        return HTMLResponse(page.page(providers, origin), headers=page.HEADERS)

    routes = [Route("/", about)]
    controls: list[tuple[str, str, Callable[[Provider, Any], Any]]] = [
        ("GET", "truth", lambda provider, _: provider.truth()),
        ("GET", "seen", lambda provider, _: provider.log.summary()),
        ("POST", "seen/reset", lambda provider, _: provider.log.reset()),
        ("POST", "nights", _pass_nights),
        ("POST", "quirks", lambda provider, names: provider.set_quirks(msgspec.convert(names, list[str]))),
    ]
    for method, name, act in controls:
        routes.append(Route(f"/sandbox/{{app}}/{name}", _control(providers, act), methods=[method]))
    return Starlette(routes=[*routes, Route("/{path:path}", _Provided(providers))])


class _Provided:
    """Everything that is a provider's: GET for records, POST for tokens."""

    def __init__(self, providers: Providers) -> None:
        self._providers = providers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = scope["raw_path"].decode("ascii")
        response: ASGIApp | None = None
        if request.method == "POST":
            response = await self._token(path, request)
        elif request.method == "GET" and path != _CAMPUS_TOKEN:
            response = self._records(path, request)
        elif path == _CAMPUS_TOKEN:
            response = PlainTextResponse("Method Not Allowed", 405)
        await (response or PlainTextResponse("Not Found", 404))(scope, receive, send)

    def _records(self, path: str, request: Request) -> ASGIApp | None:
        for provider in self._providers.values():
            if found := provider.find(path):
                return _answer(provider, found.counted, lambda: found.answer(_call(request)))
        return None

    async def _token(self, path: str, request: Request) -> ASGIApp | None:
        provider = next((each for each in self._providers.values() if each.addresses.token == path), None)
        if path == _CAMPUS_TOKEN:
            app = request.query_params.get("appName")
            if app is None:
                refused = TokenRefused(400, "invalid_request", "The Token URL lacks its query ?appName=.")
                return _response(token_refusal(refused))
            provider = self._providers.get(app)
            if provider is None or provider.addresses.token != path:
                refused = TokenRefused(401, "invalid_client", "No application has the appName of this Token URL.")
                return _response(token_refusal(refused))
        if provider is None:
            return None
        # Some clients put grant_type and scope into the query instead of the body.
        form = dict(request.query_params) | dict(parse_qsl((await request.body()).decode("latin-1")))
        return _answer(provider, "", lambda: provider.token(form, _call(request)))


def _answer(provider: Provider, counted: str | None, reply: Callable[[], HttpResponse]) -> ASGIApp:
    """Makes the answer and sends it; a request is open until the answer is made.

    Sending does not count: the client has the last byte, and may ask again, before the server hears that it is sent.

    :param counted: the path it is counted under, empty for the Token URL; nothing where it is not counted.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with nullcontext() if counted is None else provider.log.request(counted):
            if "slow-answers" in provider.quirks:
                await asyncio.sleep(SLOW_ANSWER_SECONDS)
            made = reply()
            made.headers["Date"] = formatdate(provider.access.clock(), usegmt=True)
            await asyncio.sleep(made.seconds)
        if made.stream is not None:
            await _send_stream(made, receive, send)
        elif made.cut:
            await _send_half(made, send)
        else:
            await _response(made)(scope, receive, send)

    return app


async def _send_stream(reply: HttpResponse, receive: Receive, send: Send) -> None:
    """Send pieces in chunks, until they end or the client leaves."""
    headers = {**reply.headers, "Content-Type": reply.media_type}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    await receive()  # the request, which has no body
    gone = asyncio.ensure_future(receive())
    pieces = reply.stream() if reply.stream else iter(())
    while not gone.done() and (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    gone.cancel()
    await send({"type": "http.response.body", "body": b""})


async def _send_half(reply: HttpResponse, send: Send) -> None:
    """Announce the whole body and send half of it; the server then closes the connection."""
    headers = {**reply.headers, "Content-Type": reply.media_type, "Content-Length": str(len(reply.body))}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    await send({"type": "http.response.body", "body": reply.body[: len(reply.body) // 2], "more_body": True})


def _call(request: Request) -> Call:
    """The request as it was called, before decoding."""
    path = request.scope["raw_path"].decode("ascii")
    url = f"{request.url.scheme}://{request.headers.get('host', '')}{path}"
    return Call(url, request.scope["query_string"].decode("ascii"), request.headers)


def _response(reply: HttpResponse) -> Response:
    return Response(reply.body, reply.status, reply.headers, reply.media_type)


def _pass_nights(provider: Provider, body: Any) -> None:
    provider.pass_nights(msgspec.convert(body or {}, dict[str, int]).get("nights", 1))


def _control(providers: Providers, act: Callable[[Provider, Any], Any]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint of the sandbox itself: JSON in, JSON out."""

    async def endpoint(request: Request) -> Response:
        provider = providers.get(request.path_params["app"])
        if provider is None:
            return PlainTextResponse("Not Found", 404)
        try:
            body = await request.body()
            result = act(provider, msgspec.json.decode(body) if body else None)
        except (RollcallError, msgspec.MsgspecError) as exc:
            return _response(HttpResponse(400, msgspec.json.encode({"error": str(exc)})))
        if request.method == "POST" and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/", 303)  # a button of the page
        return _response(HttpResponse(200, msgspec.json.encode(result)))

    return endpoint
