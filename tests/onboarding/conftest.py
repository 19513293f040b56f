"""Two made-up districts served over HTTP, a warehouse, an empty folder of districts, and the mails they would send."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from rollcall.cli.main import rollcall
from rollcall_sandbox import Sandbox, SandboxDistrict

MAILS = Path(__file__).parent / "mails"
MAPLE = SandboxDistrict(app="maple", version="1.2", students=60, seed=5)
CEDAR = SandboxDistrict(app="cedar", version="1.1", students=60, seed=6, auth="oauth1")
NO_AIRFLOW = (
    "AIRFLOW_HOME",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_SECRET",
    "ROLLCALL_AIRFLOW_URL",
    "ROLLCALL_AIRFLOW_USER",
    "ROLLCALL_AIRFLOW_PASSWORD",
)


@pytest.fixture(scope="session")
def _serving() -> Iterator[Sandbox]:
    with Sandbox([MAPLE, CEDAR]) as running:
        yield running


@pytest.fixture
def sandbox(_serving: Sandbox) -> Iterator[Sandbox]:
    """What a test switches on is off again afterwards."""
    yield _serving
    for district in (MAPLE, CEDAR):
        _serving.set_quirks(district.app, [])


@pytest.fixture
def mail(sandbox: Sandbox) -> Callable[..., bytes]:
    """One of the mails with the sandbox's own address in it, changed as a test says."""

    def read(name: str, **changed: str) -> bytes:
        text = (MAILS / name).read_text(encoding="utf-8")
        for old, new in changed.items():
            text = text.replace(old, new)
        return text.replace("https://sis.example", f"http://127.0.0.1:{sandbox.port}").encode()

    return read


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The districts' folder, empty; no Airflow is named in the environment."""
    made = tmp_path / "districts"
    made.mkdir()
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(made))
    monkeypatch.setenv("ROLLCALL_LANDING", str(tmp_path / "landing"))
    for name in NO_AIRFLOW:
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.fixture
def warehouse(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """The test's warehouse, named in the environment."""
    url = engine.url
    fields = {"conn_type": "postgres", "host": url.query["host"], "login": url.username, "schema": url.database}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(fields))
    return engine


@pytest.fixture
def run() -> Callable[..., Result]:
    """Runs a command; an error of ours is the result's exception."""

    def invoke(*arguments: str, text: bytes | None = None) -> Result:
        return CliRunner().invoke(rollcall, list(arguments), input=text)

    return invoke
