"""airflow_settings.yaml fits the sandbox, is read as the Astro CLI reads it, and keeps its secrets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollcall.errors import RollcallError
from rollcall_local.airflow_env import PROJECT, AirflowSettings
from rollcall_local.stack import SANDBOX_PORT
from rollcall_sandbox.settings import DEMO_DISTRICTS, SandboxDistrict, addresses

_FILE = PROJECT / "airflow_settings.yaml"
_SANDBOX = f"http://127.0.0.1:{SANDBOX_PORT}"


@pytest.mark.parametrize("district", DEMO_DISTRICTS, ids=lambda district: district.app)
def test_the_connections_are_the_sandboxs(district: SandboxDistrict) -> None:
    settings = AirflowSettings.read(_FILE)
    found = next(made for made in settings.connections if made["connection_id"] == f"oneroster_{district.app}")
    assert found["conn_type"] == "oneroster"
    where = addresses(district, district.quirks)
    assert found["host"] == _SANDBOX + where.base
    assert (found["login"], found["password"]) == (district.client_id, district.client_secret)
    assert found["port"] == 0, "Airflow 3.3.2 refuses to test a connection without a port"
    extra = json.loads(found["extra"])
    assert extra["auth"] == district.auth
    token_url = f"{_SANDBOX}{where.token}?{where.token_query}"
    assert extra.get("auth_url") == (token_url if district.auth == "oauth2" else None)


def test_only_mock_values_are_in_it() -> None:
    assert {made["connection_id"] for made in AirflowSettings.read(_FILE).connections} == {
        f"oneroster_{district.app}" for district in DEMO_DISTRICTS
    }


def test_another_port_of_the_sandbox_is_written_everywhere() -> None:
    moved = AirflowSettings.read(_FILE).with_address(f"127.0.0.1:{SANDBOX_PORT}", "127.0.0.1:9001")
    text = json.dumps(moved.connections)
    assert str(SANDBOX_PORT) not in text
    assert text.count("127.0.0.1:9001") == 3


def test_the_astro_clis_empty_template_applies_nothing(tmp_path: Path) -> None:
    template = tmp_path / "airflow_settings.yaml"
    template.write_text("airflow:\n  connections:\n    - conn_id:\n      conn_type:\n  pools:\n  variables: []\n")
    settings = AirflowSettings.read(template)
    assert (settings.connections, settings.pools, settings.variables) == ((), (), ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("airflow: [", "is not YAML"),
        ("connections: []", "no section `airflow`"),
        ("airflow:\n  pools:\n    - {pool_name: a, slots: 5}\n", "'slots' under `pools`"),
    ],
)
def test_a_broken_file_is_refused_in_words(tmp_path: Path, text: str, message: str) -> None:
    broken = tmp_path / "airflow_settings.yaml"
    broken.write_text(text)
    with pytest.raises(RollcallError, match=message) as refused:
        AirflowSettings.read(broken)
    assert refused.value.code == "airflow_settings_unreadable"


def test_a_representation_shows_no_secret() -> None:
    assert DEMO_DISTRICTS[0].client_secret not in repr(AirflowSettings.read(_FILE))


def test_the_file_stays_out_of_images() -> None:
    assert "airflow_settings.yaml" in (PROJECT / ".dockerignore").read_text().split()
