"""Quirks that make single records defective. Each takes another record of its collection, so all can be on together."""

from __future__ import annotations

import hashlib
import json

import msgspec

from rollcall_sandbox.quirk import Flaw, Quirk
from rollcall_sandbox.rendering import Fields

_encode = msgspec.json.Encoder().encode

_NAMES = {
    "orgs": "name", "academicSessions": "title", "courses": "title", "classes": "title", "users": "givenName",
}  # fmt: skip
_REQUIRED = _NAMES | {"enrollments": "user"}


def _string_for_record(_: str, __: Fields) -> bytes:
    return b'"this should have been a user"'


def _object_for_name(_: str, fields: Fields) -> bytes:
    return _encode(fields | {"givenName": {"text": fields["givenName"]}})


def _without_required(collection: str, fields: Fields) -> bytes:
    del fields[_REQUIRED[collection]]
    return _encode(fields)


def _nul(collection: str, fields: Fields) -> bytes:
    name = _NAMES[collection]
    return _encode(fields | {name: f"{fields[name]}\0"})


def _control(collection: str, fields: Fields) -> bytes:
    """An escape sequence, DEL, a control character of two bytes, a direction mark, and a code that is no character."""
    name = _NAMES[collection]
    return _encode(fields | {name: f"\x1b[31m{fields[name]}\x7f\x9b\u202e\uffff"})


def _lone_surrogate(collection: str, fields: Fields) -> bytes:
    """JSON can contain half of a surrogate pair, UTF-8 cannot."""
    name = _NAMES[collection]
    return _encode(fields | {name: f"{fields[name]}\ue000"}).replace("\ue000".encode(), rb"\ud83d")


def _nan(_: str, fields: Fields) -> bytes:
    """Python's encoder writes NaN, which JSON does not allow."""
    return json.dumps(fields | {"metadata": {"gpa": float("nan")}}).encode()


def _deep_metadata(_: str, fields: Fields) -> bytes:
    """Deeper than any decoder reads."""
    return _encode(fields | {"metadata": "@"}).replace(b'"@"', b'{"a":' * _LEVELS + b"1" + b"}" * _LEVELS)


def _long_number(_: str, fields: Fields) -> bytes:
    return _encode(fields | {"identifier": "@"}).replace(b'"@"', b"7" * 1_000_000)


def _long_text(_: str, fields: Fields) -> bytes:
    """No database has an index for it; random, so that no compression helps."""
    letters = hashlib.shake_256(fields["sourcedId"].encode()).hexdigest(3_000)
    return _encode(fields | {"identifier": letters})


def _nul_in_id(_: str, fields: Fields) -> bytes:
    key = fields["sourcedId"]
    return _encode(fields | {"sourcedId": f"{key[:1]}\0{key[1:]}"})


_LEVELS = 3_000

FLAWS = {
    "record-not-an-object": Quirk(
        "the third record of /users is a JSON string", "seen behind proxies",
        flaw=Flaw(2, ("users",), _string_for_record),
    ),
    "bad-field-type": Quirk(
        "the fifth record of /users has an object for its givenName", "seen after exports by hand",
        flaw=Flaw(4, ("users",), _object_for_name),
    ),
    "missing-required": Quirk(
        "the second record of a collection lacks a required member", "Skyward",
        flaw=Flaw(1, tuple(_REQUIRED), _without_required),
    ),
    "nul-in-text": Quirk(
        "the first record of a collection has a NUL in its name", "any", flaw=Flaw(0, tuple(_NAMES), _nul)
    ),
    "control-in-name": Quirk(
        "the fifth record of /orgs has control characters in its name", "any", flaw=Flaw(4, ("orgs",), _control)
    ),
    "nan-in-metadata": Quirk(
        "the sixth record of /users has the literal NaN in its metadata", "servers built on pandas",
        flaw=Flaw(5, ("users",), _nan),
    ),
    "deep-metadata": Quirk(
        "the seventh record of /users has objects in objects, 3,000 levels deep", "any",
        flaw=Flaw(6, ("users",), _deep_metadata),
    ),
    "million-digits": Quirk(
        "the eighth record of /users has an identifier of a million digits", "any",
        flaw=Flaw(7, ("users",), _long_number),
    ),
    "long-identifier": Quirk(
        "the ninth record of /users has an identifier of 6,000 characters", "any",
        flaw=Flaw(8, ("users",), _long_text),
    ),
    "nul-in-id": Quirk(
        "the tenth record of /users has a NUL in its sourcedId", "any", flaw=Flaw(9, ("users",), _nul_in_id)
    ),
    "lone-surrogate": Quirk(
        "the fourth record of a collection has half of a character in its name", "servers that cut texts at a length",
        flaw=Flaw(3, tuple(_NAMES), _lone_surrogate),
    ),
}  # fmt: skip
