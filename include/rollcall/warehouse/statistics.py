"""Update planner statistics after a publication that changed many rows.

Autovacuum does the same minutes later. Until then the planner may expect a few hundred people instead of 100,000 and
join row by row, so the next run takes minutes instead of seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import sqlalchemy as sa

from rollcall.errors import RollcallError, redact_errors
from rollcall.landing.change_set import TableCounts
from rollcall.model.tables import TABLES, Table
from rollcall.warehouse.schemas import HISTORY, STAGING
from rollcall.warehouse.session import update_statistics

log = logging.getLogger(__name__)

#: Autovacuum's own thresholds: a number of rows plus a share of the known rows.
_THRESHOLD_ROWS = 50
_THRESHOLD_SHARE = 0.1

_KNOWN_ROWS = sa.text("SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = to_regclass(:name)")


def refresh_statistics(engine: sa.Engine, district: str, counts: Mapping[str, TableCounts]) -> None:
    """Analyze the tables in which a publication changed many rows, after its transaction.

    A failure is logged only: the night is published, and autovacuum follows.

    :param counts: the publication's counts per table.
    """
    try:
        with redact_errors("statistics", district=district), _outside_transactions(engine) as connection:
            for name, count in counts.items():
                _refresh(connection, TABLES[name], count)
    except RollcallError as error:
        log.warning("%s", error)


def _outside_transactions(engine: sa.Engine) -> sa.Connection:
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def _refresh(connection: sa.Connection, table: Table, count: TableCounts) -> None:
    known = connection.execute(_KNOWN_ROWS, {"name": f"{STAGING}.{table.name}"}).scalar_one()
    if count.touched() <= _THRESHOLD_ROWS + _THRESHOLD_SHARE * known:
        return
    columns = _key_columns(table)
    connection.exec_driver_sql(update_statistics(f"{STAGING}.{table.name}", f"{columns}, _missing_since, _removed_at"))
    connection.exec_driver_sql(update_statistics(f"{HISTORY}.{table.name}", f"{columns}, _valid_from, _valid_to"))


def _key_columns(table: Table) -> str:
    """The columns used to find and join rows. The others need no statistics."""
    names = [*table.key, *(name for name in table.names if name.endswith("sourced_id") and name not in table.key)]
    return ", ".join(("district_id", *(f'"{name}"' for name in names)))
