"""A provider for single odd answers: a real HTTP server whose every answer a test writes itself.

What a whole, well-behaved district is tested against is the sandbox (`test_against_sandbox.py`).
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from rollcall.oneroster import OneRosterClient, OneRosterConnection, Retry

TOKEN = "token-4711"


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    form: dict[str, str]
    port: int

    @property
    def offset(self) -> int:
        return int(self.query.get("offset", 0))


@dataclass(frozen=True)
class Reply:
    """An answer. With `cut`, the connection closes after that many bytes of what is sent as its body."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    chunked: bool = False

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Script = Callable[[Request], Reply]


class Provider:
    """Answers data requests by a test's script and gives everybody a token."""

    def __init__(self, script: Script, token: Script | None = None) -> None:
        self.asked: list[Request] = []
        self.connections = 0
        self.most_at_once = 0
        self._at_once = 0
        self._counting = threading.Lock()
        self._script = script
        self._token = token or (lambda _: Reply({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600}))
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                provider.connections += 1

            def do_GET(self) -> None:
                provider._answer(self)

            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.base_url = f"http://127.0.0.1:{self.port}/ims/oneroster"
        self.token_url = f"http://127.0.0.1:{self.port}/token"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        form = handler.rfile.read(int(handler.headers.get("Content-Length", 0))).decode()
        asked = Request(
            handler.command,
            url.path,
            dict(parse_qsl(url.query, keep_blank_values=True)),
            {name.lower(): value for name, value in handler.headers.items()},
            dict(parse_qsl(form)),
            self.port,
        )
        self.asked.append(asked)
        with self._counting:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        reply = self._token(asked) if url.path.startswith("/token") else self._script(asked)
        with self._counting:
            self._at_once -= 1
        content = reply.content
        length = {"Transfer-Encoding": "chunked"} if reply.chunked else {"Content-Length": str(len(content))}
        handler.send_response_only(reply.status)
        for name, value in {
            "Date": handler.date_time_string(),
            "Content-Type": "application/json",
            **length,
            **reply.headers,
        }.items():
            handler.send_header(name, value)
        handler.end_headers()
        if reply.chunked:
            content = (
                b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (content[:9], content[9:])) + b"0\r\n\r\n"
            )
        with contextlib.suppress(OSError):  # the client had no patience
            handler.wfile.write(content if reply.cut is None else content[: reply.cut])
        if reply.cut is not None:
            handler.close_connection = True

    def data_requests(self) -> list[Request]:
        """Without tokens and without the search for the base URL."""
        return [asked for asked in self.asked if "offset" in asked.query]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def reply() -> type[Reply]:
    return Reply


@pytest.fixture
def provide() -> Iterator[Callable[..., Provider]]:
    """Start providers that live as long as the test."""
    started: list[Provider] = []

    def start(script: Script, token: Script | None = None) -> Provider:
        started.append(Provider(script, token))
        return started[-1]

    yield start
    for provider in started:
        provider.stop()


QUICK = Retry(attempts=3, first_wait=0.001, patience=5)


@pytest.fixture
def connect() -> Iterator[Callable[..., OneRosterClient]]:
    """Clients of a provider, impatient and with OAuth 2 unless a test says otherwise."""
    clients: list[OneRosterClient] = []

    def client(provider: Provider, version: Any = "1.2", **options: Any) -> OneRosterClient:
        fields = {"auth_url": provider.token_url, "conn_id": "oneroster_maple", **options.pop("fields", {})}
        base_url = fields.pop("base_url", provider.base_url)
        connection = OneRosterConnection(base_url, "maple-id", "maple-secret", **fields)
        made = OneRosterClient(connection, version, **{"retry": QUICK, "timeout": (2, 2), **options})
        clients.append(made)
        return made

    yield client
    for made in clients:
        made.close()


def orgs(first: int, count: int) -> list[dict[str, Any]]:
    return [{"sourcedId": f"o{number}", "name": f"Org {number}"} for number in range(first, first + count)]


@pytest.fixture
def paged() -> Callable[..., Script]:
    """A script that pages through `count` orgs.

    :param: `most` rows per page; `total` in X-Total-Count, or None; `behind` answers offsets at the end and beyond it.
    """

    def script(count: int, *, most: int = 10_000, total: int | None = None, behind: Reply | None = None) -> Script:
        def answer(asked: Request) -> Reply:
            limit = min(int(asked.query.get("limit", 100)), most)
            headers = {} if total is None else {"X-Total-Count": str(total)}
            if asked.offset >= count and behind is not None:
                return behind
            rows = orgs(asked.offset, max(0, min(limit, count - asked.offset)))
            return Reply({"orgs": rows}, headers=headers)

        return answer

    return script
