"""Airflow's components as the launcher starts them: healthy, on loopback, warm, and gone afterwards."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rollcall.credentials.airflow_api import ENDED, loopback_session
from rollcall.credentials.lookup import find_connection
from rollcall.doctor.checkup import examine
from rollcall.errors import RollcallError
from rollcall_local.airflow import AirflowComponents
from rollcall_local.airflow_env import AirflowSettings
from rollcall_local.sessions import session_members
from rollcall_local.stack import Stack
from rollcall_sandbox import Sandbox, SandboxDistrict
from tests.conftest import component_leaders
from tests.rollcall_local.conftest import wait_until

pytestmark = pytest.mark.scheduler

_SETTINGS = """
airflow:
  connections:
    - {conn_id: oneroster_elm, conn_type: oneroster, conn_host: "http://127.0.0.1:1/", conn_login: elm,
       conn_password: elm-secret, conn_port: 0, conn_extra: {auth: oauth1}}
  pools: [{pool_name: elms, pool_slot: 5, pool_description: Elms}]
  variables: [{variable_name: leaf, variable_value: green}]
"""


@pytest.fixture(scope="module")
def airflow(stack: Stack) -> AirflowComponents:
    return stack.airflow


def test_settings_applied_twice_are_there_once(airflow: AirflowComponents, tmp_path: Path) -> None:
    (tmp_path / "airflow_settings.yaml").write_text(_SETTINGS)
    settings = AirflowSettings.read(tmp_path / "airflow_settings.yaml")
    seen = []
    for _ in range(2):
        settings.apply(airflow.api)
        seen.append([airflow.api.listed(kind) for kind in ("connections", "pools", "variables")])
    assert seen[0] == seen[1]
    connections, pools, variables = seen[1]
    [elm] = [made for made in connections if made["connection_id"] == "oneroster_elm"]
    assert (elm["port"], elm["password"]) == (0, "***")
    assert {made["name"]: made["slots"] for made in pools}["elms"] == 5
    assert {made["key"]: made["value"] for made in variables}["leaf"] == "green"


@pytest.fixture(scope="module")
def elm() -> Iterator[tuple[SandboxDistrict, Sandbox]]:
    district = SandboxDistrict("elm", "1.2", students=40)
    with Sandbox([district]) as sandbox:
        yield district, sandbox


@pytest.mark.parametrize(
    ("changed", "passes", "says"),
    [
        ({}, True, "Connected to Elm"),
        ({"password": "planted-secret"}, False, "did not accept the Client ID and Client Secret"),
        ({"host": "not a URL"}, False, "The connection is invalid"),
    ],
    ids=["right", "wrong secret", "wrong Base URL"],
)
def test_the_test_button_works_for_a_connection_from_airflows_form(
    airflow: AirflowComponents, elm: tuple[SandboxDistrict, Sandbox], changed: dict[str, str], passes: bool, says: str
) -> None:
    """The requests of the browser: the form has no port, and a test of what is stored sends the mask and port 0."""
    district, sandbox = elm
    extra = json.dumps({"auth_url": sandbox.token_url("elm")})
    form = {"connection_id": "made_by_hand", "conn_type": "oneroster", "extra": extra, "host": sandbox.base_url("elm")}
    form |= {"login": district.client_id, "password": district.client_secret, **changed}
    headers = {"Authorization": f"Bearer {airflow.api.token()}"}
    url = f"{airflow.api_url}/api/v2/connections"
    session = loopback_session()
    session.delete(f"{url}/made_by_hand", headers=headers, timeout=30)
    assert session.post(url, json=form, headers=headers, timeout=30).status_code == 201
    shown = session.get(f"{url}/made_by_hand", headers=headers, timeout=30).json()
    as_sent = {**form, "password": shown["password"], "port": int(shown["port"] or 0), "schema": ""}
    answer = session.post(f"{url}/test", json=as_sent, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], says in answer.json()["message"]) == (passes, True), answer.json()


def test_a_command_with_the_api_alone_says_at_once_that_it_has_no_secret(
    airflow: AirflowComponents, monkeypatch: pytest.MonkeyPatch
) -> None:
    elm = {"conn_type": "oneroster", "host": "http://127.0.0.1:1/", "login": "elm", "extra": '{"auth": "oauth1"}'}
    airflow.api.overwrite("connections", [{**elm, "connection_id": "oneroster_elm", "password": "planted"}])
    for name in ("AIRFLOW_HOME", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROLLCALL_AIRFLOW_URL", airflow.api_url)
    monkeypatch.setenv("ROLLCALL_AIRFLOW_USER", airflow.user)
    monkeypatch.setenv("ROLLCALL_AIRFLOW_PASSWORD", airflow.password)
    for conn_id, code in (("oneroster_elm", "secret_not_readable"), ("oneroster_oak", "connection_missing")):
        with pytest.raises(RollcallError) as refused:
            find_connection(conn_id)
        assert refused.value.code == code
    own = {**elm, "host": "http://127.0.0.1:2/", "password": "other", "extra": {"auth": "oauth1"}}
    monkeypatch.setenv("AIRFLOW_CONN_ONEROSTER_ELM", json.dumps(own))
    assert "differ in: Base URL." in find_connection("oneroster_elm").conflict


def test_the_doctor_finds_airflow_and_the_connection_types(
    airflow: AirflowComponents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLCALL_AIRFLOW_URL", airflow.api.url)
    monkeypatch.setenv("ROLLCALL_AIRFLOW_USER", "admin")
    monkeypatch.setenv("ROLLCALL_AIRFLOW_PASSWORD", airflow.password)
    found = {check.name: check for check in examine(None, str(tmp_path))}
    assert (found["Airflow"].outcome, found["Airflow"].message[:4]) == ("ok", "3.3.")
    assert found["connection types"].message == "oneroster is registered here and in Airflow"
    monkeypatch.setenv("ROLLCALL_AIRFLOW_PASSWORD", "wrong")
    assert {check.name: check.outcome for check in examine(None, str(tmp_path))}["Airflow"] == "failed"


def test_a_task_starts_with_the_heavy_libraries_loaded(airflow: AirflowComponents) -> None:
    wait_until(lambda: airflow.api.dag("warm") is not None)
    run = airflow.api.trigger("warm", note="are they?")
    wait_until(lambda: airflow.api.run_state("warm", run) in ENDED)
    assert airflow.api.task_states("warm", run) == {"loaded_before_the_fork": "success"}
    log = airflow.api.task_log("warm", run, "loaded_before_the_fork")
    assert "['great_expectations', 'pandas', 'psycopg']" in log


def test_they_listen_on_loopback_only(airflow: AirflowComponents) -> None:
    ours = {pid for leader in component_leaders(airflow.home).values() for pid in session_members(leader)}
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
    """Last of all tests with a real Airflow, because it leaves the others without a triggerer."""
    os.kill(component_leaders(airflow.home)["triggerer"], signal.SIGKILL)
    with pytest.raises(RollcallError, match="triggerer ended unexpectedly"):
        wait_until(lambda: bool(airflow.check()))
