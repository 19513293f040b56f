"""The DAGs that come out of the districts' files, and what every one of them must have."""

from __future__ import annotations

import ast
import itertools
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from rollcall.settings import night_of
from tests.dags.conftest import MAPLE, ROOT

STAGES = ["extract", "validate", "map_roster", "publish", "report"]


def test_one_dag_per_district_and_no_import_error(parse):
    bag = parse()
    assert bag.import_errors == {}
    assert sorted(bag.dags) == ["roster_cedar", "roster_connections", "roster_holds", "roster_maple", "roster_morning"]


@pytest.mark.parametrize("dag_id", ["roster_cedar", "roster_maple"])
def test_governance(parse, dag_id):
    dag = parse().dags[dag_id]
    settings = yaml.safe_load((ROOT / "airflow_settings.yaml").read_text(encoding="utf-8"))["airflow"]
    pools = {pool["pool_name"] for pool in settings["pools"]} | {"default_pool"}
    assert [task.task_id for task in dag.topological_sort()] == STAGES
    assert (dag.catchup, dag.is_paused_upon_creation, dag.max_active_runs) == (False, False, 1)
    assert dag.dagrun_timeout <= timedelta(hours=8)
    assert dag.doc_md
    assert dag.tags == {"roster", f"oneroster-{'1.1' if dag_id == 'roster_cedar' else '1.2'}"}
    for task in dag.tasks:
        assert task.owner != "airflow"
        assert task.retries >= 2
        assert task.execution_timeout
        assert task.pool in pools
        assert task.retry_policy is not None
        assert task.doc_md
    assert [asset.name for asset in dag.get_task("report").outlets] == [dag_id]
    assert dag.description.startswith(f"{dag_id.removeprefix('roster_')}: ")


def test_districts_come_first_in_airflows_list(parse):
    """Airflow sorts by display name, SQLite and PostgreSQL's locale C in byte order."""
    shown = {dag_id: dag.dag_display_name for dag_id, dag in parse().dags.items()}
    districts = [name for dag_id, name in shown.items() if dag_id in ("roster_maple", "roster_cedar")]
    services = [shown[f"roster_{name}"] for name in ("connections", "holds", "morning")]
    assert sorted([*services, *districts, "Zion", "École", "Ørsted"])[-3:] == services


def test_publish_and_report_link_to_the_page(parse):
    from airflow.sdk.types import TaskInstanceKey

    dag = parse().dags["roster_maple"]
    key = TaskInstanceKey("roster_maple", "publish", "run", 1, -1)
    for task_id in STAGES:
        links = {link.name: link.get_link(None, ti_key=key) for link in dag.get_task(task_id).operator_extra_links}
        expected = {"Changes": "changes", "Left out": "left-out", "Holds": "holds"}
        wanted = expected if task_id in ("publish", "report") else {}
        assert {name: url.split("/rosters/districts/maple/")[1] for name, url in links.items()} == wanted
    assert "/rosters/districts/maple)" in dag.doc_md


def test_nights_are_on_the_districts_own_clock(parse):
    bag = parse()
    cedar = bag.dags["roster_cedar"].schedule
    assert (cedar.expression, str(cedar.timezone)) == ("15 2 * * *", "America/Denver")


def test_the_id_of_a_scheduled_run_has_the_date_of_its_night(districts, parse):
    """Between midnight and 6 AM, every US zone behind UTC has the UTC date."""
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.utils.types import DagRunType

    zones = ("America/New_York", "America/Chicago", "America/Phoenix", "America/Anchorage", "Pacific/Honolulu")
    known = {f"d{number}": one for number, one in enumerate(itertools.product(zones, range(6)))}
    for district, (zone, hour) in known.items():
        more = f'schedule: {{timezone: {zone}, nightly: "15 {hour} * * *"}}\n'
        districts(**{district: MAPLE.replace("maple", district) + more})
    dags, wrong = parse().dags, []
    for district, (zone, hour) in known.items():
        timetable = DagSerialization.from_dict(DagSerialization.to_dict(dags[f"roster_{district}"])).timetable
        for day in (datetime(2026, 3, 8), datetime(2026, 11, 1), datetime(2026, 11, 29)):
            begins = day.replace(hour=hour, minute=15, tzinfo=ZoneInfo(zone)).astimezone(UTC)
            run_id = timetable.generate_run_id(run_type=DagRunType.SCHEDULED, run_after=begins, data_interval=None)
            if not run_id.startswith(f"scheduled__{night_of(begins, zone)}T"):
                wrong.append((zone, hour, run_id))
    assert wrong == []


