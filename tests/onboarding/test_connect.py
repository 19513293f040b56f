"""Where a connection goes, and that its secret is never an argument of a program."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from rollcall.credentials import storage
from rollcall.errors import ActionRequired, RollcallError
from rollcall.oneroster.connection import OneRosterConnection
from rollcall.oneroster.errors import ConnectionInvalid
from tests.onboarding.conftest import MAPLE

#: The tests' own, whose database `airflow_database` makes; the folder of districts takes it out of the environment.
AIRFLOW_HOME = os.environ["AIRFLOW_HOME"]
SECRET = "planted 'secret' $HOME \"x\" \\ `y`"
ARGUMENTS = (
    *("--base-url", "https://sis.example/campus/api/oneroster/v1p2/maple/ims/oneroster"),
    *("--client-id", "InfiniteCampus_maple-1"),
    *("--token-url", "https://sis.example/campus/oauth2/token?appName=maple"),
)

HEADERS = {"headers": {"X-Tenant": MAPLE.app}, "secret_headers": {"X-Api-Key": MAPLE.api_key}}


@pytest.fixture
def maple(folder) -> None:
    """A district's file, and no connection yet."""
    (folder / "maple.yaml").write_text('district: maple\nname: Maple\nversion: "1.2"\nusernames: email\n')


