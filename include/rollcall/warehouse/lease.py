"""A limit on concurrent requests to one host, across districts, tasks, and commands (rule 7).

Each request holds an advisory lock of the warehouse: one of `limit` numbered slots per host. Each slot is held by its
own session, so a killed process releases its slots at once. While the warehouse is down, this process sends one request
at a time.
"""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from rollcall.settings import District
from rollcall.warehouse.session import CONNECT_ARGS, set_up_sessions

log = logging.getLogger(__name__)

#: Seconds between two attempts to get a slot. A request takes longer.
_POLL_SECONDS = (0.01, 0.05)
#: Seconds until the next attempt after the warehouse did not answer.
_RETRY_AFTER = 30.0

# Slots are taken from the top. So slot 0, the only one in peak hours, is usually free. PostgreSQL tests the
# condition row by row until one passes, so exactly one slot is locked.
_ACQUIRE = sa.text(
    "SELECT slot FROM generate_series(:limit - 1, 0, -1) AS slot "
    "WHERE pg_try_advisory_lock(hashtext('rollcall ' || :host), slot) LIMIT 1"
)
_RELEASE = sa.text("SELECT pg_advisory_unlock(hashtext('rollcall ' || :host), :slot)")


class HostLease:
    """A `Budget` for the OneRoster client.

    :param url: the warehouse.
    :param district: its limits and peak hours set the number of slots, at every request. A night that runs into peak
        hours continues with one request at a time.
    :param now: the clock.
    """

    def __init__(
        self, url: sa.URL, district: District, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        args = {"connect_timeout": 5, **CONNECT_ARGS}
        self._engine = sa.create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=args)
        set_up_sessions(self._engine, require_supported=False)
        self._district = district
        self._now = now
        self._idle: queue.LifoQueue[sa.Connection] = queue.LifoQueue()
        self._serial = threading.Lock()
        self._down_until = 0.0
        self._count_lock = threading.Lock()
        self.requests_in_peak = 0
        self.seconds_waited = 0.0

    @contextmanager
    def slot(self, host: str) -> Iterator[None]:
        """Hold a slot for one request to `host`. Waits until one is free."""
        began = time.monotonic()
        held = self._acquire(host)
        if held is None:
            with self._serial:
                self._count(began)
                yield
            return
        connection, slot = held
        self._count(began)
        try:
            yield
        finally:
            self._release(connection, host, slot)

    def close(self) -> None:
        """Close the sessions, which releases their slots."""
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                break
        self._engine.dispose()

    def __enter__(self) -> HostLease:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _acquire(self, host: str) -> tuple[sa.Connection, int] | None:
        """A session and the slot it holds. None while the warehouse is down."""
        connection = self._session()
        if connection is None:
            return None
        try:
            while True:
                limit = self._district.requests_at_once(self._now())
                slot = connection.execute(_ACQUIRE, {"limit": limit, "host": host}).scalar()
                if slot is not None:
                    return connection, int(slot)
                time.sleep(random.uniform(*_POLL_SECONDS))  # noqa: S311 - spreads load, not security
        except sa.exc.DBAPIError:
            self._mark_down(connection)
            return None

    def _session(self) -> sa.Connection | None:
        if time.monotonic() < self._down_until:
            return None
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            pass
        try:
            return self._engine.connect()
        except sa.exc.DBAPIError:
            self._mark_down(None)
            return None

    def _release(self, connection: sa.Connection, host: str, slot: int) -> None:
        try:
            connection.execute(_RELEASE, {"host": host, "slot": slot})
            self._idle.put(connection)
        except sa.exc.DBAPIError:
            self._mark_down(connection)

    def _mark_down(self, connection: sa.Connection | None) -> None:
        """Drop a dead session, whose slot is free by now."""
        if connection is not None:
            connection.invalidate()
            connection.close()
        if time.monotonic() >= self._down_until:
            log.warning("The warehouse does not answer. This process sends one request at a time to the provider.")
        self._down_until = time.monotonic() + _RETRY_AFTER

    def _count(self, began: float) -> None:
        in_peak = not self._district.schedule.is_off_peak(self._now())
        with self._count_lock:
            self.requests_in_peak += in_peak
            self.seconds_waited += time.monotonic() - began