def test_the_trigger_form_has_a_field_for_everything(parse):
    params = parse().dags["roster_maple"].params
    assert params.dump() == {"mode": "auto", "collections": [], "dry_run": False}
    schema = {name: params.get_param(name).schema for name in params}
    assert schema["mode"]["enum"] == ["auto", "full", "delta", "remap"]
    assert "enrollments" in schema["collections"]["items"]["enum"]
    assert schema["dry_run"]["type"] == "boolean"


def test_tasks_carry_no_copy_of_the_dags_parameters(parse):
    """Airflow validates each copy twice when it serializes a DAG: four fifths of its time, with 13,000 districts."""
    from airflow.sdk.definitions.param import process_params

    dag = parse().dags["roster_maple"]
    assert [len(task.params) for task in dag.tasks] == [0] * len(STAGES)
    for task in dag.tasks:
        given = process_params(dag, task, {"mode": "full"}, suppress_exception=False)
        assert given == {"mode": "full", "collections": [], "dry_run": False}


def test_a_broken_file_is_one_clear_import_error_and_takes_no_other_with_it(districts, parse):
    districts(maple=MAPLE, oak=MAPLE.replace("maple", "oak") + "schedul: {}\n", pine="- not a map\n")
    bag = parse()
    assert sorted(bag.dags) == ["roster_connections", "roster_holds", "roster_maple", "roster_morning"]
    [(file, text)] = bag.import_errors.items()
    assert Path(file).name == "district_files.py"
    assert "2 district file(s) cannot be read." in text
    assert "oak.yaml, line 7: unknown key 'schedul' (did you mean 'schedule'?)" in text
    assert "pine.yaml, line 1: is not a map of settings" in text


def test_a_disabled_district_keeps_its_dag_without_a_schedule(districts, parse):
    districts(maple=MAPLE + "enabled: false\n")
    assert type(parse().dags["roster_maple"].schedule).__name__ in ("NoneType", "NullTimetable")


def test_parsing_twice_makes_the_same_dag(parse):
    from airflow.serialization.serialized_objects import DagSerialization

    first, second = ({dag_id: DagSerialization.to_dict(dag) for dag_id, dag in parse().dags.items()} for _ in range(2))
    assert json.dumps(first, sort_keys=True, default=str) == json.dumps(second, sort_keys=True, default=str)


def test_a_task_parses_only_its_own_district(districts, monkeypatch):
    districts(maple=MAPLE, oak=MAPLE.replace("maple", "oak"))
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "roster_oak")
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", "extract")
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(ROOT / "dags" / "roster_districts.py"), bundle_name="dags-folder")
    assert list(bag.dags) == ["roster_oak"]


@pytest.mark.parametrize("file", sorted((ROOT / "dags").glob("*.py")), ids=lambda path: path.name)
def test_the_top_of_a_dag_file_imports_nothing_heavy(file: Path):
    allowed = {"airflow.sdk", "airflow.sdk.configuration", "rollcall.settings", "datetime", "zoneinfo"}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            assert node.module in allowed
        if isinstance(node, ast.Import):
            assert {name.name for name in node.names} <= allowed


def test_parsing_loads_neither_pandas_nor_great_expectations_nor_sqlalchemys_orm_of_ours():
    script = (
        "import sys; from rollcall.settings import load_districts; load_districts();"
        "print(sorted({'pandas','great_expectations','pyarrow','sqlalchemy','requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_provider_package_has_one_spelling():
    script = (
        "import sys, airflow.plugins_manager as p; p.ensure_plugins_loaded() if hasattr(p, 'ensure_plugins_loaded')"
        " else p._get_plugins(); import oneroster_provider.hook;"
        "print([name for name in sys.modules if name == 'hook' or name.startswith('plugins.oneroster_provider')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_publish_by_is_a_deadline_of_the_districts_dag(districts, parse):
    schedule = 'schedule: {nightly: "15 2 * * *", publish_by: "06:00"}\n'
    districts(maple=MAPLE + schedule)
    bag = parse()
    assert bag.import_errors == {}
    deadlines = bag.dags["roster_maple"].deadline
    # on the night on which clocks go forward, between begin and deadline, an hour less
    assert [deadline.interval for deadline in deadlines] == [timedelta(minutes=165), timedelta(minutes=225)]
    for deadline in deadlines:
        assert deadline.callback.path == "oneroster_provider.notifier.notify_if_urgent"
        minutes = deadline.interval / timedelta(minutes=1)
        assert deadline.callback.kwargs == {"district": "maple", "minutes": minutes}
