"""Reading holds from the warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from rollcall.errors import ActionRequired
from rollcall.model.keys import sql_key_part, sql_key_parts
from rollcall.model.tables import TABLES
from rollcall.settings import find_district
from rollcall.warehouse.ops_models import districts
from rollcall.warehouse.schemas import OPS, STAGING

#: An approval ends when it expires, even before a run has recorded that. `now` is null for the warehouse's clock.
_STATUS = """CASE WHEN h.status = 'approved' AND h.expires_at <= coalesce(CAST(:now AS timestamptz), now())
            THEN 'open' ELSE h.status END"""

_READ = f"""
    SELECT h.hold_id, h.district_id AS district, coalesce(d.name, h.district_id) AS district_name, h.collection, h.kind,
        h.school, coalesce(o.name, h.school) AS school_name, {_STATUS} AS status, h.opened_at, h.last_seen_at, h.rows,
        h.published, h.looks_like, h.looks_not_like, h.decided_at, h.decided_by, h.reason, h.expires_at, h.closed_at,
        h.closed_reason, h.question_at, coalesce(d.timezone, 'UTC') AS timezone,
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

#: Holds that need a decision are listed first.
_ORDER = f"""
    ORDER BY array_position(ARRAY['open', 'approved', 'announced', 'rejected'], {_STATUS}), h.opened_at, h.hold_id"""


@dataclass(frozen=True)
class HoldDetails:
    """One hold: what it is about, its numbers, and what was decided.

    :param status: announced, open, approved, rejected or closed. An expired approval reads as open.
    :param rows: how many rows it lists, per table in `tables`. `approved_rows` of them may be published.
    :param published: how many rows the collection has in the published roster.
    :param expires_at: when the approval ends. A time in the past means that it ended unused.
    :param question_at: when the decision asked for last changed.
    :param timezone: the district's.
    :param is_first_absence: its rows are missing for the first time. A second complete pull has to confirm it.
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
    timezone: str
    approved_rows: int
    tables: dict[str, int]
    is_first_absence: bool

    @property
    def lists_rows(self) -> bool:
        """Whether it lists each row. The first rows of a collection are held as a whole."""
        return self.kind != "additions"

    @property
    def command_arguments(self) -> str:
        """DISTRICT and HOLD on a command line."""
        return f"{self.district} {self.hold_id}"

    @property
    def main_table(self) -> str:
        """The table the hold is about. A removed org also lists rows of other tables."""
        return "accounts" if self.kind == "usernames" else self.collection


def active_holds(
    connection: sa.Connection, district: str | None = None, now: datetime | None = None
) -> list[HoldDetails]:
    """The holds that are not closed. Those that need a decision are first."""
    mine = " AND h.district_id = :district" if district else ""
    query = f"{_READ} AND h.closed_at IS NULL{mine}{_ORDER}"
    params = {"district": district, "now": now}
    return [HoldDetails(**row) for row in connection.execute(sa.text(query), params).mappings()]


def find_hold(connection: sa.Connection, name: str, now: datetime | None = None) -> HoldDetails:
    """The hold with this ID, or with an ID that starts like this. An active hold wins over a closed one.

    :raises ActionRequired: `no_such_hold`, `ambiguous_hold`.
    """
    query = f"{_READ} AND starts_with(h.hold_id, :name) ORDER BY h.closed_at IS NOT NULL, h.hold_id"
    found = [HoldDetails(**row) for row in connection.execute(sa.text(query), {"name": name, "now": now}).mappings()]
    exact = [hold for hold in found if hold.hold_id == name]
    active = [hold for hold in found if hold.closed_at is None]
    matches = exact or active or found
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise ActionRequired(
            "no_such_hold", f"There is no hold {name!r}.", remedy="List the holds: rollcall holds list"
        )
    ids = ", ".join(hold.hold_id for hold in matches[:8])
    raise ActionRequired("ambiguous_hold", f"{len(matches)} holds start with {name!r}.", remedy=f"Choose one: {ids}.")


def find_hold_of(connection: sa.Connection, district: str, name: str = "") -> HoldDetails:
    """A hold of a district by its ID, a start of it, or a start without the district; without a name, the only one.

    :raises ActionRequired: `district_unknown`, `no_open_hold`, `no_such_hold`, `ambiguous_hold`.
    """
    district = known_district(connection, district)
    if name:
        return find_hold(connection, name if name.startswith(f"{district}-") else f"{district}-{name}")
    active = active_holds(connection, district)
    waiting = [hold for hold in active if hold.status in ("open", "announced")] or active
    if len(waiting) == 1:
        return waiting[0]
    if not waiting:
        raise ActionRequired("no_open_hold", f"{district} has no open holds.", remedy="", district=district)
    ids = ", ".join(hold.hold_id for hold in waiting[:8])
    raise ActionRequired(
        "ambiguous_hold", f"{district} has {len(waiting)} holds.", remedy=f"Name one: {ids}.", district=district
    )


def known_district(connection: sa.Connection, name: str) -> str:
    """The ID of a district with data in the warehouse or with a file; a path to the file is fine too.

    :raises ActionRequired: `district_unknown`, with the most similar ID.
    """
    query = sa.select(districts.c.district_id).where(districts.c.district_id == name)
    if connection.execute(query).first():  # also if its file was deleted
        return name
    return find_district(name).district


def rows_by_school(connection: sa.Connection, hold: HoldDetails) -> list[dict[str, Any]]:
    """How many of the hold's rows each school has, most first: school, name, rows."""
    query = f"""
        SELECT r.school, coalesce(o.name, nullif(r.school, ''), 'no school') AS name, count(*) AS rows
        FROM {OPS}.hold_rows r
        LEFT JOIN {STAGING}.orgs o ON o.district_id = r.district_id AND o.sourced_id = r.school
        WHERE r.hold_id = :hold AND r.table_name = :main GROUP BY 1, 2 ORDER BY 3 DESC, 2"""
    params = {"hold": hold.hold_id, "main": hold.main_table}
    return [dict(row) for row in connection.execute(sa.text(query), params).mappings()]


