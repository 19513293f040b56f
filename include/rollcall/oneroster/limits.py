"""The bounds on everything a provider sends, and the errors for what exceeds one.

A provider that is broken or hostile must cost an error, never this machine's memory. Every response has bounds: bytes
on the wire, bytes after decompression, header size, and time. Every pull has bounds: pages, rows, and hours. Records
have bounds of their own (`lenient_decode`): a record that exceeds one is rejected, and the rest of its page is read.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from rollcall.oneroster.errors import LimitExceeded

MEGABYTE = 1_000_000

#: Status line, informational responses, and headers together. Servers send less than 8 KB.
MAX_HEADER_BYTES = 64 << 10

#: A body that is not a page of records: a refusal, a token, or a redirect.
MAX_OTHER_BYTES = MEGABYTE

#: Estimated memory of the decoded pages of a client. A page that alone exceeds it is read while no other is in memory.
PAGES_IN_MEMORY = 200 * MEGABYTE

#: Estimated memory of one decoded page. Real pages need three to four times the bytes of their JSON.
MAX_DECODED_BYTES = 300 * MEGABYTE

_SAMPLES = 40
_SAMPLE_BYTES = 1024

#: UTF-8 bytes from here on begin characters that need more than one byte in Python.
_FIRST_WIDE_BYTE = 0xC4

#: Rows and bytes of a collection that is kept in memory as a whole: the orgs, to find out whose they are.
MAX_ORGS = 100_000
MAX_ORGS_BYTES = 64 * MEGABYTE


@dataclass(frozen=True)
class Limits:
    """The bounds a district can set, in `extract`.

    :param page_mb: megabytes of one response, after decompression.
    :param page_seconds: seconds for one response, from the request to its last byte.
    :param pages: pages of one collection. 20,000 pages are two million rows at the specification's default page size.
    :param rows: rows of all collections of a pull. Each costs up to 50 bytes of memory.
    :param hours: hours from the client's first request to its last.
    """

    page_mb: int = 32
    page_seconds: int = 600
    pages: int = 20_000
    rows: int = 5_000_000
    hours: int = 12

    @property
    def page_bytes(self) -> int:
        return self.page_mb * MEGABYTE


def exceeded(
    code: str, received: str, limit: str, setting: str, advice: str = "", kind: type[LimitExceeded] = LimitExceeded
) -> LimitExceeded:
    """The error for a bound that a provider exceeded.

    :param received: what was received, as a sentence without its end.
    :param limit: the bound, with its unit.
    :param setting: the key of `extract` that raises it. Empty: it is fixed.
    :param kind: the class of the error.
    """
    remedy = advice or "Ask the provider's support why it sends this."
    if setting:
        remedy += f" If it is correct, raise `extract.{setting}` in the district's file."
    return kind(code, f"{received}. The limit is {limit}.", remedy=remedy)


def megabytes(count: int) -> str:
    """Such as `33.5 MB`."""
    return f"{count / MEGABYTE:,.1f} MB"


def decoded_bytes(body: bytes) -> int:
    """Estimated memory of a page while it is decoded, its body included.

    JSON such as `[[],[],…]` needs twenty times its own bytes as Python objects, and one emoji makes a text four times
    as long. Random samples are counted, because counting everything takes half as long as decoding. On real pages, the
    estimate is about half above what they need.
    """
    size = len(body)
    if size <= _SAMPLES * _SAMPLE_BYTES:
        samples = [body]
    else:
        starts = random.sample(range(size - _SAMPLE_BYTES), _SAMPLES)
        samples = [body[start : start + _SAMPLE_BYTES] for start in starts]
    sampled = b"".join(samples)
    objects, lists, members = sampled.count(b"{"), sampled.count(b"["), sampled.count(b":")
    elements = max(0, sampled.count(b",") - members)
    wide = sum(not sample.isascii() and max(sample) >= _FIRST_WIDE_BYTE for sample in samples) / len(samples)
    values = 170 * objects + 60 * lists + 30 * members + 60 * elements
    return round(size * (2 + 3 * wide + values / max(1, len(sampled))))


class PageMemory:
    """Limits the decoded pages of a client that are in memory at the same time.

    Pages requested ahead never wait for memory: they are dropped and requested again in their turn. So a thread that
    waits holds nothing that another thread waits for.

    :param check_open: raises ClientClosed once the client is closed.
    """

    def __init__(self, check_open: Callable[[], None], total: int = PAGES_IN_MEMORY) -> None:
        self._check_open = check_open
        self._total = total
        self._free = total
        self._waiting = 0
        self._condition = threading.Condition()

    def reserve(self, size: int, *, wait: bool) -> Reservation | None:
        """Reserve memory for a page.

        :returns: None: there is not enough, and the caller does not wait.
        :raises ClientClosed: the client was closed during the wait.
        """
        size = min(size, self._total)
        with self._condition:
            if not wait and (self._waiting or size > self._free):
                return None
            self._waiting += 1
            try:
                while size > self._free:
                    self._check_open()
                    self._condition.wait(1)
            finally:
                self._waiting -= 1
            self._free -= size
        return Reservation(self, size)

    def release(self, size: int) -> None:
        with self._condition:
            self._free += size
            self._condition.notify_all()


class Reservation:
    """Memory reserved for a page, released when the page is. A page has many owners, and any of them may drop it."""

    def __init__(self, memory: PageMemory, size: int) -> None:
        self._memory = memory
        self._size = size

    def __del__(self) -> None:
        self._memory.release(self._size)


class RowCount:
    """The rows of all collections of a pull."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rows = 0
        self._lock = threading.Lock()

    def add(self, rows: int) -> None:
        """:raises LimitExceeded: `too_many_rows`."""
        with self._lock:
            received = self._rows + rows
            if received <= self._limit:
                self._rows = received
                return
        raise exceeded(
            "too_many_rows",
            f"This pull received {received:,} rows and has not ended",
            f"{self._limit:,} rows",
            "max_rows",
            "Either the provider's pages never end, or this is a very large district.",
        )


def require_decodable(body: bytes, path: str) -> int:
    """The estimated memory of a page while it is decoded.

    :raises LimitExceeded: `response_too_complex`.
    """
    size = decoded_bytes(body)
    if size > MAX_DECODED_BYTES:
        raise exceeded(
            "response_too_complex",
            f"The response for {path} would need about {megabytes(size)} of memory ({megabytes(len(body))} of JSON)",
            megabytes(MAX_DECODED_BYTES),
            "",
            "Set a smaller `extract.page_size`.",
        )
    return size
