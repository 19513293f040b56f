"""Runs a district in a real Airflow with scheduler, DAG processor, API server, and triggerer."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.resident import MemoryMonitor
from rollcall.credentials.airflow_api import ENDED
from rollcall.errors import RollcallError
from rollcall_local.airflow import AirflowComponents
from rollcall_local.airflow_env import PROJECT
from rollcall_local.postgres import EmbeddedPostgres
from rollcall_local.screen import Nights, Screen

_METADATA = "airflow"
#: Limit in seconds for a run, including retries.
_LIMIT = 1800.0
_LOG_LINES = 30

#: A DAG that does nothing. The first task after Airflow's start waits seconds for the API server; later tasks do not.
_WARM_UP = """
from airflow.sdk import DAG, task

with DAG("roster_warm_up", schedule=None, is_paused_upon_creation=False):

    @task
    def nothing():
        pass

    nothing()
"""


@dataclass(frozen=True)
class TriggeredRun:
    """A triggered run that succeeded.

    :param seconds: from the trigger to the run's success.
    :param published: from the trigger to the end of the `publish` task.
    :param parts: the seconds of each task; the rest is time between tasks.
    :param peak_mb: peak resident memory of a task's process.
    """

    seconds: float
    published: float
    parts: dict[str, float]
    peak_mb: float


@dataclass(frozen=True)
class Scheduler:
    """A running Airflow with the district's DAG.

    :param start: seconds until it had parsed the district's DAG and run a first task.
    """

    airflow: AirflowComponents
    dag_id: str
    start: float

    def trigger(self, mode: str) -> TriggeredRun:
        """Trigger a run and wait for it.

        :raises RollcallError: `run_failed` with the end of the failed task's log, `run_too_long`.
        """
        with MemoryMonitor() as resident:
            triggered_at = datetime.now(UTC)
            run = _ended(self.airflow, self.dag_id, {"mode": mode})
        tasks = {task["task_id"]: task for task in self.airflow.api.tasks(self.dag_id, run["dag_run_id"])}

        def since(moment: str) -> float:
            return (datetime.fromisoformat(moment) - triggered_at).total_seconds()

        in_order = sorted(tasks.values(), key=lambda task: since(task["start_date"]))
        return TriggeredRun(
            seconds=since(run["end_date"]),
            published=since(tasks["publish"]["end_date"]),
            parts={task["task_id"]: task["duration"] for task in in_order},
            peak_mb=resident.peak_mb,
        )


def _ended(airflow: AirflowComponents, dag_id: str, conf: dict[str, object]) -> dict[str, Any]:
    """Trigger a run, wait for its success, and return it as the API shows it."""
    run_id = airflow.api.trigger(dag_id, conf, note="bench")
    deadline = time.monotonic() + _LIMIT
    while time.monotonic() < deadline:
        airflow.check()
        run = next(run for run in airflow.api.runs(dag_id) if run["dag_run_id"] == run_id)
        if run["state"] == "success":
            return run
        if run["state"] in ENDED:
            raise _failure(airflow, dag_id, run_id)
        time.sleep(0.5)
    raise RollcallError("run_too_long", f"A run of {dag_id} did not end within {_LIMIT:.0f} s.")


def _failure(airflow: AirflowComponents, dag_id: str, run_id: str) -> RollcallError:
    failed = [task for task in airflow.api.tasks(dag_id, run_id) if task["state"] == "failed"]
    names = ", ".join(task["task_id"] for task in failed) or "the run"
    logs = [airflow.api.task_log(dag_id, run_id, task["task_id"], task["try_number"]) for task in failed]
    tail = "\n".join(line for log in logs for line in log.splitlines()[-_LOG_LINES:])
    return RollcallError("run_failed", f"{dag_id}: {names} failed. The end of its log:\n{tail}")


@contextmanager
def scheduler(
    postgres: EmbeddedPostgres, folder: Path, district: Path, env: Mapping[str, str], say: Callable[[str], None]
) -> Iterator[Scheduler]:
    """Run Airflow with one district for the length of the block. Its home and landing zone are in `folder`.

    It has only the districts' DAG file, because the other DAGs would start by themselves.

    :param district: the district's file, alone in its folder.
    :param env: the connection `warehouse` and the district's connection.
    """
    dags = folder / "dags"
    dags.mkdir()
    shutil.copy(PROJECT / "dags" / "roster_districts.py", dags)
    (dags / "warm_up.py").write_text(_WARM_UP, encoding="utf-8")
    postgres.create_database(_METADATA, exist_ok=False)
    own = {"ROLLCALL_DISTRICTS": str(district.parent), "ROLLCALL_LANDING": str(folder / "landing")}
    began = time.monotonic()
    with AirflowComponents(
        folder / "airflow", postgres.url(_METADATA), env={**env, **own}, dags=dags, progress=say
    ) as airflow:
        Nights(airflow.api, [district.stem, "warm_up"], Screen(), airflow.check).wait_until_parsed()
        _ended(airflow, "roster_warm_up", {})
        yield Scheduler(airflow, f"roster_{district.stem}", time.monotonic() - began)
