"""Holds as the warehouse has them now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from rollcall.errors import ActionRequired
from rollcall.model.keys import sql_key_part, sql_key_parts
from rollcall.model.tables import TABLES
from rollcall.warehouse.schemas import OPS, STAGING

#: An approval that was not used in time counts as none from that moment on, whether or not a run has written it down.
_STATUS = "CASE WHEN h.status = 'approved' AND h.expires_at <= now() THEN 'open' ELSE h.status END"

_READ = f"""
    SELECT h.hold_id, h.district_id AS district, coalesce(d.name, h.district_id) AS district_name, h.collection, h.kind,
        h.school, coalesce(o.name, h.school) AS school_name, {_STATUS} AS status, h.opened_at, h.last_seen_at, h.rows,
        h.published, h.looks_like, h.looks_not_like, h.decided_at, h.decided_by, h.reason, h.expires_at, h.closed_at,
        h.closed_reason, h.question_at,
        (SELECT count(*) FROM {OPS}.hold_rows r WHERE r.hold_id = h.hold_id AND r.is_approved) AS approved_rows,
        (SELECT coalesce(json_object_agg(n.table_name, n.rows), '{{}}') FROM (
            SELECT r.table_name, count(*) AS rows FROM {OPS}.hold_rows r WHERE r.hold_id = h.hold_id GROUP BY 1
        ) n) AS tables,
        (SELECT coalesce(bool_and(r.change = 'missing'), false) FROM {OPS}.hold_rows r
            WHERE r.hold_id = h.hold_id) AS is_first_absence
    FROM {OPS}.holds h
    LEFT JOIN {OPS}.districts d ON d.district_id = h.district_id
    LEFT JOIN {STAGING}.orgs o ON o.district_id = h.district_id AND o.sourced_id = h.school
    WHERE h.closed_reason IS DISTINCT FROM 'dry_run'"""

#: What needs a person comes first.
_ORDER = f"""
    ORDER BY array_position(ARRAY['open', 'approved', 'announced', 'rejected'], {_STATUS}), h.opened_at, h.hold_id"""


@dataclass(frozen=True)
class Held:
    """One hold: what it is about, its numbers, and what was decided.

    :param status: announced, open, approved, rejected or closed; an approval that has expired reads as open.
    :param rows: how many it names, per table in `tables`; `approved_rows` of them may flow.
    :param published: how many rows of the collection readers have.
    :param expires_at: when the approval ends; in the past it tells that one ended unused.
    :param question_at: since when the decision asked for has been the same one.
    :param is_first_absence: what it names is missing for the first time: a second complete pull has to miss it too.
    """

    hold_id: str
    district: str
    district_name: str
    collection: str
    kind: str
    school: str
    school_name: str
    status: str
    opened_at: datetime
    last_seen_at: datetime
    rows: int
    published: int
    looks_like: str
    looks_not_like: str
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None
    expires_at: datetime | None
    closed_at: datetime | None
    closed_reason: str | None
    question_at: datetime
    approved_rows: int
    tables: dict[str, int]
    is_first_absence: bool

    @property
    def names_rows(self) -> bool:
        """Whether it names each row it is about; first rows are held as one."""
        return self.kind != "additions"

    @property
    def main_table(self) -> str:
        """The table the hold is about; what an org takes along lies in others."""
        return "accounts" if self.kind == "usernames" else self.collection


def living(connection: sa.Connection, district: str | None = None) -> list[Held]:
    """The holds that live, those that need a person first."""
    mine = " AND h.district_id = :district" if district else ""
    query = f"{_READ} AND h.closed_at IS NULL{mine}{_ORDER}"
    return [Held(**row) for row in connection.execute(sa.text(query), {"district": district}).mappings()]


def find(connection: sa.Connection, name: str) -> Held:
    """The hold of this id, or the one whose id begins so; a living one before one that is closed.

    :raises ActionRequired: `no_such_hold`, `ambiguous_hold`.
    """
    query = f"{_READ} AND starts_with(h.hold_id, :name) ORDER BY h.closed_at IS NOT NULL, h.hold_id"
    found = [Held(**row) for row in connection.execute(sa.text(query), {"name": name}).mappings()]
    exact = [held for held in found if held.hold_id == name]
    alive = [held for held in found if held.closed_at is None]
    one = exact or alive or found
    if len(one) == 1:
        return one[0]
    if not one:
        raise ActionRequired(
            "no_such_hold", f"There is no hold {name!r}.", remedy="`rollcall holds list` shows those there are."
        )
    ids = ", ".join(held.hold_id for held in one[:8])
    raise ActionRequired("ambiguous_hold", f"{len(one)} holds begin with {name!r}.", remedy=f"Say which: {ids}.")


def schools(connection: sa.Connection, held: Held) -> list[dict[str, Any]]:
    """How many of the hold's rows are at which school, most first: school, its name, rows."""
    query = f"""
        SELECT r.school, coalesce(o.name, nullif(r.school, ''), 'no school') AS name, count(*) AS rows
        FROM {OPS}.hold_rows r
        LEFT JOIN {STAGING}.orgs o ON o.district_id = r.district_id AND o.sourced_id = r.school
        WHERE r.hold_id = :hold AND r.table_name = :main GROUP BY 1, 2 ORDER BY 3 DESC, 2"""
    params = {"hold": held.hold_id, "main": held.main_table}
    return [dict(row) for row in connection.execute(sa.text(query), params).mappings()]


