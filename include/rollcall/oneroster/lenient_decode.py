"""Decodes single records of a page that could not be decoded as a whole, or sets them aside.

- Numbers are accepted as text. `10442` and `10442.0` (servers built on pandas) are the text `10442`, with all digits.
  `12.5` and `1e20` keep their spelling as text, but are not valid sourcedIds.
- NUL and half a surrogate pair cannot be stored. In text, NUL is removed and half a pair becomes U+FFFD. An ID is never
  changed like this, because two IDs could become one. A record with such a sourcedId is set aside. A reference with
  such an ID becomes empty.

Exceptions of msgspec and of the UTF-8 decoder quote the data that failed, so none leaves this module.
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

# Splits JSON by its punctuation, for pages that no decoder accepts as a whole. One record may contain values that JSON
# does not allow (`NaN`, a number with a million digits) or that are nested too deeply. Apart from such values the page
# must be well formed. Otherwise it is not split: a wrong split would lose records.

#: White space, then a string, punctuation, or a word: a number, a literal, or an invalid value such as `NaN`.
_TOKEN = re.compile(
    rb'[ \t\n\r]*+(?:(?P<string>"[^"\\]*+(?:\\.[^"\\]*+)*+")|(?P<punctuation>[{}\[\],:])|(?P<word>[-+.\w]++))',
    re.DOTALL,
)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x1f]")
_SPACE = b" \t\n\r"

#: Words allowed as elements of the split list: numbers, and the literals of JSON and JavaScript.
_ELEMENT = re.compile(rb"true|false|null|[-+]?(?:NaN|Infinity)|-?\d[-+.\w]*")

#: The parser's states: per state, the tokens allowed and the next state. Commas and ends depend on what is open.
_NEXT: dict[str, dict[str, str]] = {
    "value": {"string": "comma", "word": "comma", "{": "name or end", "[": "value or end"},
    "value or end": {"string": "comma", "word": "comma", "{": "name or end", "[": "value or end", "]": "comma"},
    "name": {"string": "colon"},
    "name or end": {"string": "colon", "}": "comma"},
    "colon": {":": "value"},
    "comma": {",": "value", "}": "comma", "]": "comma"},
}
_OPENED_BY = {"}": "{", "]": "["}


def split_json(text: bytes) -> list[tuple[bytes, bytes]] | None:
    """The members of an object as names (quotes included) and values, or the values of a list with empty names.

    :returns: None if the text is neither, or is not well formed apart from invalid words as values.
    """
    members: list[tuple[bytes, bytes]] = []
    opened: list[str] = []
    name, begin, position, state = b"", -1, 0, "value"
    while match := _TOKEN.match(text, position):
        start, position = match.start(match.lastgroup or 0), match.end()
        kind = text[start:position].decode() if match.lastgroup == "punctuation" else str(match.lastgroup)
        next_state = _next_state(state, kind, opened)
        if next_state is None or (opened == ["["] and kind == "word" and not _ELEMENT.fullmatch(text[start:position])):
            return None
        state = next_state
        if not opened:
            last = text[begin:start].strip(_SPACE)
            return members + [(name, last)] * bool(last) if begin >= 0 and not text[position:].strip(_SPACE) else None
        if len(opened) > 1:
            continue
        if begin < 0 or kind == ":":
            name, begin = text[begin:start].strip(_SPACE) if kind == ":" else b"", position
        elif kind == ",":
            members.append((name, text[begin:start].strip(_SPACE)))
            begin = position
    return None


def _next_state(state: str, kind: str, opened: list[str]) -> str | None:
    """The state after a token. None: the token is not allowed. Updates `opened`."""
    next_state = _NEXT[state].get(kind)
    if next_state is None:
        return None
    if kind in "{[":
        opened.append(kind)
    elif kind in "}]" and (not opened or opened.pop() != _OPENED_BY[kind]):
        return None
    elif kind == ",":
        return "name" if opened[-1] == "{" else "value"
    return next_state


def mark_control_characters(text: bytes) -> bytes:
    """Replace control characters in strings, which JSON does not allow, with a NUL escape and a space."""
    if not _CONTROL.search(text):
        return text
    return _STRING.sub(lambda string: _CONTROL.sub(_mark_control, string[0]), text)


def _mark_control(control: re.Match[bytes]) -> bytes:
    return rb"\u0000" if control[0] == b"\0" else rb"\u0000\u0020"


#: Maximum nesting of one value. Deeper JSON is rejected: PostgreSQL and Python both fail at some depth.
MAX_NESTING = 100

#: Maximum bytes of one record. Roster records are far smaller.
MAX_RECORD_BYTES = 16 << 20

#: Maximum digits of one number. Python reads no more (sys.int_info). Roster numbers have at most twenty.
_MAX_DIGITS = 4_300

#: Maximum characters of a member's name in an error.
_MAX_NAME = 100

_WHOLE = re.compile(r"(-?\d+)\.0+")
_PATH = re.compile(r"at `\$\.?(.*)`$")


@dataclass(frozen=True)
class UnreadableRecord:
    """A record that is set aside.

    :param sourced_id: None: unreadable, so the collection proves no absence (rule 2).
    :param code: `not_an_object`, `no_sourced_id`, `sourced_id_unusable`, `wrong_type`, `not_utf8`, `not_json`,
        `number_out_of_range`, `nested_too_deeply` or `record_too_large`.
    :param field: such as `givenName` or `roles[].org`. Empty: the whole record.
    :param record: the record as JSON without passwords, for the rejects. Empty: it cannot be converted.
    """

    sourced_id: str | None
    code: str
    field: str
    record: bytes = dataclasses.field(repr=False)


class _NumberText(str):
    """The spelling of a number that is not whole."""

    __slots__ = ()


class _IdOnly(msgspec.Struct, rename="camel"):
    sourced_id: Any = None


def read_record(collection: Collection, row: bytes) -> Record | UnreadableRecord:
    """Decode one record.

    :param row: its JSON. A NUL marks each place where a character was removed from a text.
    """
    if row[:1] != b"{":
        return UnreadableRecord(None, "not_an_object", "", _reject_json(row))
    sourced_id = _sourced_id(row)
    if sourced_id is None:
        return UnreadableRecord(None, "no_sourced_id", "sourcedId", _reject_json(row))
    if "\0" in sourced_id:
        return UnreadableRecord(
            sourced_id.replace("\0", r"\u0000"), "sourced_id_unusable", "sourcedId", _reject_json(row)
        )
    if len(row) > MAX_RECORD_BYTES:
        return UnreadableRecord(sourced_id, "record_too_large", "", b"")
    try:
        record = _decoded(collection, row)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        code, field = _classify_error(row, error)
        return UnreadableRecord(sourced_id, code, field, _reject_json(row))
    record.sourced_id = sourced_id
    return _clean(record, _references(collection.name)) if rb"\u0000" in row else record


def _decoded(collection: Collection, row: bytes) -> Record:
    try:
        record: Record = _record_decoder(collection.name).decode(row)
    except msgspec.ValidationError:
        plain = _exact.decode(row)
        if "metadata" in plain:
            plain["metadata"] = msgspec.json.decode(row, type=_metadata).metadata
        _reject_fractional_ids(plain, _references(collection.name))
        record = msgspec.convert(plain, collection.record)
    return record


class _WithMetadata(msgspec.Struct):
    metadata: Any = None


_metadata = _WithMetadata


def _number(spelling: str) -> int | _NumberText:
    """The text of a number with a point or an exponent.

    :raises ValueError: too large or too many digits, in msgspec's words.
    """
    if len(spelling) > _MAX_DIGITS or math.isinf(float(spelling)):
        raise ValueError("Number out of range")
    whole = _WHOLE.fullmatch(spelling)
    return int(whole[1]) if whole else _NumberText(spelling)


_plain = msgspec.json.Decoder()
_exact = msgspec.json.Decoder(float_hook=_number)
_id_decoder = msgspec.json.Decoder(_IdOnly, float_hook=_number)


@cache
def _record_decoder(name: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(COLLECTIONS[name].record)


@cache
def _references(name: str) -> frozenset[str]:
    """The members of a collection's records, nested ones included, that refer to another record."""
    fields = msgspec.structs.fields(COLLECTIONS[name].record)
    own = {field.encode_name for field in fields if "Ref" in str(field.type)}
    return frozenset({*own, "sourcedId", "org"})


