"""A server that vanishes without a word is noticed within minutes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from rollcall.settings import District
from rollcall.warehouse.lease import HostLease
from rollcall.warehouse.session import connect, snapshot
from tests.soak.links import Link


@pytest.fixture
def over_tcp(engine: sa.Engine) -> Iterator[sa.URL]:
    """The warehouse behind a TCP port: on a unix socket nothing can get lost."""
    folder = Path(str(engine.url.query["host"]))

    def to_server() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(folder / ".s.PGSQL.5432"))
        return connection

    link = Link(to_server)
    yield engine.url.set(host="127.0.0.1", port=link.port, query={})
    link.close()


def test_every_session_asks_whether_the_server_is_still_there(over_tcp: sa.URL) -> None:
    """Found by the soak: with Linux's defaults, a run waited for a lost server for over two hours."""
    elm = District(district="elm", name="Elm", version="1.2", usernames="email")
    engine = connect(over_tcp)
    for each in (engine, HostLease(over_tcp, elm)._engine):
        with each.connect() as connection:
            driver = connection.connection.driver_connection
            with socket.socket(fileno=os.dup(driver.fileno())) as found:
                assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                idle, interval, count = (
                    found.getsockopt(socket.IPPROTO_TCP, option)
                    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
                )
                unanswered = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) / 1000
        each.dispose()
        assert idle + interval * count <= 120
        assert 0 < unanswered <= 120


def test_a_lost_session_leaves_no_exception_of_the_driver_in_the_log(
    engine: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Found by the soak: the pool logged a traceback with the driver's texts, in the task's log and on the terminal."""
    connected = connect(engine.url)

    def copy_while_the_server_goes() -> None:
        with snapshot(connected) as connection:
            driver = connection.connection.driver_connection
            number = driver.info.backend_pid
            with driver.cursor() as cursor, cursor.copy("COPY (SELECT generate_series(1, 1000000)) TO STDOUT") as copy:
                copy.read()
                with engine.connect() as other:
                    other.execute(sa.text("SELECT pg_terminate_backend(:number)"), {"number": number})
                while copy.read():
                    pass

    with pytest.raises((psycopg.Error, sa.exc.DBAPIError)):
        copy_while_the_server_goes()
    connected.dispose()
    assert [record.name for record in caplog.records if record.levelname == "ERROR"] == []
