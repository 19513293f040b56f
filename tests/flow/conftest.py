"""The two made-up districts, smaller than in the demo, served over HTTP; their connections in the environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from rollcall_sandbox import Sandbox, SandboxDistrict

MAPLE = SandboxDistrict(app="maple", version="1.2", students=160, seed=5, auth="oauth2")
CEDAR = SandboxDistrict(app="cedar", version="1.1", students=160, seed=6, auth="oauth1", demographics=True)


def _file(district: SandboxDistrict, more: str = "") -> str:
    return (
        f'district: {district.app}\nname: {district.name}\nversion: "{district.version}"\nusernames: email\n'
        f"starts_on: 2026-11-21\ndemographics: {str(district.demographics).lower()}\n{more}"
    )


@pytest.fixture(scope="session")
def served() -> Iterator[Sandbox]:
    with Sandbox([MAPLE, CEDAR]) as running:
        yield running


@pytest.fixture
def sandbox(served: Sandbox) -> Sandbox:
    """Both districts on their first day. All tests share one server, because stopping one takes 0.3 s."""
    served.start_over()
    return served


@pytest.fixture
def district_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a district's file with something added."""
    folder = tmp_path / "districts"
    folder.mkdir()

    def write(district: SandboxDistrict, more: str = "") -> Path:
        path = folder / f"{district.app}.yaml"
        path.write_text(_file(district, more), encoding="utf-8")
        return path

    return write


@pytest.fixture
def connect_as(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Callable[..., None]:
    """Sets a district's connection in the environment, with fields changed."""

    def set_up(district: SandboxDistrict, **changed: Any) -> None:
        fields: dict[str, Any] = {
            "conn_type": "oneroster",
            "host": sandbox.base_url(district.app),
            "login": district.client_id,
            "password": district.client_secret,
            "extra": {"auth_url": sandbox.token_url(district.app)} if district.auth == "oauth2" else {"auth": "oauth1"},
        }
        monkeypatch.setenv(f"AIRFLOW_CONN_ONEROSTER_{district.app.upper()}", json.dumps({**fields, **changed}))

    return set_up


@pytest.fixture
def ready(
    engine: sa.Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    district_file: Callable[..., Path],
    connect_as: Callable[..., None],
) -> sa.Engine:
    """Both districts described and connected, a warehouse and a landing zone of their own."""
    for district in (MAPLE, CEDAR):
        folder = district_file(district).parent
        connect_as(district)
    url = engine.url
    warehouse = {"conn_type": "postgres", "host": url.query["host"], "login": url.username, "schema": url.database}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(warehouse))
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(folder))
    monkeypatch.setenv("ROLLCALL_LANDING", str(tmp_path / "landing"))
    return engine


@pytest.fixture
def outdated(ready: sa.Engine, tmp_path: Path) -> Path:
    """A file that retention deletes when it is applied: a part of a pull that did not finish, years ago."""
    part = tmp_path / "landing" / "district=maple" / "pull=20200101T000000Z-0a" / "part"
    part.parent.mkdir(parents=True)
    part.write_text("old")
    return part
