"""Quirks of a hostile provider: responses that never end, that become gigabytes, or that lead to another place.

No real provider is known to do these on purpose. Broken proxies and a stolen host name are.
"""

from __future__ import annotations

import itertools
import struct
import time
import zlib
from collections.abc import Callable, Iterator

import msgspec

from rollcall_sandbox.quirk import HttpResponse, PageRequest, Quirk

_BLOCK = 1 << 20
#: Ten megabytes on the wire, ten gigabytes after decompression.
_BOMB_BLOCKS = 10_000
TRICKLE_SECONDS = 0.05

Damage = Callable[[PageRequest, HttpResponse], None]


def bomb(encoding: str, blocks: int = _BOMB_BLOCKS) -> Iterator[bytes]:
    """Spaces, compressed: `[` and then nothing but white space, which JSON allows.

    Each block ends with a full flush, so one compressed block can be repeated without compressing it again.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    first = packer.compress(b"[" + b" " * (_BLOCK - 1)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b" " * _BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    yield (struct.pack("<4BI2B", 0x1F, 0x8B, 8, 0, 0, 2, 255) if encoding == "gzip" else b"\x78\x9c") + first
    together = 64
    for _ in range(blocks // together):
        yield block * together


def endless() -> Iterator[bytes]:
    """White space for ever."""
    yield b"["
    yield from itertools.repeat(b" " * (1 << 16))


def _bomb(encoding: str, status: int = 200) -> Damage:
    def damage(_: PageRequest, response: HttpResponse) -> None:
        response.status, response.stream = status, lambda: bomb(encoding)
        response.headers = {"Content-Encoding": encoding}

    return damage


def _endless(_: PageRequest, response: HttpResponse) -> None:
    response.stream = endless


def _trickle(_: PageRequest, response: HttpResponse) -> None:
    """One byte at a time, for ever."""

    def pieces() -> Iterator[bytes]:
        yield b"["
        while True:
            time.sleep(TRICKLE_SECONDS)
            yield b" "

    response.stream = pieces


def _headers(_: PageRequest, response: HttpResponse) -> None:
    response.headers |= {f"X-Filler-{number}": "x" * 4000 for number in range(40)}


def _many_headers(_: PageRequest, response: HttpResponse) -> None:
    response.headers |= {f"X-Filler-{number}": "x" for number in range(200)}


def _endless_pages(request: PageRequest, response: HttpResponse) -> None:
    """New records on every page, and no total."""
    rows = [{"sourcedId": f"hostile-{request.offset + number}"} for number in range(request.limit)]
    response.body, response.headers = msgspec.json.encode({request.collection: rows}), {}


def _empty_lists(request: PageRequest, response: HttpResponse) -> None:
    """One record of eight megabytes: empty lists, each twenty times as large in memory."""
    lists = b"[]," * 2_800_000 + b"[]"
    response.body = (
        b'{"' + request.collection.encode() + b'":[{"sourcedId":"hostile","metadata":{"a":[' + lists + b"]}}]}"
    )
    response.headers = {}


def _redirect(location: str) -> Damage:
    def damage(_: PageRequest, response: HttpResponse) -> None:
        response.status, response.body, response.headers = 302, b"", {"Location": location}

    return damage


def _total_of_many_digits(_: PageRequest, response: HttpResponse) -> None:
    response.headers = {
        "X-Total-Count": "9" * 5000,
        "Link": '<http://[::1>; rel="next"',
    }


_WHO = "a hostile or broken one"

HOSTILE = {
    "hostile-gzip-bomb": Quirk(
        "pages are 10 MB of gzip that become 10 GB", _WHO, group="body", changes_response=_bomb("gzip")
    ),
    "hostile-deflate-bomb": Quirk(
        "pages are 10 MB of deflate that become 10 GB", _WHO, group="body", changes_response=_bomb("deflate")
    ),
    "hostile-bomb-400": Quirk(
        "every page is a 400 whose body is a gzip bomb", _WHO, group="body", changes_response=_bomb("gzip", 400)
    ),
    "hostile-bomb-302": Quirk(
        "every page is a 302 whose body is a gzip bomb", _WHO, group="body", changes_response=_bomb("gzip", 302)
    ),
    "hostile-endless-body": Quirk("pages never end, in chunks", _WHO, group="body", changes_response=_endless),
    "hostile-trickle": Quirk(
        f"pages send a byte every {TRICKLE_SECONDS * 1000:.0f} ms and never end", _WHO, group="body",
        changes_response=_trickle,
    ),
    "hostile-large-headers": Quirk(
        "responses have 160 KB of headers", _WHO, group="headers", changes_response=_headers
    ),
    "hostile-many-headers": Quirk("responses have 200 headers", _WHO, group="headers", changes_response=_many_headers),
    "hostile-endless-pages": Quirk("every page has new records, for ever", _WHO, changes_response=_endless_pages),
    "hostile-empty-lists": Quirk(
        "a record holds millions of empty lists", _WHO, group="body", changes_response=_empty_lists
    ),
    "hostile-redirect-away": Quirk(
        "pages redirect to another host", _WHO, group="redirect",
        changes_response=_redirect("https://elsewhere.example/orgs?t=1"),
    ),
    "hostile-redirect-port": Quirk(
        "pages redirect to a URL with an impossible port", _WHO, group="redirect",
        changes_response=_redirect("http://127.0.0.1:99999999/"),
    ),
    "hostile-redirect-ipv6": Quirk(
        "pages redirect to a URL with an impossible IPv6 address", _WHO, group="redirect",
        changes_response=_redirect("http://[::1/orgs"),
    ),
    "hostile-redirect-user": Quirk(
        "pages redirect to a URL with a user and a password", _WHO, group="redirect",
        changes_response=_redirect("http://a:b@127.0.0.1/orgs"),
    ),
    "hostile-redirect-scheme": Quirk(
        "pages redirect to a file", _WHO, group="redirect", changes_response=_redirect("file:///etc/passwd")
    ),
    "hostile-totals": Quirk(
        "totals have 5,000 digits, and `Link` has impossible URLs", _WHO, group="totals",
        changes_response=_total_of_many_digits,
    ),
}  # fmt: skip
