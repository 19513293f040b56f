"""What a night leaves behind outside warehouse, landing zone, and connection: no person, no secret, no connection.

Two nights run as Airflow runs them, with everything logged at DEBUG: one with spoiled records, and one that the
warehouse refuses. Then all of Airflow's files (database with XCom and rendered fields, logs) and everything printed are
searched.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from tests.conftest import ROOT
from tests.flow.conftest import MAPLE

#: Host and port of every connection of this process while a test watches.
_watched: list[set[tuple[str, Any]]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched and event == "socket.connect":
        address = arguments[1]
        _watched[-1].add(address[:2] if isinstance(address, tuple) else (str(address), None))
    elif _watched and event == "socket.getaddrinfo":
        _watched[-1].add((str(arguments[0]), arguments[1]))


@pytest.fixture
def connections() -> Iterator[set[tuple[str, Any]]]:
    """An audit hook cannot be removed, so there is one for all tests."""
    if not getattr(sys, "_rollcall_hook", False):
        sys.addaudithook(_hook)
        sys._rollcall_hook = True  # type: ignore[attr-defined]
    _watched.append(set())
    yield _watched[-1]
    _watched.pop()


@pytest.fixture
def run_dag(airflow_database: None, ready: sa.Engine) -> Callable[..., Any]:
    from airflow.dag_processing.dagbag import DagBag

    dag: Any = DagBag(dag_folder=str(ROOT / "dags"), bundle_name="dags-folder").dags[f"roster_{MAPLE.app}"]
    for task in dag.tasks:
        task.retry_delay = timedelta(0)  # `dag.test()` waits for it
    return lambda **conf: dag.test(run_conf=conf or None)


def planted(engine: sa.Engine, provider: Any) -> list[bytes]:
    """Values of persons, and every secret."""
    with engine.connect() as connection:
        people = connection.execute(sa.text("SELECT email, phone, sms, username FROM roster_staging.users")).all()
    values = {str(value) for row in people for value in row if value and len(str(value)) > 6}
    assert len(values) > 100
    return [value.encode() for value in (*values, MAPLE.client_secret)]


def found_in(text: bytes, values: list[bytes]) -> list[bytes]:
    return [value for value in values if value in text]


def left_in(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_nights_leave_nothing_in_airflow(
    run_dag: Any, ready: sa.Engine, sandbox: Any, caplog: pytest.LogCaptureFixture, capfd: Any,
    connections: set[tuple[str, Any]],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    for name in ("rollcall", "urllib3", "requests", "oauthlib", "airflow.task"):
        caplog.set_level(logging.DEBUG, logger=name)
    sandbox.set_quirks(MAPLE.app, ["bad-field-type", "record-not-an-object", "nul-in-text", "passwords"])
    states = [str(run_dag().state)]
    values = planted(ready, sandbox)
    sandbox.pass_night(MAPLE.app, 3)
    with ready.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE roster_history.users ADD CHECK (email IS NULL) NOT VALID")
        connection.exec_driver_sql("CREATE TABLE roster_ops.spoiled ()")
    states.append(str(run_dag(mode="full").state))

    assert states == ["success", "failed"]
    printed = capfd.readouterr()
    everything = left_in(Path(os.environ["AIRFLOW_HOME"])) + caplog.text.encode()
    everything += (printed.out + printed.err).encode()
    assert len(everything) > 100_000
    assert found_in(everything, values) == []
    landed = list(Path(os.environ["ROLLCALL_LANDING"]).rglob("*"))
    modes = {(path.is_dir(), oct(path.stat().st_mode & 0o777)) for path in landed}
    assert modes == {(True, "0o700"), (False, "0o600")}
    origin = urlsplit(sandbox.origin)
    own = {(socket.gethostname(), None), (socket.getfqdn(), None)}  # Airflow looks up this machine's name
    assert connections - own == {(origin.hostname, origin.port)}


WATCH = """
import os, sys
log = open(sys.argv.pop(1), "a")
def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "subprocess.Popen",
                 "os.exec", "os.posix_spawn", "os.spawn", "os.system"):
        print(event, repr(arguments[1:] if event == "socket.connect" else arguments), file=log, flush=True)
sys.addaudithook(hook)
from rollcall.cli.main import main
main()
"""


@pytest.mark.parametrize("command", [["check"], ["sync"]], ids=" ".join)
def test_commands_talk_to_provider_and_warehouse_only(
    ready: sa.Engine, sandbox: Any, tmp_path: Path, command: list[str]
) -> None:
    """In a process of its own, without the variables that turn telemetry off: Rollcall turns it off itself.

    It starts no other process, which would inherit its environment with the secrets; but croniter asks `file` on import
    whether this Python has 64 bits.
    """
    log = tmp_path / "connections"
    telemetry = ("GX_ANALYTICS_ENABLED", "SCARF_ANALYTICS", "DO_NOT_TRACK")
    environment = {name: value for name, value in os.environ.items() if name not in telemetry}
    arguments = [sys.executable, "-c", WATCH, str(log), "-v", *command, MAPLE.app]
    done = subprocess.run(arguments, env=environment, capture_output=True, timeout=120)

    assert done.returncode in (0, 3), done.stderr[-2000:]
    port = urlsplit(sandbox.origin).port
    seen = set(log.read_text().splitlines())
    elsewhere = [line for line in seen if f"'127.0.0.1', {port}" not in line and "('file', ['file', '-b'" not in line]
    assert elsewhere == []
    assert seen
    assert MAPLE.client_secret.encode() not in done.stdout + done.stderr
    with ready.connect() as connection:
        emails = connection.execute(sa.text("SELECT email FROM roster_staging.users WHERE email <> ''")).scalars()
        assert [email for email in emails if email.encode() in done.stdout + done.stderr] == []
