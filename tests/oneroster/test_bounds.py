"""Whatever a provider sends, it costs an error with a code, and neither memory nor an endless wait.

What the sandbox can send is in `tests/providers` (`hostile-…`). Here are responses that no HTTP server would write.
"""

from __future__ import annotations

import gzip
import itertools
import json
import subprocess
import sys
import textwrap
import time
import zlib
from collections.abc import Callable, Iterator

import pytest

from rollcall.oneroster import OneRosterClient, OneRosterConnection, OneRosterError, Retry
from rollcall.oneroster.errors import InvalidResponse, LimitExceeded
from rollcall.oneroster.limits import MAX_OTHER_BYTES, MEGABYTE, PAGES_IN_MEMORY, PageMemory, decoded_bytes
from rollcall_sandbox.quirks_hostile import bomb
from tests.oneroster.raw import RawServer, Respond, response

ONCE = Retry(attempts=1)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"


@pytest.fixture
def serve() -> Iterator[Callable[[Respond], RawServer]]:
    started: list[RawServer] = []

    def start(respond: Respond) -> RawServer:
        started.append(RawServer(respond))
        return started[-1]

    yield start
    for server in started:
        server.close()


def client_of(server: RawServer, **options: object) -> OneRosterClient:
    auth = {"auth": "bearer"} | options.pop("fields", {})  # type: ignore[operator]
    connection = OneRosterConnection(f"{server.origin}/base", "id", "secret", **auth)
    return OneRosterClient(connection, "1.2", **{"retry": ONCE, "timeout": (2, 2), **options})


def error_of(server: RawServer, **options: object) -> OneRosterError:
    with client_of(server, **options) as client, pytest.raises(OneRosterError) as caught:
        client.get(f"{server.origin}/base/users", lambda answer: answer.body)
    return caught.value


def forever(*pieces: bytes) -> Iterator[bytes]:
    return itertools.cycle(pieces)


def gzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield HEAD + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n"
    yield from pieces


def chunks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece)