class _Airflow(BaseHTTPRequestHandler):
    """As much of Airflow's REST API as taking a connection needs; keeps what it was sent."""

    received: list[tuple[str, str, Any]]

    def _answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).received.append((self.command, self.path, body))
        is_token = self.path == "/auth/token"
        said = {"access_token": "t"} if is_token else {"create": {"errors": []}}
        self.send_response(201 if is_token else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    do_POST = do_PATCH = _answer

    #: The connection that Airflow has before.
    stored: dict[str, Any] | None = None

    def do_GET(self) -> None:
        self.send_response(200 if self.stored else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(self.stored or {}).encode())

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def airflow_api(folder, monkeypatch) -> Iterator[list[tuple[str, str, Any]]]:
    _Airflow.received = []
    server = HTTPServer(("127.0.0.1", 0), _Airflow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("ROLLCALL_AIRFLOW_URL", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("ROLLCALL_AIRFLOW_USER", "admin")
    monkeypatch.setenv("ROLLCALL_AIRFLOW_PASSWORD", "pw")
    yield _Airflow.received
    server.shutdown()
    server.server_close()


def test_without_airflow_a_shell_has_it_whatever_the_secret_is_made_of(maple, run, monkeypatch):
    result = run("districts", "connect", "maple", *ARGUMENTS, text=f"{SECRET}\n".encode())
    assert result.exit_code == 0, result.output
    script = f"{result.stdout}\nprintenv AIRFLOW_CONN_ONEROSTER_MAPLE"
    shell = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    monkeypatch.setenv("AIRFLOW_CONN_ONEROSTER_MAPLE", shell.stdout.strip())
    assert OneRosterConnection.from_environment("oneroster_maple").secret == SECRET


def test_airflows_api_gets_it_with_port_0(maple, airflow_api, run):
    result = run("districts", "connect", "maple", *ARGUMENTS, text=f"{SECRET}\n".encode())
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    method, path, body = airflow_api[-1]
    assert (method, path) == ("PATCH", "/api/v2/connections")
    [action] = body["actions"]
    assert action["action_on_existence"] == "overwrite"
    assert action["entities"] == [
        {
            "connection_id": "oneroster_maple",
            "conn_type": "oneroster",
            "host": ARGUMENTS[1],
            "login": ARGUMENTS[3],
            "password": SECRET,
            "port": 0,
            "extra": json.dumps({"auth_url": ARGUMENTS[5]}),
        }
    ]


def test_taking_in_stores_it_where_airflow_is_reachable(folder, airflow_api, mail, run):
    result = run("districts", "add", "maple", "--json", text=mail("plain.txt"))
    assert result.exit_code == 0, result.output
    written = json.loads(result.stdout)["written"]
    assert written["stored"].startswith("connection oneroster_maple of the Airflow at 127.0.0.1:")
    assert written["command"] == ""
    assert airflow_api[-1][2]["actions"][0]["entities"][0]["connection_id"] == "oneroster_maple"


@pytest.mark.parametrize("where", ["Airflow", "the shell"])
def test_a_replaced_connection_keeps_its_other_settings(folder, airflow_api, mail, run, sandbox, monkeypatch, where):
    assert run("districts", "add", "maple", text=mail("plain.txt")).exit_code == 0
    extra = {"auth_url": "https://old.example", "allow_private": True, **HEADERS}
    fields = {"conn_type": "oneroster", "host": "https://old.example", "login": "old", "password": "***"}
    if where == "Airflow":
        monkeypatch.setattr(_Airflow, "stored", {**fields, "extra": json.dumps(extra)})
    else:
        hidden = extra | {"secret_headers": {"X-Api-Key": "***"}}
        monkeypatch.setattr(_Airflow, "stored", {**fields, "extra": json.dumps(hidden)})
        monkeypatch.setenv("AIRFLOW_CONN_ONEROSTER_MAPLE", json.dumps({**fields, "extra": extra}))
    sandbox.set_quirks("maple", ["headers-required"])
    result = run("districts", "add", "maple", "--replace", text=mail("plain.txt"))
    assert result.exit_code == 0, result.output
    [entity] = airflow_api[-1][2]["actions"][0]["entities"]
    new = {"auth_url": sandbox.token_url("maple")}
    assert json.loads(entity["extra"]) == extra | new


def test_a_setting_that_airflow_hides_is_not_lost(folder, airflow_api, mail, run, sandbox, monkeypatch):
    assert run("districts", "add", "maple", text=mail("plain.txt")).exit_code == 0
    monkeypatch.delenv("AIRFLOW_CONN_ONEROSTER_MAPLE", raising=False)
    extra = json.dumps({"secret_headers": {"X-Api-Key": "***"}})
    monkeypatch.setattr(_Airflow, "stored", {"host": "https://old.example", "login": "old", "extra": extra})
    seen, sent = sandbox.seen("maple"), len(airflow_api)
    result = run("districts", "add", "maple", "--replace", text=mail("plain.txt"))
    assert isinstance(result.exception, ConnectionInvalid)
    assert result.exception.code == "secret_not_readable"
    assert sandbox.seen("maple") == seen
    assert [call for call in airflow_api[sent:] if call[0] == "PATCH"] == []


def test_a_connection_airflow_has_can_be_given_to_the_shell_too(folder, airflow_api, mail, run, monkeypatch):
    """Else the next command that is printed, `rollcall sync maple --dry-run`, has no connection."""
    monkeypatch.delenv("AIRFLOW_CONN_ONEROSTER_MAPLE", raising=False)
    shown = run("districts", "add", "maple", text=mail("plain.txt")).stdout
    [command] = [line for line in shown.splitlines() if line.startswith("  eval ")]
    asked = len(airflow_api)
    rollcall = f'rollcall() {{ {shlex.quote(sys.executable)} -m rollcall.cli.main "$@"; }}'
    script = f"{rollcall}\n{command}\nprintenv AIRFLOW_CONN_ONEROSTER_MAPLE"
    given = subprocess.run(["bash", "-c", script], input=f"{SECRET}\n", capture_output=True, text=True, check=True)
    assert json.loads(given.stdout)["password"] == SECRET
    assert len(airflow_api) == asked
    monkeypatch.setenv("AIRFLOW_CONN_ONEROSTER_MAPLE", given.stdout)
    again = run("districts", "add", "maple", "--replace", "--json", text=mail("plain.txt"))
    assert json.loads(again.stdout)["written"]["shell_command"] == ""


def test_a_check_that_fails_stores_nothing(folder, airflow_api, mail, run):
    text = mail("plain.txt", **{"maple-sandbox-secret": "planted-wrong-secret"})
    assert run("districts", "add", "maple", text=text).exit_code == 1
    assert airflow_api == []


def test_an_airflow_that_does_not_answer_leaves_the_file_and_the_command(folder, mail, run, monkeypatch):
    monkeypatch.setenv("ROLLCALL_AIRFLOW_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("ROLLCALL_AIRFLOW_USER", "admin")
    monkeypatch.setenv("ROLLCALL_AIRFLOW_PASSWORD", "pw")
    result = run("districts", "add", "maple", "--json", text=mail("plain.txt"))
    assert result.exit_code == 0, result.output
    written = json.loads(result.stdout)["written"]
    assert "does not answer" in written["not_stored"]
    assert written["command"].startswith('eval "$(rollcall districts connect maple --base-url ')
    assert "secret-not-a-secret" not in result.output
    assert (folder / "maple.yaml").exists()


def test_the_secret_does_not_go_unencrypted_to_another_machine(maple, run, monkeypatch):
    monkeypatch.setenv("ROLLCALL_AIRFLOW_URL", "http://airflow.example")
    result = run("districts", "connect", "maple", *ARGUMENTS, text=b"s3cret-planted\n")
    assert isinstance(result.exception, ActionRequired)
    assert result.exception.code == "airflow_unencrypted"


def test_airflows_own_program_stores_it_in_the_metadata_database(maple, airflow_database, run, monkeypatch, tmp_path):
    database = Path(AIRFLOW_HOME, "airflow.db")
    key = Fernet.generate_key()
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", key.decode())
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{database}")
    commands = []
    real = subprocess.run

    def watched(command, **how):
        commands.append(command)
        assert Path(command[-1]).stat().st_mode & 0o777 == 0o600
        return real(command, **how)

    monkeypatch.setattr(storage.subprocess, "run", watched)
    result = run("districts", "connect", "maple", *ARGUMENTS, text=f"{SECRET}\n".encode())
    assert result.exit_code == 0, result.output
    assert "Stored: connection oneroster_maple in Airflow's metadata database" in result.stderr
    [command] = commands
    assert not any("planted" in argument for argument in command)
    assert not Path(command[-1]).exists()
    with sqlite3.connect(database) as reading:
        query = "SELECT conn_type, host, login, password, port FROM connection WHERE conn_id = 'oneroster_maple'"
        [(kind, host, login, password, port)] = reading.execute(query).fetchall()
    assert (kind, host, login, port) == ("oneroster", ARGUMENTS[1], ARGUMENTS[3], 0)
    assert Fernet(key).decrypt(password.encode()).decode() == SECRET


def test_a_program_that_fails_says_so_without_the_connection(maple, run, monkeypatch):
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite:////nowhere/airflow.db")

    def failing(command, **how):
        return subprocess.CompletedProcess(command, 1, stdout=Path(command[-1]).read_text(), stderr="planted")

    monkeypatch.setattr(storage.subprocess, "run", failing)
    result = run("districts", "connect", "maple", *ARGUMENTS, text=f"{SECRET}\n".encode())
    assert isinstance(result.exception, RollcallError)
    assert result.exception.code == "airflow_command"
    assert "planted" not in str(result.exception) + result.output


@pytest.mark.parametrize("missing", ["ROLLCALL_AIRFLOW_USER", "ROLLCALL_AIRFLOW_PASSWORD"])
def test_half_a_login_is_said_before_anything_is_sent(maple, airflow_api, run, monkeypatch, missing):
    monkeypatch.delenv(missing)
    result = run("districts", "connect", "maple", *ARGUMENTS, text=b"s3cret-planted\n")
    assert isinstance(result.exception, ActionRequired)
    assert result.exception.code == "airflow_login_missing"
    assert airflow_api == []
