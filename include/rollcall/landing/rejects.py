"""Rejected records as they are kept for the person who will correct them: without passwords and demographics.

Providers also put birth dates and races into `metadata` and into other members of a user. So members are removed by
name at any depth. Of a demographics record nothing is kept.

A record can be rejected because it is too large, too long, or too deep for the warehouse. Rejects are stored in the
warehouse too, so a record is shortened where it exceeds the limits below.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa

#: Rejected records: collection, its sourcedId if readable, rule, reason in words, field, and the record as JSON.
REJECT_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("collection", "sourced_id", "rule", "reason", "field", "record")]
)

#: A member is private if its name, in lower case and letters only, contains one of the parts or is one of the names.
_PRIVATE_PARTS = (
    "password",
    "birth",
    "ethnic",
    "gender",
    "demographic",
    "americanindian",
    "africanamerican",
    "hawaiian",
)
_PRIVATE_NAMES = frozenset({"sex", "race", "races", "racecode", "dob", "asian", "white", "publicschoolresidencestatus"})

_MAX_TEXT_LENGTH = 1_000
_MAX_DEPTH = 50
_MAX_RECORD_LENGTH = 50_000
#: Members kept of a record that exceeds the maximum length.
_MAX_MEMBERS = 50


@dataclass(frozen=True)
class Reject:
    """A rejected record and the rule that rejected it.

    :param sourced_id: None if it could not be read.
    :param record: the record's members by name, or what was received in its place; UNSET if nothing can be kept.
    """

    sourced_id: str | None
    rule: str
    reason: str
    field: str
    record: Any = msgspec.UNSET


def build_rejects(collection: str, rejects: Iterable[Reject], json_columns: Collection[str] = ()) -> pa.Table:
    """Rejects in `REJECT_SCHEMA`.

    :param json_columns: members whose value is JSON in text; it becomes part of the record.
    """
    rows = [
        {
            "collection": collection,
            "sourced_id": reject.sourced_id,
            "rule": reject.rule,
            "reason": reject.reason,
            "field": reject.field,
            "record": redact_record(collection, reject.record, json_columns),
        }
        for reject in rejects
    ]
    return pa.Table.from_pylist(rows, schema=REJECT_SCHEMA)


def redact_record(collection: str, record: Any, json_columns: Collection[str] = ()) -> str | None:
    """A rejected record as JSON, without private members and nulls; None for demographics and for `UNSET`.

    :param record: as in `Reject`.
    :param json_columns: as in `build_rejects`.
    """
    if collection == "demographics" or record is msgspec.UNSET:
        return None
    if isinstance(record, dict):
        record = {
            name: msgspec.json.decode(value) if name in json_columns else value
            for name, value in record.items()
            if value is not None
        }
    text = msgspec.json.encode(_redact(record, _MAX_DEPTH)).decode()
    if len(text) <= _MAX_RECORD_LENGTH:
        return text
    members = list(record.items())[:_MAX_MEMBERS] if isinstance(record, dict) else []
    return msgspec.json.encode(_redact({name: _outline(value) for name, value in members}, 1)).decode()


def _redact(value: Any, depth: int) -> Any:
    if isinstance(value, str) and len(value) > _MAX_TEXT_LENGTH:
        return f"{value[:_MAX_TEXT_LENGTH]}\u2026 ({len(value):,} characters)"
    if not isinstance(value, (dict, list)):
        return value
    if not depth:
        return "\u2026"
    if isinstance(value, list):
        return [_redact(item, depth - 1) for item in value]
    return {_redact(name, 1): _redact(item, depth - 1) for name, item in value.items() if not _is_private(name)}


def _outline(value: Any) -> Any:
    """A member's value where the record as a whole is too long: lists and objects are left out."""
    return "\u2026" if isinstance(value, (dict, list)) else value


def _is_private(name: str) -> bool:
    letters = "".join(filter(str.isalpha, name.lower()))
    return letters in _PRIVATE_NAMES or any(part in letters for part in _PRIVATE_PARTS)
