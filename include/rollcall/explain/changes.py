"""What changed about a person: read from history, with the night, the old and new values, and the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from rollcall.changes.comparison import ABSENT_TWICE, MOVED_AWAY, NOT_IN_RECORD, OWNER_REMOVED, TOMBSTONE
from rollcall.explain.formatting import field_label, join_words
from rollcall.explain.person_details import PersonDetails
from rollcall.explain.search import Row, fetch_rows
from rollcall.landing.mapping import LEFT_OUT_REASONS
from rollcall.model.tables import TABLES
from rollcall.warehouse.models import history, published, staging

#: Columns whose changes are not listed: they mean nothing to a person, or repeat another column.
_IGNORED = frozenset({"date_last_modified", "status", "metadata", "account_id", "role_key", "user_sourced_id"})

#: Account columns copied from the user. The user's change is listed.
_COPIED = frozenset({"given_name", "family_name", "preferred_first_name", "preferred_last_name", "email", "identifier",
                     "grades", "is_enabled", "school_sourced_ids", "source_roles"})  # fmt: skip

_SCHOOL_NAME = "school name"

#: The stored causes of a removal, in words for people.
REMOVAL_REASONS = {
    TOMBSTONE: "the SIS marked the record for deletion",
    ABSENT_TWICE: "absent from two complete full pulls",
    NOT_IN_RECORD: "no longer in the SIS record",
    OWNER_REMOVED["users"]: "the person was removed",
    OWNER_REMOVED["classes"]: "the class was removed",
    MOVED_AWAY: "the person has no role at this site",
    **LEFT_OUT_REASONS,
}

#: A row's key, `_missing_since` or `_removed_at`, and its instant.
_LineageEvent = tuple[tuple[Any, ...], str, datetime]


@dataclass(frozen=True)
class PersonChange:
    """One change.

    :param at: the as_of instant of the pull that brought it.
    :param kind: received (for the first time), changed, missing, received_again, removed, returned.
    :param subject: person, role, class, account, school.
    :param label: the subject or the changed field in words.
    """

    at: datetime
    kind: str
    subject: str
    label: str
    before: str | None = None
    after: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class _Source:
    """The rows of a table that belong to a person.

    :param column: the column that holds one of the `keys`.
    :param label: what a row is called in a change.
    """

    table: str
    column: str
    keys: list[str]
    subject: str
    label: Callable[[Row], str]


def person_changes(connection: sa.Connection, district: str, person: PersonDetails) -> list[PersonChange]:
    """Every change of a person, newest first. Classes that changed together are one change."""
    user = [person.sourced_id]
    roles = {row["role_key"]: f"role {row['role']} at {row['org_name'] or 'no school'}" for row in person.roles}
    classes = {row["sourced_id"]: row["class_title"] or "a class without a title" for row in person.enrollments}
    sites = {row["site_id"]: f"account at {row['site_name'] or row['site_id']}" for row in person.accounts}
    sources = (
        _Source("users", "sourced_id", user, "person", lambda _: "person"),
        _Source("user_roles", "user_sourced_id", user, "role", lambda row: roles.get(row["role_key"], "role")),
        _Source("accounts", "user_sourced_id", user, "account", lambda row: sites.get(row["site_id"], "account")),
        _Source("enrollments", "sourced_id", list(classes), "class", lambda row: classes[row["sourced_id"]]),
    )
    changes = [change for source in sources for change in _changes(connection, district, source)]
    changes += school_renames(connection, district, {r["org_sourced_id"] for r in person.live(person.roles)} - {None})
    return sorted(_group_classes(changes), key=lambda change: change.at, reverse=True)


def removal_reason(cause: str | None) -> str:
    """A stored cause in words; empty without a cause."""
    return REMOVAL_REASONS.get(cause, cause) if cause else ""


def school_renames(connection: sa.Connection, district: str, orgs: Iterable[str]) -> list[PersonChange]:
    """When these schools were renamed, oldest first."""
    source = _Source("orgs", "sourced_id", list(orgs), "school", lambda _: _SCHOOL_NAME)
    changes = _changes(connection, district, source)
    return [change for change in changes if change.kind == "changed" and change.label == _SCHOOL_NAME]


def _changes(connection: sa.Connection, district: str, source: _Source) -> Iterator[PersonChange]:
    if not source.keys:
        return
    table, subject = source.table, source.subject
    versions = history[table]
    key_columns = [versions.c[part] for part in TABLES[table].key]
    query = (
        sa.select(versions)
        .where(versions.c.district_id == district, versions.c[source.column].in_(source.keys))
        .order_by(*key_columns, versions.c._valid_from)
    )
    events = _lineage_events(connection, district, source)
    labels: dict[tuple[Any, ...], str] = {}
    before: Row | None = None
    for row in fetch_rows(connection, query):
        label, key = source.label(row), _key(table, row)
        if before is None or _key(table, before) != key:
            yield PersonChange(row["_valid_from"], "received", subject, label)
        elif before["_valid_to"] == row["_valid_from"]:
            yield from _differences(source, before, row, label)
        elif _was_removed(events, key, before["_valid_to"], row["_valid_from"]):
            yield PersonChange(row["_valid_from"], "returned", subject, label)
        elif subject == "person":
            yield PersonChange(row["_valid_from"], "received_again", subject, label)
        labels[key] = label
        before = row
    for (key, lineage, at), reason in events.items():
        label = labels.get(key, subject)
        if lineage == "_removed_at":
            yield PersonChange(at, "removed", subject, label, reason=reason)
        elif subject == "person":
            yield PersonChange(at, "missing", subject, label)


def _was_removed(events: Iterable[_LineageEvent], key: tuple[Any, ...], since: datetime, until: datetime) -> bool:
    """Whether a gap in history is a removal. A row that is only missing leaves a gap too."""
    return any(k == key and lineage == "_removed_at" and since <= at <= until for k, lineage, at in events)


def _key(table: str, row: Row) -> tuple[Any, ...]:
    return tuple(row[part] for part in TABLES[table].key)


def _lineage_events(connection: sa.Connection, district: str, source: _Source) -> dict[_LineageEvent, str]:
    """When rows were removed or began to be missing, now and earlier; the value is the reason of the removal."""
    events: dict[_LineageEvent, str] = {}
    key = TABLES[source.table].key
    for table in (published[source.table], staging[source.table]):
        columns = (*(table.c[part] for part in key), table.c._missing_since, table.c._removed_at)
        where = (
            table.c.district_id == district,
            table.c[source.column].in_(source.keys),
            sa.or_(table.c._missing_since.is_not(None), table.c._removed_at.is_not(None)),
        )
        for row in fetch_rows(connection, sa.select(*columns, table.c._removed_reason).where(*where)):
            for lineage in ("_missing_since", "_removed_at"):
                if row[lineage] is not None:
                    events[_key(source.table, row), lineage, row[lineage]] = removal_reason(row["_removed_reason"])
    return events


def _differences(source: _Source, before: Row, after: Row, label: str) -> Iterator[PersonChange]:
    table = source.table
    ignored = _IGNORED | (_COPIED if table == "accounts" else frozenset())
    owner = {"users": "", "orgs": " of the school", "enrollments": f" of the class {label}"}.get(
        table, f" of the {label}"
    )
    for column in TABLES[table].names:
        if column in ignored or before[column] == after[column]:
            continue
        is_name = (table, column) == ("orgs", "name")
        changed = _SCHOOL_NAME if is_name else f"{field_label(column).removeprefix('the ')}{owner}"
        yield PersonChange(
            after["_valid_from"], "changed", source.subject, changed, _text(before[column]), _text(after[column])
        )


def _text(value: Any) -> str | None:
    """A value as text; spaces at its ends are kept."""
    if value is None:
        return None
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return join_words(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode().strip('"')


def _group_classes(changes: list[PersonChange]) -> Iterator[PersonChange]:
    """Classes received, removed or returned at one instant for one reason, as one change."""
    classes: dict[tuple[datetime, str, str], list[str]] = {}
    for change in changes:
        if change.subject == "class" and change.kind != "changed":
            classes.setdefault((change.at, change.kind, change.reason), []).append(change.label)
        else:
            yield change
    for (at, kind, reason), titles in classes.items():
        yield PersonChange(at, kind, "class", join_words(sorted(titles)), reason=reason)
