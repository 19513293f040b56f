"""What happened to a person: from history, with the night, what was before and what after, and because of what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from rollcall.explain.people import Row, rows
from rollcall.explain.person import Person
from rollcall.explain.words import field_words, joined
from rollcall.model.tables import TABLES
from rollcall.warehouse.models import history, published, staging

#: Columns in which a difference is nobody's business, or the same thing said twice.
_SILENT = frozenset({"date_last_modified", "status", "metadata", "account_id", "role_key", "user_sourced_id"})

#: Columns of an account that are copied from the user, where the change is told already.
_COPIED = frozenset({"given_name", "family_name", "preferred_first_name", "preferred_last_name", "email", "identifier",
                     "grades", "is_enabled", "school_sourced_ids", "source_roles"})  # fmt: skip

_SCHOOL_NAME = "the school's name"

#: A row's key, `_missing_since` or `_removed_at`, and when that began.
_Seen = tuple[tuple[Any, ...], str, datetime]


@dataclass(frozen=True)
class Change:
    """One thing that happened.

    :param at: the as_of instant of the pull that brought it.
    :param kind: came, changed, missing, found (again), removed, returned; `about` person, role, class, account, school.
    """

    at: datetime
    kind: str
    about: str
    what: str
    before: str | None = None
    after: str | None = None
    because: str = ""


def changes_of(connection: sa.Connection, district: str, person: Person) -> list[Change]:
    """Everything that happened to a person, the newest first; classes that came or went together are one change."""
    key = person.sourced_id
    roles = {row["role_key"]: f"the role {row['role']} at {row['org_name'] or 'no school'}" for row in person.roles}
    classes = {row["sourced_id"]: row["class_title"] or "a class without a title" for row in person.enrollments}
    sites = {row["site_id"]: f"the account at {row['site_name'] or row['site_id']}" for row in person.accounts}
    found: list[Change] = []
    told: tuple[tuple[str, str, str, list[str], Callable[[Row], str]], ...] = (
        ("users", "sourced_id", "person", [key], lambda _: "the person"),
        ("user_roles", "user_sourced_id", "role", [key], lambda row: roles.get(row["role_key"], "a role")),
        ("accounts", "user_sourced_id", "account", [key], lambda row: sites.get(row["site_id"], "an account")),
        ("enrollments", "sourced_id", "class", list(classes), lambda row: classes[row["sourced_id"]]),
    )
    for table, column, about, keys, name in told:
        found += _lives(connection, district, table, column, keys, about, name)
    found += renamed_schools(connection, district, {r["org_sourced_id"] for r in person.live(person.roles)} - {None})
    return sorted(_together(found), key=lambda change: change.at, reverse=True)


def renamed_schools(connection: sa.Connection, district: str, orgs: Iterable[str]) -> list[Change]:
    """When these schools got another name."""
    lives = _lives(connection, district, "orgs", "sourced_id", list(orgs), "school", lambda _: _SCHOOL_NAME)
    return [change for change in lives if change.kind == "changed" and change.what == _SCHOOL_NAME]


def _lives(
    connection: sa.Connection,
    district: str,
    table: str,
    column: str,
    keys: list[str],
    about: str,
    name: Callable[[Row], str],
) -> Iterator[Change]:
    """What happened to the rows of a table that the column's values name."""
    if not keys:
        return
    past = history[table]
    key_columns = [past.c[part] for part in TABLES[table].key]
    query = (
        sa.select(past)
        .where(past.c.district_id == district, past.c[column].in_(keys))
        .order_by(*key_columns, past.c._valid_from)
    )
    seen = _seen_at(connection, district, table, column, keys)
    names: dict[tuple[Any, ...], str] = {}
    before: Row | None = None
    for row in rows(connection, query):
        what, key = name(row), _key(table, row)
        if before is None or _key(table, before) != key:
            yield Change(row["_valid_from"], "came", about, what)
        elif before["_valid_to"] == row["_valid_from"]:
            yield from _differences(table, before, row, about, what)
        elif _was_removed(seen, key, before["_valid_to"], row["_valid_from"]):
            yield Change(row["_valid_from"], "returned", about, what)
        elif about == "person":
            yield Change(row["_valid_from"], "found", about, what)
        names[key] = what
        before = row
    for (key, lineage, at), because in seen.items():
        if lineage == "_removed_at":
            yield Change(at, "removed", about, names.get(key, about), because=because)
        elif about == "person":
            yield Change(at, "missing", about, names.get(key, about), because="not in the full pull of that night")


def _was_removed(seen: Iterable[_Seen], key: tuple[Any, ...], since: datetime, until: datetime) -> bool:
    """Whether a gap in history is a removal; history leaves out who is only missing, too."""
    return any(k == key and lineage == "_removed_at" and since <= at <= until for k, lineage, at in seen)


def _key(table: str, row: Row) -> tuple[Any, ...]:
    return tuple(row[part] for part in TABLES[table].key)


def _seen_at(connection: sa.Connection, district: str, table: str, column: str, keys: list[str]) -> dict[_Seen, str]:
    """When rows were removed, and because of what, and when they began to be missing; now and before."""
    found: dict[_Seen, str] = {}
    for source in (published[table], staging[table]):
        wanted = (*(source.c[part] for part in TABLES[table].key), source.c._missing_since, source.c._removed_at)
        query = sa.select(*wanted, source.c._removed_because)
        fits = (source.c.district_id == district, source.c[column].in_(keys))
        either = sa.or_(source.c._missing_since.is_not(None), source.c._removed_at.is_not(None))
        for row in rows(connection, query.where(*fits, either)):
            for lineage in ("_missing_since", "_removed_at"):
                if row[lineage] is not None:
                    found[_key(table, row), lineage, row[lineage]] = row["_removed_because"] or ""
    return found


def _differences(table: str, before: Row, after: Row, about: str, what: str) -> Iterator[Change]:
    silent = _SILENT | (_COPIED if table == "accounts" else frozenset())
    owner = {"users": "", "orgs": " of the school"}.get(table, f" of {what}")
    for column in TABLES[table].names:
        if column in silent or before[column] == after[column]:
            continue
        said = _SCHOOL_NAME if (table, column) == ("orgs", "name") else f"{field_words(column)}{owner}"
        yield Change(after["_valid_from"], "changed", about, said, _text(before[column]), _text(after[column]))


def _text(value: Any) -> str | None:
    """A value with its blanks visible."""
    if value is None:
        return None
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return joined(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode().strip('"')


def _together(changes: list[Change]) -> Iterator[Change]:
    """Classes that came, went or returned at one instant for one reason, as one change."""
    classes: dict[tuple[datetime, str, str], list[str]] = {}
    for change in changes:
        if change.about == "class" and change.kind != "changed":
            classes.setdefault((change.at, change.kind, change.because), []).append(change.what)
        else:
            yield change
    for (at, kind, because), titles in classes.items():
        yield Change(at, kind, "class", joined(sorted(titles)), because=because)
