"""What readers saw: the exact tables of any generation.

Staging is the newest generation; a row that publish changes is kept in `roster_history.<table>_published` as it was
until then. What retention has purged from either is gone from the answer too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import sqlalchemy as sa

from include.contracts import accepted_schema
from include.errors import NeedsPerson
from include.settings import District
from include.settings.schedule import EVENING
from include.tables import Table
from include.warehouse.bulk import copy_out
from include.warehouse.models import runs
from include.warehouse.schemas import HISTORY, STAGING

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
        ("_removed_because", pa.string()),
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
        select_at(table, schema.names, where_live=where_live),
        {"district": district, "generation": generation},
        schema,
    )


def select_at(table: Table, columns: Sequence[str], *, where_live: bool) -> str:
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

    :raises NeedsPerson: `no_longer_kept`.
    """
    days = district.retention.history_days
    oldest = sa.select(sa.func.max(runs.c.generation)).where(
        runs.c.district_id == district.district,
        runs.c.status == "published",
        runs.c.finished_at < datetime.now(UTC) - timedelta(days=days),
    )
    kept_from = connection.execute(oldest).scalar_one_or_none()
    if kept_from is not None and generation < kept_from:
        raise NeedsPerson(
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


def generation_seen(connection: sa.Connection, district: District, night: date) -> int | None:
    """The generation readers had at the end of a night's morning, whichever night it was pulled for; None before the
    first publication.
    """
    evening = datetime.combine(night, EVENING, ZoneInfo(district.schedule.timezone))
    last = sa.select(sa.func.max(runs.c.generation)).where(
        runs.c.district_id == district.district, runs.c.status == "published", runs.c.finished_at < evening
    )
    return connection.execute(last).scalar_one_or_none()
