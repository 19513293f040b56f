"""Values as people say them: dates in the district's own time, fields as the screen calls them, lists with `and`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

#: OneRoster's fields and ours as a school's screen calls them; whatever is not here is written without underscores.
_FIELDS = {
    "email": "the e-mail address",
    "username": "the username",
    "sourcedId": "the record's id",
    "sourced_id": "the record's id",
    "identifier": "the student or staff number",
    "given_name": "the first name",
    "givenName": "the first name",
    "family_name": "the last name",
    "familyName": "the last name",
    "middle_name": "the middle name",
    "preferred_first_name": "the preferred first name",
    "preferred_last_name": "the preferred last name",
    "grades": "the grade",
    "is_enabled": "whether the user account is switched on",
    "enabledUser": "whether the user account is switched on",
    "primary_org_sourced_id": "the primary school",
    "username_field": "where the username comes from",
    "site_name": "the name of the site",
    "is_primary_site": "which site is the first",
    "end_date": "the end date",
    "endDate": "the end date",
    "begin_date": "the begin date",
    "beginDate": "the begin date",
    "by hand": "a decision about this one person",
}


def field_words(name: str | None) -> str:
    """A field as a screen calls it; `userIds.LDAP` is `the user id LDAP`."""
    if not name:
        return "the record"
    if name in _FIELDS:
        return _FIELDS[name]
    kind, _, key = name.partition(".")
    if key:
        return {"userIds": "the user id", "metadata": "the extra field"}.get(kind, "the profile") + f" {key}"
    return f"the field {name.removeprefix('is_').replace('_', ' ')}"


def joined(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    listed = list(words)
    return " and ".join([", ".join(listed[:-1]), listed[-1]]) if len(listed) > 1 else "".join(listed)


def counted(number: int, one: str, many: str = "") -> str:
    """`no class`, `1 class`, `3 classes`."""
    if number == 1:
        return f"1 {one}"
    return f"{number:,} {many or one + 's'}" if number else f"no {one}"


def day(instant: datetime, timezone: str) -> str:
    """`November 3, 2026`, where the district is."""
    return date_words(instant.astimezone(ZoneInfo(timezone)).date())


def date_words(value: date) -> str:
    """`November 3, 2026`."""
    return f"{value:%B} {value.day}, {value.year}"


def moment(instant: datetime | None, timezone: str) -> str:
    """`November 3, 2026 at 2:15 AM`, where the district is."""
    if instant is None:
        return "a date that is not set"
    local = instant.astimezone(ZoneInfo(timezone))
    return f"{day(instant, timezone)} at {local.hour % 12 or 12}:{local:%M %p}"


def full_name(user: Mapping[str, Any]) -> str:
    """First and last name, the preferred ones where there are any."""
    given = user.get("preferred_first_name") or user.get("given_name")
    family = user.get("preferred_last_name") or user.get("family_name")
    return " ".join(part.strip() for part in (given, family) if part) or "This person"


def without_case(text: str | None) -> str:
    return (text or "").strip().casefold()
