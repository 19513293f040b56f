"""The lock that allows one publication of a district at a time (rule 6). A waiting run records what it waits for.

The lock belongs to the transaction, so a killed run releases it. The session's application name identifies the holder.
Retention and purges take the same lock without a name.
"""

from __future__ import annotations

import logging

import sqlalchemy as sa

from rollcall.runtime.waits import waiting
from rollcall.warehouse import ledger
from rollcall.warehouse.session import ACQUIRE_LOCK, TRY_ACQUIRE_LOCK

log = logging.getLogger(__name__)

_NAME_PREFIX = "rollcall "

# pg_locks shows a 64-bit lock in two 32-bit columns
_HOLDER = sa.text("""
    SELECT a.pid, a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended(:name, 0)""")


def acquire_publish_lock(connection: sa.Connection, district: str, run_id: str) -> None:
    """Wait until no other transaction publishes the district. Hold the lock until this transaction ends."""
    lock = {"name": f"publish {district}"}
    # PostgreSQL truncates names at 63 bytes
    name = {"name": f"{_NAME_PREFIX}{run_id}"[:63]}
    connection.execute(sa.text("SELECT set_config('application_name', :name, true)"), name)
    if connection.execute(TRY_ACQUIRE_LOCK, lock).scalar_one():
        return
    holder = _holder(connection, lock)
    if holder:
        log.info("%s: waiting for %s, which is publishing it now", district, holder)
        with connection.engine.begin() as separate:
            ledger.record_wait(separate, district, run_id, holder)
    with waiting(f"{district}: waiting to publish, because {holder or 'another run'} publishes it now,"):
        connection.execute(ACQUIRE_LOCK, lock)


def _holder(connection: sa.Connection, lock: dict[str, str]) -> str:
    """The run that holds the lock. Empty if it was released meanwhile."""
    row = connection.execute(_HOLDER, lock).one_or_none()
    if row is None:
        return ""
    if row.application_name.startswith(_NAME_PREFIX):
        return f"run {row.application_name.removeprefix(_NAME_PREFIX)}"
    return f"another warehouse session (process {row.pid})"
