"""An embedded PostgreSQL 18 for the demo, `make up`, and tests: a real server on a unix socket, without a TCP port.

Its data is in a private folder that only its account and root can enter. Anyone who can enter the folder can connect
without a password. Not for production: with `durable=False`, a power cut loses the data.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from rollcall.errors import RollcallError
from rollcall_local import reaper
from rollcall_local.loopback import FolderLock
from rollcall_local.postgres_install import Installation, checkout_folder, installation, private_folder
from rollcall_local.sessions import Ending, command_line, end_sessions, interrupts_deferred, start_session

_SOCKET = ".s.PGSQL.5432"
#: The longest path of a unix socket, in bytes: 107 on Linux, 103 on macOS.
_LONGEST_SOCKET_PATH = 103
#: Seconds to start; recovery after a crash takes longest.
_START_LIMIT = 60.0
_STOP_LIMIT = 20.0
_TEMPORARY = "temporary-"
#: Seconds after which a temporary server's unlocked folder counts as abandoned.
_ABANDONED_AFTER = 3600.0
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "unix_socket_permissions": "0700",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """A PostgreSQL server for the length of the `with` block. It stops however the block's process ends.

    :param folder: folder for data, socket, and log.  Default: this checkout's, in the temporary folder.
    :param fresh: delete the data of earlier starts.
    :param durable: survive a power cut (slower).
    """

    def __init__(self, folder: Path | None = None, *, fresh: bool = False, durable: bool = False) -> None:
        self.folder = folder or checkout_folder("postgres")
        self._fresh = fresh
        self._durable = durable
        self._lock = FolderLock(self.folder, f"The PostgreSQL in {self.folder}")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The server's process ID, or None while it is stopped."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the server. First stops the server of a killed process, if there is one.

        :raises RollcallError: `already_running`, `postgres_missing`, `postgres_path_too_long`, `postgres_failed`.
        """
        program = installation()
        self._create_folder(program)
        self._lock.acquire()
        try:
            self._stop_leftover()
            if self._fresh:
                shutil.rmtree(self._data, ignore_errors=True)
            if not self._data.exists():
                self._initialize(program)
            self._launch(program)
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server: disconnect clients and write data to disk. Does nothing if it is stopped."""
        if self._process is not None:
            end_sessions([_ending(self._process.pid)], reap=self._process.poll)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
            reaper.forget(self._process.pid)
            self._process = None
        self._lock.release()

    def discard(self) -> None:
        """Delete the folder of a stopped server. First stops the server of a killed process, if there is one.

        :raises RollcallError: `already_running` while the folder is in use.
        """
        if self.folder.exists():
            self._lock.acquire()
            self._stop_leftover()
            self._lock.release()
            shutil.rmtree(self.folder)

    def url(self, database: str) -> str:
        """SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres@/{database}?host={quote(str(self.folder))}"

    def psql_url(self, database: str) -> str:
        """URL of a database for `psql` and other libpq programs."""
        return f"postgresql://postgres@/{database}?host={quote(str(self.folder))}"

    def airflow_connection(self, database: str) -> str:
        """Airflow connection of a database, in Airflow's JSON format."""
        connection = {"conn_type": "postgres", "host": str(self.folder), "login": "postgres", "schema": database}
        return json.dumps(connection)

    def create_database(self, name: str, *, exist_ok: bool = True) -> None:
        """:raises psycopg.errors.DuplicateDatabase: if it exists and `exist_ok` is False."""
        with psycopg.connect(host=str(self.folder), user="postgres", dbname="postgres", autocommit=True) as connection:
            try:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            except psycopg.errors.DuplicateDatabase:
                if not exist_ok:
                    raise

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The server's own log."""
        return self.folder / "postgresql.log"

    def _create_folder(self, program: Installation) -> None:
        if len(os.fsencode(self.folder / _SOCKET)) > _LONGEST_SOCKET_PATH:
            raise RollcallError(
                "postgres_path_too_long",
                f"The path of PostgreSQL's unix socket is longer than {_LONGEST_SOCKET_PATH} bytes: {self.folder}.",
                remedy="Set TMPDIR to a folder with a shorter path.",
            )
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.folder.chmod(0o700)
        if program.account is not None:
            account = pwd.getpwnam(program.account[0])
            os.chown(self.folder, account.pw_uid, account.pw_gid)

    def _stop_leftover(self) -> None:
        """Stop the server of a killed process whose reaper was also killed or has not finished."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        if str(self._data) in command_line(pid):  # another program may have this ID by now
            end_sessions([_ending(pid)])

    def _initialize(self, program: Installation) -> None:
        """Create the data folder, under a temporary name until it is complete."""
        unfinished = self.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [str(program.bin / "initdb"), "--pgdata", str(unfinished), "--username=postgres", "--encoding=UTF8"]
        command += ["--auth-local=trust", "--auth-host=reject", "--locale=C"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # same text order on every system
        if not self._durable:
            command.append("--no-sync")
        with self.log.open("ab") as log:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
                cwd=self.folder,
                user=program.account[0] if program.account else None,
                group=program.account[1] if program.account else None,
                extra_groups=[] if program.account else None,
            )
        if done.returncode != 0:
            raise self._failure("PostgreSQL could not create its data folder")
        unfinished.rename(self._data)

    def _launch(self, program: Installation) -> None:
        settings = _SETTINGS if self._durable else _SETTINGS | _NOT_DURABLE
        command = [str(program.bin / "postgres"), "-D", str(self._data), "-k", str(self.folder)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with interrupts_deferred():
            self._process = start_session(command, log=self.log, cwd=self.folder, account=program.account)
            reaper.watch(_ending(self._process.pid))

    def _wait_until_ready(self) -> None:
        """The last line of `postmaster.pid` is `ready` once the server accepts connections."""
        deadline = time.monotonic() + _START_LIMIT
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise self._failure("PostgreSQL ended while starting")
            with suppress(FileNotFoundError):
                lines = (self._data / "postmaster.pid").read_text().split("\n")
                if lines[0] == str(self._process.pid) and "ready" in (line.strip() for line in lines[7:]):
                    return
            time.sleep(0.02)
        raise self._failure(f"PostgreSQL was not ready within {_START_LIMIT:.0f} s")

    def _failure(self, what: str) -> RollcallError:
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:]) if self.log.exists() else ""
        return RollcallError("postgres_failed", f"{what}. The end of {self.log}:\n{tail}\n")


def _ending(pid: int) -> Ending:
    """SIGINT is PostgreSQL's fast shutdown: it disconnects clients and writes data to disk."""
    return Ending(pid, signal.SIGINT, phase=2, patience=_STOP_LIMIT)


@contextmanager
def temporary_postgres() -> Iterator[EmbeddedPostgres]:
    """An empty server in its own folder, which is deleted at the end. For tests."""
    _discard_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=private_folder()))
    postgres = EmbeddedPostgres(folder)
    try:
        with postgres:
            yield postgres
    finally:
        postgres.discard()


def _discard_abandoned() -> None:
    """Delete the folders of killed temporary servers. Recent ones may still be starting."""
    for folder in private_folder().glob(f"{_TEMPORARY}*"):
        with suppress(OSError, RollcallError):
            if time.time() - folder.stat().st_mtime > _ABANDONED_AFTER:
                EmbeddedPostgres(folder).discard()
