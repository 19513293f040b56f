"""One record by itself, where its page could not be decoded as a whole: read for what it means, or set aside.

- A number stands for text: `10442` and `10442.0` (servers built on pandas) are the text `10442`, digit by digit,
  however many. `12.5` and `1e20` are kept as they are written where text belongs, and are no sourcedId.
- NUL and half a surrogate pair cannot be stored. In text NUL is dropped and half a pair becomes U+FFFD. An id is never
  changed so, since two ids would become one: a record with such a sourcedId is set aside, and such a reference names
  nothing.

Exceptions of msgspec and of the UTF-8 decoder quote what they choke on; neither leaves this module.
"""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from rollcall.oneroster.records import COLLECTIONS, Collection, Record

# JSON cut into its parts by its own punctuation, for pages that no decoder takes as a whole.
#
# One record may hold what JSON does not have (`NaN`, a number with a million digits) or what no decoder follows (lists
# in lists a thousand deep). The rest of its page is well formed, so the page can be cut into records and each be read
# by itself. A text that is not well formed apart from such values is not cut at all: a wrong cut would lose records.

#: White space, then a string, a mark, or a word: a number, a literal, or something like `NaN` in place of one.
_TOKEN = re.compile(
    rb'[ \t\n\r]*+(?:(?P<string>"[^"\\]*+(?:\\.[^"\\]*+)*+")|(?P<mark>[{}\[\],:])|(?P<word>[-+.\w]++))', re.DOTALL
)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x1f]")
_SPACE = b" \t\n\r"

#: Words that may be an element of the list that is cut: numbers, and the literals of JSON and of JavaScript.
_ELEMENT = re.compile(rb"true|false|null|[-+]?(?:NaN|Infinity)|-?\d[-+.\w]*")

#: What may come next, and per kind of token what may come after that; a comma and an end depend on what is open.
_NEXT: dict[str, dict[str, str]] = {
    "value": {"string": "comma", "word": "comma", "{": "name or end", "[": "value or end"},
    "value or end": {"string": "comma", "word": "comma", "{": "name or end", "[": "value or end", "]": "comma"},
    "name": {"string": "colon"},
    "name or end": {"string": "colon", "}": "comma"},
    "colon": {":": "value"},
    "comma": {",": "value", "}": "comma", "]": "comma"},
}
_OPENED_BY = {"}": "{", "]": "["}


def children(text: bytes) -> list[tuple[bytes, bytes]] | None:
    """The members of an object as its names, quotes included, and values; the values of a list with empty names.

    :returns: None where the text is neither, or is not well formed apart from odd words in place of values.
    """
    found: list[tuple[bytes, bytes]] = []
    opened: list[str] = []
    name, begin, place, state = b"", -1, 0, "value"
    while match := _TOKEN.match(text, place):
        start, place = match.start(match.lastgroup or 0), match.end()
        kind = text[start:place].decode() if match.lastgroup == "mark" else str(match.lastgroup)
        followed = _followed(state, kind, opened)
        if followed is None or (opened == ["["] and kind == "word" and not _ELEMENT.fullmatch(text[start:place])):
            return None
        state = followed
        if not opened:
            last = text[begin:start].strip(_SPACE)
            return found + [(name, last)] * bool(last) if begin >= 0 and not text[place:].strip(_SPACE) else None
        if len(opened) > 1:
            continue
        if begin < 0 or kind == ":":
            name, begin = text[begin:start].strip(_SPACE) if kind == ":" else b"", place
        elif kind == ",":
            found.append((name, text[begin:start].strip(_SPACE)))
            begin = place
    return None


def _followed(state: str, kind: str, opened: list[str]) -> str | None:
    """What may come after a token; None where it may not stand there. `opened` is kept up to date."""
    followed = _NEXT[state].get(kind)
    if followed is None:
        return None
    if kind in "{[":
        opened.append(kind)
    elif kind in "}]" and (not opened or opened.pop() != _OPENED_BY[kind]):
        return None
    elif kind == ",":
        return "name" if opened[-1] == "{" else "value"
    return followed


def with_control_characters_marked(text: bytes) -> bytes:
    """Control characters, which JSON has no place for in strings, become a NUL escape and a space; NUL the escape."""
    if not _CONTROL.search(text):
        return text
    return _STRING.sub(lambda string: _CONTROL.sub(_marked, string[0]), text)


