"""Whether Airflow runs a DAG, where the environment says how Airflow is reached."""

from __future__ import annotations

import os

from rollcall.errors import RollcallError
from rollcall.onboarding.connection import airflow_api


def is_paused(dag_id: str) -> bool | None:
    """Whether a DAG is paused; None where Airflow does not have it.

    :raises RollcallError: Airflow does not answer, or refuses.
    """
    dag = airflow_api().dag(dag_id)
    return None if dag is None else bool(dag["is_paused"])


def is_named() -> bool:
    """Whether the environment names an Airflow."""
    return bool(os.environ.get("ROLLCALL_AIRFLOW_URL"))


def holds_notes() -> list[str]:
    """What to say about the DAG that asks for decisions; nothing where no Airflow is named."""
    from rollcall.status.digest import HOLDS_DAG, holds_dag_notes

    if not is_named():
        return []
    try:
        return holds_dag_notes(is_paused(HOLDS_DAG))
    except RollcallError as error:
        return [f"Whether the DAG {HOLDS_DAG} runs is not known: {error.message}"]
