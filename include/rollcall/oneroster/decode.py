"""From the bytes of a page to its records; one bad record never costs its page.

The fast path decodes the whole page into typed records. Only if that fails, the page is cut into raw records and each
is decoded by itself, so that what cannot be read is set aside with the place of its fault. Exceptions of msgspec and
of the UTF-8 decoder quote what they choke on; neither leaves this module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from rollcall.oneroster.errors import InvalidResponse, RetryableError
from rollcall.oneroster.lenient_decode import (
    MAX_RECORD_BYTES,
    UnreadableRecord,
    children,
    drop_passwords,
    read_record,
    with_control_characters_marked,
)
from rollcall.oneroster.records import COLLECTIONS, Collection, Record

__all__ = ["Decoded", "UnreadableRecord", "decode_page", "drop_passwords", "envelope_missing"]

#: Members beside the data that are arrays and no data: status blocks of 1.1 in their several spellings, and links.
_NO_DATA = {"statusinfoset", "imsx_statusinfo", "imsx_codeminor", "errors", "warnings", "links", "_links"}

#: One JSON escape: a surrogate pair, half of one, NUL, or any other. Taken one by one, `\\\\u0000` is not mistaken.
_ESCAPE = re.compile(
    rb"\\(?:(?P<pair>u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|(?P<nul>u0000)|.)",
    re.DOTALL,
)
_HAS_ODD_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_BOM = b"\xef\xbb\xbf"

_split = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class Decoded:
    """A page's content.

    :param rows: what stood in the list.
    :param envelope: the member it stood in; empty where the answer was a bare list.
    :param total: of the collection, where the answer tells it beside the list (Timeback).
    """

    records: list[Any]
    unreadable: list[UnreadableRecord]
    rows: int
    envelope: str
    total: int | None = None


def decode_page(collection: Collection, body: bytes) -> Decoded:
    """Decode the body of a 200 answer.

    A bare list is read too; whether an empty one is an end is for the caller to say, who knows the other pages.

    :raises InvalidResponse: a web page, malformed JSON, or no list where the collection should be.
    :raises RetryableError: the JSON ends too early: the connection was cut.
    """
    body = body.removeprefix(_BOM)
    if _HAS_ODD_ESCAPE.search(body):
        body = _ESCAPE.sub(_marked, body)
    bare = body.lstrip()[:1] == b"["
    if rb"\u0000" in body or len(body) > MAX_RECORD_BYTES:
        return _one_by_one(collection, body, bare)
    try:
        page = _page_decoder(collection.name, bare).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _one_by_one(collection, body, bare)
    records = page if bare else page.records
    if not _identify(records):
        return _one_by_one(collection, body, bare)
    total = None if bare else _total(page.total_count, page.total, page.count, rows=len(records))
    return Decoded(records, [], len(records), "" if bare else collection.envelope, total)


@cache
def _page_decoder(name: str, bare: bool) -> msgspec.json.Decoder[Any]:
    collection = COLLECTIONS[name]
    if bare:
        return msgspec.json.Decoder(list[collection.record])  # type: ignore[name-defined]
    page = msgspec.defstruct(
        f"{collection.record.__name__}Page",
        [
            ("records", list[collection.record], msgspec.field(name=collection.envelope)),  # type: ignore[name-defined]
            ("total_count", Any, msgspec.field(name="totalCount", default=None)),
            ("total", Any, None),
            ("count", Any, None),
        ],
        gc=False,
    )
    return msgspec.json.Decoder(page)


def _total(total_count: Any, total: Any, count: Any, *, rows: int) -> int | None:
    """The collection's total as a body states it. Some use `count` for the rows of the page, which says nothing."""
    stated = next((number for number in map(_whole, (total_count, total)) if number is not None), None)
    if stated is not None:
        return stated
    counted = _whole(count)
    return None if counted == rows else counted


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 12:
        return int(value)
    return value if type(value) is int and value >= 0 else None


