"""What of a refused record is kept, for the person who will correct it: all but passwords and demographics.

Providers put birth dates and races into `metadata` and beside a user's other members too, so members go by their
names wherever they stand, and a demographics record goes as a whole.

A record may be refused because it is too large, too long or too deep for the warehouse, and lies there all the same as
a reject: so what is kept is cut where it passes these bounds.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
import pyarrow as pa

#: Refused records: collection, its sourcedId if readable, rule, reason in words, field, and the record as JSON
#: without password and demographics.
REJECT_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("collection", "sourced_id", "rule", "reason", "field", "record")]
)

#: Parts of the names of members that are left away, and whole names, in lower case and letters only.
_PARTS = ("password", "birth", "ethnic", "gender", "demographic", "americanindian", "africanamerican", "hawaiian")
_NAMES = frozenset({"sex", "race", "races", "racecode", "dob", "asian", "white", "publicschoolresidencestatus"})

#: Characters of one text, levels of lists and objects, and characters of the whole that are kept; members of one
#: that is longer.
_MOST_TEXT = 1_000
_MOST_LEVELS = 50
_MOST_RECORD = 50_000
_MOST_MEMBERS = 50


def reject_record(collection: str, record: Any, json_columns: Collection[str] = ()) -> str | None:
    """A refused record as JSON, without members that are null; None for demographics.

    :param record: a record's members by name, or what stood in its place.
    :param json_columns: members whose value is JSON in text; it becomes part of the record.
    """
    if collection == "demographics":
        return None
    if isinstance(record, dict):
        record = {
            name: msgspec.json.decode(value) if name in json_columns else value
            for name, value in record.items()
            if value is not None
        }
    kept = msgspec.json.encode(_kept(record, _MOST_LEVELS)).decode()
    if len(kept) <= _MOST_RECORD:
        return kept
    members = list(record.items())[:_MOST_MEMBERS] if isinstance(record, dict) else []
    return msgspec.json.encode(_kept({name: _outline(value) for name, value in members}, 1)).decode()


def _kept(value: Any, levels: int) -> Any:
    if isinstance(value, str) and len(value) > _MOST_TEXT:
        return f"{value[:_MOST_TEXT]}\u2026 ({len(value):,} characters)"
    if not isinstance(value, (dict, list)):
        return value
    if not levels:
        return "\u2026"
    if isinstance(value, list):
        return [_kept(inner, levels - 1) for inner in value]
    return {_kept(name, 1): _kept(inner, levels - 1) for name, inner in value.items() if not _is_private(name)}


def _outline(value: Any) -> Any:
    """What of a member is kept where the record is too long as a whole."""
    return "\u2026" if isinstance(value, (dict, list)) else value


def _is_private(name: str) -> bool:
    letters = "".join(filter(str.isalpha, name.lower()))
    return letters in _NAMES or any(part in letters for part in _PARTS)
