"""The processor seconds (user and system) of each part of a running Airflow and its PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

import psutil  # type: ignore[import-untyped]

#: What `sample` counts, in the order of a table. A supervisor is the part of a LocalExecutor's worker that talks to the
#: API server while a task runs; a task is the process that it forks.
PARTS = (
    "task processes",
    "supervisors",
    "scheduler",
    "API server",
    "DAG processor",
    "triggerer",
    "metadata database",
    "warehouse",
    "sandbox",
)

_COMPONENTS = {
    "scheduler": "scheduler",
    "api_server": "API server",
    "dag_processor": "DAG processor",
    "triggerer": "triggerer",
}


def sample(others: Mapping[str, int]) -> dict[str, float]:
    """The processor seconds so far, by part. Airflow's components are found among this process's children.

    :param others: the root process of each other part.
    """
    found = dict.fromkeys(PARTS, 0.0)
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            words = " ".join(child.cmdline()).replace("-", "_")  # uvicorn changes the API server's
            part = next((part for word, part in _COMPONENTS.items() if word in words), None)
            if part == "scheduler":
                for name, seconds in _scheduler(child):
                    found[name] += seconds
            elif part is not None:
                found[part] += _tree(child)
    for part, pid in others.items():
        found[part] += _tree(psutil.Process(pid))
    return found


def _scheduler(process: psutil.Process) -> Iterator[tuple[str, float]]:
    """The scheduler's children are the workers of its executor, and each task is a child of a worker."""
    times = process.cpu_times()
    yield "scheduler", times.user + times.system
    yield "supervisors", times.children_user + times.children_system
    for worker in process.children():
        with suppress(psutil.Error):
            times = worker.cpu_times()
            yield "supervisors", times.user + times.system
            yield "task processes", times.children_user + times.children_system
            for task in worker.children():
                yield "task processes", _tree(task)


def _tree(process: psutil.Process) -> float:
    """The seconds of a process and its children, of those that ended too."""
    total = 0.0
    with suppress(psutil.Error):
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += sum(one.cpu_times()[:4])
    return total
