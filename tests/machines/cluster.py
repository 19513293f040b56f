"""Airflow on several machines: a scheduler with CeleryExecutor, Redis, and workers that share no folder.

Each worker has its own home, working directory, temporary folder, and copies of DAGs, plugins, and district files. They
share the broker, the databases, the bucket, and Airflow's API.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from rollcall_local.airflow import AirflowComponents
from rollcall_local.airflow_env import PROJECT, Secrets, airflow_env
from rollcall_local.processes import Programs
from rollcall_local.sessions import session_members
from rollcall_sandbox import Sandbox
from tests.conftest import component_leaders
from tests.machines.bucket import Bucket

#: Tasks at once on a worker.
CONCURRENCY = 4
#: Seconds without a heartbeat until Airflow gives a task to another worker. Airflow's default is 300.
HEARTBEAT_LIMIT = 15
#: The program that Celery's workers take their tasks from.
REDIS = shutil.which("redis-server", path="/usr/bin:/usr/local/bin:/opt/homebrew/bin")


def copy_of_dags(folder: Path) -> Path:
    """The DAGs of districts and holds, with retries after a second instead of two minutes."""
    others = ("__pycache__", "shards", "roster_morning.py", "roster_connections.py")
    shutil.copytree(PROJECT / "dags", folder, ignore=shutil.ignore_patterns(*others))
    file = folder / "roster_districts.py"
    text = file.read_text(encoding="utf-8")
    assert '"retry_delay": timedelta(minutes=2)' in text
    file.write_text(text.replace('"retry_delay": timedelta(minutes=2)', '"retry_delay": timedelta(seconds=1)'))
    return folder


class Worker:
    """A machine that runs a Celery worker.

    :param name: also its host name.
    """

    def __init__(self, name: str, folder: Path, dags: Path, districts: Path) -> None:
        self.name = name
        self.home = folder / "home"
        self.empty = (folder / "cwd", folder / "tmp")
        self._folder = folder
        for path in (*self.empty, self.home / "machine"):
            path.mkdir(parents=True)
        shutil.copytree(dags, folder / "dags")
        shutil.copytree(districts, folder / "districts")
        for name_ in ("plugins", "config"):
            shutil.copytree(PROJECT / name_, folder / name_, ignore=shutil.ignore_patterns("__pycache__"))
        (self.home / "machine" / "machine.py").write_text(f"def name():\n    return {name!r}\n")

    @property
    def command(self) -> list[str]:
        worker = [sys.executable, "-m", "airflow", "celery", "worker", "--celery-hostname", self.name]
        arguments = ["--concurrency", str(CONCURRENCY), "--skip-serve-logs"]
        return ["env", "-C", str(self.empty[0]), *worker, *arguments]

    def environment(self, api_port: int, shared: Mapping[str, str], keys: Secrets) -> dict[str, str]:
        """Nothing here is a path outside of the machine's folder, and it does not know Airflow's database."""
        own = {
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "machine.name",
            "AIRFLOW__CORE__FERNET_KEY": keys.fernet_key,
            "AIRFLOW__API__SECRET_KEY": keys.api_secret,
            "AIRFLOW__API_AUTH__JWT_SECRET": keys.jwt_secret,
            "PYTHONPATH": os.pathsep.join(str(path) for path in (self._folder / "config", self.home / "machine")),
            "ROLLCALL_DISTRICTS": str(self._folder / "districts"),
            "TMPDIR": str(self.empty[1]),
        }
        return airflow_env(
            self.home,
            metadata_url=f"sqlite:///{self.home}/none.db",
            port=api_port,
            dags=self._folder / "dags",
            plugins=self._folder / "plugins",
            extra=shared | own,
        )


class Cluster:
    """A scheduler's machine and two workers.

    :param airflow: the running scheduler, API server, and so on.
    :param shared: environment of every process: the warehouse, the landing zone, the broker.
    """

    def __init__(
        self,
        airflow: AirflowComponents,
        shared: Mapping[str, str],
        workers: tuple[Worker, Worker],
        programs: Programs,
        warehouse: sa.Engine,
        bucket: Bucket,
        sandbox: Sandbox,
    ) -> None:
        self.airflow = airflow
        self.workers = workers
        self.warehouse = warehouse
        self.bucket = bucket
        self.sandbox = sandbox
        self._shared = shared
        self._programs = programs

    @staticmethod
    def until(done: Callable[[], bool], limit: float = 300.0) -> None:
        """Wait until `done`; fails after `limit` seconds."""
        deadline = time.monotonic() + limit
        while not done():
            assert time.monotonic() < deadline, f"not within {limit:.0f} s"
            time.sleep(0.2)

    def start(self, worker: Worker) -> None:
        """Start a worker, without waiting for it."""
        port = int(self.airflow.api_url.rpartition(":")[2])
        env = worker.environment(port, self._shared, Secrets.of(self.airflow.home))
        self._programs.start(worker.name, worker.command, env=env)

    def kill(self, worker: Worker) -> None:
        """Kill every process of the worker's machine at once."""
        for pid in session_members(component_leaders(self._programs.folder)[worker.name]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def leaders(self) -> list[int]:
        """Process IDs of all programs."""
        homes = (self._programs.folder, self.airflow.home)
        return [leader for home in homes for leader in component_leaders(home).values()]

    def hosts(self, district: str, run_id: str) -> dict[str, list[str]]:
        """Per task of a run, the workers of its tries."""
        path = f"/dags/roster_{district}/dagRuns/{quote(run_id)}/taskInstances"
        found = {}
        for task in self.airflow.api.tasks(f"roster_{district}", run_id):
            tries = self.airflow.api._get(f"{path}/{task['task_id']}/tries")["task_instances"]
            found[task["task_id"]] = [one["hostname"] for one in sorted(tries, key=lambda one: one["try_number"])]
        return found

    def wait_for(self, runs: Mapping[str, str]) -> None:
        """Wait until these runs of districts have ended well."""
        api = self.airflow.api

        def states() -> dict[str, str]:
            return {district: api.run_state(f"roster_{district}", run_id) for district, run_id in runs.items()}

        self.until(lambda: set(states().values()) <= {"success", "failed"})
        assert set(states().values()) == {"success"}, states()