def _reject_fractional_ids(value: Any, references: frozenset[str], path: str = "") -> None:
    """:raises msgspec.ValidationError: a sourcedId is a number that is not whole. The message has msgspec's form."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name != "metadata":
                member = f"{path}.{name}" if path else name
                values = inner if isinstance(inner, list) else [inner]
                if name in references and any(isinstance(item, _NumberText) for item in values):
                    raise msgspec.ValidationError(f"Expected a sourcedId - at `$.{member}`")
                _reject_fractional_ids(inner, references, member)
    elif isinstance(value, list):
        for inner in value:
            _reject_fractional_ids(inner, references, f"{path}[]")


def _classify_error(row: bytes, error: Exception) -> tuple[str, str]:
    """Code and field of a record's error."""
    if isinstance(error, UnicodeDecodeError):
        return "not_utf8", ""
    if isinstance(error, RecursionError):
        return "nested_too_deeply", _unreadable_member(row)
    if not isinstance(error, msgspec.ValidationError):
        return "not_json", _unreadable_member(row)
    match = _PATH.search(str(error))
    path = re.sub(r"\[\d+\]", "[]", match[1]) if match else ""
    if "out of range" not in str(error):
        return "wrong_type", path
    return "number_out_of_range", _unreadable_member(row) if path.startswith("[") else path


