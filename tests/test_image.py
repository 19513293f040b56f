"""The image's Dockerfile, without building it: who runs it, what is fetched, what is switched off."""

from __future__ import annotations

import re

from dockerfile_parse import DockerfileParser

from rollcall_local.airflow_env import _TELEMETRY_OFF
from tests.conftest import ROOT


def _steps() -> list[dict[str, str]]:
    parser = DockerfileParser(str(ROOT / "Dockerfile"))
    found: list[dict[str, str]] = parser.structure
    return found


def test_the_image_runs_as_a_user_who_is_not_root():
    users = [step["value"] for step in _steps() if step["instruction"] == "USER"]
    assert users
    assert users[-1] not in ("root", "0", "0:0")
    last = [step["instruction"] for step in _steps()][-1]
    assert last == "USER"


def test_the_base_image_is_one_version():
    parser = DockerfileParser(str(ROOT / "Dockerfile"))
    assert re.search(r":\d+\.\d+-\d+", parser.baseimage)


def test_nothing_is_fetched_from_an_address_and_no_secret_is_built_in():
    instructions = {step["instruction"] for step in _steps()}
    assert instructions <= {"FROM", "RUN", "ENV", "USER", "COMMENT", "ARG"}
    assert [step["value"] for step in _steps() if step["instruction"] == "ARG"] == ['EXTRAS=""']
    text = " ".join(step["value"] for step in _steps() if step["instruction"] == "RUN")
    assert "://" not in text
    assert "--no-deps" in text
    names = DockerfileParser(str(ROOT / "Dockerfile")).envs
    assert [name for name in names if re.search("SECRET|PASSWORD|TOKEN|KEY", name)] == []


def test_telemetry_is_off_in_the_image_as_on_one_machine():
    assert DockerfileParser(str(ROOT / "Dockerfile")).envs == _TELEMETRY_OFF
