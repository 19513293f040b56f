"""Decodes a page into records. One bad record never costs its page.

The fast path decodes the whole page into typed records. If that fails, the page is split into raw records, and each is
decoded alone. An unreadable record is set aside with the place of its error. Exceptions of msgspec and of the UTF-8
decoder quote the data that failed, so none leaves this module.
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
    drop_passwords,
    mark_control_characters,
    read_record,
    split_json,
)
from rollcall.oneroster.limits import require_decodable
from rollcall.oneroster.records import COLLECTIONS, Collection, Record

__all__ = ["Decoded", "UnreadableRecord", "decode_checked", "decode_page", "drop_passwords", "envelope_missing"]

#: Members that are arrays but not data: status blocks of 1.1 in several spellings, and links.
_NOT_DATA = {"statusinfoset", "imsx_statusinfo", "imsx_codeminor", "errors", "warnings", "links", "_links"}

#: One JSON escape: a surrogate pair, half of one, NUL, or any other. Read one by one, `\\\\u0000` is not mistaken.
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
    """A decoded page.

    :param rows: length of the list.
    :param envelope: the member that holds the list. Empty: the body is a list.
    :param total: the collection's total from the body (Timeback).
    """

    records: list[Any]
    unreadable: list[UnreadableRecord]
    rows: int
    envelope: str
    total: int | None = None


def decode_page(collection: Collection, body: bytes) -> Decoded:
    """Decode the body of a 200 response.

    A body that is a list is read too. Only the caller knows the other pages and whether an empty list is the end.

    :raises InvalidResponse: a web page, malformed JSON, no list of records, or more than memory is for.
    :raises RetryableError: the JSON ends too early: the connection was cut off.
    """
    require_decodable(body, collection.path)
    return decode_checked(collection, body)


def decode_checked(collection: Collection, body: bytes) -> Decoded:
    """Decode a body that `require_decodable` let through. Raises as :func:`decode_page`."""
    body = body.removeprefix(_BOM)
    if _HAS_ODD_ESCAPE.search(body):
        body = _ESCAPE.sub(_mark_unstorable, body)
    bare = body.lstrip()[:1] == b"["
    if rb"\u0000" in body or len(body) > MAX_RECORD_BYTES:
        return _one_by_one(collection, body, bare)
    try:
        page = _page_decoder(collection.name, bare).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _one_by_one(collection, body, bare)
    records = page if bare else page.records
    if not _normalize_ids(records):
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
    """The collection's total from the body. Some providers use `count` for the rows of the page; that is ignored."""
    stated = next((number for number in map(_whole_number, (total_count, total)) if number is not None), None)
    if stated is not None:
        return stated
    counted = _whole_number(count)
    return None if counted == rows else counted


def _whole_number(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 12:
        return int(value)
    return value if type(value) is int and value >= 0 else None


def _normalize_ids(records: list[Any]) -> bool:
    """Convert numeric sourcedIds to text. False: one is blank."""
    ids = [record.sourced_id for record in records]
    if set(map(type, ids)) <= {str}:
        return not any(map(str.isspace, ids))
    for record in records:
        record.sourced_id = str(record.sourced_id)
    return not any(record.sourced_id.isspace() for record in records)


def _one_by_one(collection: Collection, body: bytes, bare: bool) -> Decoded:
    envelope, rows, total = _rows(collection, mark_control_characters(body), bare)
    records: list[Record] = []
    unreadable: list[UnreadableRecord] = []
    for row in rows:
        result = read_record(collection, row)
        if isinstance(result, UnreadableRecord):
            unreadable.append(result)
        else:
            records.append(result)
    return Decoded(records, unreadable, len(rows), envelope, total)


def _rows(collection: Collection, body: bytes, bare: bool) -> tuple[str, list[bytes], int | None]:
    """The raw records: from the expected envelope, or from the only list that is not a status block.

    :returns: the envelope, the records, and the total.
    :raises InvalidResponse: no such list, or malformed JSON outside the values of records.
    :raises RetryableError: the JSON ends too early.
    """
    if bare:
        return "", _elements(collection, body), None
    members = _members(collection, body)
    lists = [name for name, raw in members.items() if raw[:1] == b"[" and name.lower() not in _NOT_DATA]
    if collection.envelope not in lists and len(lists) != 1:
        raise envelope_missing(collection)
    envelope = collection.envelope if collection.envelope in lists else lists[0]
    rows = _elements(collection, members[envelope])
    totals = (_decode_or_none(members[name]) if name in members else None for name in ("totalCount", "total", "count"))
    return envelope, rows, _total(*totals, rows=len(rows))


def _members(collection: Collection, body: bytes) -> dict[str, bytes]:
    """The members of the body, each as JSON.

    :raises InvalidResponse: as :func:`_rows`.
    :raises RetryableError: as :func:`_rows`.
    """
    try:
        raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.ValidationError, UnicodeDecodeError):
        raise envelope_missing(collection) from None
    except (msgspec.DecodeError, RecursionError) as error:
        parts = split_json(body)
        if parts is None or not body.lstrip().startswith(b"{"):
            raise _malformed(collection, body, error) from None
        return {str(_decode_or_none(name)): value for name, value in parts}
    return {name: bytes(value).strip() for name, value in raw.items()}


def _elements(collection: Collection, body: bytes) -> list[bytes]:
    """The elements of a list, each as JSON. Raises as :func:`_rows`."""
    try:
        return [bytes(raw).strip() for raw in _split.decode(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        parts = split_json(body)
        if parts is None:
            raise _malformed(collection, body, error) from None
        return [value for _, value in parts]


def _decode_or_none(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def envelope_missing(collection: Collection) -> InvalidResponse:
    """A success without a list is never zero rows (rule 1)."""
    return InvalidResponse(
        "envelope_missing",
        f"The provider returned success for {collection.path}, but no list `{collection.envelope}`.",
        remedy="This does not count as an empty collection. Ask the provider's support what the response means.",
    )


def _mark_unstorable(escape: re.Match[bytes]) -> bytes:
    """Mark characters that cannot be stored with a NUL, which PostgreSQL refuses. U+FFFD follows for half a pair."""
    if escape["nul"]:
        return rb"\u0000"
    return rb"\u0000\ufffd" if escape["half"] else escape[0]


def _malformed(collection: Collection, body: bytes, error: Exception) -> Exception:
    """The error for a body that is not JSON. msgspec distinguishes a truncated body from a malformed one."""
    if body.lstrip()[:1] == b"<":
        return InvalidResponse(
            "html_answer",
            f"The provider returned a web page for {collection.path} instead of OneRoster data.",
            remedy="The URL shows a sign-in or maintenance page. Check the Base URL, or run again later.",
        )
    if "truncated" in str(error):
        return RetryableError(f"the response for {collection.path} was cut off", code="answer_cut_off")
    return InvalidResponse(
        "json_malformed",
        f"The provider returned malformed JSON for {collection.path}.",
        remedy="Run again. If it fails again, report it to the provider's support.",
    )
