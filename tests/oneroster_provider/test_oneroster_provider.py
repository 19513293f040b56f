"""The provider package as Airflow itself sees it, in a process of its own with an empty AIRFLOW_HOME."""

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from oneroster_provider import get_provider_info
from rollcall.oneroster.connection import _PARSERS
from rollcall_sandbox import Sandbox, SandboxDistrict

ROOT = Path(__file__).resolve().parents[2]
MAPLE = SandboxDistrict("maple", "1.2", students=40)
CEDAR = SandboxDistrict("cedar", "1.1", students=40, auth="oauth1")


def connections(sandbox):
    """What Airflow finds in the environment; `port` 0 because the form of Airflow 3.3.2 stores it so."""

    def one(district, **changes):
        oauth2 = {"auth_url": sandbox.token_url(district.app)} if district.auth == "oauth2" else {}
        fields = {
            "conn_type": "oneroster",
            "host": sandbox.base_url(district.app),
            "login": district.client_id,
            "password": district.client_secret,
            "port": 0,
            "extra": json.dumps({**oauth2, "scopes": None, "headers": {}, **changes.pop("extra", {})}),
        }
        return json.dumps({**fields, **changes})

    return {
        "maple": one(MAPLE),
        "cedar": one(CEDAR),
        "wrong_secret": one(MAPLE, password="planted-secret"),
        "half": one(MAPLE, extra={"auth_url": sandbox.token_url("maple").partition("?")[0]}),
        "typo": one(MAPLE, extra={"token_url": "x"}),
    }


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    """What Airflow knows of the provider, and its other output."""
    home = tmp_path_factory.mktemp("airflow")
    with Sandbox([MAPLE, CEDAR]) as sandbox:
        environment = {f"AIRFLOW_CONN_ONEROSTER_{name.upper()}": uri for name, uri in connections(sandbox).items()}
        run = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("ask_airflow.py")), str(home / "result.json")],
            env={
                **os.environ,
                **environment,
                "AIRFLOW_HOME": str(home),
                "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert run.returncode == 0, run.stderr[-3000:]
        result = json.loads((home / "result.json").read_text())
        return result, run.stdout + run.stderr, sandbox.truth("cedar")


def test_the_description_is_valid_and_of_this_distribution():
    airflow = importlib.util.find_spec("airflow")  # importing it would make an AIRFLOW_HOME
    assert airflow is not None
    schema = json.loads(Path(airflow.origin).with_name("provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)
    assert get_provider_info()["package-name"] == importlib.metadata.distribution("rollcall").metadata["Name"]


def test_the_description_costs_nothing_to_import():
    code = "import sys, oneroster_provider; oneroster_provider.get_provider_info(); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")

    assert not {"airflow", "requests", "msgspec", "rollcall"} & set(run.stdout.split())


def test_airflow_knows_the_connection_type_and_its_labels(airflow):
    result, _, _ = airflow

    assert result["class"] == "oneroster_provider.hook.OneRosterHook"
    assert (result["id"], result["package"]) == ("oneroster_conn_id", "rollcall")
    assert result["form"]["hidden_fields"] == ["schema", "port"]
    assert result["form"]["relabeling"] == {
        "host": "Base URL",
        "login": "Client ID or Consumer Key",
        "password": "Client Secret or Consumer Secret",
    }


def test_the_form_has_a_field_for_every_key_of_extra_and_no_other(airflow):
    result, _, _ = airflow
    kind, _webhook = get_provider_info()["connection-types"]

    assert kind["conn-fields"].keys() == _PARSERS.keys() == set(result["extra"])
    assert kind["conn-fields"]["auth_url"]["label"] == "Token URL"


def test_the_plugin_loader_leaves_the_package_alone(airflow):
    result, _, _ = airflow

    assert result["plugin_errors"] == {}
    assert result["stray"] == []


def test_the_test_button_says_what_was_found(airflow):
    result, _, _ = airflow

    for name, district, version in (("maple", "Maple Unified", "1.2"), ("cedar", "Cedar Valley", "1.1")):
        succeeded, message = result["tested"][name]
        assert succeeded, message
        assert f"Connected to {district} School District: OneRoster {version}" in message
        assert "orgs" in message


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("wrong_secret", "did not accept the Client ID and Client Secret"),
        ("half", "ends before `?appName=…`"),
        ("typo", "Did you mean `auth_url`?"),
    ],
)
def test_the_test_button_says_what_is_wrong_and_what_to_do(airflow, name, says):
    result, _, _ = airflow
    succeeded, message = result["tested"][name]

    assert not succeeded
    assert says in message
    assert "oneroster_" not in message  # Airflow's Test button tests a copy under a random ID


def test_no_secret_is_told_at_debug(airflow):
    _, written, _ = airflow

    for secret in (MAPLE.client_secret, CEDAR.client_secret, "planted-secret", "Bearer "):
        assert secret not in written


def test_a_client_from_the_hook_reads_the_district(airflow):
    result, _, truth = airflow

    assert result["orgs"] == truth["collections"]["orgs"]["total"]
    assert result["page_size"] == 7


def test_the_hook_stays_a_thin_door():
    hook = ROOT / "plugins" / "oneroster_provider" / "hook.py"

    assert len(hook.read_text().splitlines()) < 120
