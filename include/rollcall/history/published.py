"""What readers saw: the exact tables of any generation.

Staging is the newest generation; a row that publish changes is kept in `roster_history.<table>_published` as it was
until then. What retention has purged from either is gone from the answer too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from rollcall.errors import ActionRequired
from rollcall.landing.change_set import ChangeSet, change_schema
from rollcall.landing.manifests import load, read_rows
from rollcall.landing.mapping import LEFT_OUT_SCHEMA
from rollcall.landing.validated import accepted_schema
from rollcall.landing.zone import PullFolder
from rollcall.model.tables import TABLES, Table
from rollcall.settings import District
from rollcall.settings.schedule import EVENING
from rollcall.warehouse.bulk import copy_out
from rollcall.warehouse.models import runs
from rollcall.warehouse.schemas import HISTORY, STAGING

_INSTANT = pa.timestamp("us", tz="UTC")

#: Lineage columns that may be asked for beside a table's own.
LINEAGE_SCHEMA = pa.schema(
    [
        ("_digest", pa.int64()),
        ("_run_id", pa.string()),
        ("_first_seen_at", _INSTANT),
        ("_changed_at", _INSTANT),
        ("_missing_since", _INSTANT),
        ("_removed_at", _INSTANT),
        ("_removed_reason", pa.string()),
        ("_generation", pa.int64()),
    ]
)


def rows_at(
    connection: sa.Connection,
    district: str,
    table: Table,
    generation: int,
    columns: Sequence[str] | None = None,
    *,
    where_live: bool = True,
) -> pa.Table:
    """A table as readers saw it when a generation was the newest.

    :param columns: the table's own by default; those of `LINEAGE_SCHEMA` may be named too.
    :param where_live: without the rows that were removed by then.
    """
    every = pa.schema([*accepted_schema(table), *LINEAGE_SCHEMA])
    schema = pa.schema([every.field(name) for name in (columns or table.names)])
    return copy_out(
        connection,
        rows_at_query(table, schema.names, where_live=where_live),
        {"district": district, "generation": generation},
        schema,
    )


def rows_at_query(table: Table, columns: Sequence[str], *, where_live: bool) -> str:
    """The query of :func:`rows_at`, with psycopg's parameters `district` and `generation`."""
    listed = ", ".join(f'"{name}"' for name in columns)
    live = " AND _removed_at IS NULL" if where_live else ""
    return (
        f"SELECT {listed} FROM {STAGING}.{table.name}"
        f" WHERE district_id = %(district)s AND _generation <= %(generation)s{live}"
        f" UNION ALL SELECT {listed} FROM {HISTORY}.{table.name}_published"
        " WHERE district_id = %(district)s AND _generation <= %(generation)s AND _until_generation > %(generation)s"
        f"{live}"
    )


def require_kept(connection: sa.Connection, district: District, generation: int) -> None:
    """What readers had is kept as long as history.

    :raises ActionRequired: `no_longer_kept`.
    """
    days = district.retention.history_days
    oldest = sa.select(sa.func.max(runs.c.generation)).where(
        runs.c.district_id == district.district,
        runs.c.status == "published",
        runs.c.finished_at < datetime.now(UTC) - timedelta(days=days),
    )
    kept_from = connection.execute(oldest).scalar_one_or_none()
    if kept_from is not None and generation < kept_from:
        raise ActionRequired(
            "no_longer_kept",
            f"What readers of {district.name} had is kept for {days} days, and that was earlier.",
            remedy="Nothing was changed. A backup of the warehouse may still have it.",
            district=district.district,
        )


def generation_of_night(connection: sa.Connection, district: str, night: date) -> int | None:
    """The generation the last publication of a night made; None when nothing was published that night."""
    last = sa.select(sa.func.max(runs.c.generation)).where(
        runs.c.district_id == district,
        runs.c.status == "published",
        runs.c.night == night,
        runs.c.kind != "refetch",
    )
    return connection.execute(last).scalar_one_or_none()


def generation_at_evening(connection: sa.Connection, district: District, night: date) -> int | None:
    """The generation readers had at the end of a night's morning, whichever night it was pulled for; None before the
    first publication.
    """
    evening = datetime.combine(night, EVENING, ZoneInfo(district.schedule.timezone))
    last = sa.select(sa.func.max(runs.c.generation)).where(
        runs.c.district_id == district.district, runs.c.status == "published", runs.c.finished_at < evening
    )
    return connection.execute(last).scalar_one_or_none()


# What readers would have if a run had published: after a dry run, or while publication is paused.
#
# Read from the run's change set in the landing zone, laid over the roster it was worked out on. Counts only.

Row = dict[str, Any]

_KEY = ["user_sourced_id", "site_id"]
_ACCOUNT = [*_KEY, "site_name", "role"]

#: What brings a row as it will be; the others bring its key only.
_ARRIVALS = pa.array(["added", "changed", "returned", "found"])


def left_out_reasons(folder: PullFolder) -> list[Row]:
    """How many people would have no account, per first reason: `reason` and `people`, most first."""
    rows = read_rows(folder, load(folder, ChangeSet).left_out, LEFT_OUT_SCHEMA, ["reason"])
    counted = rows.group_by("reason").aggregate([([], "count_all")]).rename_columns({"count_all": "people"})
    return counted.sort_by([("people", "descending"), ("reason", "ascending")]).to_pylist()


def accounts_per_site(connection: sa.Connection, folder: PullFolder) -> list[Row]:
    """Accounts per site as they would be: `site_id`, `site_name`, `students` and `staff`, by the site's name."""
    changes, table = load(folder, ChangeSet), TABLES["accounts"]
    changed = read_rows(folder, changes.parts.get("accounts", []), change_schema(table), [*_ACCOUNT, "_change"])
    arrives = pc.is_in(changed["_change"], value_set=_ARRIVALS)
    goes = pc.equal(changed["_change"], "removed")
    before = rows_at(connection, changes.district, table, changes.generation, _ACCOUNT)
    stays = before.join(changed.filter(pc.or_(arrives, goes)).select(_KEY), _KEY, join_type="left anti")
    accounts = pa.concat_tables([stays.select(_ACCOUNT), changed.filter(arrives).select(_ACCOUNT)])
    students, staff = (pc.cast(pc.equal(accounts["role"], role), pa.int64()) for role in ("student", "staff"))
    told = accounts.select(["site_id", "site_name"]).append_column("students", students).append_column("staff", staff)
    counted = (
        told.group_by(["site_id", "site_name"])
        .aggregate([("students", "sum"), ("staff", "sum")])
        .rename_columns({"students_sum": "students", "staff_sum": "staff"})
    )
    return counted.sort_by([("site_name", "ascending"), ("site_id", "ascending")]).to_pylist()
