"""What a person's username is made from: the field, what the provider sent in it, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from msgspec import json

from include.explain.people import Row
from include.mapping.usernames import field_values, usernames
from include.settings import District
from include.tables import TABLES
from include.username_text import visible

_JSON = TABLES["users"].of_kind("json")


@dataclass(frozen=True)
class Made:
    """A username in the making.

    :param field: OneRoster's name of the field that decided, or of the first that would.
    :param sent: what the provider sent in it, blanks included; `username` what the district's rules make of it.
    """

    field: str
    sent: str | None
    username: str | None

    @property
    def was_cleaned(self) -> bool:
        """Whether blanks around it or invisible characters were taken away."""
        return self.sent is not None and len(self.sent) != len(visible(self.sent))


def made(district: District, user: Row, role: str) -> Made:
    """What the rules of the district's file make of the user's fields.

    :param role: `student` or `staff`, which decides the fields.
    """
    frame = pd.DataFrame([{name: _as_text(user[name], name) for name in TABLES["users"].names}])
    sources = district.username_sources("staff" if role == "staff" else "student")
    sent = {source.field: _only(field_values(frame, source.field)) for source in sources}
    result = usernames(frame, sources)
    first_filled = next((field for field, value in sent.items() if value), sources[0].field)
    field = _only(result["username_field"]) or first_filled
    return Made(field, sent[field], _only(result["username"]))


def _as_text(value: Any, name: str) -> str | None:
    if value is None:
        return None
    return json.encode(value).decode() if name in _JSON else str(value)


def _only(values: pd.Series) -> str | None:
    value = values.iloc[0]
    return value if isinstance(value, str) else None
