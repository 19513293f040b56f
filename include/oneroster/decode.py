"""From the bytes of a page to its records; one bad record never costs its page.

The fast path decodes the whole page into typed records. Only if that fails, the page is cut into raw records and each
is decoded by itself, so that what cannot be read is set aside with the place of its fault. Exceptions of msgspec and
of the UTF-8 decoder quote what they choke on; neither leaves this module.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from include.oneroster.entities import COLLECTIONS, Collection, Record
from include.oneroster.errors import AnswerUnusable
from include.oneroster.retry import TryAgain

#: Members beside the data that are arrays and no data: status blocks of 1.1 in their several spellings, and links.
_NO_DATA = {"statusinfoset", "imsx_statusinfo", "imsx_codeminor", "errors", "warnings", "links", "_links"}

#: One JSON escape: a surrogate pair, half of one, NUL, or any other. Taken one by one, `\\\\u0000` is not mistaken.
_ESCAPE = re.compile(
    rb"\\(?:(?P<pair>u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|(?P<nul>u0000)|.)",
    re.DOTALL,
)
_HAS_ODD_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_PATH = re.compile(r"at `\$\.?(.*)`$")
_BOM = b"\xef\xbb\xbf"

#: Control characters may not stand in JSON as they are; where they do, they become spaces, and NUL nothing.
_CONTROL = re.compile(rb"[\x00-\x1f]")
_SPACES = bytes(range(256)).translate(bytes.maketrans(bytes(range(32)), b" " * 32))

_split = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class Unreadable:
    """A record that is set aside.

    :param sourced_id: None where it could not be read: then the collection proves no absence (DESIGN, rule 2).
    :param code: `not_an_object`, `no_sourced_id`, `wrong_type` or `not_utf8`.
    :param field: where in the record, such as `givenName` or `roles[].org`; empty when it is the whole record.
    :param record: the record as JSON without passwords, for the rejects; empty if not even that can be made of it.
    """

    sourced_id: str | None
    code: str
    field: str
    record: bytes = dataclasses.field(repr=False)


@dataclass(frozen=True)
class Decoded:
    """A page's content.

    :param rows: what stood in the list.
    :param envelope: the member it stood in; empty where the answer was a bare list.
    :param total: of the collection, where the answer tells it beside the list (Timeback).
    """

    records: list[Any]
    unreadable: list[Unreadable]
    rows: int
    envelope: str
    total: int | None = None


class _Identified(msgspec.Struct, rename="camel"):
    sourced_id: Any = None


def decode_page(collection: Collection, body: bytes) -> Decoded:
    """Decode the body of a 200 answer.

    A bare list is read too; whether an empty one is an end is for the caller to say, who knows the other pages.

    :raises AnswerUnusable: a web page, malformed JSON, or no list where the collection should be.
    :raises TryAgain: the JSON ends too early: the connection was cut.
    """
    body = _without_odd_escapes(body.removeprefix(_BOM))
    try:
        return _decode(collection, body)
    except AnswerUnusable as error:
        if error.code != "json_malformed" or not _CONTROL.search(body):
            raise
    return _decode(collection, body.translate(_SPACES, delete=b"\0"))


def _decode(collection: Collection, body: bytes) -> Decoded:
    bare = body.lstrip()[:1] == b"["
    try:
        page = _page_decoder(collection.name, bare).decode(body)
    except (msgspec.ValidationError, UnicodeDecodeError):
        pass
    except (msgspec.DecodeError, RecursionError) as error:
        raise _malformed(collection, body, error) from None
    else:
        records = page if bare else page.records
        if _identify(records):
            total = None if bare else _total(page.total_count, page.total, page.count, rows=len(records))
            return Decoded(records, [], len(records), "" if bare else collection.envelope, total)
    return _one_by_one(collection, body, bare)


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


@cache
def _record_decoder(name: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(COLLECTIONS[name].record)


def _identify(records: list[Any]) -> bool:
    """Make numeric sourcedIds text; False if one is blank."""
    ids = [record.sourced_id for record in records]
    if set(map(type, ids)) <= {str}:
        return not any(map(str.isspace, ids))
    for record in records:
        record.sourced_id = str(record.sourced_id)
    return not any(record.sourced_id.isspace() for record in records)


def _one_by_one(collection: Collection, body: bytes, bare: bool) -> Decoded:
    try:
        envelope, rows, total = ("", _split.decode(body), None) if bare else _rows(collection, body)
    except (msgspec.ValidationError, UnicodeDecodeError):
        raise envelope_missing(collection) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise _malformed(collection, body, error) from None
    records: list[Record] = []
    unreadable: list[Unreadable] = []
    for row in (bytes(raw).strip() for raw in rows):
        made = _read(collection, row)
        if isinstance(made, Unreadable):
            unreadable.append(made)
        else:
            records.append(made)
    return Decoded(records, unreadable, len(rows), envelope, total)


def _rows(collection: Collection, body: bytes) -> tuple[str, list[msgspec.Raw], int | None]:
    """The list of records, still raw: under its own name, or the only list of the answer that is no status block."""
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    lists = [name for name, raw in members.items() if bytes(raw).lstrip()[:1] == b"[" and name.lower() not in _NO_DATA]
    if collection.envelope not in lists and len(lists) != 1:
        raise envelope_missing(collection)
    envelope = collection.envelope if collection.envelope in lists else lists[0]
    rows = _split.decode(members[envelope])
    totals = (_any(members[name]) if name in members else None for name in ("totalCount", "total", "count"))
    return envelope, rows, _total(*totals, rows=len(rows))


def _any(raw: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def envelope_missing(collection: Collection) -> AnswerUnusable:
    """A 200 without the list, which is never zero rows (DESIGN, rule 1)."""
    return AnswerUnusable(
        "envelope_missing",
        f"The provider answered 200 for {collection.path}, but without the list `{collection.envelope}`.",
        remedy="Such an answer is never taken for an empty collection. Ask the provider's support what it means.",
    )


def _read(collection: Collection, row: bytes) -> Record | Unreadable:
    """One record, or why not."""
    if row[:1] != b"{":
        return Unreadable(None, "not_an_object", "", _without_passwords(row))
    sourced_id = _sourced_id(row)
    if sourced_id is None:
        return Unreadable(None, "no_sourced_id", "sourcedId", _without_passwords(row))
    try:
        record: Record = _record_decoder(collection.name).decode(row)
    except UnicodeDecodeError:
        return Unreadable(sourced_id, "not_utf8", "", _without_passwords(row))
    except msgspec.ValidationError as error:
        found = _PATH.search(str(error))
        place = re.sub(r"\[\d+\]", "[]", found[1]) if found else ""
        return Unreadable(sourced_id, "wrong_type", place, _without_passwords(row))
    record.sourced_id = sourced_id
    return record


def _sourced_id(row: bytes) -> str | None:
    try:
        value = msgspec.json.decode(row, type=_Identified).sourced_id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if isinstance(value, str):
        return value if value.strip() else None
    return str(value) if type(value) is int else None


def _without_odd_escapes(body: bytes) -> bytes:
    """Drop NUL, which PostgreSQL refuses in text, and put U+FFFD for half a surrogate pair, which is no character."""
    if not _HAS_ODD_ESCAPE.search(body):
        return body
    return _ESCAPE.sub(_evened, body)


def _evened(escape: re.Match[bytes]) -> bytes:
    if escape["nul"]:
        return b""
    return b"\\ufffd" if escape["half"] else escape[0]


def _without_passwords(row: bytes) -> bytes:
    try:
        plain = msgspec.json.decode(row.decode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return b""
    return msgspec.json.encode(drop_passwords(plain))


def drop_passwords(value: Any) -> Any:
    """The same JSON value without any member whose name speaks of a password."""
    if isinstance(value, dict):
        return {name: drop_passwords(inner) for name, inner in value.items() if "password" not in name.lower()}
    if isinstance(value, list):
        return [drop_passwords(inner) for inner in value]
    return value


def _malformed(collection: Collection, body: bytes, error: Exception) -> Exception:
    """What to raise for a body that is no JSON; msgspec tells a cut one from a wrong one."""
    if body.lstrip()[:1] == b"<":
        return AnswerUnusable(
            "html_answer",
            f"The provider answered 200 for {collection.path} with a web page instead of OneRoster data.",
            remedy="A sign-in or maintenance page stands at this address: check the Base URL, or run again later.",
        )
    if "truncated" in str(error):
        return TryAgain(f"the answer for {collection.path} was cut off", code="answer_cut_off")
    return AnswerUnusable(
        "json_malformed",
        f"The provider answered 200 for {collection.path} with JSON that is malformed.",
        remedy="Run again; if it stays, the provider's support has to look at the answer.",
    )
