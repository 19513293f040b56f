"""Everything a night needs, real and breakable: PostgreSQL, a provider over HTTP, a disk, clocks, processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from rollcall.warehouse import migrate
from rollcall.warehouse.session import connect, warehouse_from_environment
from rollcall_local.postgres import EmbeddedPostgres
from rollcall_sandbox import Sandbox, SandboxDistrict
from tests.soak import clock, provider, work
from tests.soak.disk import Disk
from tests.soak.links import Link
from tests.soak.model import Model, Replica

#: Longer than any run without a fault takes, and than any wait for a provider that comes back.
_LIMIT = 240.0
_FILE = """
district: maple
name: Maple
version: "1.2"
usernames: email
starts_on: 2099-01-01
demographics: true
schedule: {timezone: America/Chicago}
guards:
  students: 100%
  staff: 100%
  others: 100%
  accounts: 100%
  classes: 100%
  enrollments: 100%
  updates: 100%
  usernames: 100%
  identity: 100%
  floor: {people: 100000, classes: 100000, enrollments: 100000}
"""


class Hanging(AssertionError):
    """A process does not end."""


@dataclass(frozen=True)
class Ended:
    """A process that ended, with what it printed."""

    code: int
    printed: str


class World:
    """:param folder: short, because PostgreSQL's socket is in it.
    :param seed: of the district.
    """

    def __init__(self, folder: Path, seed: int, begins: datetime) -> None:
        self.folder = folder
        self.now = begins
        self.district = SandboxDistrict(app=work.DISTRICT, version="1.2", students=60, seed=seed, demographics=True)
        self.largest_file: int | None = None
        self.skew = timedelta()
        self._closing = ExitStack()
        self._count = 0
        self._provider: BaseProcess | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> World:
        try:
            self._open()
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def _open(self) -> None:
        clock.use_in_this_process()
        self.disk = Disk(self.folder / "landing")
        self._closing.callback(self.disk.close)
        self.postgres = EmbeddedPostgres(self.folder / "postgres", durable=True)
        self._closing.enter_context(self.postgres)
        self.engine, self.twin = (self._warehouse(name) for name in ("warehouse", "twin"))
        self.warehouse = Link(self._to_postgres)
        self.http = Link(self._to_provider)
        for link in (self.warehouse, self.http):
            self._closing.callback(link.close)
        self._port = _free_port()
        self._describe()
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["tests.soak.work", "tests.soak.provider", "tests.soak.soak"])
        self.replica = Replica(self.district)
        self.diary = provider.Diary(self.folder / "diary.json")
        self.replica.open(self.now)
        self._closing.callback(self.kill_provider)
        self.start_provider()
        (self.folder / "twin").mkdir()
        self.model = Model(self.engine, self.twin, self.disk.folder, self.folder / "twin", self.replica)
        self.set_clocks(self.now)

    # clocks

    def set_clocks(self, now: datetime, *, is_stopped: bool = False) -> None:
        """Set the warehouses' clocks and, for processes started from now on, this machine's."""
        self.now, self._set_at = now, time.monotonic()
        for engine in (self.engine, self.twin):
            clock.set_warehouse(engine, now, is_stopped=is_stopped)

    def present(self) -> datetime:
        return self.now + timedelta(seconds=time.monotonic() - self._set_at)

    # the provider

    def pass_night(self, at: datetime) -> None:
        """Let a night pass at the provider; its process starts again with it."""
        self.replica.pass_night(at)
        self.kill_provider()
        self.start_provider()

    def start_provider(self) -> None:
        self.diary.write(self.replica.instants)
        with self._lock:
            arguments = (self.district, self._port, self.folder / "diary.json")
            self._provider = self._processes.Process(target=provider.serve, args=arguments)
            self._provider.start()
        _until(lambda: _answers(self._port), "the provider")

    def kill_provider(self) -> None:
        with self._lock:
            if self._provider is not None and self._provider.pid is not None:
                self._provider.kill()
                self._provider.join()

    # PostgreSQL

    def stop_postgres(self, *, kill: bool) -> None:
        """Without a shutdown: SIGQUIT to the server, or SIGKILL to all of its processes."""
        pids = [self.postgres.pid or 0]
        if kill:
            pids += _children(pids[0])
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if kill else signal.SIGQUIT)

    def start_postgres(self) -> None:
        self.engine.dispose()
        self.twin.dispose()
        self.postgres.stop()
        self.postgres.start()

    # processes

    def command(self, *arguments: str) -> BaseProcess:
        """Start `rollcall …`."""
        return self._start(work.command, *arguments)

    def stage(self, name: str, run_id: str, mode: str, pull: Any) -> tuple[BaseProcess, Path]:
        """Start one task of a night; its result will be in the file."""
        result = self.folder / f"result{self._count}.json"
        return self._start(work.stage, name, run_id, mode, pull, result), result

    def end(self, process: BaseProcess) -> Ended:
        """Wait for it.

        :raises Hanging: with what it printed.
        """
        process.join(_LIMIT)
        printed = self._log(process).read_text(errors="replace") if self._log(process).exists() else ""
        if process.exitcode is None:
            process.kill()
            process.join()
            raise Hanging(f"{process.name} did not end within {_LIMIT:.0f} s\n{printed}")
        return Ended(process.exitcode, printed)

    def _start(self, target: Any, *arguments: Any) -> BaseProcess:
        self._count += 1
        name = f"process{self._count}"
        setting = work.Setting(self.present() + self.skew, self.folder / f"{name}.log", self.largest_file)
        process = self._processes.Process(target=target, args=(setting, *arguments), name=name)
        process.start()
        return process

    def _log(self, process: BaseProcess) -> Path:
        return self.folder / f"{process.name}.log"

    # how it is put together

    def _warehouse(self, name: str) -> sa.Engine:
        self.postgres.create_database(name)
        engine = connect(warehouse_from_environment(self.postgres.url(name)))
        clock.create(engine)
        migrate.upgrade(engine)
        return engine

    def _to_postgres(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self.postgres.folder / ".s.PGSQL.5432"))
        except OSError:
            connection.close()
            raise
        return connection

    def _to_provider(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port))

    def _describe(self) -> None:
        """Everything processes find in their environment. The fork server starts after it."""
        (self.folder / "districts").mkdir()
        (self.folder / "districts" / "maple.yaml").write_text(_FILE)
        sandbox = Sandbox([self.district], port=self.http.port)
        sandbox.start_over()
        oneroster = {
            "conn_type": "oneroster",
            "host": sandbox.base_url(self.district.app),
            "login": self.district.client_id,
            "password": self.district.client_secret,
            "extra": {"auth_url": sandbox.token_url(self.district.app)},
        }
        warehouse = {
            "conn_type": "postgres",
            "host": "127.0.0.1",
            "port": self.warehouse.port,
            "login": "postgres",
            "schema": "warehouse",
        }
        os.environ["AIRFLOW_CONN_ONEROSTER_MAPLE"] = json.dumps(oneroster)
        os.environ["AIRFLOW_CONN_WAREHOUSE"] = json.dumps(warehouse)
        os.environ["ROLLCALL_DISTRICTS"] = str(self.folder / "districts")
        os.environ["ROLLCALL_LANDING"] = str(self.disk.folder)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _until(done: Any, what: str) -> None:
    deadline = time.monotonic() + 60
    while not done():
        if time.monotonic() > deadline:
            raise Hanging(f"{what} did not start")
        time.sleep(0.02)
