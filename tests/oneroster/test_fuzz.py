"""Whatever bytes a provider or an email holds, the answer is data or an error in words: never another exception.

`make test` draws the same examples each time. `make fuzz` draws new ones for ten minutes, or `FUZZ_SECONDS`. What it
finds becomes an `@example` of its test.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import time
import zlib
from datetime import date
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from rollcall.errors import RollcallError
from rollcall.extract.collection import _rejects
from rollcall.onboarding.recognition import parse_credentials
from rollcall.oneroster import COLLECTIONS, OneRosterConnection, OneRosterError, columns
from rollcall.oneroster.auth import OAuth2
from rollcall.oneroster.body import read_body
from rollcall.oneroster.connection import optional_fields
from rollcall.oneroster.decode import decode_page
from rollcall.oneroster.errors import RetryableError
from rollcall.oneroster.http import Response, as_utf8
from rollcall.oneroster.refusals import (
    clock_skew,
    describe_clock_skew,
    is_web_page,
    redirect_url,
    refusal,
    reports_expired_token,
    retryable_error,
    token_refusal,
)
from rollcall.oneroster.source import has_next, parse_total
from tests.conftest import examples

IN_WORDS = (OneRosterError, RetryableError)
CONNECTION = OneRosterConnection("https://sis.example.org/base", "id", "secret", auth_url="https://sis.example.org/t")

names = st.sampled_from(
    [
        "sourcedId",
        "status",
        "dateLastModified",
        "metadata",
        "name",
        "givenName",
        "identifier",
        "email",
        "role",
        "roles",
        "org",
        "orgs",
        "userIds",
        "type",
        "grades",
        "terms",
        "class",
        "user",
        "primary",
        "userProfiles",
        "credentials",
        "agents",
        "birthDate",
        "password",
        "sourced\\u0049d",
        "",
        "\x00",
        "é",
        "birth date",
    ]
)
#: Texts of JSON, not always valid: numbers of any spelling, half surrogates, control characters, words of JavaScript.
words = st.sampled_from(
    [
        "null",
        "true",
        "NaN",
        "-Infinity",
        "1e999",
        "-0",
        "1E5",
        "0.1",
        "10442.0",
        "9" * 40,
        "9" * 5000,
        "1.",
        "01",
        "+1",
        '"\\ud83d"',
        '"\\ude00\\ud83d"',
        '"\\u0000"',
        '"\\\\u0000"',
        '"\x01"',
        '"a\nb"',
        '"\\x"',
        '"',
        "'a'",
        "undefined",
        '"2026-08-01T00:00:00.000Z"',
        '"tobedeleted"',
        '"é"',
        '"😀"',
        '" "',
        '""',
        "[]",
        "{}",
        "[" * 150,
        "]" * 150,
    ]
)
values = st.recursive(
    words | st.text(max_size=8).map(json.dumps) | st.integers().map(str) | st.floats().map(repr),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda parts: "[" + ",".join(parts) + "]")
        | st.lists(st.tuples(names.map(json.dumps), inner), max_size=4).map(
            lambda pairs: "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"
        )
    ),
    max_leaves=12,
)
records = st.lists(st.tuples(names.map(json.dumps), values), max_size=8).map(
    lambda pairs: "{" + ",".join(['"sourcedId":"a"'] + [f"{name}:{value}" for name, value in pairs]) + "}"
)


@st.composite
def pages(draw: st.DrawFn) -> tuple[str, bytes]:
    """A collection, and a page that is nearly one of its own."""
    name = draw(st.sampled_from(list(COLLECTIONS)))
    rows = draw(st.lists(records | values, max_size=4))
    envelope = draw(st.sampled_from([COLLECTIONS[name].envelope, "items", "errors", "total"]))
    extra = draw(
        st.sampled_from(["", ',"total":"9"', ',"count":1e3', ',"totalCount":' + "9" * 5000, ',"x":[1]', ",", "}"])
    )
    body = f'{{"{envelope}":[{",".join(rows)}]{extra}}}'.encode("utf-8", "surrogatepass")
    if draw(st.booleans()):
        position = draw(st.integers(0, len(body)))
        body = body[:position] + draw(st.binary(max_size=4)) + body[position + draw(st.integers(0, 3)) :]
    return name, body


@examples(300)
@given(pages() | st.tuples(st.sampled_from(list(COLLECTIONS)), st.binary(max_size=60)))
def test_pages(page: tuple[str, bytes]) -> None:
    name, body = page
    collection = COLLECTIONS[name]
    try:
        decoded = decode_page(collection, body)
    except IN_WORDS:
        return
    assert decoded.rows == len(decoded.records) + len(decoded.unreadable)
    tables = columns(name, decoded.records)
    assert len(tables[collection.tables[0]]["sourced_id"]) == len(decoded.records)
    for table in tables.values():
        for column in table.values():
            for value in column:
                assert value is None or "\0" not in value.encode().decode()
    assert _rejects(name, decoded.unreadable).num_rows == len(decoded.unreadable)
    assert b"password" not in b"".join(bad.record.lower() for bad in decoded.unreadable)


header_values = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=60) | st.sampled_from(
    [
        "9" * 6000,
        "-1",
        "1e9",
        "inf",
        "nan",
        "Thu, 01 Jan 2026 00:00:00 +9999999999",
        "Mon, 99 Foo 99999 99:99:99 GMT",
        "Wed, 31 Dec 9999 23:59:59 -2359",
        "text/html",
        "application/json; charset=utf-16",
        "x; charset=\xff",
        "; charset",
        "x/y; charset*=utf-8''%ff",
        "x; charset=unicode-escape",
        "x; charset=base64",
        "x; charset=\x80",
        "text/x;charset=",
        "http://[::1",
        "//",
        "http://h:99999999/",
        "/x",
        "?",
        "#",
        "\\",
        "http://a@b/",
        'Bearer error="invalid_token"',
        '<x>; rel="next"',
        "<;,>",
        '<x>; rel=next; title="a, <b>"',
        ",<,<,<",
        "<x>;;;=;rel=",
        "<" * 500,
        ", " * 500,
    ]
)
headers = st.dictionaries(
    st.sampled_from(["Retry-After", "Date", "X-Total-Count", "Link", "Content-Type", "Location", "WWW-Authenticate"]),
    header_values,
    max_size=4,
)
statuses = st.sampled_from([200, 204, 302, 307, 400, 401, 403, 404, 405, 413, 429, 500, 501, 503, 600, 999])


@examples(200)
@given(statuses, headers, st.binary(max_size=40))
def test_headers_and_refusals(status: int, sent: dict[str, str], body: bytes) -> None:
    body = as_utf8(sent.get("Content-Type"), body)
    response = Response(status, "https://sis.example.org/base/users?filter=x", sent, body)
    total = parse_total(sent.get("X-Total-Count"))
    assert total is None or 0 <= total < 10**12
    assert has_next(sent.get("Link")) in (None, True, False)
    assert isinstance(is_web_page(response), bool)
    assert isinstance(reports_expired_token(response), bool)
    assert clock_skew(response) is None or isinstance(describe_clock_skew(response), str)
    target = redirect_url(response)
    assert target is None or target.scheme in ("http", "https")
    error = retryable_error(response)
    assert error is None or error.retry_after is None or error.retry_after >= 0
    for made in (refusal(response, CONNECTION), token_refusal(response, CONNECTION, ("a", "b"))):
        assert made.code
        assert made.message.isprintable()


token_bodies = st.one_of(
    st.binary(max_size=60),
    st.fixed_dictionaries(
        {"access_token": words | st.text(max_size=8).map(json.dumps)},
        optional={"expires_in": words, "token_type": words, "scope": words | values},
    ).map(lambda fields: ("{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}").encode()),
)


@examples(150)
@given(statuses, headers, token_bodies)
def test_tokens(status: int, sent: dict[str, str], body: bytes) -> None:
    auth = OAuth2(CONNECTION, ("a",), lambda *_: Response(status, "https://sis.example.org/t", sent, body))
    try:
        auth.prepare()
    except IN_WORDS:
        return
    header = auth.headers("GET", "https://sis.example.org/x")["Authorization"]
    assert header.isascii()
    assert header.isprintable()
    assert auth.has_scope("roster.readonly") in (None, True, False)


class _Raw:
    """urllib3's response, as far as a body is read."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self._read = 0

    def read1(self, *_: Any, **__: Any) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else b""
        self._read += len(piece)
        return piece

    def tell(self) -> int:
        return self._read


