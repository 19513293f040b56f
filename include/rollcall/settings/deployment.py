"""Settings of an Airflow with thousands of districts or several machines, from the environment.

Airflow parses each DAG file in a process of its own, with a time limit. With thousands of districts one file is too
slow, so the districts are spread over several by a hash of their IDs: `ROLLCALL_DAG_SHARDS`. DAG files read this module
at their top.
"""

from __future__ import annotations

import os
import zlib

from rollcall.errors import ActionRequired

#: DAG files there are: `dags/roster_districts.py` is the first, the others are in `dags/shards/`.
MOST_SHARDS = 32


def shard_count() -> int:
    """`ROLLCALL_DAG_SHARDS`: the number of DAG files with districts, 1 to 32 (default 1).

    :raises ActionRequired: `dag_shards`.
    """
    text = os.environ.get("ROLLCALL_DAG_SHARDS", "").strip() or "1"
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_SHARDS:
        raise ActionRequired(
            "dag_shards",
            f"ROLLCALL_DAG_SHARDS is {text!r}.",
            remedy=f"Set it to a number from 1 to {MOST_SHARDS}, the same for every Airflow process.",
        )
    return int(text)


def shard_of(district_id: str, shards: int) -> int:
    """The number of a district's DAG file, from 0.

    :param shards: from `shard_count`.
    """
    return zlib.crc32(district_id.encode()) % shards


def dag_file(district_id: str) -> str:
    """A district's DAG file, relative to `dags/`."""
    shard = shard_of(district_id, shard_count())
    return f"shards/roster_districts_{shard:02}.py" if shard else "roster_districts.py"


def service_dag_name(name: str) -> str:
    """The display name of a DAG that is no district's, below all districts in Airflow's list.

    Airflow 3.3 sorts by display name, in the database's order. The letter U+01C0 looks like a bar and comes after the
    letters of names, both in byte order and in the order of a language, where punctuation would come first.
    """
    return f"\u01c0 {name}"


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
