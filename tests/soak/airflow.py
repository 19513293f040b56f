"""A night in a real Airflow whose scheduler or worker is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from rollcall.errors import RollcallError
from rollcall_local.airflow import AirflowComponents
from rollcall_local.airflow_env import PROJECT
from tests.soak.work import DISTRICT
from tests.soak.world import Hanging, World

#: What is killed: the scheduler alone, the scheduler with the workers it started, or a worker with its task.
VICTIMS = ("scheduler", "scheduler and workers", "worker")

#: Airflow looks for lost tasks after minutes; the soak does not wait that long.
_SETTINGS = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
}
_CONNECTIONS = ("AIRFLOW_CONN_WAREHOUSE", "AIRFLOW_CONN_ONEROSTER_MAPLE", "ROLLCALL_DISTRICTS", "ROLLCALL_LANDING")
#: Seconds for a night with two lost tasks.
_LIMIT = 420.0


class Airflow:
    """Airflow on the soak's warehouse, provider, and landing zone. Its database stays from one night to the next."""

    def __init__(self, world: World) -> None:
        self._world = world
        dags = world.folder / "dags"
        if not dags.exists():
            shutil.copytree(PROJECT / "dags", dags, ignore=shutil.ignore_patterns("__pycache__"))
            file = dags / "roster_districts.py"
            file.write_text(file.read_text().replace("timedelta(minutes=2)", "timedelta(seconds=5)"))
            world.postgres.create_database("airflow")
        path = os.pathsep.join(
            map(str, (PROJECT / "tests" / "soak" / "with_clock", PROJECT, PROJECT / "include", PROJECT / "config"))
        )
        env = {name: os.environ[name] for name in _CONNECTIONS} | _SETTINGS | {"PYTHONPATH": path}
        self._components = AirflowComponents(
            world.folder / "airflow", world.postgres.url("airflow"), env=env, dags=dags, port=18_080
        )

    def night(self, mode: str, arm: Callable[[Callable[[], None]], None], victim: str, seconds: float) -> str:
        """Run one. Returns its state, and those of its tasks' tries.

        :param arm: makes the fault wait for its moment.
        :param seconds: until what was killed starts again.
        """
        with self._components as airflow:
            dag = f"roster_{DISTRICT}"
            _until(lambda: bool(self._knows(dag)), "the DAG is parsed")
            killed: list[str] = []

            def kill() -> None:
                self._kill(victim)
                killed.append(victim)

            arm(kill)
            run_id = airflow.api.trigger(dag, {"mode": mode})
            is_restarted = False

            def has_ended() -> bool:
                nonlocal is_restarted
                if killed and not is_restarted and victim != "worker":
                    time.sleep(seconds)
                    airflow._start("scheduler")
                    is_restarted = True
                with suppress(RollcallError):  # a busy machine answers later
                    return airflow.api.run_state(dag, run_id) in ("success", "failed")
                return False

            _until(has_ended, "the run ends")
            tasks = airflow.api.tasks(dag, run_id)
            tries = {task["task_id"]: task["try_number"] for task in tasks}
            return f"{airflow.api.run_state(dag, run_id)}, {victim if killed else 'nobody'} killed, tries {tries}"

    def _knows(self, dag: str) -> bool:
        with suppress(RollcallError):
            self._components.api.runs(dag)
            return True
        return False

    def _kill(self, victim: str) -> None:
        ledger = json.loads((self._components.home / "processes.json").read_text())
        leader = psutil.Process(next(entry["pid"] for entry in ledger if entry["name"] == "scheduler"))
        children = leader.children(recursive=True)
        if victim == "worker":
            # the supervisor of the task that runs, and the task
            victims = [child for child in children if child.children()] + [
                one for child in children for one in child.children()
            ]
        else:
            victims = [leader, *children] if victim == "scheduler and workers" else [leader]
        for process in victims:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)


def _until(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _LIMIT
    while not done():
        if time.monotonic() > deadline:
            raise Hanging(f"Airflow: {what}, but not within {_LIMIT:.0f} s")
        time.sleep(0.5)


def can_run(seconds: float) -> bool:
    """Whether there is time for it: it starts in half a minute on two free cores."""
    return seconds >= 600 and Path("/proc/self").exists()