compressed = st.binary(max_size=300).map(gzip.compress) | st.binary(max_size=300).map(zlib.compress)
pieces = st.lists(st.binary(min_size=1, max_size=30) | compressed, max_size=5)


@examples(200)
@given(
    pieces, st.sampled_from(["gzip", "deflate", "identity", "x-gzip", "br", "", "gzip,deflate", "\xff"]), st.booleans()
)
@example([gzip.compress(b"x") + b"trailing garbage"], "gzip", False)
@example([gzip.compress(b"x" * 800_000) + b"trailing garbage"], "gzip", False)
def test_compressed_bodies(parts: list[bytes], encoding: str, is_split: bool) -> None:
    if is_split:
        parts = [bytes([byte]) for part in parts for byte in part]
    ends = time.monotonic() + 20
    try:
        body = read_body(
            _Raw([part for part in parts if part]), encoding, host="sis.example.org", max_bytes=1_000_000,
            setting="max_page_mb", check=lambda: None,
        )  # fmt: skip
    except IN_WORDS:
        assert time.monotonic() < ends
        return
    assert len(body) <= 1_000_000


mails = st.lists(
    st.sampled_from(
        [
            "Client ID:",
            "Client Secret:",
            "Token URL",
            "Base URL",
            "Consumer Key",
            "OneRoster URL",
            "<td>",
            "</table>",
            "=\n",
            "https://sis.example.org/campus/oauth2/token?appName=maple",
            "https://[::1",
            "http://h:99999999/",
            "v1p2",
            "1.1",
            "Content-Type: text/html; charset=x\n\n",
            "Content-Transfer-Encoding: base64\n\n",
            "MIME-Version: 1.0\n",
            "=3D",
            "Subject: =?utf-8?q?=ff?=\n",
            "--b\n",
            "Content-Type: multipart/mixed; boundary=b\n\n",
            "\x00",
            "\u202e",
            "&#0;",
            "InfiniteCampus_maple",
            "a1b2c3d4-e5f6",
            "\n",
            "\t",
            ">",
            "|",
            "2027-13-45",
            "Expires: 31.02.2027",
            "****",
        ]
    )
    | st.text(max_size=12),
    max_size=14,
).map(" ".join)


