"""Quirks that spoil single records, each another one of its collection, so that they can be switched on together."""

from __future__ import annotations

import msgspec

from include.sandbox.quirk import Flaw, Quirk
from include.sandbox.rendering import Fields

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


def _lone_surrogate(collection: str, fields: Fields) -> bytes:
    """JSON can say half of a pair; no UTF-8 text can."""
    name = _NAMES[collection]
    return _encode(fields | {name: f"{fields[name]}\ue000"}).replace("\ue000".encode(), rb"\ud83d")


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
    "lone-surrogate": Quirk(
        "the fourth record of a collection has half of a character in its name", "servers that cut texts at a length",
        flaw=Flaw(3, tuple(_NAMES), _lone_surrogate),
    ),
}  # fmt: skip