def _unreadable_member(row: bytes) -> str:
    """The first member of a record that cannot be decoded alone."""
    name = next((name for name, value in _members(row) if _decode_alone(_exact, value) is _UNREADABLE), "")
    return _clean(name, frozenset())[:_MAX_NAME]


def _sourced_id(row: bytes) -> str | None:
    try:
        value = _id_decoder.decode(row).sourced_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = next((_decode_alone(_exact, value) for name, value in _members(row) if name == "sourcedId"), None)
    if isinstance(value, str) and not isinstance(value, _NumberText):
        return value if value.strip("\0").strip() else None
    return str(value) if type(value) is int else None


_UNREADABLE = object()


def _decode_alone(decoder: msgspec.json.Decoder[Any], value: bytes) -> Any:
    """A value, decoded alone. `_UNREADABLE`: it cannot be read."""
    try:
        return decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _UNREADABLE


def _members(row: bytes) -> list[tuple[str, bytes]]:
    """The members of a record that could not be decoded, each as JSON."""
    names = ((_decode_alone(_plain, name), value) for name, value in split_json(row) or ())
    return [(name, value) for name, value in names if isinstance(name, str)]


def _clean(value: Any, references: frozenset[str], *, is_id: bool = False) -> Any:
    """A record, or part of one, without the marks of removed characters. An ID with a mark becomes None.

    :param references: the members that refer to another record.
    """
    if isinstance(value, str):
        return None if is_id and "\0" in value else value.replace("\0", "")
    if isinstance(value, list):
        return [_clean(inner, references, is_id=is_id) for inner in value]
    if isinstance(value, dict):
        return {_clean(name, references): _clean(inner, references) for name, inner in value.items()}
    if isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(value):
            cleaned = _clean(getattr(value, field.name), references, is_id=field.encode_name in references)
            setattr(value, field.name, cleaned)
    return value


def _reject_json(row: bytes) -> bytes:
    """A rejected record for the person who corrects it: without passwords and without unreadable values."""
    row = row.decode("utf-8", "replace").encode()
    plain = _decode_alone(_plain, row)
    if plain is _UNREADABLE:
        members = {name: _decode_alone(_plain, value) for name, value in _members(row)}
        plain = {name: "(could not be read)" if value is _UNREADABLE else value for name, value in members.items()}
        if not plain:
            return b""
    return msgspec.json.encode(_clean(drop_passwords(truncate_nesting(plain)), frozenset()))


def drop_passwords(value: Any) -> Any:
    """The same JSON value without members whose name contains `password`."""
    if isinstance(value, dict):
        return {name: drop_passwords(inner) for name, inner in value.items() if "password" not in name.lower()}
    if isinstance(value, list):
        return [drop_passwords(inner) for inner in value]
    return value


def truncate_nesting(value: Any, levels: int = MAX_NESTING + 1) -> Any:
    """The same JSON value, truncated below a level. The default is one above the maximum, so it is still rejected."""
    if not isinstance(value, (dict, list)):
        return value
    if not levels:
        return None
    if isinstance(value, dict):
        return {name: truncate_nesting(inner, levels - 1) for name, inner in value.items()}
    return [truncate_nesting(inner, levels - 1) for inner in value]
