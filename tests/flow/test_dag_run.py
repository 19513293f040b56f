"""Whole nights as Airflow runs them, in one process: `dag.test()` with the real hook, sandbox and warehouse."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from tests.conftest import ROOT
from tests.flow.conftest import CEDAR, MAPLE


@pytest.fixture
def run_dag(airflow_database: None, ready: sa.Engine) -> Callable[..., Any]:
    """Runs a district's DAG to its end."""
    from airflow.dag_processing.dagbag import DagBag

    def run(district: str, **conf: Any) -> Any:
        bag = DagBag(dag_folder=str(ROOT / "dags"), bundle_name="dags-folder")
        assert bag.import_errors == {}
        return bag.dags[f"roster_{district}"].test(run_conf=conf or None)

    return run


def _states(run: Any) -> dict[str, str]:
    return {instance.task_id: str(instance.state) for instance in run.get_task_instances()}


def _users(engine: sa.Engine, district: str) -> int:
    query = sa.text("SELECT count(*) FROM roster.users WHERE district_id = :district")
    with engine.connect() as connection:
        return connection.execute(query, {"district": district}).scalar_one()


@pytest.mark.parametrize("district", [MAPLE, CEDAR], ids=["maple", "cedar"])
def test_two_nights(run_dag, ready, sandbox, district):
    app = district.app
    first = run_dag(app)
    assert set(_states(first).values()) == {"success"}
    assert _users(ready, app) == sandbox.truth(app)["collections"]["users"]["active"]
    with ready.connect() as connection:
        written = connection.execute(sa.text("SELECT count(*) FROM roster_history.users")).scalar_one()
    again = run_dag(app)
    assert str(again.state) == "success"
    with ready.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM roster_history.users")).scalar_one() == written
        statuses = connection.execute(sa.text("SELECT status, generation FROM roster_ops.runs ORDER BY 2")).all()
    assert [tuple(row) for row in statuses] == [("published", 1), ("published", 2)]


def test_nothing_but_small_values_and_no_person_goes_through_xcom_and_asset_events(run_dag, ready):
    from airflow.models.asset import AssetEvent
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    run = run_dag("maple")
    with create_session() as session:
        query = sa.select(XComModel.task_id, XComModel.value).where(XComModel.run_id == run.run_id)
        passed = {task: value for task, value in session.execute(query).all() if value is not None}
        [event] = session.scalars(sa.select(AssetEvent).where(AssetEvent.source_run_id == run.run_id))
        extra = dict(event.extra)
        uri = event.asset.uri
    assert uri == "rollcall://roster/maple"
    assert extra["counts"]["users"]["added"] == _users(ready, "maple")
    assert extra["status"] == "published"
    texts = json.dumps([passed, extra], default=str)
    assert len(texts) < 10_000
    with ready.connect() as connection:
        people = connection.execute(sa.text("SELECT sourced_id, email, family_name FROM roster.users")).all()
    assert [value for row in people for value in row if value and f'"{value}"' in texts] == []


def test_a_dry_run_publishes_nothing_and_tells_no_other_dag(run_dag, ready, outdated):
    run = run_dag("maple", dry_run=True)
    assert _states(run) == {
        "extract": "success",
        "validate": "success",
        "map_roster": "success",
        "publish": "success",
        "report": "skipped",
    }
    assert _users(ready, "maple") == 0
    assert outdated.exists()


def test_one_collection_chosen_in_the_form(run_dag, ready, sandbox):
    run_dag("maple")
    run_dag("maple", collections=["orgs"])
    query = (
        "SELECT count(*) FROM roster_ops.run_counts WHERE run_id = (SELECT max(current_run_id) FROM roster_ops.state)"
    )
    with ready.connect() as connection:
        assert connection.execute(sa.text(query)).scalar_one() == 2


def test_a_wrong_secret_fails_at_once_and_the_ledger_says_why(run_dag, ready, connect_as):
    connect_as(MAPLE, password="planted-wrong-secret")
    run = run_dag("maple")
    states = _states(run)
    assert states["extract"] == "failed"
    assert set(states.values()) == {"failed", "upstream_failed"}
    tries = {instance.task_id: instance.try_number for instance in run.get_task_instances()}
    assert tries["extract"] == 1
    with ready.connect() as connection:
        row = connection.execute(sa.text("SELECT status, failed_stage, error_message FROM roster_ops.runs")).one()
    assert tuple(row)[:2] == ("failed", "extract")
    assert "Client Secret" in row.error_message
    assert "planted-wrong-secret" not in row.error_message