def _identify(records: list[Any]) -> bool:
    """Make numeric sourcedIds text; False if one is blank."""
    ids = [record.sourced_id for record in records]
    if set(map(type, ids)) <= {str}:
        return not any(map(str.isspace, ids))
    for record in records:
        record.sourced_id = str(record.sourced_id)
    return not any(record.sourced_id.isspace() for record in records)


def _one_by_one(collection: Collection, body: bytes, bare: bool) -> Decoded:
    envelope, rows, total = _rows(collection, with_control_characters_marked(body), bare)
    records: list[Record] = []
    unreadable: list[UnreadableRecord] = []
    for row in rows:
        made = read_record(collection, row)
        if isinstance(made, UnreadableRecord):
            unreadable.append(made)
        else:
            records.append(made)
    return Decoded(records, unreadable, len(rows), envelope, total)


def _rows(collection: Collection, body: bytes, bare: bool) -> tuple[str, list[bytes], int | None]:
    """The list of records, still raw: under its own name, or the only list of the answer that is no status block.

    :returns: the name it stands under, the records, and the total beside them.
    :raises InvalidResponse: no such list, or JSON that is malformed elsewhere than in values of records.
    :raises RetryableError: the JSON ends too early.
    """
    if bare:
        return "", _elements(collection, body), None
    members = _members(collection, body)
    lists = [name for name, raw in members.items() if raw[:1] == b"[" and name.lower() not in _NO_DATA]
    if collection.envelope not in lists and len(lists) != 1:
        raise envelope_missing(collection)
    envelope = collection.envelope if collection.envelope in lists else lists[0]
    rows = _elements(collection, members[envelope])
    totals = (_any(members[name]) if name in members else None for name in ("totalCount", "total", "count"))
    return envelope, rows, _total(*totals, rows=len(rows))


def _members(collection: Collection, body: bytes) -> dict[str, bytes]:
    """The members of the answer, each still JSON.

    :raises InvalidResponse: as :func:`_rows`.
    :raises RetryableError: as :func:`_rows`.
    """
    try:
        raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.ValidationError, UnicodeDecodeError):
        raise envelope_missing(collection) from None
    except (msgspec.DecodeError, RecursionError) as error:
        cut = children(body)
        if cut is None or not body.lstrip().startswith(b"{"):
            raise _malformed(collection, body, error) from None
        return {str(_any(name)): value for name, value in cut}
    return {name: bytes(value).strip() for name, value in raw.items()}


def _elements(collection: Collection, body: bytes) -> list[bytes]:
    """The elements of a list, each still JSON; raises as :func:`_rows`."""
    try:
        return [bytes(raw).strip() for raw in _split.decode(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        cut = children(body)
        if cut is None:
            raise _malformed(collection, body, error) from None
        return [value for _, value in cut]


def _any(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def envelope_missing(collection: Collection) -> InvalidResponse:
    """A success without the list, which is never zero rows (rule 1)."""
    return InvalidResponse(
        "envelope_missing",
        f"The provider answered {collection.path} with success, but without the list `{collection.envelope}`.",
        remedy="Such an answer is never taken for an empty collection. Ask the provider's support what it means.",
    )


def _marked(escape: re.Match[bytes]) -> bytes:
    """A NUL, which PostgreSQL refuses in text, in place of what is no character; U+FFFD follows for half a pair."""
    if escape["nul"]:
        return rb"\u0000"
    return rb"\u0000\ufffd" if escape["half"] else escape[0]


def _malformed(collection: Collection, body: bytes, error: Exception) -> Exception:
    """What to raise for a body that is no JSON; msgspec tells a cut one from a wrong one."""
    if body.lstrip()[:1] == b"<":
        return InvalidResponse(
            "html_answer",
            f"The provider answered 200 for {collection.path} with a web page instead of OneRoster data.",
            remedy="A sign-in or maintenance page stands at this address: check the Base URL, or run again later.",
        )
    if "truncated" in str(error):
        return RetryableError(f"the answer for {collection.path} was cut off", code="answer_cut_off")
    return InvalidResponse(
        "json_malformed",
        f"The provider answered 200 for {collection.path} with JSON that is malformed.",
        remedy="Run again; if it stays, the provider's support has to look at the answer.",
    )
