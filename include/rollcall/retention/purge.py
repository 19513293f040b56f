"""Purge: delete everything of a district whose contract ended, with a receipt.

It covers every table with a column `district_id`, listed by the database, so new tables are included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from rollcall.errors import ActionRequired, RollcallError
from rollcall.landing.zone import Landing
from rollcall.retention.folders import DistrictFolder, FileTotals, export_folder
from rollcall.settings import LONGEST_RUN, district_path
from rollcall.warehouse.ops_models import purges, runs
from rollcall.warehouse.schemas import HISTORY, OPS, STAGING
from rollcall.warehouse.session import TRY_ACQUIRE_LOCK, warehouse_transaction

_TABLES = sa.text("""
    SELECT c.table_schema, c.table_name FROM information_schema.columns c
    JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE c.column_name = 'district_id' AND t.table_type = 'BASE TABLE' AND c.table_schema = ANY(:schemas)
    ORDER BY c.table_schema, c.table_name""")


@dataclass(frozen=True)
class DistrictData:
    """The stored data of a district.

    :param rows: per table with its schema, without empty tables.
    :param files: in the landing zone and in the exports.
    :param running: IDs of runs that seem to be running.
    """

    district: str
    rows: Mapping[str, int]
    files: FileTotals
    running: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.rows and not self.files.files


@dataclass(frozen=True)
class Receipt:
    """What was deleted, when, and who deleted it. `roster_ops.purges` keeps the same."""

    district: str
    purged_at: datetime
    purged_by: str
    rows: Mapping[str, int]
    files: FileTotals
    not_reached: tuple[str, ...]


def measure_district_data(
    engine: sa.Engine, district: str, landing: Landing, now: datetime | None = None
) -> DistrictData:
    """What a purge would delete.

    :raises RollcallError: `warehouse_unreachable`, `warehouse_version`.
    """
    with warehouse_transaction(engine, "purge", district=district) as connection:
        count = "SELECT count(*) FROM {} WHERE district_id = :district"
        rows = {table: _number(connection, count, table, district) for table in _tables(connection)}
        files = sum((folder.size() for folder in _folders(landing, district)), FileTotals())
        return DistrictData(
            district, _not_empty(rows), files, _running_runs(connection, district, now or datetime.now(UTC))
        )


def purge(engine: sa.Engine, district: str, landing: Landing, *, by: str, now: datetime | None = None) -> Receipt:
    """Delete all rows and files of a district, or nothing with an error.

    :param by: the person, for the receipt.
    :raises RollcallError: `district_publishing` if a run is publishing the district.
    """
    now = now or datetime.now(UTC)
    with warehouse_transaction(engine, "purge", district=district) as connection:
        _acquire_publish_lock(connection, district)
        running_runs = _running_runs(connection, district, now)
        delete = "DELETE FROM {} WHERE district_id = :district"
        rows = {table: _number(connection, delete, table, district) for table in _tables(connection)}
        # files last: if one cannot be deleted, nothing is committed, and the command can run again
        files = sum((folder.delete() for folder in _folders(landing, district)), FileTotals())
        receipt = Receipt(district, now, by, _not_empty(rows), files, _not_reached(district, running_runs))
        connection.execute(
            sa.insert(purges).values(
                district=district,
                purged_at=now,
                purged_by=by,
                rows=dict(receipt.rows),
                files=files.files,
                bytes=files.bytes,
            )
        )
    return receipt


def _folders(landing: Landing, district: str) -> list[DistrictFolder]:
    exported = export_folder(district)
    return [DistrictFolder(landing.url, district), *([exported] if exported else [])]


def _tables(connection: sa.Connection) -> list[str]:
    """Every table with district rows."""
    found = connection.execute(_TABLES, {"schemas": [STAGING, HISTORY, OPS]})
    return [f"{schema}.{table}" for schema, table in found]


def _acquire_publish_lock(connection: sa.Connection, district: str) -> None:
    """Acquire the district's publish lock without waiting, because a person waits for the command."""
    if not connection.execute(TRY_ACQUIRE_LOCK, {"name": f"publish {district}"}).scalar_one():
        raise RollcallError(
            "district_publishing",
            f"A run is publishing {district} right now.",
            remedy="Nothing was deleted. Set enabled: false in its file, wait for the run to end, then purge again.",
            district=district,
        )


def _running_runs(connection: sa.Connection, district: str, now: datetime) -> tuple[str, ...]:
    since = now - LONGEST_RUN
    where = (runs.c.district_id == district, runs.c.status == "running", runs.c.started_at > since)
    return tuple(connection.execute(sa.select(runs.c.run_id).where(*where).order_by(runs.c.run_id)).scalars())


def _number(connection: sa.Connection, statement: str, table: str, district: str) -> int:
    schema, _, name = table.partition(".")
    result = connection.execute(sa.text(statement.format(f'"{schema}"."{name}"')), {"district": district})
    return int(result.scalar_one()) if result.returns_rows else result.rowcount


def _not_empty(rows: Mapping[str, int]) -> dict[str, int]:
    return {table: number for table, number in rows.items() if number}


def _not_reached(district: str, running_runs: tuple[str, ...]) -> tuple[str, ...]:
    """Places that may still have data of the district."""
    file = district_path(district)
    settings = f"{file.name} in {file.parent}: while it exists and is enabled, the next night pulls everything again"
    running = f"runs that were running ({', '.join(running_runs)}): if one publishes after this, purge again"
    return (
        *([settings] if file.is_file() else []),
        *([running] if running_runs else []),
        f"the Airflow connection oneroster_{district}, and the runs and logs of the DAG roster_{district}",
        "backups, replicas, and write-ahead logs of the warehouse, and old versions in an object store",
        "copies made downstream from the roster views",
        "the git history of the districts' files",
    )


def require_confirmation(district: str, typed: str) -> None:
    """Require that the person typed the district ID.

    :raises ActionRequired: `district_not_named`.
    """
    if typed.strip() != district:
        raise ActionRequired(
            "district_not_named",
            f"The confirmation does not match {district!r}.",
            remedy="Nothing was deleted.",
            district=district,
        )
