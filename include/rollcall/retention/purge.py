"""Deleting everything of a district whose contract ended, with a receipt.

The tables are those of the database itself that have a column `district_id`, so that none can be forgotten that is
added later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from rollcall.errors import ActionRequired, RollcallError
from rollcall.landing.zone import Landing
from rollcall.retention.folders import DistrictFolder, FileTotals, export_folder
from rollcall.settings import districts_folder
from rollcall.warehouse.models import purges, runs
from rollcall.warehouse.schemas import HISTORY, OPS, STAGING
from rollcall.warehouse.session import TRY_ACQUIRE_LOCK, warehouse_transaction

#: A run of Airflow's is ended after six hours; what the ledger calls running for longer was killed.
_RUNS_END = timedelta(hours=6)

_TABLES = sa.text("""
    SELECT c.table_schema, c.table_name FROM information_schema.columns c
    JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE c.column_name = 'district_id' AND t.table_type = 'BASE TABLE' AND c.table_schema = ANY(:schemas)
    ORDER BY c.table_schema, c.table_name""")


@dataclass(frozen=True)
class DistrictData:
    """What there is of a district.

    :param rows: per table with its schema, without empty ones.
    :param files: in the landing zone, and where publications are exported to.
    :param under_way: ids of runs that seem to be going on.
    """

    district: str
    rows: Mapping[str, int]
    files: FileTotals
    under_way: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.rows and not self.files.files


@dataclass(frozen=True)
class Receipt:
    """What was deleted, when, and by whom; the same stands in `roster_ops.purges`."""

    district: str
    purged_at: datetime
    purged_by: str
    rows: Mapping[str, int]
    files: FileTotals
    not_reached: tuple[str, ...]


def measure_district_data(engine: sa.Engine, district: str, landing: Landing) -> DistrictData:
    """What a purge would delete.

    :raises RollcallError: `warehouse_unreachable`, `warehouse_version`.
    """
    with warehouse_transaction(engine, "purge", district=district) as connection:
        count = "SELECT count(*) FROM {} WHERE district_id = :district"
        rows = {table: _number(connection, count, table, district) for table in _tables(connection)}
        files = sum((folder.size() for folder in _folders(landing, district)), FileTotals())
        return DistrictData(district, _not_empty(rows), files, _under_way(connection, district))


def purge(engine: sa.Engine, district: str, landing: Landing, *, by: str) -> Receipt:
    """Delete all rows and files of a district: all of them, or none and an error.

    :param by: who does it, for the receipt.
    :raises RollcallError: `district_publishing` while a run publishes the district.
    """
    now = datetime.now(UTC)
    with warehouse_transaction(engine, "purge", district=district) as connection:
        _take_turn(connection, district)
        under_way = _under_way(connection, district)
        delete = "DELETE FROM {} WHERE district_id = :district"
        rows = {table: _number(connection, delete, table, district) for table in _tables(connection)}
        # files last: if one cannot be deleted nothing is committed, and the command can simply run again
        files = sum((folder.delete() for folder in _folders(landing, district)), FileTotals())
        receipt = Receipt(district, now, by, _not_empty(rows), files, _not_reached(district, under_way))
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
    """Every table that has rows of districts."""
    found = connection.execute(_TABLES, {"schemas": [STAGING, HISTORY, OPS]})
    return [f"{schema}.{table}" for schema, table in found]


def _take_turn(connection: sa.Connection, district: str) -> None:
    """The lock that publications of a district take; without waiting, for a person sits there."""
    if not connection.execute(TRY_ACQUIRE_LOCK, {"name": f"publish {district}"}).scalar_one():
        raise RollcallError(
            "district_publishing",
            f"A run is publishing {district} at this moment.",
            remedy="Nothing was deleted. Set enabled: false in its file, wait for the run to end, and purge then.",
            district=district,
        )


def _under_way(connection: sa.Connection, district: str) -> tuple[str, ...]:
    since = datetime.now(UTC) - _RUNS_END
    where = (runs.c.district_id == district, runs.c.status == "running", runs.c.started_at > since)
    return tuple(connection.execute(sa.select(runs.c.run_id).where(*where).order_by(runs.c.run_id)).scalars())


def _number(connection: sa.Connection, statement: str, table: str, district: str) -> int:
    schema, _, name = table.partition(".")
    result = connection.execute(sa.text(statement.format(f'"{schema}"."{name}"')), {"district": district})
    return int(result.scalar_one()) if result.returns_rows else result.rowcount


def _not_empty(rows: Mapping[str, int]) -> dict[str, int]:
    return {table: number for table, number in rows.items() if number}


def _not_reached(district: str, under_way: tuple[str, ...]) -> tuple[str, ...]:
    """Where something of the district may still be, for whoever has to answer for it."""
    file = districts_folder() / f"{district}.yaml"
    still_there = f"{file.name} in {file.parent}: while it is there and enabled, the next night pulls everything again"
    running = f"runs that were under way ({', '.join(under_way)}): if one publishes after this, purge again"
    return (
        *([still_there] if file.is_file() else []),
        *([running] if under_way else []),
        f"the Airflow connection oneroster_{district}, and the runs and logs of the DAG roster_{district}",
        "backups, replicas and write-ahead logs of the warehouse, and versions an object store keeps",
        "whatever was copied downstream from the roster views",
        "the git history of the districts' files",
    )


def require_confirmation(district: str, typed: str) -> None:
    """Refuse unless the district's id was typed out.

    :raises ActionRequired: `district_not_named`.
    """
    if typed.strip() != district:
        raise ActionRequired(
            "district_not_named",
            f"What was typed is not {district!r}.",
            remedy="Nothing was deleted.",
            district=district,
        )
