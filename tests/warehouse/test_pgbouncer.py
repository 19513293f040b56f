"""Behind PgBouncer in transaction mode, where each transaction can get another session of the server.

Debian has PgBouncer as a package. Where it is not installed, these tests are skipped.
"""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from rollcall.warehouse.lease import HostLease
from rollcall.warehouse.session import SETTINGS, connect
from tests.warehouse.test_lease import Counter, _district, _run

PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")

OFF_PEAK = datetime(2026, 11, 21, 23, tzinfo=UTC)


@pytest.fixture
def pooled(engine: sa.Engine, tmp_path: Path) -> Iterator[sa.URL]:
    """The warehouse through PgBouncer: one session of the server more than the host's three slots."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = engine.url.query["host"]
    (tmp_path / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={folder} user={engine.url.username}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        "pool_mode = transaction\ndefault_pool_size = 4\nmax_client_conn = 40\nserver_reset_query =\n"
        "ignore_startup_parameters = extra_float_digits\n"
    )
    as_user = ["-u", "nobody"] if getpass.getuser() == "root" else []
    tmp_path.chmod(0o755)
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen([PROGRAM, *as_user, str(tmp_path / "pgbouncer.ini")], stdout=log, stderr=log)
    url = sa.make_url(f"postgresql+psycopg://{engine.url.username}@127.0.0.1:{port}/{engine.url.database}")
    try:
        _wait_for(port, process, tmp_path / "log")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up and process.poll() is None:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def test_the_host_has_no_more_requests_than_its_slots(pooled):
    counter = Counter()
    with (
        HostLease(pooled, _district(), now=lambda: OFF_PEAK) as one,
        HostLease(pooled, _district(), now=lambda: OFF_PEAK) as other,
    ):
        _run([one, other], ["sis.example"], counter, threads=8)
    assert (counter.done, counter.most) == (40, 3)


def test_each_transaction_has_our_settings(pooled, engine):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
        admin.exec_driver_sql(f'ALTER DATABASE "{engine.url.database}" SET "IntervalStyle" = "sql_standard"')
    through = connect(pooled)
    names = ("IntervalStyle", "statement_timeout", "idle_in_transaction_session_timeout", "search_path")
    query = sa.text(f"SELECT {', '.join(f'current_setting(:{name})' for name in names)}")
    try:
        with through.connect() as first, through.connect() as second, through.connect() as third:
            for connection in (first, second, third, first, third):  # all hold their transaction, then change sessions
                found = connection.execute(query, {name: name for name in names}).one()
                assert list(found) == [SETTINGS[name] for name in names]
                if connection is not second:
                    connection.rollback()
    finally:
        through.dispose()


def test_a_night_publishes_the_same_rows(pooled, nights, roster):
    direct, nights.engine = nights.engine, connect(pooled)
    try:
        for names in (["ada", "ben"], ["ada", "ben", "cy"], ["ada", "cy"], ["ada", "cy"]):
            nights.publish(roster(*names, teacher=True))
    finally:
        nights.engine.dispose()
        nights.engine = direct
    assert nights.live("users", "sourced_id") == ["ada", "cy", "teacher"]
    assert nights.scalar("SELECT count(*) FROM roster_ops.runs WHERE status = 'published'") == 4
