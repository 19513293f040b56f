"""Nights over two workers that share no folder, through CeleryExecutor, Redis, and a landing zone in a bucket."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from rollcall.history.published import rows_at
from rollcall.model.tables import TABLES
from rollcall.settings import night_of
from rollcall.warehouse.models import history, staging
from rollcall.warehouse.ops_models import left_out, rejects, run_counts, runs
from tests.machines.conftest import DISTRICTS
from tests.publish.gate import Gate

if TYPE_CHECKING:
    from tests.machines.cluster import Cluster

NAMES = [district.app for district in DISTRICTS]
#: In which stage of which district the worker dies: what is held there.
HELD = {
    "oak": ("extract", "district=oak", "/extract/enrollments/"),
    "elm": ("validate", "district=elm", "/validate/manifest.json"),
    "ash": ("map_roster", "district=ash", "/map/manifest.json"),
}
#: The last thing a publication writes.
LAST_WRITTEN = "roster_ops.state"
ZONE = "America/Chicago"

pytestmark = pytest.mark.timeout(600)


def _content(table: sa.Table) -> list[sa.ColumnElement[Any]]:
    """What a table says, without what differs from run to run: lineage, times, and account IDs."""
    leave = {"run_id", "account_id", "reject_id", "id", "night"}
    return [c for c in table.c if not c.name.startswith("_") and c.name not in leave and not c.name.endswith("_at")]


def _rows(engine: sa.Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of staging and history, and what each run counted, rejected, and left out."""
    tables = {f"staging.{name}": staging[name] for name in TABLES}
    tables |= {f"history.{name}": history[name] for name in TABLES}
    tables |= {table.name: table for table in (run_counts, rejects, left_out)}
    found = {}
    with engine.connect() as connection:
        for name, table in tables.items():
            found[name] = sorted((tuple(row) for row in connection.execute(sa.select(*_content(table)))), key=repr)
        live = [staging[name].c["_removed_at"].is_(None) for name in TABLES]
        for name, is_live in zip(TABLES, live, strict=True):
            found[f"live.{name}"] = connection.scalar(sa.select(sa.func.count()).where(is_live))
        query = sa.select(runs.c.district_id, runs.c.kind, runs.c.mode, runs.c.status).order_by(*runs.c.keys()[:1])
        found["runs"] = sorted(tuple(row) for row in connection.execute(query))
    return found


def test_a_worker_killed_in_the_middle_of_each_stage_changes_nothing(cluster: Cluster, undisturbed: sa.Engine):
    """It dies in the middle of four stages of four districts at once. The other worker does the rest."""
    api, (first, second) = cluster.airflow.api, cluster.workers
    until = cluster.until
    cluster.bucket.hold(*((district, path) for _, district, path in HELD.values()))
    with Gate(cluster.warehouse, LAST_WRITTEN) as gate:
        cluster.start(first)
        until(lambda: all(api.dag(f"roster_{name}") and api.runs(f"roster_{name}") for name in NAMES))
        night = {name: api.runs(f"roster_{name}")[0]["dag_run_id"] for name in NAMES}
        until(cluster.bucket.all_waiting)
        session = gate.waiting_process()
        cluster.kill(first)
        cluster.bucket.drop_held()
        cluster.start(second)
        # the warehouse notices by itself that the machine is gone
        alive = sa.text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
        until(lambda: _scalar(cluster, alive, pid=session) == 0, 60)
    cluster.wait_for(night)

    died_in = {name: stage for name, (stage, *_) in HELD.items()} | {"fir": "publish"}
    for name, stage in died_in.items():
        hosts = cluster.hosts(name, night[name])
        assert hosts.pop(stage) == [first.name, second.name]
        assert hosts["report"] == [second.name]
        assert stage == "extract" or hosts["extract"] == [first.name]
    assert _rows(cluster.warehouse) == _rows(undisturbed)
    # the retry went on with the pull that the dead worker had begun
    assert len(cluster.bucket.pulls("oak")) == 2
    cluster.start(first)


