"""Whether a DAG is paused in Airflow. The environment (`ROLLCALL_AIRFLOW_URL`) has the address."""

from __future__ import annotations

import os

from rollcall.credentials.storage import airflow_api
from rollcall.errors import RollcallError


def is_paused(dag_id: str) -> bool | None:
    """Whether a DAG is paused; None if Airflow does not have it.

    :raises RollcallError: Airflow does not respond, or rejects the request.
    """
    dag = airflow_api().dag(dag_id)
    return None if dag is None else bool(dag["is_paused"])


def is_configured() -> bool:
    """Whether the environment has the address of an Airflow."""
    return bool(os.environ.get("ROLLCALL_AIRFLOW_URL"))


def holds_notes() -> list[str]:
    """A note if the DAG that asks for hold decisions does not run; empty without the address of an Airflow."""
    from rollcall.status.digest import HOLDS_DAG, holds_dag_notes

    if not is_configured():
        return []
    try:
        return holds_dag_notes(is_paused(HOLDS_DAG))
    except RollcallError as error:
        return [f"The state of the DAG {HOLDS_DAG} is unknown: {error.message}"]