def _marked(control: re.Match[bytes]) -> bytes:
    return rb"\u0000" if control[0] == b"\0" else rb"\u0000\u0020"


#: Levels of lists and objects in one value. Deeper JSON is refused: PostgreSQL and Python both give up at some depth.
MAX_NESTING = 100

#: Bytes of one record; no roster's record is near it.
MAX_RECORD_BYTES = 16 << 20

#: Digits of one number; Python reads no more (sys.int_info), and numbers of a roster have twenty at most.
_MOST_DIGITS = 4_300

#: Characters of a member's name that are told where the member is at fault.
_MOST_NAME = 100

_WHOLE = re.compile(r"(-?\d+)\.0+")
_PATH = re.compile(r"at `\$\.?(.*)`$")


@dataclass(frozen=True)
class UnreadableRecord:
    """A record that is set aside.

    :param sourced_id: None where it could not be read: then the collection proves no absence (rule 2).
    :param code: `not_an_object`, `no_sourced_id`, `sourced_id_unusable`, `wrong_type`, `not_utf8`, `not_json`,
        `number_out_of_range`, `nested_too_deeply` or `record_too_large`.
    :param field: where in the record, such as `givenName` or `roles[].org`; empty when it is the whole record.
    :param record: the record as JSON without passwords, for the rejects; empty if not even that can be made of it.
    """

    sourced_id: str | None
    code: str
    field: str
    record: bytes = dataclasses.field(repr=False)


class _Written(str):
    """A number that is not whole, as it is written."""

    __slots__ = ()


class _Identified(msgspec.Struct, rename="camel"):
    sourced_id: Any = None


def read_record(collection: Collection, row: bytes) -> Record | UnreadableRecord:
    """One record, or why not.

    :param row: its JSON; where characters were taken out of a text, a NUL stands in their place.
    """
    if row[:1] != b"{":
        return UnreadableRecord(None, "not_an_object", "", _shown(row))
    sourced_id = _sourced_id(row)
    if sourced_id is None:
        return UnreadableRecord(None, "no_sourced_id", "sourcedId", _shown(row))
    if "\0" in sourced_id:
        return UnreadableRecord(sourced_id.replace("\0", r"\u0000"), "sourced_id_unusable", "sourcedId", _shown(row))
    if len(row) > MAX_RECORD_BYTES:
        return UnreadableRecord(sourced_id, "record_too_large", "", b"")
    try:
        record = _decoded(collection, row)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        code, field = _fault(row, error)
        return UnreadableRecord(sourced_id, code, field, _shown(row))
    record.sourced_id = sourced_id
    return _cleaned(record, _references(collection.name)) if rb"\u0000" in row else record


def _decoded(collection: Collection, row: bytes) -> Record:
    try:
        record: Record = _record_decoder(collection.name).decode(row)
    except msgspec.ValidationError:
        plain = _exact.decode(row)
        if "metadata" in plain:
            plain["metadata"] = msgspec.json.decode(row, type=_metadata).metadata
        _refuse_written_ids(plain, _references(collection.name))
        record = msgspec.convert(plain, collection.record)
    return record


class _WithMetadata(msgspec.Struct):
    metadata: Any = None


_metadata = _WithMetadata


def _number(written: str) -> int | _Written:
    """What a number with a point or an exponent is, where text belongs.

    :raises ValueError: it has more digits, or is larger, than programs read; msgspec's own words for that.
    """
    if len(written) > _MOST_DIGITS or math.isinf(float(written)):
        raise ValueError("Number out of range")
    whole = _WHOLE.fullmatch(written)
    return int(whole[1]) if whole else _Written(written)


_plain = msgspec.json.Decoder()
_exact = msgspec.json.Decoder(float_hook=_number)
_identified = msgspec.json.Decoder(_Identified, float_hook=_number)


