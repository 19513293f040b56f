"""Everything Rollcall needs on one machine: PostgreSQL, the warehouse, the sandbox, and Airflow."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from rollcall.credentials.airflow_api import loopback_session
from rollcall.errors import RollcallError
from rollcall_local.airflow import AirflowComponents
from rollcall_local.airflow_env import PROJECT, AirflowSettings, Secrets, own_environment
from rollcall_local.loopback import LOOPBACK, free_port
from rollcall_local.postgres import EmbeddedPostgres
from rollcall_local.postgres_install import checkout_folder, installation
from rollcall_local.processes import Parent, Programs
from rollcall_local.sessions import interrupts_deferred
from rollcall_local.shell_env import ShellEnv

#: The sandbox's port in airflow_settings.yaml.
SANDBOX_PORT = 8480
#: The sandbox's districts: the two in `include/districts`, and one to practice onboarding with.
SANDBOX_DISTRICTS = ("maple", "cedar", "birch")
WAREHOUSE = "warehouse"
_METADATA = "airflow"
#: Seconds for the sandbox to generate its districts and answer.
_SANDBOX_LIMIT = 120.0


class Stack:
    """All services, running for the length of the `with` block.

    :param purpose: `demo` or `up`. Each has its own state in `.rollcall/<purpose>` and its own PostgreSQL.
    :param fresh: start empty. Otherwise, keep the warehouse, landing zone, and Airflow's history between starts.
    :param say: called with each progress message.
    :param dags: Airflow's DAGs folder.
    :param districts: the folder of district files. By default the one of this checkout.
    """

    def __init__(
        self,
        purpose: str,
        *,
        fresh: bool,
        say: Callable[[str], None],
        dags: Path = PROJECT / "dags",
        districts: Path | None = None,
    ) -> None:
        self.state = PROJECT / ".rollcall" / purpose
        self.landing = self.state / "landing"
        self._fresh = fresh
        self._dags = dags
        self._say = say
        self._districts = districts
        self._parent = Parent()
        self._programs = Programs(self.state, f"`make {purpose}` of this checkout")
        self.postgres = EmbeddedPostgres(checkout_folder(purpose), fresh=fresh, durable=not fresh)
        self.sandbox_port = 0
        shared = purpose in ("demo", "up")
        self._shell_env = ShellEnv((PROJECT / ".rollcall" if shared else self.state) / "env")
        self._airflow: AirflowComponents | None = None
        self._started = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def airflow(self) -> AirflowComponents:
        """:raises RuntimeError: before the start."""
        if self._airflow is None:
            raise RuntimeError("Airflow is not started")
        return self._airflow

    @property
    def warehouse_url(self) -> str:
        """SQLAlchemy URL of the warehouse."""
        return self.postgres.url(WAREHOUSE)

    @property
    def sandbox_url(self) -> str:
        """The sandbox's URL, without a path."""
        return f"http://{LOOPBACK}:{self.sandbox_port}"

    def check(self) -> None:
        """Check that everything still runs. Call it while waiting.

        :raises RollcallError: `program_died` if a program ended.
        :raises SystemExit: if the `make` that started this process has ended.
        """
        self._parent.check()
        self._programs.check()
        if self._airflow is not None:
            self._airflow.check()

    def pass_night(self, app: str) -> None:
        """Let one night pass in a sandbox district: people join, move, change names, and leave.

        :raises RollcallError: `sandbox_refused`.
        """
        self.check()
        answer = loopback_session().post(f"{self.sandbox_url}/sandbox/{app}/nights", json={"nights": 1}, timeout=60)
        if not answer.ok:
            raise RollcallError(
                "sandbox_refused", f"The sandbox answered {answer.status_code} to the request for a new night."
            )

    def addresses(self) -> str:
        """The addresses of all services, as text."""
        return "\n".join(
            (
                f"Rosters    {self.airflow.api_url}/rosters/",
                f"Airflow    {self.airflow.api_url}   user {self.airflow.user}   password {self.airflow.password}",
                f"Sandbox    {self.sandbox_url}",
                f"Commands   {self.source_line}",
                f"Warehouse  psql {shlex.quote(self.postgres.psql_url(WAREHOUSE))}",
            )
        )

    @property
    def source_line(self) -> str:
        """The shell command that connects every `rollcall` command to these services."""
        return f"source {shlex.quote(str(self._shell_env.path.relative_to(PROJECT)))}"

    def stay(self) -> None:
        """Run until Ctrl-C."""
        print("\nEverything keeps running until you press Ctrl-C.", flush=True)
        try:
            while True:
                self.check()
                time.sleep(1)
        except KeyboardInterrupt:
            print()

    def _start(self) -> None:
        self._programs.open()
        self._started.callback(self._programs.stop)
        if self._fresh:
            shutil.rmtree(self.landing, ignore_errors=True)
            shutil.rmtree(self.state / "airflow" / "logs" / "tasks", ignore_errors=True)
        self._say("PostgreSQL: starting")
        self._started.enter_context(self.postgres)
        for database in (WAREHOUSE, _METADATA):
            self.postgres.create_database(database)
        self._start_sandbox()
        self._say("Warehouse: creating its schemas (rollcall db upgrade)")
        self._upgrade_warehouse()
        self._airflow = AirflowComponents(
            self.state / "airflow",
            self.postgres.url(_METADATA),
            env=self._airflow_env(),
            dags=self._dags,
            prepare=lambda api: self._settings().apply(api),
            progress=self._say,
        )
        self._started.enter_context(self._airflow)
        self._wait_for_sandbox()
        self._started.callback(self._shell_env.remove)
        self._write_shell_env()
        self._say(f"To use rollcall in another terminal: {self.source_line}")

    def _stop(self) -> None:
        with interrupts_deferred():  # a second Ctrl-C waits until the first has finished
            self._started.close()

    def _start_sandbox(self) -> None:
        self.sandbox_port = free_port(SANDBOX_PORT)
        if self.sandbox_port != SANDBOX_PORT:
            self._say(f"Port {SANDBOX_PORT} is in use. The sandbox uses {self.sandbox_port}.")
        self._say(f"Sandbox: school districts to practice with at {self.sandbox_url}")
        command = [_rollcall(), "sandbox", *SANDBOX_DISTRICTS, "--port", str(self.sandbox_port)]
        self._programs.start("sandbox", command, env=own_environment())

    def _wait_for_sandbox(self) -> None:
        deadline = time.monotonic() + _SANDBOX_LIMIT
        while time.monotonic() < deadline:
            with suppress(requests.ConnectionError):
                loopback_session().get(self.sandbox_url, timeout=10)
                return
            self.check()
            time.sleep(0.1)
        raise RollcallError("sandbox_not_ready", f"The sandbox did not answer within {_SANDBOX_LIMIT:.0f} s.")

    def _upgrade_warehouse(self) -> None:
        done = subprocess.run(
            [_rollcall(), "db", "upgrade"],
            env=own_environment() | self._warehouse_env(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RollcallError("warehouse_not_upgraded", f"rollcall db upgrade failed:\n{done.stderr[-2000:]}")

    def _warehouse_env(self) -> dict[str, str]:
        return {"AIRFLOW_CONN_WAREHOUSE": self.postgres.airflow_connection(WAREHOUSE)}

    def _airflow_env(self) -> dict[str, str]:
        districts = {} if self._districts is None else {"ROLLCALL_DISTRICTS": str(self._districts)}
        return self._warehouse_env() | {"ROLLCALL_LANDING": str(self.landing)} | districts

    def _write_shell_env(self) -> None:
        values = self._airflow_env() | {
            "ROLLCALL_AIRFLOW_URL": self.airflow.api_url,
            "ROLLCALL_AIRFLOW_USER": self.airflow.user,
            "ROLLCALL_AIRFLOW_PASSWORD": self.airflow.password,
        }
        # Commands read the districts' connections from Airflow, so there is one store of credentials.
        values |= {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.postgres.url(_METADATA),
            "AIRFLOW__CORE__FERNET_KEY": Secrets.of(self.airflow.home).fernet_key,
        }
        # The embedded PostgreSQL includes psql. An installed psql takes precedence.
        self._shell_env.write(values, first=[Path(sys.executable).parent], last=[installation().bin])

    def _settings(self) -> AirflowSettings:
        settings = AirflowSettings.read(PROJECT / "airflow_settings.yaml")
        return settings.with_address(f"{LOOPBACK}:{SANDBOX_PORT}", f"{LOOPBACK}:{self.sandbox_port}")


def _rollcall() -> str:
    """The `rollcall` command of this Python environment, regardless of PATH."""
    return str(Path(sys.executable).with_name("rollcall"))
