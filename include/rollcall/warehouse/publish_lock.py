"""Whose turn it is to publish a district: one publication at a time, and whoever waits says for whom (rule 6).

The lock is the transaction's, so a killed run gives it back. Who has it is known by the name the session carries while
it has it; what deletes or purges takes the same lock without one.
"""

from __future__ import annotations

import logging

import sqlalchemy as sa

from rollcall.warehouse import ledger
from rollcall.warehouse.session import ACQUIRE_LOCK, TRY_ACQUIRE_LOCK

log = logging.getLogger(__name__)

_NAME = "rollcall "

# a lock of 64 bits stands in two columns of 32
_HOLDER = sa.text("""
    SELECT a.pid, a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended(:name, 0)""")


def acquire_publish_lock(connection: sa.Connection, district: str, run_id: str) -> None:
    """Wait until no other transaction publishes the district, then keep others waiting until this one ends."""
    lock = {"name": f"publish {district}"}
    # PostgreSQL cuts names at 63 bytes
    called = {"called": f"{_NAME}{run_id}"[:63]}
    connection.execute(sa.text("SELECT set_config('application_name', :called, true)"), called)
    if connection.execute(TRY_ACQUIRE_LOCK, lock).scalar_one():
        return
    other = _holder(connection, lock)
    if other:
        log.info("%s: waits for %s, which is publishing it now", district, other)
        with connection.engine.begin() as aside:
            ledger.record_wait(aside, district, run_id, other)
    connection.execute(ACQUIRE_LOCK, lock)


def _holder(connection: sa.Connection, lock: dict[str, str]) -> str:
    """The run that has the lock; empty when it has been given back meanwhile."""
    row = connection.execute(_HOLDER, lock).one_or_none()
    if row is None:
        return ""
    if row.application_name.startswith(_NAME):
        return f"run {row.application_name.removeprefix(_NAME)}"
    return f"another piece of work on the warehouse (process {row.pid})"