@examples(200)
@example(b"https://[::1")
@given(mails.map(lambda text: text.encode("utf-8", "replace")) | st.binary(max_size=200))
def test_emails_with_credentials(content: bytes) -> None:
    found = parse_credentials(content)
    raw = found.raw_connection("oneroster_maple")
    assert isinstance(list(raw.recognized(date(2026, 11, 29))), list)
    with contextlib.suppress(RollcallError):
        raw.connection()


extras = st.dictionaries(
    st.sampled_from(["auth_url", "auth", "scopes", "headers", "secret_headers", "expires_on", "allow_private", "x"]),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=10)
        | st.sampled_from(["oauth1", "http://[::1", "{"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)
urls = st.text(max_size=20) | st.sampled_from(
    [
        "https://[::1",
        "https://h:99999999/",
        "https://[fe80::1%25eth0]/",
        "https://a@b/",
        "http://127.0.0.1",
        "https://\u3002",
        "https://xn--a/",
        "https://" + "a" * 300 + "/",
        "https://1.2.3",
        "https://0x7f.1/",
        "https://[::ffff:10.0.0.1]/",
    ]
)


@examples(200)
@given(urls, st.text(max_size=10), st.text(max_size=10), extras)
def test_connections(host: str, login: str, password: str, extra: dict[str, Any]) -> None:
    try:
        made = OneRosterConnection.from_airflow_fields("c", host, login, password, extra)
    except RollcallError:
        return
    assert optional_fields("c", extra) is not None
    assert made.base_url.startswith(("https://", "http://"))