ENDLESS: dict[str, tuple[Callable[[], Iterator[bytes]], str]] = {
    "100 Continue for ever": (lambda: forever(b"HTTP/1.1 100 Continue\r\n\r\n" * 100), "headers_too_large"),
    "a status line for ever": (lambda: itertools.chain([b"HTTP/1.1 200 "], forever(b"x" * 999)), "headers_too_large"),
    "a header line for ever": (lambda: itertools.chain([HEAD, b"A: "], forever(b"x" * 999)), "headers_too_large"),
    "headers for ever": (lambda: itertools.chain([HEAD], forever(b"A: x\r\n")), "headers_too_large"),
    "a chunk size for ever": (
        lambda: itertools.chain([CHUNKED, b"\r\n"], forever(b"0" * 999)),
        "answer_cut_off|provider_unreachable",
    ),
    "small chunks": (
        lambda: itertools.chain([CHUNKED, b"\r\n"], chunks(forever(b"          "))),
        "response_too_large",
    ),
    "chunk extensions for ever": (
        lambda: itertools.chain([CHUNKED, b"\r\n"], forever(b"1;" + b"x" * 5000 + b"\r\n \r\n")),
        "response_too_large",
    ),
    "trailers for ever": (
        lambda: itertools.chain([CHUNKED, b"\r\n1\r\n[\r\n0\r\n"], forever(b"A: x\r\n" * 100)),
        "response_too_large",
    ),
    "empty gzip members for ever": (lambda: gzipped(forever(gzip.compress(b"") * 20)), "response_too_large"),
    "a body without an end": (
        lambda: itertools.chain([HEAD, b"Connection: close\r\n\r\n"], forever(b" " * 4096)),
        "response_too_large",
    ),
    "more than it announced": (
        lambda: itertools.chain([HEAD, b"Content-Length: 99999999999\r\n\r\n"], forever(b" " * 4096)),
        "response_too_large",
    ),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_response_that_never_ends_is_an_error(serve: Callable[[Respond], RawServer], name: str) -> None:
    respond, code = ENDLESS[name]
    server = serve(lambda _: respond())
    began = time.monotonic()
    error = error_of(server, limits={"page_mb": 1})

    assert error.code in code.split("|")
    assert time.monotonic() - began < 5
    assert error.remedy


TRICKLES = {
    "in the status line": [b"H"],
    "in the headers": [HEAD, b"A: "],
    "in the body": [HEAD, b"Content-Length: 9999\r\n\r\n"],
    "in a chunk size": [CHUNKED, b"\r\n"],
    "in the trailers": [CHUNKED, b"\r\n1\r\n[\r\n0\r\n"],
}


@pytest.mark.parametrize("name", TRICKLES)
def test_a_byte_now_and_then_ends_too(serve: Callable[[Respond], RawServer], name: str) -> None:
    """The time-out of a socket only limits the silence between two packets."""

    def respond(_: str) -> Iterator[bytes]:
        yield from TRICKLES[name]
        while True:
            time.sleep(0.05)
            yield b"0"

    began = time.monotonic()
    error = error_of(serve(respond), limits={"page_seconds": 0.5})

    assert error.code == "response_too_slow"
    assert "extract.max_page_seconds" in error.remedy
    assert 0.4 < time.monotonic() - began < 3


def test_a_slow_response_may_take_as_long_as_the_setting_says(serve: Callable[[Respond], RawServer]) -> None:
    """However short the time-out for silence is: here a response takes eight of them."""

    def respond(_: str) -> Iterator[bytes]:
        yield HEAD + b"Content-Length: 20\r\n\r\n"
        for _ in range(20):
            time.sleep(0.08)
            yield b" "

    server = serve(respond)
    with client_of(server, timeout=(2, 0.2), limits={"page_seconds": 30}) as client:
        assert client.get(f"{server.origin}/base/users", lambda answer: len(answer.body)) == 20


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("status", [200, 400, 302])
def test_a_bomb_ends_after_the_bytes_it_may_become(
    serve: Callable[[Respond], RawServer], encoding: str, status: int
) -> None:
    head = f"HTTP/1.1 {status} X\r\nLocation: /\r\nContent-Encoding: {encoding}\r\nConnection: close\r\n\r\n"
    server = serve(lambda _: itertools.chain([head.encode()], bomb(encoding)))
    error = error_of(server)

    limit = 32 if status == 200 else 1
    assert error.code == "response_too_large"
    assert f"The limit is {limit}.0 MB." in error.message
    assert "on the wire" in error.message
    assert ("extract.max_page_mb" in error.remedy) == (status == 200)


def test_a_token_is_small(serve: Callable[[Respond], RawServer]) -> None:
    server = serve(lambda _: gzipped(bomb("gzip")))
    error = error_of(server, fields={"auth": "oauth2", "auth_url": f"{server.origin}/token"})

    assert error.code == "response_too_large"
    assert [path.partition("?")[0] for path in server.requests] == ["/token"]


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd", "compress", "x" * 100])
def test_an_encoding_that_was_not_accepted_is_an_error(serve: Callable[[Respond], RawServer], encoding: str) -> None:
    error = error_of(serve(lambda _: response(b"{}", f"Content-Encoding: {encoding}")))

    assert error.code == "encoding_unknown"
    assert "gzip, deflate" in error.message


TEXT = json.dumps({"users": [{"sourcedId": f"u{number}"} for number in range(40_000)]}).encode()
RAW_DEFLATE = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
ENCODED = {
    "identity": TEXT,
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT),
    "GZIP": gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]),
    "gzip ": gzip.compress(TEXT) + b"trailing garbage",
    "deflate": zlib.compress(TEXT),
    "Deflate": RAW_DEFLATE.compress(TEXT) + RAW_DEFLATE.flush(),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_what_servers_do_send_is_read(serve: Callable[[Respond], RawServer], encoding: str) -> None:
    server = serve(lambda _: response(ENCODED[encoding], f"Content-Encoding: {encoding}"))
    with client_of(server) as client:
        assert client.get(f"{server.origin}/base/users", lambda answer: answer.body) == TEXT


@pytest.mark.parametrize("cut", [1, 5, 9, 12, 200, 1000])
def test_compressed_data_that_ends_too_early_is_read_again(serve: Callable[[Respond], RawServer], cut: int) -> None:
    packed = gzip.compress(TEXT)[:-cut]
    error = error_of(serve(lambda _: response(packed, "Content-Encoding: gzip")))

    assert error.code == "answer_cut_off"


def test_a_pull_has_hours(serve: Callable[[Respond], RawServer]) -> None:
    server = serve(lambda _: response(b"[]"))
    with client_of(server, limits={"hours": -1}) as client, pytest.raises(InvalidResponse) as caught:
        client.get(f"{server.origin}/base/users", lambda answer: answer.body)

    assert caught.value.code == "pull_too_long"
    assert "extract.max_hours" in caught.value.remedy


PAGES_OF_A_MEGABYTE = {
    "a page of users": (TEXT, 0.5),
    "empty lists": (b'{"users":[{"sourcedId":"u","metadata":[' + b"[]," * 300_000 + b"1]}]}", 20),
    "small objects": (b'{"users":[{"sourcedId":"u","metadata":[' + b'{"a":1},' * 120_000 + b"1]}]}", 20),
}


@pytest.mark.parametrize("name", PAGES_OF_A_MEGABYTE)
def test_memory_is_estimated_before_decoding(name: str) -> None:
    body, times = PAGES_OF_A_MEGABYTE[name]

    assert decoded_bytes(body) > times * len(body)


