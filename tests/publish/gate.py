"""A gate in the middle of a publication: it waits there, after a table was written, until the test lets it through."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import sqlalchemy as sa

_NUMBER = 5_150_619
_WAITERS = sa.text(
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = :number"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class Gate:
    """Closed as long as the `with` block runs, unless it is opened before.

    :param table: the one after whose first statement a publication waits, with its schema.
    """

    def __init__(self, engine: sa.Engine, table: str) -> None:
        self._engine = engine
        self._table = table
        self._holder: sa.Connection | None = None

    def __enter__(self) -> Self:
        with self._engine.begin() as connection:
            connection.exec_driver_sql(
                "CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS"
                f" $$ BEGIN PERFORM pg_advisory_xact_lock({_NUMBER}); RETURN NULL; END $$"
            )
            connection.exec_driver_sql(
                f"CREATE TRIGGER gate AFTER INSERT OR UPDATE ON {self._table} EXECUTE FUNCTION pass_gate()"
            )
        self._holder = self._engine.connect()
        self._holder.exec_driver_sql(f"SELECT pg_advisory_lock({_NUMBER})")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open()
        with self._engine.begin() as connection:  # waits for transactions that still run
            connection.exec_driver_sql("DROP FUNCTION pass_gate CASCADE")

    def waiting_process(self) -> int:
        """The server process that waits at the gate, as soon as there is one."""
        ticking = threading.Event()
        with self._engine.connect() as connection:
            while True:
                pid: int | None = connection.execute(_WAITERS, {"number": _NUMBER}).scalar_one_or_none()
                connection.rollback()
                if pid is not None:
                    return pid
                ticking.wait(0.02)

    def open(self) -> None:
        """Let everybody through from now on."""
        if self._holder is not None:
            self._holder.invalidate()
            self._holder.close()
            self._holder = None
