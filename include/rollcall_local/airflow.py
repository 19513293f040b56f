"""Runs Airflow's four components on loopback as child processes, and stops all of them.

`airflow standalone` starts 32 workers, and SIGTERM leaves its children running.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy

from rollcall.credentials.airflow_api import AirflowApi
from rollcall.errors import RollcallError
from rollcall_local.airflow_env import PROJECT, USER, Secrets, airflow_env
from rollcall_local.loopback import LOOPBACK, free_port
from rollcall_local.processes import Programs, program_died

#: Seconds for all components to become healthy; 30 on two free cores.
_HEALTHY_LIMIT = 300.0

#: Each component's command and its name in the health response.
_IN_HEALTH = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}
#: No log server: it would listen on all addresses, and the API server reads the same files.
_ARGUMENTS = {"scheduler": ["--skip-serve-logs"], "triggerer": ["--skip-serve-logs"]}


class AirflowComponents:
    """Scheduler, DAG processor, API server, and triggerer, running for the length of the `with` block.

    :param home: AIRFLOW_HOME, with logs, password, and keys. Created if missing.
    :param metadata_url: SQLAlchemy URL of Airflow's metadata database.
    :param env: extra environment variables for the components, such as AIRFLOW_CONN_WAREHOUSE.
    :param port: the API server's preferred port. If taken, the next free one is used.
    :param prepare: called with the API before any DAG can run, to apply connections and pools.
    :param progress: called with each progress message.
    """

    def __init__(
        self,
        home: Path,
        metadata_url: str,
        *,
        env: Mapping[str, str] | None = None,
        dags: Path = PROJECT / "dags",
        plugins: Path = PROJECT / "plugins",
        port: int = 8080,
        prepare: Callable[[AirflowApi], None] | None = None,
        progress: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.home = home
        self._metadata_url = metadata_url
        self._extra = env or {}
        self._dags = dags
        self._plugins = plugins
        self._preferred_port = port
        self._prepare = prepare
        self._progress = progress
        self._programs = Programs(home, "Airflow")
        self._env: dict[str, str] = {}
        self._api: AirflowApi | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def api(self) -> AirflowApi:
        """:raises RuntimeError: before the start."""
        if self._api is None:
            raise RuntimeError("Airflow is not started")
        return self._api

    @property
    def api_url(self) -> str:
        """The URL of API and UI, without a path."""
        return self.api.url

    @property
    def user(self) -> str:
        """The admin user."""
        return USER

    @property
    def password(self) -> str:
        """The admin user's password, generated once per home."""
        return Secrets.of(self.home).password

    def start(self) -> None:
        """Migrate the database, start the components, and wait for a heartbeat from each.

        An unpaused DAG runs as soon as it is parsed and the scheduler is up, and it needs its connection. So the DAG
        processor starts after `prepare`. If the database already has DAGs, the scheduler also starts after it.

        :raises RollcallError: `already_running`, `program_died`, `airflow_not_healthy`, `no_free_port`.
        """
        self._programs.open()
        try:
            self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the components and all their tasks. Does nothing if they are not running."""
        if self._api is not None:
            with suppress(OSError):  # the terminal may be gone
                self._progress("Airflow: stopping (a few seconds)")
        self._programs.stop()
        self._api = None

    def check(self) -> None:
        """:raises RollcallError: `program_died`, with the end of its log, if a component has ended."""
        self._programs.check()

    def _launch(self) -> None:
        port = free_port(self._preferred_port)
        if port != self._preferred_port:
            self._progress(f"Port {self._preferred_port} is in use. Airflow uses {port}.")
        self._env = airflow_env(
            self.home,
            metadata_url=self._metadata_url,
            port=port,
            dags=self._dags,
            plugins=self._plugins,
            extra=self._extra,
        )
        self._api = AirflowApi(f"http://{LOOPBACK}:{port}", USER, self.password)
        self._progress("Airflow: preparing its database")
        self._migrate()
        started = datetime.now(UTC)
        held_back = ["dag-processor", "scheduler"] if self._knows_dags() else ["dag-processor"]
        self._progress("Airflow: starting API server, scheduler, triggerer and DAG processor")
        for component in ("api-server", *_IN_HEALTH):
            if component not in held_back:
                self._start(component)
        self._wait(self._answers, "the API server")
        if self._prepare is not None:
            self._prepare(self.api)
        for component in held_back:
            self._start(component)
        for component, name in _IN_HEALTH.items():
            self._wait(partial(self._has_heartbeat, name, since=started), f"the {component}")
        self._progress("Airflow: all four components are healthy")

    def _start(self, component: str) -> None:
        # The API server stops last: tasks report their end to it, and would retry for a long time without it.
        phase = 1 if component == "api-server" else 0
        arguments = _ARGUMENTS.get(component, [])
        self._programs.start(component, [*_command(component), *arguments], env=self._env, phase=phase)

    def _migrate(self) -> None:
        log = self.home / "logs" / "db-migrate.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            done = subprocess.run(
                [*_command("db"), "migrate"],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            raise program_died("airflow db migrate", done.returncode, log)

    def _knows_dags(self) -> bool:
        engine = sqlalchemy.create_engine(self._metadata_url)
        try:
            with engine.connect() as connection:
                return connection.execute(sqlalchemy.text("SELECT 1 FROM dag LIMIT 1")).first() is not None
        finally:
            engine.dispose()

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _HEALTHY_LIMIT
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise RollcallError(
                    "airflow_not_healthy",
                    f"Airflow: {what} was not ready within {_HEALTHY_LIMIT:.0f} s.",
                    remedy=f"Its log is in {self.home / 'logs'}.",
                )
            time.sleep(0.25)

    def _answers(self) -> bool:
        with suppress(RollcallError):
            self.api.health()
            return True
        return False

    def _has_heartbeat(self, component: str, *, since: datetime) -> bool:
        """Whether the component sent a heartbeat since this start. In a used database, an old one may look fresh."""
        with suppress(RollcallError):
            found = self.api.health()[component]
            beat = found.get(f"latest_{component}_heartbeat")
            return found["status"] == "healthy" and beat is not None and datetime.fromisoformat(beat) >= since
        return False


def _command(name: str) -> list[str]:
    return [sys.executable, "-m", "airflow", name]
