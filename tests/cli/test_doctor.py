"""`rollcall doctor`: one line per part, and what to do about those that fail."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from rollcall.cli.main import rollcall

MAPLE = 'district: maple\nname: Maple\nversion: "1.2"\nusernames: email\n'


@pytest.fixture
def districts(tmp_path, monkeypatch):
    folder = tmp_path / "districts"
    folder.mkdir()
    (folder / "maple.yaml").write_text(MAPLE)
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(folder))
    return folder


def _doctor(*arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    result = CliRunner().invoke(rollcall, ["doctor", "--json", *arguments], catch_exceptions=False)
    return result.exit_code, {check["name"]: check for check in json.loads(result.stdout)}


def test_a_healthy_installation(districts, engine, tmp_path):
    url = engine.url.render_as_string(hide_password=False)
    code, checks = _doctor("--warehouse", url, "--landing", str(tmp_path / "landing"))
    outcomes = {name: check["outcome"] for name, check in checks.items()}
    assert outcomes == dict.fromkeys(checks, "ok") | {"Airflow": "skipped"}
    assert (code, len(checks), list((tmp_path / "landing").iterdir())) == (0, 8, [])


def test_a_folder_that_is_deployed_is_called_read_only(districts, tmp_path, monkeypatch):
    monkeypatch.setenv("ROLLCALL_DISTRICTS_READ_ONLY", "true")
    _, checks = _doctor("--landing", str(tmp_path / "landing"))
    assert "read-only" in checks["districts folder"]["message"]


def test_each_part_that_fails_has_a_remedy_and_is_reported_at_once(districts, tmp_path, monkeypatch):
    (districts / "maple.yaml").write_text(MAPLE + "usrnames: email\n")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "postgresql://rollcall@127.0.0.1:1/warehouse")
    monkeypatch.setenv("ROLLCALL_AIRFLOW_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("ROLLCALL_AIRFLOW_USER", "admin")
    monkeypatch.setenv("ROLLCALL_AIRFLOW_PASSWORD", "secret")
    code, checks = _doctor("--landing", str(tmp_path / "file" / "landing"))
    failed = [name for name, check in checks.items() if check["outcome"] == "failed"]
    assert (code, failed) == (1, ["district files", "warehouse", "landing zone", "Airflow"])
    assert [name for name in failed if not checks[name]["remedy"]] == []
    assert "secret" not in json.dumps(checks)


def test_an_older_warehouse_names_the_upgrade(districts, postgres, tmp_path):
    url = postgres.url("postgres")
    _, checks = _doctor("--warehouse", url, "--landing", str(tmp_path / "landing"))
    assert checks["warehouse"]["outcome"] == "failed"
    assert "rollcall db upgrade" in checks["warehouse"]["remedy"]
