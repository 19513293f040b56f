"""`rollcall sandbox` as a person starts it: what it prints, that it serves, how it ends."""

# ruff: noqa: S113 - a request that hangs is ended by pytest-timeout
from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import requests
from click.testing import CliRunner

from rollcall.errors import RollcallError
from rollcall_sandbox import DEMO_DISTRICTS, Sandbox, SandboxDistrict
from rollcall_sandbox.command import sandbox

PROGRAM = [sys.executable, "-c", "from rollcall_sandbox.command import sandbox; sandbox()"]


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def run(*options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen([*PROGRAM, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def printed(process: subprocess.Popen[str], lines: int) -> list[str]:
    return [process.stdout.readline().rstrip() for _ in range(lines)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_what_a_district_sends_serves_and_ends_cleanly(start, number):
    process = start("--port", "0", "--students", "40", "--nights", "1")
    lines = printed(process, 10)
    values = {label.strip(): value.strip() for label, _, value in (line.partition(": ") for line in lines) if value}
    assert lines[0] == "Maple Unified School District, OneRoster 1.2"
    assert lines[6] == "Cedar Valley School District, OneRoster 1.1"
    assert values.keys() == {
        "Base URL", "Token URL", "Client ID", "Client Secret", "OneRoster URL", "Consumer Key", "Consumer Secret",
    }  # fmt: skip
    token = requests.post(
        values["Token URL"],
        data={"grant_type": "client_credentials"},
        auth=(values["Client ID"], values["Client Secret"]),
    ).json()["access_token"]
    orgs = f"{values['Base URL']}/rostering/v1p2/orgs"
    assert requests.get(orgs, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert requests.get(f"{values['OneRoster URL']}/orgs").status_code == 401
    process.send_signal(number)
    rest, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert rest.strip() == ""
    assert errors.strip().endswith("Press Ctrl-C to stop.")


def test_a_taken_port_is_an_error_with_a_remedy():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run([*PROGRAM, "--port", str(port)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"Error: Port {port} of 127.0.0.1 cannot be used: Address already in use.")
    assert "--port" in done.stderr


def test_one_district_and_a_quirk_may_be_chosen(start):
    process = start("--port", "0", "--students", "40", "cedar", "--quirk", "no-totals")
    assert printed(process, 5)[0] == "Cedar Valley School District, OneRoster 1.1"


def test_a_provider_among_the_quirks_sets_the_connection_up(start):
    process = start("--port", "0", "--students", "40", "maple", "--quirk", "aeries")
    lines = printed(process, 5)
    assert lines[0] == "Maple Unified School District, OneRoster 1.1"
    assert lines[2].endswith("/ims/oneroster/v1p1/token")


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (["--quirk", "no-total"], 2, "no-totals"),
        (["Oak-Park"], 2, "lowercase"),
        (["--students", "0"], 2, "students"),
        (["--quirk", "ed-fi", "--quirk", "clamp-1000"], 1, "there can be only one"),
    ],
)
def test_bad_options_are_refused(options, status, says):
    done = CliRunner().invoke(sandbox, options)
    assert done.exit_code == status
    assert says in done.output


def test_two_districts_of_one_app_are_refused():
    with pytest.raises(RollcallError, match="same app"):
        Sandbox([SandboxDistrict("elm", "1.1"), SandboxDistrict("elm", "1.2")])


def test_any_number_of_districts_by_name_the_same_for_the_same_name(start, reading):
    process = start("--port", "0", "--students", "40", "maple", "birch", "cedar", "birch")
    lines = printed(process, 16)
    names = [line for line in lines if line.endswith((", OneRoster 1.1", ", OneRoster 1.2"))]
    assert names == [
        "Maple Unified School District, OneRoster 1.2",
        "Birch School District, OneRoster 1.2",
        "Cedar Valley School District, OneRoster 1.1",
    ]
    base = next(line.split()[-1] for line in lines if "/birch/" in line)
    birch, elm = (SandboxDistrict(name, "1.2", students=40) for name in ("birch", "elm"))
    with Sandbox([birch, elm]) as here:
        read = {name: reading(here, one) for name, one in (("birch", birch), ("elm", elm))}
        people = {name: {user["sourcedId"] for user in reader.all("users")} for name, reader in read.items()}
        token_url = next(line.split()[-1] for line in lines if "appName=birch" in line)
        form, auth = {"grant_type": "client_credentials"}, (birch.client_id, birch.client_secret)
        token = requests.post(token_url, data=form, auth=auth).json()["access_token"]
        url = f"{base}/rostering/v1p2/users?limit=10000"
        answer = requests.get(url, headers={"Authorization": f"Bearer {token}"})
        assert {user["sourcedId"] for user in answer.json()["users"]} == people["birch"]
    assert not people["birch"] & people["elm"]


def test_the_two_of_the_demo_stay_as_they_are():
    assert [SandboxDistrict.named(district.app) for district in DEMO_DISTRICTS] == list(DEMO_DISTRICTS)
    assert SandboxDistrict.named("birch") == SandboxDistrict("birch", "1.2")