def named_rows(connection: sa.Connection, held: Held) -> list[dict[str, Any]]:
    """Every row the hold names: table, key (its parts as a list), what would happen, because of what, where."""
    query = f"""
        SELECT table_name, {sql_key_parts("row_key")} AS key, change, because, school, is_approved
        FROM {OPS}.hold_rows WHERE hold_id = :hold
        ORDER BY table_name <> :main, table_name, row_key"""
    params = {"hold": held.hold_id, "main": held.main_table}
    return [dict(row) for row in connection.execute(sa.text(query), params).mappings()]


def people(connection: sa.Connection, held: Held, limit: int) -> list[str]:
    """The first few people a hold names, as `sourcedId (Given Family)`, for a terminal and nowhere else."""
    if TABLES[held.main_table].key[0] != "user_sourced_id" and held.main_table != "users":
        return []
    query = f"""
        SELECT DISTINCT u.sourced_id || ' (' || concat_ws(' ', u.given_name, u.family_name) || ')' AS who
        FROM {OPS}.hold_rows r JOIN {STAGING}.users u
            ON u.district_id = r.district_id AND u.sourced_id = {sql_key_part("r.row_key", 1)}
        WHERE r.hold_id = :hold AND r.table_name = :main ORDER BY who LIMIT :limit"""
    params = {"hold": held.hold_id, "main": held.main_table, "limit": limit}
    return list(connection.execute(sa.text(query), params).scalars())


# What a hold is about, in words: for a terminal, and for Airflow's required actions, where no person is named.

#: How long an approval waits for the publication that uses it.
APPROVAL_HOURS = 24

_THINGS = {
    "orgs": "schools and orgs",
    "academic_sessions": "academic sessions",
    "users": "people",
    "user_roles": "roles",
    "user_agents": "relations",
}
_WHAT = {
    "removals": "the removal of {rows} {things}",
    "updates": "changes to {rows} {things}",
    "usernames": "new usernames for {rows} accounts",
    "identities": "{rows} records of {things} under new ids, or turned into somebody else",
    "additions": "the first publication of {things}, {rows} received",
}
_MEANWHILE = {
    "removals": "stay published as they are",
    "updates": "stay published as they were before",
    "usernames": "keep the usernames they have",
    "identities": "stay as they are: the new ids are not added, the old ones not removed",
    "additions": "are not published, nor what refers to them; nothing at all of a district's first roster",
}
_APPROVE = {
    "removals": "they are removed, with all that belongs to them",
    "updates": "the changes are published",
    "usernames": "they get the new usernames",
    "identities": "the new ids are published and the old ones removed",
    "additions": "what that pull receives is published, even if some are missing, but not if fewer are received",
}
_REJECT = {
    "removals": "they are kept",
    "updates": "the old values are kept",
    "usernames": "the old usernames are kept",
    "identities": "the old ids are kept",
    "additions": "they stay out until a pull is proven complete",
}
_CLOSED = {
    "published": "what it named was published",
    "came_back": "what it named came back",
    "gone": "a complete run found nothing to hold any more",
}
#: With what an approval is put into effect: removals and usernames from what is published already; all others by a
#: pull, for their content has to come again.
_MODES = {"removals": "remap", "usernames": "remap", "updates": "full", "identities": "full", "additions": "full"}

