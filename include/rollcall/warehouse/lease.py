"""Never more than so many requests at once to one host, across districts, tasks and commands (rule 7).

A request holds an advisory lock of the warehouse for its length: one of `limit` numbered places per host. A session of
its own holds each place, so that a killed process gives its places back at once. While the warehouse is down, requests
of this process go one by one.
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

#: Seconds between two looks for a free place; a request takes longer.
_LOOK_AGAIN = (0.01, 0.05)
#: Seconds until a warehouse that did not answer is asked again.
_DOWN_FOR = 30.0

# Places are taken from the top, so that who may use only the first (in peak hours) finds it free most often. The
# condition is tried row by row until one holds, so exactly one place is locked.
_TAKE = sa.text(
    "SELECT place FROM generate_series(:limit - 1, 0, -1) AS place "
    "WHERE pg_try_advisory_lock(hashtext('rollcall ' || :host), place) LIMIT 1"
)
_GIVE_BACK = sa.text("SELECT pg_advisory_unlock(hashtext('rollcall ' || :host), :place)")


class HostLease:
    """A `Budget` for the OneRoster client.

    :param url: of the warehouse.
    :param district: whose politeness and peak hours decide how many places may be used; asked at every request, so a
        night that passes the end of off-peak goes on serially.
    :param now: the clock.
    """

    def __init__(
        self, url: sa.URL, district: District, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        args = {"connect_timeout": 5, **CONNECT_ARGS}
        self._engine = sa.create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=args)
        set_up_sessions(self._engine, require_fit=False)
        self._district = district
        self._now = now
        self._idle: queue.LifoQueue[sa.Connection] = queue.LifoQueue()
        self._alone = threading.Lock()
        self._down_until = 0.0
        self._counting = threading.Lock()
        self.requests_in_peak = 0
        self.seconds_waited = 0.0

    @contextmanager
    def slot(self, host: str) -> Iterator[None]:
        """Hold a place for one request to `host`; waits until one is free."""
        began = time.monotonic()
        held = self._take(host)
        if held is None:
            with self._alone:
                self._count(began)
                yield
            return
        connection, place = held
        self._count(began)
        try:
            yield
        finally:
            self._give_back(connection, host, place)

    def close(self) -> None:
        """Close the sessions; what they held is free."""
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

    def _take(self, host: str) -> tuple[sa.Connection, int] | None:
        """A session and the place it holds; None while the warehouse is down."""
        connection = self._session()
        if connection is None:
            return None
        try:
            while True:
                limit = self._district.requests_at_once(self._now())
                place = connection.execute(_TAKE, {"limit": limit, "host": host}).scalar()
                if place is not None:
                    return connection, int(place)
                time.sleep(random.uniform(*_LOOK_AGAIN))  # noqa: S311 - spreads waiters, hides nothing
        except sa.exc.DBAPIError:
            self._went_down(connection)
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
            self._went_down(None)
            return None

    def _give_back(self, connection: sa.Connection, host: str, place: int) -> None:
        try:
            connection.execute(_GIVE_BACK, {"host": host, "place": place})
            self._idle.put(connection)
        except sa.exc.DBAPIError:
            self._went_down(connection)

    def _went_down(self, connection: sa.Connection | None) -> None:
        """The session is gone, and with it the place it held."""
        if connection is not None:
            connection.invalidate()
            connection.close()
        if time.monotonic() >= self._down_until:
            log.warning("The warehouse does not answer: requests to the provider go one by one.")
        self._down_until = time.monotonic() + _DOWN_FOR

    def _count(self, began: float) -> None:
        in_peak = not self._district.schedule.is_off_peak(self._now())
        with self._counting:
            self.requests_in_peak += in_peak
            self.seconds_waited += time.monotonic() - began
