"""Reads a body in pieces and decompresses it, counting both what is received and what it becomes.

urllib3 decompresses too, but a stream of empty gzip members never returns from its `read1`, and it accepts any chain of
encodings. Ten megabytes of gzip can become ten gigabytes.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from rollcall.oneroster.errors import InvalidResponse, LimitExceeded, RetryableError
from rollcall.oneroster.limits import exceeded, megabytes

#: What a request accepts.
ACCEPTED_ENCODINGS = "gzip, deflate"

_CHUNK = 1 << 18

#: gzip members in one body. Servers send one; only concatenated files have more.
_MAX_MEMBERS = 100


def read_body(raw: Any, encoding: str, *, host: str, max_bytes: int, setting: str, check: Callable[[], None]) -> bytes:
    """The whole body, decompressed.

    :param raw: urllib3's response. Its socket limits the time (`wire`).
    :param encoding: the `Content-Encoding` header.
    :param max_bytes: both of what is received and of what it becomes.
    :param setting: the key of `extract` that raises `max_bytes`. Empty: it is fixed.
    :param check: called for each piece; may raise.
    :raises InvalidResponse: `response_too_large`, `encoding_unknown`, or what the socket raises.
    :raises RetryableError: the compressed data is damaged or ends too early.
    """
    body = io.BytesIO()  # a list of pieces of two bytes would take twenty times the memory
    for part in _decoded(_received(raw, check), encoding, host):
        body.write(part)
        size = body.tell()
        if max(size, raw.tell()) > max_bytes:
            raise _too_large(host, size, raw.tell(), max_bytes, setting)
    return body.getvalue()


def _received(raw: Any, check: Callable[[], None]) -> Iterator[bytes]:
    # read1 returns available bytes; iter_content would wait for a whole chunk, however slow.
    while part := raw.read1(_CHUNK, decode_content=False):
        check()
        yield part


def _decoded(parts: Iterator[bytes], encoding: str, host: str) -> Iterator[bytes]:
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return parts
    if name in ("gzip", "x-gzip"):
        return _inflated(parts, host, 16 + zlib.MAX_WBITS)
    if name == "deflate":
        return _inflated(parts, host, zlib.MAX_WBITS)
    raise InvalidResponse(
        "encoding_unknown",
        f"{host} sent a response in an encoding that the request did not accept ({ACCEPTED_ENCODINGS}).",
        remedy="Ask the provider's support why it ignores the header Accept-Encoding.",
    )


def _inflated(parts: Iterator[bytes], host: str, window: int) -> Iterator[bytes]:
    """The decompressed pieces, each of at most 256 KB. Also an empty piece for each received piece, so that the caller
    can check its limits.
    """
    stream: Any = None
    members = 0
    for part in parts:
        yield b""
        data = part
        while data:
            if stream is None or stream.eof:
                if members and not data.startswith(b"\x1f\x8b"):
                    break  # other clients ignore what follows the data too
                members += 1
                if members > _MAX_MEMBERS:
                    raise exceeded(
                        "response_too_large", f"{host} sent more than {_MAX_MEMBERS} compressed parts in one response",
                        f"{_MAX_MEMBERS} parts", "",
                    )  # fmt: skip
                if window == zlib.MAX_WBITS and data[0] & 0x0F != 8:  # raw deflate (RFC 1951), as some servers send
                    window = -zlib.MAX_WBITS
                stream = zlib.decompressobj(window)
            try:
                yield stream.decompress(data, _CHUNK)
                while stream.unconsumed_tail and not stream.eof:
                    yield stream.decompress(stream.unconsumed_tail, _CHUNK)
            except zlib.error:
                raise RetryableError(f"the response of {host} was cut off or damaged", code="answer_cut_off") from None
            data = stream.unused_data
    if stream is not None and not stream.eof:
        raise RetryableError(f"the response of {host} was cut off", code="answer_cut_off")


def _too_large(host: str, size: int, received: int, max_bytes: int, setting: str) -> LimitExceeded:
    return exceeded(
        "response_too_large",
        f"{host} sent more than {megabytes(max_bytes)} in one response ({megabytes(size)} so far, from "
        f"{megabytes(received)} on the wire)",
        megabytes(max_bytes),
        setting,
        "Set a smaller `extract.page_size`." if setting else "",
    )
