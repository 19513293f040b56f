"""Shares of people that should not jump from one night to the next: without email, without class, without school.

The shares are of the roster after tonight, so a delta of three people causes no jump, and are compared with the
published roster. A jump usually means a field that is no longer shared, a connection that lost its schools, or a school
year that is not built yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from rollcall.changes.comparison import TableChanges
from rollcall.expectations.judge import ROW, Judge
from rollcall.expectations.rules import Share
from rollcall.expectations.suites import SUITES
from rollcall.landing.validated import Finding
from rollcall.model.vocabularies import RELATIVES
from rollcall.warehouse.schemas import STAGING

#: The allowed growth of a share, and the number of people by which it may always grow: small schools have large shares.
MAY_GROW_BY = 0.05
MAY_GROW_BY_PEOPLE = 10

_PUBLISHED = sa.text(
    f"""
    WITH people AS (
        SELECT r.user_sourced_id,
            bool_or(r.role = 'student') AS is_student,
            bool_or(o.sourced_id IS NOT NULL) AS has_school
        FROM {STAGING}.user_roles r
        LEFT JOIN {STAGING}.orgs o
            ON o.district_id = r.district_id AND o.sourced_id = r.org_sourced_id AND o._removed_at IS NULL
        WHERE r.district_id = :district AND r._removed_at IS NULL AND r.role <> ALL(:relatives)
        GROUP BY r.user_sourced_id
    ), enrolled AS (
        SELECT DISTINCT user_sourced_id FROM {STAGING}.enrollments WHERE district_id = :district AND _removed_at IS NULL
    )
    SELECT count(*) AS people,
        count(*) FILTER (WHERE p.is_student) AS students,
        count(*) FILTER (WHERE u.email IS NULL) AS has_email,
        count(*) FILTER (WHERE p.is_student AND e.user_sourced_id IS NULL) AS has_class,
        count(*) FILTER (WHERE NOT p.has_school) AS has_school
    FROM people p
    JOIN {STAGING}.users u
        ON u.district_id = :district AND u.sourced_id = p.user_sourced_id AND u._removed_at IS NULL
    LEFT JOIN enrolled e ON e.user_sourced_id = p.user_sourced_id
    """
)


_STUDENTS = sa.text(
    f"SELECT count(DISTINCT user_sourced_id) FROM {STAGING}.accounts "
    "WHERE district_id = :district AND _removed_at IS NULL AND role = 'student'"
)


@dataclass(frozen=True)
class PublishedShares:
    """The shares of the published roster.

    :param of: per fact, the number of people it applies to.
    :param without: per fact, the number of them without it.
    """

    of: dict[str, int]
    without: dict[str, int]

    def share(self, fact: str) -> float:
        return self.without[fact] / self.of[fact] if self.of[fact] else 0.0


def may_jump(connection: sa.Connection, district: str, tables: Mapping[str, TableChanges]) -> bool:
    """Whether tonight's changes can make a share jump at all. A small delta cannot, and then no one is counted.

    There are at least as many people as students with an account.
    """
    touched = _count_affected_people(tables)
    if touched is None:
        return True
    if is_too_small_to_jump(touched, 0):
        return False
    students = connection.execute(_STUDENTS, {"district": district}).scalar_one()
    return not is_too_small_to_jump(touched, students)


def is_too_small_to_jump(touched: int, people: int) -> bool:
    """Whether no share of so many people can jump by what becomes of a few of them.

    Of n people let t be those who may lose a fact, or who come or go. Then w of n becomes at most (w + t) of (n - t),
    which is less than 2t / (n - t) more; and t people are no jump where so few never are.
    """
    return touched <= MAY_GROW_BY_PEOPLE or 2 * touched <= MAY_GROW_BY * (people - touched)


def _count_affected_people(tables: Mapping[str, TableChanges]) -> int | None:
    """How many people at most come, go, or may lose e-mail, class or school tonight; None where an org goes, with which
    any number may.
    """
    if "orgs" in tables and len(tables["orgs"].removed):
        return None
    who = [pa.chunked_array([], pa.string())]
    moved = 0
    for name, column in (
        ("users", "sourced_id"),
        ("user_roles", "user_sourced_id"),
        ("enrollments", "user_sourced_id"),
    ):
        if name in tables:
            rows = tables[name].rows
            if name == "enrollments":
                rows = rows.filter(pc.is_in(rows["_change"], value_set=pa.array(["changed", "removed"])))
                moved = pc.sum(pc.equal(rows["_change"], "changed"), min_count=0).as_py()  # perhaps from another person
            who.append(rows[column])
    people = pa.chunked_array([chunk for some in who for chunk in some.chunks], pa.string())
    return int(pc.count_distinct(people).as_py()) + int(moved)


def read_published_shares(connection: sa.Connection, district: str) -> PublishedShares:
    """Count in the warehouse, without reading the rows."""
    row = connection.execute(_PUBLISHED, {"district": district, "relatives": list(RELATIVES)}).one()
    without = {fact: getattr(row, fact) for fact in ("has_email", "has_class", "has_school")}
    of = {"has_email": row.people, "has_class": row.students, "has_school": row.people}
    return PublishedShares(of, without)


def people_with_facts(users: pa.Table, user_roles: pa.Table, orgs: pa.Array, enrolled: pa.Array) -> pa.Table:
    """All people except relatives, with three facts. `has_class` is for students only, and null for others.

    :param users: as they will be; sourced_id, email.
    :param user_roles: as they will be; user_sourced_id, org_sourced_id, role.
    :param orgs: sourcedIds as they will be.
    :param enrolled: sourcedIds of people with an enrollment, each any number of times.
    """
    own = user_roles.filter(pc.invert(pc.is_in(user_roles["role"], value_set=pa.array(RELATIVES))))
    holders = own["user_sourced_id"]
    at_school = holders.filter(pc.is_in(own["org_sourced_id"], value_set=orgs))
    students = holders.filter(pc.equal(own["role"], "student"))
    people = users.filter(pc.is_in(users["sourced_id"], value_set=holders))
    ids = people["sourced_id"]
    is_student = pc.is_in(ids, value_set=students)
    return pa.table(
        {
            ROW: pa.array(range(people.num_rows), pa.int64()),
            "has_email": pc.is_valid(people["email"]),
            "has_class": pc.if_else(is_student, pc.is_in(ids, value_set=enrolled), None),
            "has_school": pc.is_in(ids, value_set=at_school),
        }
    )


def find_jumps(judge: Judge, people: pa.Table, published: PublishedShares) -> list[Finding]:
    """One finding per share that jumped; none on a first night."""
    suites = [(collection, share) for collection, suite in SUITES.items() for share in suite.shares]
    asked = [
        (share, _allowed(published, share.fact, people.num_rows - people[share.fact].null_count))
        for _, share in suites
        if published.of[share.fact]
    ]
    found = judge.exceeded("users", people.to_pandas(), asked)
    return [_finding(judge, share, count, people, published) for share, count in found]


def _allowed(published: PublishedShares, fact: str, now_of: int) -> float:
    some_people = (published.without[fact] + MAY_GROW_BY_PEOPLE) / now_of if now_of else 1.0
    return min(1.0, max(published.share(fact) + MAY_GROW_BY, some_people))


def _finding(judge: Judge, share: Share, count: int, people: pa.Table, published: PublishedShares) -> Finding:
    now_of = people.num_rows - people[share.fact].null_count
    before, before_of = published.without[share.fact], published.of[share.fact]
    return Finding(
        collection="users",
        rule=share.name,
        severity=judge.severities.of_share("users", share),
        message=(
            f"{count:,} of {now_of:,} {share.reason} ({count / now_of:.1%}); in the published roster it is "
            f"{before:,} of {before_of:,} ({published.share(share.fact):.1%}). Ask the district what changed."
        ),
        count=count,
    )
