"""A limit on concurrent requests to one host, across districts, tasks, and commands (rule 7).

Each request holds an advisory lock of the warehouse: one of `limit` numbered slots per host. A slot belongs to an open
transaction, so a killed process releases its slots at once, and PgBouncer cannot give its session to another client in
any of its pool modes. Of a task's threads one waits for a slot at a time, so a task has one session more than it sends
requests. While the warehouse is down, this process sends one request at a time. A warehouse that is up and refuses more
connections is not down: the request waits.
"""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from rollcall.errors import RollcallError, known_fault
from rollcall.runtime.waits import duration, waiting
from rollcall.settings import District
from rollcall.warehouse.session import CONNECT_ARGS, PRIVATE_LOGGER, set_up_sessions

log = logging.getLogger(__name__)

#: Seconds between two attempts to get a slot. A request takes longer.
_POLL_SECONDS = (0.01, 0.05)
#: Seconds until the next attempt after the warehouse did not answer.
_RETRY_AFTER = 30.0
#: Seconds to wait for a connection that the warehouse refuses, and between two attempts.
_CONNECTION_PATIENCE = 300.0
_CONNECTION_POLL = (0.2, 0.6)

# Slots are taken from the top. So slot 0, the only one in peak hours, is usually free. PostgreSQL tests the
# condition row by row until one passes, so exactly one slot is locked.
_ACQUIRE = sa.text(
    "SELECT slot FROM generate_series(:limit - 1, 0, -1) AS slot "
    "WHERE pg_try_advisory_xact_lock(hashtext('rollcall ' || :host), slot) LIMIT 1"
)


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
        names = {"logging_name": PRIVATE_LOGGER, "pool_logging_name": PRIVATE_LOGGER}
        self._engine = sa.create_engine(url, poolclass=NullPool, connect_args=args, **names)
        set_up_sessions(self._engine, require_supported=False)
        self._district = district
        self._now = now
        self._idle: queue.LifoQueue[sa.Connection] = queue.LifoQueue()
        self._waiting: dict[str, threading.Lock] = {}
        self._serial = threading.Lock()
        self._down_until = 0.0
        self._count_lock = threading.Lock()
        self.requests_in_peak = 0
        self.seconds_waited = 0.0

    @contextmanager
    def slot(self, host: str) -> Iterator[None]:
        """Hold a slot for one request to `host`. Waits until one is free.

        :raises RollcallError: `warehouse_connections` if the warehouse refuses connections for five minutes.
        """
        began = time.monotonic()
        # per host: a thread that holds a slot of one host may need the token of another one
        with self._waiting.setdefault(host, threading.Lock()):
            session = self._acquire(host)
        if session is None:
            with self._serial:
                self._count(began)
                yield
            return
        self._count(began)
        try:
            yield
        finally:
            self._release(session)

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

    def _acquire(self, host: str) -> sa.Connection | None:
        """A session whose transaction holds a slot. None while the warehouse is down."""
        session = self._session()
        if session is None:
            return None
        try:
            while True:
                limit = self._district.requests_at_once(self._now())
                if session.execute(_ACQUIRE, {"limit": limit, "host": host}).scalar() is not None:
                    return session
                session.rollback()
                time.sleep(random.uniform(*_POLL_SECONDS))  # noqa: S311 - spreads load, not security
        except sa.exc.DBAPIError:
            self._mark_down(session)
            return None

    def _session(self) -> sa.Connection | None:
        if time.monotonic() < self._down_until:
            return None
        give_up = time.monotonic() + _CONNECTION_PATIENCE
        with waiting(
            "waiting for a free connection of the warehouse",
            lambda: f"gives up in {duration(give_up - time.monotonic())}",
        ):
            return self._connect(give_up)

    def _connect(self, give_up: float) -> sa.Connection | None:
        wait = 0.0
        while True:
            with suppress(queue.Empty):
                return self._idle.get(timeout=wait) if wait else self._idle.get_nowait()
            try:
                return self._engine.connect()
            except sa.exc.DBAPIError as error:
                fault = known_fault(error)
                if fault is None or fault.code != "warehouse_connections":
                    self._mark_down(None)
                    return None
                if time.monotonic() >= give_up:
                    raise RollcallError(fault.code, fault.message, remedy=fault.remedy) from None
            if not wait:
                log.warning("The warehouse has no free connection. The next request waits for one.")
            wait = random.uniform(*_CONNECTION_POLL)  # noqa: S311

    def _release(self, session: sa.Connection) -> None:
        try:
            session.rollback()
            self._idle.put(session)
        except sa.exc.DBAPIError:
            self._mark_down(session)

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