_MOST_SCHOOLS = 8


def mode(held: Held) -> str:
    """The mode of the run that puts an approval into effect."""
    return "full" if held.is_first_absence else _MODES[held.kind]


def next_command(held: Held) -> str:
    """The command that puts an approval into effect."""
    return f"rollcall sync {held.district} --{mode(held)}"


def what(held: Held) -> str:
    """`the removal of 1 schools and orgs at Maple High, with 312 people`."""
    main = held.main_table
    rows = held.tables.get(main, 0 if held.tables else held.rows) if held.names_rows else held.rows
    at = f" at {held.school_name}" if held.school else ""
    along = [f"{count:,} {_things(table)}" for table, count in sorted(held.tables.items()) if table != main]
    also = f", with {', '.join(along)}" if along else ""
    return _WHAT[held.kind].format(rows=f"{rows:,}", things=_things(held.collection)) + at + also


def _things(table: str) -> str:
    return _THINGS.get(table, table.replace("_", " "))


def stands(held: Held) -> str:
    """Where the hold stands, in a sentence."""
    decided = f"by {held.decided_by} on {_at(held.decided_at)}: {held.reason or 'no reason given'}"
    if held.status == "closed":
        return f"closed on {_at(held.closed_at)}: {_CLOSED.get(held.closed_reason or '', held.closed_reason)}"
    if held.status == "approved":
        rows = f"{held.approved_rows:,} rows " if held.names_rows else ""
        return f"{rows}approved until {_at(held.expires_at)}, {decided}"
    if held.status == "rejected":
        return f"rejected {decided}"
    if held.status == "announced":
        return "announced: missing for the first time, nothing is withheld yet; a second complete pull will hold it"
    if held.expires_at is not None:
        return f"open again: the approval {decided} was not used within {APPROVAL_HOURS} hours"
    return "open: somebody has to decide"


def described(held: Held, where: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """What there is to know before deciding, line by line.

    :param where: what `reading.schools` gives.
    """
    of = f" (readers have {held.published:,})" if held.published else ""
    lines = [
        ("Held", f"{what(held)}{of}"),
        ("Stands", stands(held)),
        ("Since", f"{_at(held.opened_at)}, met last on {_at(held.last_seen_at)}"),
        ("Where", _where(where) if held.names_rows else ""),
        ("Looks like", held.looks_like),
        ("Not like", held.looks_not_like),
    ]
    if held.status != "closed":
        lines += _outcomes(held)
    return [(label, text) for label, text in lines if text]


def _outcomes(held: Held) -> list[tuple[str, str]]:
    meanwhile = f"everything else is published every night; these {_MEANWHILE[held.kind]}"
    approve = f"with the next publication {_APPROVE[held.kind]}; unused, an approval ends after {APPROVAL_HOURS} hours"
    reject = f"{_REJECT[held.kind]}; asked again only when more rows join"
    nothing = "it waits as it is and is found anew every night; waiting never removes or changes anything"
    if held.kind == "additions":
        meanwhile = f"these {_MEANWHILE[held.kind]}; every night asks for all of them again"
        reject = _REJECT[held.kind]
        nothing = "the first pull that is proven complete is published by itself"
    return [("Meanwhile", meanwhile), ("Approve", approve), ("Reject", reject), ("Nothing", nothing)]


def subject(held: Held) -> str:
    """The headline of a required action."""
    return f"{held.district_name}: {what(held)}"


def body(held: Held, where: Sequence[dict[str, Any]]) -> str:
    """A required action's text in Markdown: counts and schools only, for it lies in Airflow's database (rule 8)."""
    lines = [f"- **{label}:** {text}" for label, text in described(held, where)]
    command = f"`rollcall holds show {held.hold_id}` names the people; `rollcall holds approve` can leave some out."
    return "\n".join([*lines, "", command])


def _where(where: Sequence[dict[str, Any]]) -> str:
    shown = [f"{row['name']} {row['rows']:,}" for row in where[:_MOST_SCHOOLS]]
    more = where[_MOST_SCHOOLS:]
    if more:
        shown.append(f"{len(more)} more {sum(row['rows'] for row in more):,}")
    return " · ".join(shown)


def _at(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M %Z}" if when else "-"
