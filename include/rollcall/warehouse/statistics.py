"""What PostgreSQL's planner knows of the roster's tables, brought up to date after a publication that changed much.

Autovacuum does the same some minutes later. Until then the planner takes a district's hundred thousand people for a
few hundred, and joins them row by row: the next run would take minutes instead of seconds.
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

#: Autovacuum's own measure: so many rows, and so large a share of those it knows of.
_MUCH_ROWS = 50
_MUCH_SHARE = 0.1

_KNOWN = sa.text("SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = to_regclass(:name)")


def refresh_statistics(engine: sa.Engine, district: str, counts: Mapping[str, TableCounts]) -> None:
    """Analyse the tables of which a publication changed much; its transaction is over, so that nobody waits for this.

    What cannot be analysed is left to autovacuum: the night is published, and does not fail by it.

    :param counts: what the publication did per table.
    """
    try:
        with redact_errors("statistics", district=district), _outside_transactions(engine) as connection:
            for name, done in counts.items():
                _refresh(connection, TABLES[name], done)
    except RollcallError as error:
        log.warning("%s", error)


def _outside_transactions(engine: sa.Engine) -> sa.Connection:
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def _refresh(connection: sa.Connection, table: Table, done: TableCounts) -> None:
    known = connection.execute(_KNOWN, {"name": f"{STAGING}.{table.name}"}).scalar_one()
    if done.touched() <= _MUCH_ROWS + _MUCH_SHARE * known:
        return
    asked = _asked_by(table)
    connection.exec_driver_sql(update_statistics(f"{STAGING}.{table.name}", f"{asked}, _missing_since, _removed_at"))
    connection.exec_driver_sql(update_statistics(f"{HISTORY}.{table.name}", f"{asked}, _valid_from, _valid_to"))


def _asked_by(table: Table) -> str:
    """The columns rows are looked for and joined by; the others need not be read for it."""
    names = [*table.key, *(name for name in table.names if name.endswith("sourced_id") and name not in table.key)]
    return ", ".join(("district_id", *(f'"{name}"' for name in names)))
