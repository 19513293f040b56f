"""The DAG that checks all connections: what it must have, and runs of it with the real hook, sandbox and warehouse."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from oneroster_provider.hook import OneRosterHook
from rollcall.check.connections import check_connections
from rollcall.errors import ActionRequired
from rollcall_sandbox import Sandbox, SandboxDistrict
from tests.conftest import ROOT

MAPLE = SandboxDistrict(app="maple", version="1.2", students=40, seed=5)
OAK = SandboxDistrict(app="oak", version="1.2", students=40, seed=6)


@pytest.fixture
def ready(engine: sa.Engine, districts: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two districts described and connected, a third switched off; makes connections with fields changed."""
    names = {"maple": MAPLE.name, "oak": OAK.name, "pine": "Pine"}
    texts = {key: f'district: {key}\nname: {name}\nversion: "1.2"\nusernames: email\n' for key, name in names.items()}
    districts(**{**texts, "pine": texts["pine"] + "enabled: false\n"})
    warehouse = {
        "conn_type": "postgres",
        "host": engine.url.query["host"],
        "login": engine.url.username,
        "schema": engine.url.database,
    }
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(warehouse))
    with Sandbox([MAPLE, OAK]) as sandbox:

        def connect(district: SandboxDistrict, **changed: Any) -> None:
            fields = {
                "conn_type": "oneroster",
                "host": sandbox.base_url(district.app),
                "login": district.client_id,
                "password": district.client_secret,
                "extra": {"auth_url": sandbox.token_url(district.app)},
            }
            monkeypatch.setenv(f"AIRFLOW_CONN_ONEROSTER_{district.app.upper()}", json.dumps({**fields, **changed}))

        connect(MAPLE)
        connect(OAK)
        yield connect


@pytest.fixture
def run_dag(airflow_database: None, ready: Any) -> Callable[..., Any]:
    from airflow.dag_processing.dagbag import DagBag

    def run(**conf: Any) -> Any:
        bag = DagBag(dag_folder=str(ROOT / "dags" / "roster_connections.py"), bundle_name="dags-folder")
        assert bag.import_errors == {}
        return bag.dags["roster_connections"].test(run_conf=conf or None)

    return run


def _checked(engine: sa.Engine) -> dict[str, bool]:
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT district_id, passed FROM roster_ops.provider_profiles")).all()
    return {row.district_id: row.passed for row in rows}


def test_governance(parse):
    dag = parse().dags["roster_connections"]
    assert (dag.catchup, dag.is_paused_upon_creation, dag.max_active_runs) == (False, False, 1)
    assert dag.schedule == "30 20 * * *"
    assert dag.tags == {"rollcall-service", "connections"}
    assert dag.doc_md
    assert dag.params.dump() == {"district": None}
    [task] = dag.tasks
    assert (task.task_id, task.owner, task.retries) == ("check_connections", "data-engineering", 2)
    assert task.retry_policy is not None
    assert task.doc_md
    assert task.execution_timeout < dag.dagrun_timeout <= timedelta(hours=3)


def test_all_that_are_switched_on_are_checked(run_dag, engine):
    assert str(run_dag().state) == "success"
    assert _checked(engine) == {"maple": True, "oak": True}


def test_one_on_request(run_dag, engine):
    assert str(run_dag(district="oak").state) == "success"
    assert _checked(engine) == {"oak": True}


def test_a_failing_district_stops_no_other_and_fails_the_run(run_dag, ready, engine):
    ready(MAPLE, password="planted-wrong-secret")
    run = run_dag()
    assert str(run.state) == "failed"
    [task] = run.get_task_instances()
    assert task.try_number == 1
    assert _checked(engine) == {"maple": False, "oak": True}


def test_the_log_shows_each_district_and_the_end_names_those_that_fail(
    ready, airflow_database, monkeypatch, capsys, engine
):
    ready(MAPLE, password="planted-wrong-secret")
    monkeypatch.delenv("AIRFLOW_CONN_ONEROSTER_OAK")
    warehouse = OneRosterHook.get_connection("warehouse")
    with pytest.raises(ActionRequired) as caught:
        check_connections("", warehouse, lambda conn_id: OneRosterHook(conn_id).raw_connection())
    assert caught.value.code == "connections_failing"
    assert caught.value.message == (
        "2 of 2 connections failed the check: Maple Unified School District (token), Oak School District (connection)."
    )
    printed = capsys.readouterr().out
    assert "Maple Unified School District (oneroster_maple)\n  pass     connection" in printed
    assert "Connection oneroster_oak not found." in printed
    assert "Add it in Airflow under Admin > Connections: connection ID oneroster_oak, type OneRoster." in printed
    assert "planted" not in printed


def test_a_misspelt_district_is_told_the_nearest(run_dag, engine, ready, airflow_database):
    with pytest.raises(ActionRequired, match="did you mean 'maple'"):
        check_connections("mapel", OneRosterHook.get_connection("warehouse"), lambda _: pytest.fail("not asked"))