@cache
def _record_decoder(name: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(COLLECTIONS[name].record)


@cache
def _references(name: str) -> frozenset[str]:
    """The members of a collection's records, and of what is in them, that name another record."""
    fields = msgspec.structs.fields(COLLECTIONS[name].record)
    own = {field.encode_name for field in fields if "Ref" in str(field.type)}
    return frozenset({*own, "sourcedId", "org"})


def _refuse_written_ids(value: Any, references: frozenset[str], place: str = "") -> None:
    """:raises msgspec.ValidationError: a number that is not whole where a sourcedId belongs; in the decoder's form."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name != "metadata":
                at = f"{place}.{name}" if place else name
                named = inner if isinstance(inner, list) else [inner]
                if name in references and any(isinstance(one, _Written) for one in named):
                    raise msgspec.ValidationError(f"Expected a sourcedId - at `$.{at}`")
                _refuse_written_ids(inner, references, at)
    elif isinstance(value, list):
        for inner in value:
            _refuse_written_ids(inner, references, f"{place}[]")


def _fault(row: bytes, error: Exception) -> tuple[str, str]:
    """Code and field of what is wrong with a record."""
    if isinstance(error, UnicodeDecodeError):
        return "not_utf8", ""
    if isinstance(error, RecursionError):
        return "nested_too_deeply", _unreadable_member(row)
    if not isinstance(error, msgspec.ValidationError):
        return "not_json", _unreadable_member(row)
    found = _PATH.search(str(error))
    place = re.sub(r"\[\d+\]", "[]", found[1]) if found else ""
    if "out of range" not in str(error):
        return "wrong_type", place
    return "number_out_of_range", _unreadable_member(row) if place.startswith("[") else place


def _unreadable_member(row: bytes) -> str:
    """The first member of a record that cannot be decoded by itself."""
    name = next((name for name, value in _members(row) if _alone(_exact, value) is _NOTHING), "")
    return _cleaned(name, frozenset())[:_MOST_NAME]


def _sourced_id(row: bytes) -> str | None:
    try:
        value = _identified.decode(row).sourced_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = next((_alone(_exact, value) for name, value in _members(row) if name == "sourcedId"), None)
    if isinstance(value, str) and not isinstance(value, _Written):
        return value if value.strip("\0").strip() else None
    return str(value) if type(value) is int else None


_NOTHING = object()


def _alone(decoder: msgspec.json.Decoder[Any], value: bytes) -> Any:
    """A value by itself; a mark where it cannot be read."""
    try:
        return decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _NOTHING


def _members(row: bytes) -> list[tuple[str, bytes]]:
    """The members of a record that could not be decoded, each still JSON."""
    names = ((_alone(_plain, name), value) for name, value in children(row) or ())
    return [(name, value) for name, value in names if isinstance(name, str)]


def _cleaned(value: Any, references: frozenset[str], *, is_id: bool = False) -> Any:
    """A record, or part of one, without the marks where characters were taken out; an id that has one is no id.

    :param references: the members that name another record.
    """
    if isinstance(value, str):
        return None if is_id and "\0" in value else value.replace("\0", "")
    if isinstance(value, list):
        return [_cleaned(inner, references, is_id=is_id) for inner in value]
    if isinstance(value, dict):
        return {_cleaned(name, references): _cleaned(inner, references) for name, inner in value.items()}
    if isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(value):
            cleaned = _cleaned(getattr(value, field.name), references, is_id=field.encode_name in references)
            setattr(value, field.name, cleaned)
    return value


def _shown(row: bytes) -> bytes:
    """A refused record for the person who will correct it: without passwords, and without what cannot be read."""
    row = row.decode("utf-8", "replace").encode()
    plain = _alone(_plain, row)
    if plain is _NOTHING:
        members = {name: _alone(_plain, value) for name, value in _members(row)}
        plain = {name: "(could not be read)" if value is _NOTHING else value for name, value in members.items()}
        if not plain:
            return b""
    return msgspec.json.encode(_cleaned(drop_passwords(truncate_nesting(plain)), frozenset()))


def drop_passwords(value: Any) -> Any:
    """The same JSON value without any member whose name speaks of a password."""
    if isinstance(value, dict):
        return {name: drop_passwords(inner) for name, inner in value.items() if "password" not in name.lower()}
    if isinstance(value, list):
        return [drop_passwords(inner) for inner in value]
    return value


def truncate_nesting(value: Any, levels: int = MAX_NESTING + 1) -> Any:
    """The same JSON value, cut off below so many levels: one more than is accepted, so that it is still refused."""
    if not isinstance(value, (dict, list)):
        return value
    if not levels:
        return None
    if isinstance(value, dict):
        return {name: truncate_nesting(inner, levels - 1) for name, inner in value.items()}
    return [truncate_nesting(inner, levels - 1) for inner in value]
