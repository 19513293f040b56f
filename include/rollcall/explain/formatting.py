"""Values as people write them: field labels, lists with `and`, full names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rollcall.model.username_fields import USERNAME_FIELDS

#: Labels for fields of OneRoster and columns of the roster. Other names are printed without underscores.
_FIELD_LABELS = {
    **{name: field.label for field in USERNAME_FIELDS.values() if not field.key for name in (field.name, field.column)},
    "given_name": "the first name",
    "givenName": "the first name",
    "family_name": "the last name",
    "familyName": "the last name",
    "middle_name": "the middle name",
    "preferred_first_name": "the preferred first name",
    "preferred_last_name": "the preferred last name",
    "grades": "the grade",
    "is_enabled": "the user account status",
    "enabledUser": "the user account status",
    "primary_org_sourced_id": "the primary school",
    "username_field": "the username field",
    "site_name": "the site name",
    "is_primary_site": "the primary site",
    "end_date": "the end date",
    "endDate": "the end date",
    "begin_date": "the start date",
    "beginDate": "the start date",
    "by hand": "the district settings",  # `rollcall.accounts.assignment.MANUAL`
}


def field_label(name: str | None) -> str:
    """The label of a field; `userIds.LDAP` is `the user ID LDAP`."""
    if not name:
        return "the record"
    if name in _FIELD_LABELS:
        return _FIELD_LABELS[name]
    kind, _, key = name.partition(".")
    if key:
        return f"{USERNAME_FIELDS[kind].label} {key}"
    return f"the field {name.removeprefix('is_').replace('_', ' ')}"


def join_words(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    listed = list(words)
    return " and ".join([", ".join(listed[:-1]), listed[-1]]) if len(listed) > 1 else "".join(listed)


def pluralize(number: int, singular: str, plural: str = "") -> str:
    """`no classes`, `1 class`, `3 classes`."""
    if number == 1:
        return f"1 {singular}"
    return f"{f'{number:,}' if number else 'no'} {plural or singular + 's'}"


def full_name(user: Mapping[str, Any]) -> str:
    """First and last name; preferred names win."""
    given = user.get("preferred_first_name") or user.get("given_name")
    family = user.get("preferred_last_name") or user.get("family_name")
    return " ".join(part.strip() for part in (given, family) if part) or "This person"


def casefolded(text: str | None) -> str:
    return (text or "").strip().casefold()
