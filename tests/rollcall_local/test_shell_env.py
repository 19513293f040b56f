"""`source .rollcall/env`: what a shell has after it, and what the demo says where nobody can source it."""

from __future__ import annotations

import io
import json
import subprocess

import pytest

from rollcall_local import demo
from rollcall_local.airflow_env import PROJECT, AirflowSettings
from rollcall_local.shell_env import ShellEnv
from rollcall_local.stack import SANDBOX_PORT
from rollcall_sandbox import DEMO_DISTRICTS
from rollcall_sandbox.credentials import airflow_connection

VALUES = {"AIRFLOW_CONN_WAREHOUSE": json.dumps({"login": "it's $HOME `id` \\n"}), "ROLLCALL_LANDING": "/a b/landing"}


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_a_shell_has_every_value_as_it_is(tmp_path, shell):
    env = ShellEnv(tmp_path / ".rollcall" / "env")
    env.write(VALUES, first=[tmp_path / "a b"], last=[tmp_path / "z"])
    assert oct(env.path.stat().st_mode & 0o7777) == "0o600"
    command = [shell, "-c", f". '{env.path}'; env -0"]
    done = subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    had = dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry)
    assert {name: had[name] for name in VALUES} == VALUES
    assert had["PATH"] == f"{tmp_path}/a b:/usr/bin:/bin:{tmp_path}/z"
    env.remove()
    assert not env.path.exists()


def test_what_another_launcher_wrote_stays(tmp_path):
    ours, theirs = ShellEnv(tmp_path / "env"), ShellEnv(tmp_path / "env")
    ours.write({"ROLLCALL_LANDING": "/ours"})
    theirs.write({"ROLLCALL_LANDING": "/theirs"})
    ours.remove()
    assert "/theirs" in theirs.path.read_text()


def test_the_sandbox_and_the_settings_file_say_the_same_of_the_connections():
    written = AirflowSettings.read(PROJECT / "airflow_settings.yaml").connections
    served = [airflow_connection(district, f"http://127.0.0.1:{SANDBOX_PORT}") for district in DEMO_DISTRICTS]
    by_id = {made["connection_id"]: made for made in written if made["conn_type"] == "oneroster"}
    assert set(by_id) == {"oneroster_maple", "oneroster_cedar"}
    for made in served:
        own = by_id[made["connection_id"]]
        assert json.loads(own["extra"]) == json.loads(made["extra"])
        assert {name: own[name] for name in ("host", "login", "password", "port")} == {
            name: made[name] for name in ("host", "login", "password", "port")
        }


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class _Up:
    """A stack that is up already."""

    def __init__(self, *_: object, **__: object) -> None:
        self.warehouse_url = "postgresql+psycopg://127.0.0.1/none"

    def __enter__(self) -> _Up:
        return self

    def __exit__(self, *_: object) -> None:
        print("stopped")

    def addresses(self) -> str:
        return "source .rollcall/env"

    def stay(self) -> None:
        print("stayed")


@pytest.mark.parametrize(("stdin", "stays"), [(_Terminal(), True), (io.StringIO(), False), (None, False)])
def test_without_a_terminal_the_demo_says_why_it_stops(monkeypatch, capsys, stdin, stays):
    monkeypatch.setattr(demo, "Stack", _Up)
    monkeypatch.setattr(demo, "_two_nights", lambda *_: True)
    monkeypatch.setattr("sys.stdin", stdin)
    assert demo._demo() == 0
    output = capsys.readouterr().out
    assert ("stayed" in output, "source .rollcall/env" in output) == (stays, stays)
    assert ("No terminal" in output) == (not stays)
    assert output.rstrip().endswith("stopped")
