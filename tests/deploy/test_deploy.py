"""The files in `deploy/` name only settings that exist, pin every image, and have figures that fit each other."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "deploy" / "compose.yaml"
HELM = sorted((ROOT / "deploy" / "helm").glob("*.yaml"))
FILES = [COMPOSE, *HELM]
#: How long a task may run: `execution_timeout` in dags/roster_districts.py.
LONGEST_TASK = timedelta(hours=4)
#: SQLAlchemy's pool in an Airflow component: 5 sessions and 10 more.
COMPONENT_SESSIONS = 15


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def _airflow_options(path: Path) -> set[tuple[str, str]]:
    """The options of Airflow's configuration that a file sets."""
    names = re.findall(r"\bAIRFLOW__([A-Z_]+?)__([A-Z_]+)\b", path.read_text(encoding="utf-8"))
    options = {(section.lower(), key.lower()) for section, key in names}
    sections = {} if path == COMPOSE else _read(path)["config"]
    return options | {(section, key) for section, keys in sections.items() for key in keys}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_settings_of_rollcall_exist(path):
    named = set(re.findall(r"\bROLLCALL_[A-Z_]+", path.read_text(encoding="utf-8")))
    code = [*(ROOT / "include" / "rollcall").rglob("*.py"), *(ROOT / "dags").glob("*.py")]
    known = {name for file in code for name in re.findall(r"\"(ROLLCALL_[A-Z_]+)\"", file.read_text(encoding="utf-8"))}
    assert named - known == set()
    assert {"ROLLCALL_LANDING", "ROLLCALL_DAG_SHARDS", "ROLLCALL_DISTRICTS_READ_ONLY"} <= named
    assert "AIRFLOW_CONN_WAREHOUSE" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_settings_of_airflow_exist(path):
    pytest.importorskip("airflow.providers.celery", reason="it brings the settings of its sections")
    from airflow.configuration import retrieve_configuration_description

    described = retrieve_configuration_description(include_providers=True)
    known = {(section, key) for section, about in described.items() for key in about["options"]}
    known.add(("api", "secret_key"))
    options = _airflow_options(path)
    assert len(options) > 5
    assert options - known == set()


def test_every_image_is_pinned():
    images = [service["image"] for service in _read(COMPOSE)["services"].values()]
    for values in map(_read, HELM):
        image = values["images"]["airflow"]
        images.append(f"{image['repository']}:{image['tag']}")
    own = {"rollcall:local"}
    assert len(images) > 10
    assert [
        image for image in images if image not in own and not re.search(r":[\w-]*\d+\.[\w.-]+$|:RELEASE", image)
    ] == []


def test_only_loopback_has_a_port():
    ports = [port for service in _read(COMPOSE)["services"].values() for port in service.get("ports", ())]
    assert ports == ["127.0.0.1:8080:8080"]


def test_compose_figures_fit_each_other():
    composed = _read(COMPOSE)
    environment, services = composed["x-environment"], composed["services"]
    slots = services["worker"]["scale"] * int(environment["AIRFLOW__CELERY__WORKER_CONCURRENCY"])
    assert int(environment["AIRFLOW__CORE__PARALLELISM"]) >= slots
    hidden_for = environment["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"]
    assert int(hidden_for) > LONGEST_TASK.total_seconds()
    ini = composed["configs"]["pgbouncer"]["content"]
    pools = sum(map(int, re.findall(r"pool_size=(\d+)", ini)))
    server = int(re.search(r"max_connections=(\d+)", services["postgres"]["command"])[1])
    assert pools < server
    assert int(re.search(r"pool_size=(\d+)", ini)[1]) >= 7 * slots  # a task that extracts has up to seven sessions


@pytest.mark.parametrize("path", HELM, ids=lambda path: path.name)
def test_helm_figures_fit_each_other(path):
    values = _read(path)
    is_celery = values["executor"] == "CeleryExecutor"
    slots = 0
    if is_celery:
        slots = values["workers"]["celery"]["replicas"] * values["config"]["celery"]["worker_concurrency"]
        hidden_for = values["config"]["celery_broker_transport_options"]["visibility_timeout"]
        assert hidden_for > LONGEST_TASK.total_seconds()
    assert values["config"]["core"]["parallelism"] >= slots
    api_workers = 4 * values["apiServer"]["replicas"]
    components = values["scheduler"]["replicas"] + values["dagProcessor"]["replicas"] + values["triggerer"]["replicas"]
    assert values["pgbouncer"]["maxClientConn"] >= COMPONENT_SESSIONS * (components + api_workers) + slots
    assert values["redis"]["enabled"] == is_celery
    assert values["postgresql"]["enabled"] is False


def test_the_two_helm_files_differ_in_their_executor_only():
    celery, kubernetes = (_read(ROOT / "deploy" / "helm" / f"values-{name}.yaml") for name in ("celery", "kubernetes"))
    different = {key for key in celery | kubernetes if celery.get(key) != kubernetes.get(key)}
    assert different == {"executor", "config", "workers", "redis", "pgbouncer"}


def test_compose_is_valid():
    compose_spec = pytest.importorskip("compose_spec", reason="not installed: .ci/requirements.txt")
    text = COMPOSE.read_text(encoding="utf-8")
    names = set(re.findall(r"\$\{(\w+)", text))
    assert names == {"POSTGRES_PASSWORD", "S3_PASSWORD", "FERNET_KEY", "JWT_SECRET", "API_SECRET"}
    parsed = compose_spec.PyOptions(apply_merge=True).from_yaml(text)
    parsed.validate()
    assert len(parsed.service_names()) == 11


def test_the_dockerfile_has_no_known_mistake():
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists() and shutil.which("hadolint") is None:
        pytest.skip("hadolint is not installed: .ci/requirements.txt")
    command = [str(program) if program.exists() else "hadolint", "--failure-threshold", "warning", "--no-color"]
    done = subprocess.run([*command, str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
