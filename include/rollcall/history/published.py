"""Published rosters: the exact tables of any generation.

Staging is the newest generation. When publish changes a row, `roster_history.<table>_published` keeps the previous
version. Rows deleted by retention are missing here too.
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
from rollcall.warehouse.ops_models import runs
from rollcall.warehouse.schemas import HISTORY, STAGING

_INSTANT = pa.timestamp("us", tz="UTC")

#: Lineage columns that can be selected in addition to a table's own.
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
    """A table as published in a generation.

    :param columns: the table's own by default. Columns of `LINEAGE_SCHEMA` are allowed too.
    :param where_live: without rows already removed.
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


def require_kept(connection: sa.Connection, district: District, generation: int, now: datetime | None = None) -> None:
    """Require that a generation is still kept. Published rosters are kept as long as history.

    :raises ActionRequired: `no_longer_kept`.
    """
    days = district.retention.history_days
    oldest = sa.select(sa.func.max(runs.c.generation)).where(
        runs.c.district_id == district.district,
        runs.c.status == "published",
        runs.c.finished_at < (now or datetime.now(UTC)) - timedelta(days=days),
    )
    kept_from = connection.execute(oldest).scalar_one_or_none()
    if kept_from is not None and generation < kept_from:
        raise ActionRequired(
            "no_longer_kept",
            f"Published rosters of {district.name} are kept for {days} days, and this one is older.",
            remedy="Nothing was changed. A backup of the warehouse may have it.",
            district=district.district,
        )


def generation_of_night(connection: sa.Connection, district: str, night: date) -> int | None:
    """The generation of a night's last publication. None if nothing was published that night."""
    last = sa.select(sa.func.max(runs.c.generation)).where(
        runs.c.district_id == district,
        runs.c.status == "published",
        runs.c.night == night,
        runs.c.kind != "refetch",
    )
    return connection.execute(last).scalar_one_or_none()


def published_nights(connection: sa.Connection, district: str, limit: int = 400) -> list[date]:
    """The nights with a publication, newest first."""
    where = (runs.c.district_id == district, runs.c.status == "published", runs.c.kind != "refetch")
    query = sa.select(runs.c.night).where(*where, runs.c.generation.is_not(None)).distinct()
    return list(connection.execute(query.order_by(runs.c.night.desc()).limit(limit)).scalars())


def generation_at_evening(connection: sa.Connection, district: District, night: date) -> int | None:
    """The generation published at the evening of a night's date, from any night's pull. None before the first
    publication.
    """
    evening = datetime.combine(night, EVENING, ZoneInfo(district.schedule.timezone))
    last = sa.select(sa.func.max(runs.c.generation)).where(
        runs.c.district_id == district.district, runs.c.status == "published", runs.c.finished_at < evening
    )
    return connection.execute(last).scalar_one_or_none()


# Previews after a dry run or while publication is paused: the run's change set, applied to the roster it was built on.
# Counts only.

Row = dict[str, Any]

_KEY = ["user_sourced_id", "site_id"]
_ACCOUNT = [*_KEY, "site_name", "role"]

#: Changes that contain the new row. The others contain its key only.
_ARRIVALS = pa.array(["added", "changed", "returned", "found"])


def left_out_reasons(folder: PullFolder) -> list[Row]:
    """People without an account per first reason: `reason` and `people`, largest first."""
    rows = read_rows(folder, load(folder, ChangeSet).left_out, LEFT_OUT_SCHEMA, ["reason"])
    counted = rows.group_by("reason").aggregate([([], "count_all")]).rename_columns({"count_all": "people"})
    return counted.sort_by([("people", "descending"), ("reason", "ascending")]).to_pylist()


def accounts_per_site(connection: sa.Connection, folder: PullFolder) -> list[Row]:
    """Future accounts per site: `site_id`, `site_name`, `students`, and `staff`, ordered by site name."""
    changes, table = load(folder, ChangeSet), TABLES["accounts"]
    changed = read_rows(folder, changes.parts.get("accounts", []), change_schema(table), [*_ACCOUNT, "_change"])
    is_new = pc.is_in(changed["_change"], value_set=_ARRIVALS)
    is_removed = pc.equal(changed["_change"], "removed")
    current = rows_at(connection, changes.district, table, changes.generation, _ACCOUNT)
    unchanged = current.join(changed.filter(pc.or_(is_new, is_removed)).select(_KEY), _KEY, join_type="left anti")
    accounts = pa.concat_tables([unchanged.select(_ACCOUNT), changed.filter(is_new).select(_ACCOUNT)])
    students, staff = (pc.cast(pc.equal(accounts["role"], role), pa.int64()) for role in ("student", "staff"))
    roles_per_site = (
        accounts.select(["site_id", "site_name"]).append_column("students", students).append_column("staff", staff)
    )
    counted = (
        roles_per_site.group_by(["site_id", "site_name"])
        .aggregate([("students", "sum"), ("staff", "sum")])
        .rename_columns({"students_sum": "students", "staff_sum": "staff"})
    )
    return counted.sort_by([("site_name", "ascending"), ("site_id", "ascending")]).to_pylist()