def listed_rows(connection: sa.Connection, hold: HoldDetails) -> list[dict[str, Any]]:
    """Every row the hold lists: table, key (its parts as a list), change, cause, school, whether it is approved."""
    query = f"""
        SELECT table_name, {sql_key_parts("row_key")} AS key, change, reason, school, is_approved
        FROM {OPS}.hold_rows WHERE hold_id = :hold
        ORDER BY table_name <> :main, table_name, row_key"""
    params = {"hold": hold.hold_id, "main": hold.main_table}
    return [dict(row) for row in connection.execute(sa.text(query), params).mappings()]


def example_people(connection: sa.Connection, hold: HoldDetails, limit: int) -> list[str]:
    """A few people of a hold, as `sourcedId (Given Family)`. Only a terminal may show them (rule 8)."""
    if TABLES[hold.main_table].key[0] != "user_sourced_id" and hold.main_table != "users":
        return []
    query = f"""
        SELECT DISTINCT u.sourced_id || ' (' || concat_ws(' ', u.given_name, u.family_name) || ')' AS who
        FROM {OPS}.hold_rows r JOIN {STAGING}.users u
            ON u.district_id = r.district_id AND u.sourced_id = {sql_key_part("r.row_key", 1)}
        WHERE r.hold_id = :hold AND r.table_name = :main ORDER BY who LIMIT :limit"""
    params = {"hold": hold.hold_id, "main": hold.main_table, "limit": limit}
    return list(connection.execute(sa.text(query), params).scalars())


def listed_people(connection: sa.Connection, hold: HoldDetails, limit: int) -> list[dict[str, Any]]:
    """The people of a hold, by name: sourced_id, name, school, change, is_approved. Empty if it is not about people."""
    if TABLES[hold.main_table].key[0] != "user_sourced_id" and hold.main_table != "users":
        return []
    query = f"""
        SELECT u.sourced_id, concat_ws(' ', u.given_name, u.family_name) AS name, min(coalesce(o.name, r.school))
            AS school, min(r.change) AS change, bool_or(r.is_approved) AS is_approved
        FROM {OPS}.hold_rows r
        JOIN {STAGING}.users u ON u.district_id = r.district_id AND u.sourced_id = {sql_key_part("r.row_key", 1)}
        LEFT JOIN {STAGING}.orgs o ON o.district_id = r.district_id AND o.sourced_id = r.school
        WHERE r.hold_id = :hold AND r.table_name = :main
        GROUP BY u.sourced_id, u.given_name, u.family_name
        ORDER BY u.family_name, u.given_name, u.sourced_id LIMIT :limit"""
    params = {"hold": hold.hold_id, "main": hold.main_table, "limit": limit}
    return [dict(row) for row in connection.execute(sa.text(query), params).mappings()]
