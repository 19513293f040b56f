"""Airflow's components as the launcher starts them: healthy, on loopback, warm, and gone afterwards."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rollcall.credentials.airflow_api import ENDED
from rollcall.errors import RollcallError
from rollcall_local.airflow import AirflowComponents
from rollcall_local.airflow_env import AirflowSettings
from rollcall_local.postgres import EmbeddedPostgres
from rollcall_local.sessions import session_members
from tests.rollcall_local.conftest import wait_until

pytestmark = pytest.mark.scheduler

_DAG = """
import sys

from airflow.sdk import dag, task


@dag(schedule=None, is_paused_upon_creation=False)
def warm():
    @task
    def loaded_before_the_fork():
        return sorted({"pandas", "great_expectations"} & set(sys.modules))

    loaded_before_the_fork()


warm()
"""
_SETTINGS = """
airflow:
  connections:
    - {conn_id: oneroster_elm, conn_type: oneroster, conn_host: "http://127.0.0.1:1/", conn_login: elm,
       conn_password: elm-secret, conn_port: 0, conn_extra: {auth: oauth1}}
  pools: [{pool_name: elms, pool_slot: 5, pool_description: Elms}]
  variables: [{variable_name: leaf, variable_value: green}]
"""


@pytest.fixture(scope="module")
def airflow(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowComponents]:
    folder = tmp_path_factory.mktemp("airflow")
    (folder / "dags").mkdir()
    (folder / "dags" / "warm.py").write_text(_DAG)
    postgres.create_database("components")
    components = AirflowComponents(folder / "home", postgres.url("components"), dags=folder / "dags", port=18080)
    with components:
        leaders = list(_leaders(components.home).values())
        yield components
    assert len(leaders) == 4
    assert [session_members(leader) for leader in leaders] == [[], [], [], []]


def _leaders(home: Path) -> dict[str, int]:
    """Process ids of the components by name."""
    return {entry["name"]: entry["pid"] for entry in json.loads((home / "processes.json").read_text())}


def test_settings_applied_twice_are_there_once(airflow: AirflowComponents, tmp_path: Path) -> None:
    (tmp_path / "airflow_settings.yaml").write_text(_SETTINGS)
    settings = AirflowSettings.read(tmp_path / "airflow_settings.yaml")
    seen = []
    for _ in range(2):
        settings.apply(airflow.api)
        seen.append([airflow.api.listed(kind) for kind in ("connections", "pools", "variables")])
    assert seen[0] == seen[1]
    connections, pools, variables = seen[1]
    assert [(made["connection_id"], made["port"], made["password"]) for made in connections] == [
        ("oneroster_elm", 0, "***")
    ]
    assert {made["name"]: made["slots"] for made in pools}["elms"] == 5
    assert [(made["key"], made["value"]) for made in variables] == [("leaf", "green")]


def test_a_task_starts_with_pandas_and_great_expectations_loaded(airflow: AirflowComponents) -> None:
    wait_until(lambda: airflow.api.dag("warm") is not None)
    run = airflow.api.trigger("warm", note="are they?")
    wait_until(lambda: airflow.api.run_state("warm", run) in ENDED)
    assert airflow.api.task_states("warm", run) == {"loaded_before_the_fork": "success"}
    log = airflow.api.task_log("warm", run, "loaded_before_the_fork")
    assert "['great_expectations', 'pandas']" in log


def test_they_listen_on_loopback_only(airflow: AirflowComponents) -> None:
    ours = {pid for leader in _leaders(airflow.home).values() for pid in session_members(leader)}
    listening = [
        connection.laddr
        for connection in psutil.net_connections(kind="inet")
        if connection.pid in ours and connection.status == psutil.CONN_LISTEN
    ]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert f":{listening[0].port}" in airflow.api_url


def test_password_and_keys_are_their_owners(airflow: AirflowComponents) -> None:
    for name in ("secrets.json", "passwords.json"):
        assert (airflow.home / name).stat().st_mode & 0o077 == 0


def test_a_second_launcher_of_the_same_home_is_refused(airflow: AirflowComponents) -> None:
    with pytest.raises(RollcallError) as refused:
        AirflowComponents(airflow.home, "postgresql+psycopg://nowhere/").start()
    assert refused.value.code == "already_running"


def test_a_component_that_is_killed_is_named(airflow: AirflowComponents) -> None:
    """Last, for it leaves the others without a triggerer."""
    os.kill(_leaders(airflow.home)["triggerer"], signal.SIGKILL)
    with pytest.raises(RollcallError, match="triggerer ended unexpectedly"):
        wait_until(lambda: bool(airflow.check()))
