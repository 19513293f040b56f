"""Every command and every YAML sample of README.md and docs/ works as typed.

Commands run one page after another against a real provider, a real warehouse, and the folder of one district. Commands
with placeholders are parsed, and what they name must exist.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from rollcall.cli.main import rollcall
from rollcall.oneroster.connection import OneRosterConnection
from rollcall.settings import load_district, night_of
from rollcall_sandbox import Sandbox, SandboxDistrict
from tests.docs.samples import Sample, commands, samples

MINIMAL = 'district: maple\nname: Maple\nversion: "1.2"\n'
MAPLE = SandboxDistrict(app="maple", version="1.2", students=120, seed=1, auth="oauth2")

#: Words that a person replaces, and what the test puts there.
PLACEHOLDERS = {"DISTRICT": "maple", "SCHOOL": "Franklin Elementary School", "SITE": "ME", "RUN": "run", "WHO": "Ada"}

#: Commands that do not end.
ENDLESS = ("sandbox",)

#: A night in a sample stands for the one that the test published.
_A_DATE = re.compile(r"\b2026-11-\d\d\b")

SHELL = [sample for sample in samples("") if commands(sample)]


def _is_placeholder(command: str) -> bool:
    return "…" in command or "<" in command or bool(PLACEHOLDERS.keys() & set(shlex.split(command)))


class Newcomer:
    """A person with a terminal: one district, its email, a warehouse, and the commands of the documentation."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.sandbox = sandbox
        (folder / "districts").mkdir()
        (folder / "mail.txt").write_text(sandbox.handed_over("maple"))
        self.failed: list[tuple[str, int, str]] = []

    @property
    def file(self) -> Path:
        return self.folder / "districts" / "maple.yaml"

    def run(self, command: str) -> None:
        zone = load_district(self.file).schedule.timezone if self.file.exists() else "UTC"
        tonight = night_of(datetime.now(UTC), zone).isoformat()
        arguments = shlex.split(_A_DATE.sub(tonight, command))
        if arguments[:2] == ["districts", "add"] and "--replace" not in arguments:
            self.file.unlink(missing_ok=True)
        result = CliRunner().invoke(rollcall, arguments, input="y\n")  # the answer to "Write maple.yaml?"
        if result.exit_code not in (0, 3):
            self.failed.append((command, result.exit_code, f"{result.output} {result.exception}"))

    def before(self, sample: Sample, command: str) -> None:
        """What a page takes for granted."""
        if command.startswith("roster "):
            self.run("sync maple")
        if sample.page.name == "sites-and-usernames.md" and command.startswith("sites list"):
            targets = next(each for each in samples("yaml") if each.page == sample.page).body.splitlines()[1]
            self.file.write_text(f"{MINIMAL}usernames: email\n{targets}\n")
        if command.startswith("holds list"):
            # three in ten students are gone for two nights
            self.file.write_text(f"{MINIMAL}usernames: email\n")
            self.run("sync maple --full")
            self.sandbox.set_quirks("maple", ["accounts-lost"])
            for _ in range(2):
                self.run("sync maple --full")
            self.sandbox.set_quirks("maple", [])


@pytest.fixture
def newcomer(engine, tmp_path, monkeypatch) -> Iterator[Newcomer]:
    with Sandbox([MAPLE]) as sandbox:
        url = engine.url
        warehouse = {"conn_type": "postgres", "host": url.query["host"], "login": url.username, "schema": url.database}
        connection = {
            "conn_type": "oneroster",
            "host": sandbox.base_url("maple"),
            "login": MAPLE.client_id,
            "password": MAPLE.client_secret,
            "extra": {"auth_url": sandbox.token_url("maple")},
        }
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(warehouse))
        monkeypatch.setenv("AIRFLOW_CONN_ONEROSTER_MAPLE", json.dumps(connection))
        monkeypatch.setenv("ROLLCALL_DISTRICTS", str(tmp_path / "districts"))
        monkeypatch.setenv("ROLLCALL_LANDING", str(tmp_path / "landing"))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("rollcall.cli.edits._is_interactive", lambda: True)
        yield Newcomer(tmp_path, sandbox)


def test_every_command_of_every_page_runs(newcomer):
    ran = 0
    for sample in SHELL:
        for command in commands(sample):
            if _is_placeholder(command) or command.split()[0] in ENDLESS or "elm" in command.split():
                continue
            newcomer.before(sample, command)
            newcomer.run(command)
            ran += 1
    assert newcomer.failed == [], "\n".join(map(str, newcomer.failed))
    assert ran > 25


@pytest.mark.parametrize("sample", SHELL, ids=lambda sample: sample.place)
def test_every_command_parses(sample):
    for command in commands(sample):
        words = [PLACEHOLDERS.get(word, word) for word in shlex.split(command)]
        context, found = click.Context(rollcall, info_name="rollcall"), rollcall
        while isinstance(found, click.Group):
            name, found, words = found.resolve_command(context, words)
            context = click.Context(found, info_name=name, parent=context)
        if "…" not in words:
            found.make_context(name, list(words), resilient_parsing=True)
        options = {option for param in found.params for option in param.opts}
        assert {word for word in words if word.startswith("--")} <= options, command


@pytest.mark.parametrize("sample", list(samples("yaml")), ids=lambda sample: sample.place)
def test_every_yaml_sample_is_read_by_the_settings(sample, tmp_path):
    for number, body in enumerate(_alternatives(sample.body)):
        settings = yaml.safe_load(body)
        text = body if "district" in settings else MINIMAL + body
        text += "" if "usernames" in settings else "usernames: email\n"
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "maple.yaml").write_text(text)
        assert load_district(folder / "maple.yaml").district == "maple"


def _alternatives(body: str) -> list[str]:
    """A sample, or its lines if they are alternatives of one key."""
    lines = body.strip().splitlines()
    keys = [each.split(":")[0] for each in lines if each[:1].isalpha()]
    return [f"{each}\n" for each in lines] if len(keys) > len(set(keys)) else [body]


def test_every_json_sample_is_a_connection(monkeypatch):
    found = list(samples("json"))
    for sample in found:
        text = sample.body.replace("<Base URL>", "https://sis.example").replace("<Token URL>", "https://sis.example/t")
        monkeypatch.setenv("AIRFLOW_CONN_SAMPLE", text)
        assert OneRosterConnection.from_environment("sample")
    assert found