def test_a_page_that_is_too_complex_is_refused_without_a_wait_for_memory(serve: Callable[[Respond], RawServer]) -> None:
    """Its memory is estimated once, and it never gets any."""
    lists = b'{"orgs":[{"sourcedId":"o","metadata":[' + b"[]," * 6_000_000 + b"1]}]}"
    server = serve(lambda path: response(lists if "limit=9" in path else b'{"orgs":[]}'))
    with client_of(server, page_size=9) as client:
        held = client._memory.reserve(PAGES_IN_MEMORY, wait=True)
        began = time.monotonic()
        with pytest.raises(LimitExceeded) as caught:
            list(client.pages("orgs"))
        assert time.monotonic() - began < 10
        del held

    assert caught.value.code == "response_too_complex"


def test_who_waits_for_memory_gets_it_before_pages_requested_ahead() -> None:
    memory = PageMemory(lambda: None, total=100)
    first = memory.reserve(60, wait=True)

    assert memory.reserve(60, wait=False) is None
    assert memory.reserve(40, wait=False) is not None  # and released at once
    del first
    whole = memory.reserve(1000, wait=True)
    assert memory.reserve(1, wait=False) is None
    del whole
    assert memory.reserve(100, wait=False) is not None


MEMORY = r"""
import re, sys
from pathlib import Path
from rollcall.oneroster import OneRosterClient, OneRosterConnection, OneRosterError, Retry
import rollcall.extract.pull  # and all that a night imports
from rollcall.landing.zone import Landing
from rollcall.runtime.memory import limit_memory_retention
from rollcall.settings import District, ExtractSettings

limit_memory_retention()
district = District(district="maple", name="M", version="1.2", usernames="email", demographics=True)
options = district.client_options()
options["limits"] = options["limits"] | {"rows": int(sys.argv[3])}
connection = OneRosterConnection(sys.argv[1], "id", "secret", auth="bearer")
try:
    with OneRosterClient(connection, retry=Retry(attempts=1), **options) as client:
        rollcall.extract.pull.extract(client, district, Landing(sys.argv[2]), run_id="run")
    print("complete", end=" ")
except OneRosterError as error:
    print(error.code, end=" ")
print(int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) >> 10)
"""


def _as_page(path: str, body: bytes, *headers: str) -> Iterator[bytes]:
    name = path.partition("?")[0].rpartition("/")[2]
    if "limit=1&" in path or path.endswith("limit=1"):
        return response(b'{"orgs":[]}')
    if name in ("orgs", "academicSessions"):
        return response(b'{"%b":[]}' % name.encode(), "X-Total-Count: 0")
    return response(b'{"' + name.encode() + b'":[' + body + b"]}", *headers)


def _unique(path: str) -> Iterator[bytes]:
    """New small rows on every page, for ever."""
    offset = int(path.rpartition("offset=")[2] or 0) if "offset=" in path else 0
    rows = b",".join(b'{"sourcedId":"%b-%d"}' % (b"x" * 200, offset + number) for number in range(5000))
    return _as_page(path, rows)


def _wide(number: int) -> Callable[[str], Iterator[bytes]]:
    """Pages just below the bound on their memory, in parallel: five collections with a total, so read ahead."""
    lists = b",".join(b'{"sourcedId":"%%d-%d","metadata":[%b1]}' % (row, b"[]," * 4000) for row in range(number))
    pages = itertools.count()

    def respond(path: str) -> Iterator[bytes]:
        return _as_page(path, lists.replace(b"%d", b"%d" % next(pages)), "X-Total-Count: 3000")

    return respond


def _texts(path: str) -> Iterator[bytes]:
    """Rows of a megabyte of text each, which are landed."""
    offset = int(path.rpartition("offset=")[2] or 0) if "offset=" in path else 0
    rows = (b'{"sourcedId":"u%d","givenName":"%b"}' % (offset + row, b"x" * MEGABYTE) for row in range(14))
    return _as_page(path, b",".join(rows) if offset < 28 else b"", "X-Total-Count: 28")


HUNGRY: dict[str, tuple[Respond, int, str]] = {
    "bombs": (lambda path: gzipped(bomb("gzip")), 1000, "response_too_large"),
    "unique rows for ever": (_unique, 200_000, "too_many_rows"),
    "wide pages": (_wide(500), 2500, "too_many_rows"),
    "rows of a megabyte": (_texts, 5000, "complete"),
}


@pytest.mark.parametrize("name", HUNGRY)
def test_memory_stays_below_700_mb(serve: Callable[[Respond], RawServer], name: str, tmp_path: object) -> None:
    respond, rows, code = HUNGRY[name]
    server = serve(respond)
    script = textwrap.dedent(MEMORY)
    done = subprocess.run(
        [sys.executable, "-c", script, f"{server.origin}/base", str(tmp_path), str(rows)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    actual, megabytes = done.stdout.split()[-2:]
    print(name, megabytes, "MB")

    assert actual == code
    assert int(megabytes) < 700


def test_errors_say_what_is_fixed(serve: Callable[[Respond], RawServer]) -> None:
    error = error_of(serve(lambda _: response(b"x" * (MAX_OTHER_BYTES + 1), status=500)))

    assert error.code == "response_too_large"
    assert "extract." not in error.remedy
