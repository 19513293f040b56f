"""Which connection a command uses, and what it says if two copies are different. Airflow's own command stored one."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from rollcall.check.raw_connection import RawConnection
from rollcall.credentials import storage
from rollcall.credentials.lookup import differing_fields, find_connection
from rollcall.errors import RollcallError

#: The home of the tests' own Airflow, whose database the fixture `airflow_database` creates.
AIRFLOW_HOME = os.environ["AIRFLOW_HOME"]
MAPLE = RawConnection(
    "oneroster_maple",
    "https://sis.example/campus/api/oneroster/v1p2/maple/ims/oneroster",
    "InfiniteCampus_maple-1",
    "planted 'secret' $HOME \"x\"",
    {"auth_url": "https://sis.example/campus/oauth2/token?appName=maple"},
)
VARIABLE = "AIRFLOW_CONN_ONEROSTER_MAPLE"
NAMES = ("AIRFLOW_HOME", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "ROLLCALL_AIRFLOW_URL", VARIABLE)


@pytest.fixture(scope="module")
def stored(airflow_database, tmp_path_factory):
    """The environment of an Airflow that has the connection, encrypted."""
    home = tmp_path_factory.mktemp("airflow")
    with sqlite3.connect(Path(AIRFLOW_HOME, "airflow.db")) as original, sqlite3.connect(home / "airflow.db") as copy:
        original.backup(copy)
        copy.execute("DELETE FROM connection")  # those of other tests, with other keys
    environment = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        assert storage.store(MAPLE) == "connection oneroster_maple in Airflow's metadata database"
    return environment


@pytest.fixture
def airflow(stored, monkeypatch):
    """This process's environment names that Airflow."""
    monkeypatch.delenv(VARIABLE, raising=False)
    for name, value in stored.items():
        monkeypatch.setenv(name, value)
    return stored


@pytest.fixture
def nothing(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def _code(conn_id: str = "oneroster_maple") -> str:
    with pytest.raises(RollcallError) as caught:
        find_connection(conn_id)
    assert "planted" not in str(caught.value)
    return caught.value.code


def test_what_was_stored_in_airflow_is_found(airflow):
    found = find_connection("oneroster_maple")
    assert differing_fields(found, MAPLE) == []
    assert (found.source, found.conflict) == ("Airflow's metadata database", "")
    assert found.connection().secret == MAPLE.password
    assert _code("oneroster_birch") == "connection_missing"


def test_airflow_cfg_names_the_database_and_the_key_too(stored, nothing, monkeypatch, tmp_path):
    url, key = stored["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], stored["AIRFLOW__CORE__FERNET_KEY"]
    monkeypatch.delenv("AIRFLOW__CORE__FERNET_KEY", raising=False)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    (tmp_path / "airflow.cfg").write_text(f"[core]\nfernet_key = {key}\n[database]\nsql_alchemy_conn = {url}\n")
    assert differing_fields(find_connection("oneroster_maple"), MAPLE) == []


def test_a_database_that_only_airflow_can_open_is_read_by_its_command(airflow, monkeypatch):
    monkeypatch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    echo = [sys.executable, "-c", f"print({airflow['AIRFLOW__DATABASE__SQL_ALCHEMY_CONN']!r}, end='')"]
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", shlex.join(echo))
    assert differing_fields(find_connection("oneroster_maple"), MAPLE) == []


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({}, []),
        ({"password": "planted-other"}, ["Client Secret"]),
        ({"host": "https://other.example/x", "login": "other"}, ["Base URL", "Client ID"]),
        ({"extra": {"auth_url": "https://other.example/token"}}, ["Token URL"]),
        ({"extra": {**MAPLE.extra, "expires_on": "2027-06-30", "scopes": None}}, ["the other settings"]),
    ],
)
def test_the_variable_is_used_and_a_difference_to_airflow_is_named(airflow, monkeypatch, changed, fields):
    monkeypatch.setenv(VARIABLE, storage.as_json(replace(MAPLE, **changed)))
    found = find_connection("oneroster_maple")
    assert found.source == VARIABLE
    assert differing_fields(found, replace(MAPLE, **changed)) == []
    assert (f"differ in: {', '.join(fields)}." in found.conflict) if fields else found.conflict == ""
    assert "planted" not in found.conflict
    assert "other.example" not in found.conflict


def test_another_key_is_an_error_that_names_the_setting(airflow, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", Fernet.generate_key().decode())
    assert _code() == "airflow_fernet_key"
    monkeypatch.setenv(VARIABLE, storage.as_json(MAPLE))
    assert "was not compared" in find_connection("oneroster_maple").conflict


def test_a_database_that_does_not_answer_is_an_error(airflow, monkeypatch):
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql+psycopg://u:planted@127.0.0.1:1/airflow")
    assert _code() == "airflow_metadata"


def test_without_airflow_and_variable_the_next_command_is_named(nothing):
    with pytest.raises(RollcallError) as caught:
        find_connection("oneroster_maple")
    assert caught.value.code == "connection_missing"
    assert "rollcall districts add maple --replace" in caught.value.remedy


def test_the_repr_shows_no_secret(airflow):
    found = find_connection("oneroster_maple")
    assert "planted" not in repr(found) + json.dumps([found.source, found.conflict])
