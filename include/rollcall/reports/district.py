"""A district over time: its runs, its trend, and the people and records behind the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from rollcall.files.spreadsheet import to_csv
from rollcall.warehouse.models import staging
from rollcall.warehouse.ops_models import left_out, rejects, run_counts, runs

Row = dict[str, Any]


@dataclass(frozen=True)
class NightTotals:
    """The totals of a night's last publication.

    :param seconds: from the start of the run to its publication.
    """

    night: date
    people: int | None
    accounts: int | None
    rejected: int | None
    seconds: float | None


def recent_runs(connection: sa.Connection, district: str, limit: int = 20) -> list[Row]:
    """The newest runs with their totals: rejected, and changes per kind over all tables."""
    totals = (
        sa.select(
            run_counts.c.run_id,
            *(
                sa.func.sum(run_counts.c[name]).label(name)
                for name in ("rejected", "added", "changed", "removed", "held")
            ),
        )
        .where(run_counts.c.district_id == district)
        .group_by(run_counts.c.run_id)
    )
    newest = sa.select(runs).where(runs.c.district_id == district).order_by(runs.c.started_at.desc()).limit(limit)
    found = [dict(row) for row in connection.execute(newest).mappings()]
    ids = [row["run_id"] for row in found]
    counts = {row["run_id"]: row for row in connection.execute(totals.where(run_counts.c.run_id.in_(ids))).mappings()}
    empty = dict.fromkeys(("rejected", "added", "changed", "removed", "held"))
    return [{**row, **{name: counts.get(row["run_id"], empty)[name] for name in empty}} for row in found]


def schools_by_name(connection: sa.Connection, district: str) -> dict[str, str]:
    """The name of each published org by its sourcedId, by name. Removed ones too: people left with them."""
    orgs = staging["orgs"]
    query = sa.select(orgs.c.sourced_id, orgs.c.name).where(orgs.c.district_id == district)
    found = connection.execute(query.order_by(orgs.c.name, orgs.c.sourced_id))
    return {sourced_id: name or sourced_id for sourced_id, name in found}


def trend(connection: sa.Connection, district: str, nights: int = 90, now: datetime | None = None) -> list[NightTotals]:
    """The last nights with a publication, oldest first."""
    rejected = (
        sa.select(sa.func.sum(run_counts.c.rejected))
        .where(run_counts.c.district_id == district, run_counts.c.run_id == runs.c.run_id)
        .scalar_subquery()
    )
    seconds = sa.extract("epoch", runs.c.finished_at - runs.c.started_at)
    people = runs.c.coverage["people"].astext.cast(sa.BigInteger)
    first = (now or datetime.now(UTC)).date() - timedelta(days=nights)
    query = (
        sa.select(runs.c.night, people, runs.c.accounts, rejected, seconds)
        .ext(distinct_on(runs.c.night))
        .where(
            runs.c.district_id == district,
            runs.c.status == "published",
            runs.c.generation.is_not(None),
            runs.c.night > first,
        )
        .order_by(runs.c.night, runs.c.generation.desc())
    )
    return [
        NightTotals(night, people, accounts, int(rejected) if rejected is not None else None, float(seconds or 0))
        for night, people, accounts, rejected, seconds in connection.execute(query)
    ]


def people_left_out(
    connection: sa.Connection, district: str, reason: str = "", *, page: int = 1, size: int | None = 100
) -> list[Row]:
    """People without an account, by name: name, school, grades, reason, detail, sourced_id.

    :param reason: only this one; all by default.
    :param size: rows per page; None for all.
    """
    users, orgs = staging["users"], staging["orgs"]
    at_school = (orgs.c.district_id == users.c.district_id) & (orgs.c.sourced_id == users.c.primary_org_sourced_id)
    same = (users.c.district_id == left_out.c.district_id) & (users.c.sourced_id == left_out.c.user_sourced_id)
    given = sa.func.coalesce(users.c.preferred_first_name, users.c.given_name)
    family = sa.func.coalesce(users.c.preferred_last_name, users.c.family_name)
    query = (
        sa.select(
            sa.func.concat_ws(" ", given, family).label("name"),
            orgs.c.name.label("school"),
            users.c.grades,
            left_out.c.reason,
            left_out.c.detail,
            left_out.c.user_sourced_id.label("sourced_id"),
        )
        .select_from(left_out.outerjoin(users, same).outerjoin(orgs, at_school))
        .where(left_out.c.district_id == district)
        .order_by(family, given, left_out.c.user_sourced_id)
    )
    if reason:
        query = query.where(left_out.c.reason == reason)
    if size is not None:
        query = query.limit(size).offset((max(page, 1) - 1) * size)
    rows = connection.execute(query).mappings()
    return [{**row, "grades": ", ".join(map(str, row["grades"] or []))} for row in rows]


def rejected_records(connection: sa.Connection, district: str, run_id: str) -> list[Row]:
    """The rejected records of a run: collection, sourced_id, rule, reason, field. Not the record itself."""
    columns = (rejects.c.collection, rejects.c.sourced_id, rejects.c.rule, rejects.c.reason, rejects.c.field)
    where = (rejects.c.district_id == district, rejects.c.run_id == run_id)
    query = sa.select(*columns).where(*where).order_by(rejects.c.collection, rejects.c.reject_id)
    return [dict(row) for row in connection.execute(query).mappings()]


def rows_as_csv(rows: Sequence[Row], columns: Sequence[str]) -> bytes:
    """Rows as CSV with a header, safe to open in a spreadsheet."""
    texts = {name: pa.array([_text(row[name]) for row in rows], pa.string()) for name in columns}
    return to_csv(pa.table(texts))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