def test_a_hold_is_decided(cluster: Cluster):
    """That night, a district's schools were gone. It is published after the answer."""
    api = cluster.airflow.api
    about = sa.text("SELECT status FROM roster_ops.holds WHERE district_id = 'fir' AND collection = 'orgs'")
    assert _scalar(cluster, about) == "open"
    cluster.until(lambda: bool(_waiting(cluster, "fir")))
    [asked] = _waiting(cluster, "fir")
    detail = f"/dags/roster_holds/dagRuns/{asked}/taskInstances/decision/-1/hitlDetails"
    answer = {"chosen_options": ["Approve"], "params_input": {"reason": "the schools have closed"}}
    api._json(api._call("PATCH", detail, answer))
    published = f"approved__{asked}"
    cluster.until(lambda: published in {run["dag_run_id"] for run in api.runs("roster_fir")})
    cluster.wait_for({"fir": published})
    assert _scalar(cluster, about) == "closed"


def test_a_backfill_replays_from_the_bucket(cluster: Cluster):
    """The first pull is given to an earlier night, which is then written into history."""
    api = cluster.airflow.api
    earlier = datetime.combine(night_of(datetime.now(UTC), ZONE) - timedelta(days=3), time(9), ZoneInfo(ZONE))
    seen = _give_to(cluster, "elm", earlier)
    before = {run["dag_run_id"] for run in api.runs("roster_elm")}
    backfill = {
        "dag_id": "roster_elm",
        "from_date": (earlier - timedelta(hours=33)).isoformat(),
        "to_date": (earlier - timedelta(hours=24)).isoformat(),
        "max_active_runs": 1,
        "reprocess_behavior": "none",
    }
    api._json(api._call("POST", "/backfills", backfill))
    cluster.until(lambda: len(api.runs("roster_elm")) > len(before))
    [started] = {run["dag_run_id"] for run in api.runs("roster_elm")} - before
    cluster.wait_for({"elm": started})
    assert (
        _scalar(cluster, sa.text("SELECT status FROM roster_ops.runs WHERE run_id = :run"), run=started) == "replayed"
    )
    past = sa.text(
        "SELECT array_agg(sourced_id) FROM roster_history.users WHERE district_id = 'elm' AND _valid_from <= :at"
        " AND (_valid_to IS NULL OR _valid_to > :at)"
    )
    assert set(_scalar(cluster, past, at=earlier)) == seen


def test_workers_left_nothing_on_their_disks(cluster: Cluster):
    for worker in cluster.workers:
        files = {path for folder in worker.empty for path in folder.rglob("*")}
        assert {path for path in files if not path.name.startswith("pymp-")} == set()  # Airflow's own
        assert not list(worker.home.rglob("*.parquet"))


def test_task_logs_name_no_person_and_no_library_speaks(cluster: Cluster):
    lines = [
        json.loads(line)
        for worker in cluster.workers
        for path in (worker.home / "logs" / "tasks").rglob("*.log")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert len(lines) > 200
    own = ("rollcall", "oneroster_provider", "task", "airflow.")
    assert {line["logger"] for line in lines if not line.get("logger", "").startswith(own)} == set()
    emails = _scalar(cluster, sa.text("SELECT array_agg(DISTINCT email) FROM roster_staging.users WHERE email > ''"))
    everything = json.dumps(lines)
    assert len(emails) > 100
    assert [email for email in emails if email in everything] == []


def _scalar(cluster: Cluster, query: sa.TextClause, **values: Any) -> Any:
    with cluster.warehouse.connect() as connection:
        return connection.execute(query, values).scalar()


def _waiting(cluster: Cluster, district: str) -> list[str]:
    """The runs of `roster_holds` that wait for an answer about a district."""
    api = cluster.airflow.api
    asked = [run["dag_run_id"] for run in api.runs("roster_holds") if run["conf"]["hold"].startswith(district)]
    return [one for one in asked if api.task_states("roster_holds", one).get("decision") == "awaiting_input"]


def _give_to(cluster: Cluster, district: str, night: datetime) -> set[str]:
    """Make a district's first pull that of another night; who was there in it, by what was published."""
    files = cluster.bucket.files()
    path = f"{cluster.bucket.pulls(district)[0]}/extract/manifest.json"
    pull = json.loads(files.cat(path))
    files.pipe(path, json.dumps(pull | {"as_of": night.astimezone(UTC).isoformat()}).encode())
    with cluster.warehouse.connect() as connection:
        rows = rows_at(connection, district, TABLES["users"], 1, ["sourced_id", "_missing_since"])
    return {row["sourced_id"] for row in rows.to_pylist() if row["_missing_since"] is None}
