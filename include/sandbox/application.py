"""The sandbox over HTTP: Infinite Campus's URL shapes for the providers, a few of its own for tests and the demo."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from include.errors import RollcallError
from include.sandbox.oauth2 import TokenRefused
from include.sandbox.provider import Provider, Reply, token_refusal
from include.sandbox.quirks import SLOW_ANSWER_SECONDS
from include.sandbox.resources import RESOURCES

Providers = Mapping[str, Provider]
_Answer = Callable[[Provider, Request], Awaitable[Reply]]


def application(providers: Providers) -> Starlette:
    """The ASGI application that serves these districts, by their app."""
    routes = [Route("/campus/oauth2/token", _TokenEndpoint(providers), methods=["POST"])]
    for provider in providers.values():
        path = provider.settings.resource_path
        routes.append(Route(f"{path}/{{resource}}", _Counted(provider, _collection), methods=["GET"]))
        routes.append(Route(f"{path}/{{resource}}/{{sourced_id}}", _Counted(provider, _single), methods=["GET"]))
    controls: list[tuple[str, str, Callable[[Provider, Any], Any]]] = [
        ("GET", "truth", lambda provider, _: provider.truth()),
        ("GET", "seen", lambda provider, _: provider.seen.summary()),
        ("POST", "seen/reset", lambda provider, _: provider.seen.reset()),
        ("POST", "nights", _pass_nights),
        ("POST", "quirks", lambda provider, names: provider.set_quirks(msgspec.convert(names, list[str]))),
    ]
    for method, name, act in controls:
        routes.append(Route(f"/sandbox/{{app}}/{name}", _control(providers, act), methods=[method]))
    return Starlette(routes=routes)


class _Counted:
    """A provider's endpoint; a request counts as open until the last byte of its answer is handed to the network."""

    def __init__(self, provider: Provider, answer: _Answer) -> None:
        self._provider = provider
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.path_params["resource"] not in RESOURCES:
            await PlainTextResponse("Not Found", 404)(scope, receive, send)
            return
        path = scope["path"].removeprefix(self._provider.settings.resource_path)
        with self._provider.seen.request(path):
            await _answered(self._provider, request, self._answer)(scope, receive, send)


class _TokenEndpoint:
    """Infinite Campus's one token endpoint, which learns the district from `appName`."""

    def __init__(self, providers: Providers) -> None:
        self._providers = providers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        app = request.query_params.get("appName")
        provider = self._providers.get(app or "")
        if provider is None:
            refused = TokenRefused(401, "invalid_client", "No application has the appName of this Token URL.")
            if app is None:
                refused = TokenRefused(400, "invalid_request", "The Token URL lacks its query ?appName=.")
            await _response(token_refusal(refused))(scope, receive, send)
            return
        with provider.seen.request(""):
            await _answered(provider, request, _token)(scope, receive, send)


def _answered(provider: Provider, request: Request, answer: _Answer) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if "slow-answers" in provider.quirks:
            await asyncio.sleep(SLOW_ANSWER_SECONDS)
        await _response(await answer(provider, request))(scope, receive, send)

    return app


async def _collection(provider: Provider, request: Request) -> Reply:
    url, query, authorization = _called(request)
    return provider.collection(request.path_params["resource"], url, query, authorization)


async def _single(provider: Provider, request: Request) -> Reply:
    resource, sourced_id = request.path_params["resource"], request.path_params["sourced_id"]
    return provider.single(resource, sourced_id, *_called(request))


async def _token(provider: Provider, request: Request) -> Reply:
    # Some clients put grant_type and scope into the query instead of the body.
    form = dict(request.query_params) | dict(parse_qsl((await request.body()).decode("latin-1")))
    return provider.token(form, request.headers.get("authorization", ""))


def _called(request: Request) -> tuple[str, str, str]:
    """The URL as it was called, before decoding, since OAuth 1 signs it so; its query; the Authorization header."""
    host = request.headers.get("host", "")
    path = request.scope["raw_path"].decode("ascii")
    query = request.scope["query_string"].decode("ascii")
    return f"{request.url.scheme}://{host}{path}", query, request.headers.get("authorization", "")


def _response(reply: Reply) -> Response:
    return Response(reply.body, reply.status, reply.headers, "application/json")


def _pass_nights(provider: Provider, asked: Any) -> None:
    provider.pass_nights(msgspec.convert(asked or {}, dict[str, int]).get("nights", 1))


def _control(providers: Providers, act: Callable[[Provider, Any], Any]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint of the sandbox itself: JSON in, JSON out, the truth after whatever changed it."""

    async def endpoint(request: Request) -> Response:
        provider = providers.get(request.path_params["app"])
        if provider is None:
            return PlainTextResponse("Not Found", 404)
        try:
            body = await request.body()
            result = act(provider, msgspec.json.decode(body) if body else None)
        except (RollcallError, msgspec.MsgspecError) as exc:
            return _response(Reply(400, msgspec.json.encode({"error": str(exc)})))
        return _response(Reply(200, msgspec.json.encode(result)))

    return endpoint
