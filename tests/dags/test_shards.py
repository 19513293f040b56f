"""District DAGs are spread over several files, so Airflow parses thousands of them within its limits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rollcall.errors import ActionRequired
from rollcall.settings import dag_file, require_shared_landing, shard_count
from rollcall.settings.deployment import MOST_SHARDS
from tests.dags.conftest import MAPLE, ROOT

NAMES = [f"d{number:02}" for number in range(24)]


@pytest.fixture
def many(districts):
    return districts(**{name: MAPLE.replace("maple", name) for name in NAMES})


@pytest.mark.parametrize("shards", ["", "1", "3", "16"])
def test_each_district_has_its_dag_once_and_in_the_file_that_is_named(many, parse, monkeypatch, shards):
    monkeypatch.setenv("ROLLCALL_DAG_SHARDS", shards)
    bag = parse()
    assert bag.import_errors == {}
    files = {dag_id: Path(dag.fileloc).relative_to(ROOT / "dags").as_posix() for dag_id, dag in bag.dags.items()}
    assert {name: files[f"roster_{name}"] for name in NAMES} == {name: dag_file(name) for name in NAMES}
    assert len({dag_file(name) for name in NAMES}) == {"": 1, "1": 1, "3": 3}.get(
        shards, len(set(map(dag_file, NAMES)))
    )
    assert shards != "16" or len(set(map(dag_file, NAMES))) > 8


def test_a_task_parses_only_its_district_in_any_shard(many, parse, monkeypatch):
    monkeypatch.setenv("ROLLCALL_DAG_SHARDS", "16")
    name = next(name for name in NAMES if dag_file(name).startswith("shards/"))
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", f"roster_{name}")
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(ROOT / "dags" / dag_file(name)), bundle_name="dags-folder")
    assert list(bag.dags) == [f"roster_{name}"]


@pytest.mark.parametrize("value", ["0", "33", "-1", "2.5", "many", "٣"])
def test_a_number_of_shards_that_is_none_is_an_error(monkeypatch, value):
    monkeypatch.setenv("ROLLCALL_DAG_SHARDS", value)
    with pytest.raises(ActionRequired) as caught:
        shard_count()
    assert caught.value.code == "dag_shards"


def test_there_is_one_file_per_shard_and_they_differ_by_their_number_only():
    files = sorted((ROOT / "dags" / "shards").glob("*.py"))
    assert [file.name for file in files] == [f"roster_districts_{number:02}.py" for number in range(1, MOST_SHARDS)]
    number = r"(Shard |above |shard\()%d\b"
    texts = {re.sub(number % int(file.stem[-2:]), r"\1N", file.read_text(encoding="utf-8")) for file in files}
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("executors", "landing", "code"),
    [
        ("LocalExecutor", "", None),
        ("airflow.executors.local_executor.LocalExecutor", "", None),
        ("CeleryExecutor", "", "landing_missing"),
        ("CeleryExecutor", "s3://bucket/landing", None),
        ("LocalExecutor,KubernetesExecutor", "", "landing_missing"),
        ("LocalExecutor, heavy:our.module.BatchExecutor", "", "landing_missing"),
    ],
)
def test_tasks_on_several_machines_need_a_landing_zone_that_is_set(monkeypatch, executors, landing, code):
    monkeypatch.setenv("ROLLCALL_LANDING", landing)
    found = None
    try:
        require_shared_landing(executors)
    except ActionRequired as error:
        found = error.code
    assert found == code


def test_its_lack_is_said_when_dags_are_parsed(many, monkeypatch, airflow_database):
    monkeypatch.delenv("ROLLCALL_LANDING", raising=False)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    from airflow.dag_processing.dagbag import DagBag

    file = ROOT / "dags" / "roster_districts.py"
    bag = DagBag(dag_folder=str(file), bundle_name="dags-folder")
    assert not bag.dags
    [text] = bag.import_errors.values()
    assert "ROLLCALL_LANDING is not set" in text
