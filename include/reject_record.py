"""What of a refused record is kept, for the person who will correct it: all but passwords and demographics.

Providers put birth dates and races into `metadata` and beside a user's other members too, so members go by their
names wherever they stand, and a demographics record goes as a whole.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

#: Parts of the names of members that are left away, and whole names, in lower case and letters only.
_PARTS = ("password", "birth", "ethnic", "gender", "demographic", "americanindian", "africanamerican", "hawaiian")
_NAMES = frozenset({"sex", "race", "races", "racecode", "dob", "asian", "white", "publicschoolresidencestatus"})


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
    return msgspec.json.encode(_without_private(record)).decode()


def _without_private(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_private(inner) for name, inner in value.items() if not _is_private(name)}
    if isinstance(value, list):
        return [_without_private(inner) for inner in value]
    return value


def _is_private(name: str) -> bool:
    letters = "".join(filter(str.isalpha, name.lower()))
    return letters in _NAMES or any(part in letters for part in _PARTS)
