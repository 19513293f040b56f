"""A listener in the scheduler: the note of a district's run says what the run did.

A task cannot set a note in Airflow 3.3: the execution API has none, and a task has no user for the REST API. Airflow
imports this module in every process, so it imports nothing of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.listeners import hookimpl

_STATUSES = {
    "published": "Published",
    "already_published": "Published before",
    "dry_run": "Dry run, nothing published",
    "paused": "Paused, nothing published",
    "replayed": "History only",
}


@hookimpl
def on_dag_run_success(dag_run: Any) -> None:
    """Add the counts that `publish` returned to the run's note, in the scheduler's own transaction.

    The read is in a savepoint, because an error here must not end the transaction that ends the run. It is one of the
    connection: the scheduler refuses every commit of its session, also that of a savepoint.
    """
    if not dag_run.dag_id.startswith("roster_"):
        return
    from airflow.models.xcom import XComModel
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return
    where = {"run_id": dag_run.run_id, "dag_ids": dag_run.dag_id, "task_ids": "publish", "key": "return_value"}
    with session.connection().begin_nested():
        found = session.scalars(XComModel.get_many(**where)).first()
    published = XComModel.deserialize_value(found) if found is not None else None
    if not isinstance(published, Mapping) or published.get("status") not in _STATUSES:
        return  # the run of another DAG, such as `roster_holds`
    text = note(published)
    dag_run.note = f"{dag_run.note}\n{text}" if dag_run.note else text


def note(published: Mapping[str, Any]) -> str:
    """`Published: 2,104 accounts, 31 people left out. Rows: 5 added, 3 changed.`"""
    totals: dict[str, int] = {}
    for counts in published["counts"].values():
        for name in ("added", "changed", "removed", "held"):
            totals[name] = totals.get(name, 0) + int(counts.get(name) or 0)
    rows = ", ".join(f"{count:,} {name}" for name, count in totals.items() if count)
    return (
        f"{_STATUSES[published['status']]}: {published['accounts']:,} accounts, {published['left_out']:,} people left "
        f"out. Rows: {rows or 'no changes'}."
    )
