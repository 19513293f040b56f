"""What Rollcall needs when Airflow runs tasks on several machines."""

from __future__ import annotations

import os

from rollcall.errors import ActionRequired

#: Airflow's executors that run every task on the scheduler's machine.
_ONE_MACHINE = {"LocalExecutor", "SequentialExecutor", "DebugExecutor"}


def require_shared_landing(executors: str) -> None:
    """Check that tasks on several machines share a landing zone: each stage reads what the stage before wrote.

    :param executors: Airflow's setting `core.executor`, such as `CeleryExecutor` or `LocalExecutor,KubernetesExecutor`.
    :raises ActionRequired: `landing_missing`.
    """
    names = {name.rpartition(":")[2].rpartition(".")[2].strip() for name in executors.split(",")}
    several = sorted(names - _ONE_MACHINE - {""})
    if several and not os.environ.get("ROLLCALL_LANDING"):
        raise ActionRequired(
            "landing_missing",
            f"ROLLCALL_LANDING is not set, and {several[0]} runs tasks on several machines.",
            remedy="Set it to storage that all workers reach, such as s3://bucket/landing, in every Airflow process. "
            "For S3, install rollcall[s3].",
        )
