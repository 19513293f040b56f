"""Two nights of both sandbox districts through a real Airflow scheduler, real HTTP, a real PostgreSQL."""

from __future__ import annotations

import json
import subprocess
import time as clock
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
import sqlalchemy as sa

from rollcall.history.published import rows_at
from rollcall.model.tables import TABLES
from rollcall.settings import night_of
from rollcall.warehouse.publish_lock import acquire_publish_lock
from rollcall_local.airflow_env import PROJECT
from rollcall_local.stack import Stack
from tests.conftest import DISTRICTS

NAMES = {
    "orgs": "orgs",
    "academicSessions": "academic_sessions",
    "courses": "courses",
    "classes": "classes",
    "users": "users",
    "enrollments": "enrollments",
}

pytestmark = pytest.mark.scheduler


@pytest.fixture(scope="module")
def warehouse(stack: Stack) -> Iterator[sa.Connection]:
    engine = sa.create_engine(stack.warehouse_url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _truth(stack: Stack, district: str) -> dict[str, Any]:
    answer: dict[str, Any] = requests.get(f"{stack.sandbox_url}/sandbox/{district}/truth", timeout=30).json()
    return answer["collections"]


@pytest.mark.parametrize("district", DISTRICTS)
def test_both_districts_are_published_twice_and_hold_what_the_provider_has(stack, warehouse, district):
    query = sa.text("SELECT status FROM roster_ops.runs WHERE district_id = :district ORDER BY started_at")
    statuses = warehouse.execute(query, {"district": district}).scalars().all()
    assert statuses == ["published", "published"]
    truth = _truth(stack, district)
    for collection, table in NAMES.items():
        live = warehouse.execute(
            sa.text(f"SELECT count(*) FROM roster.{table} WHERE district_id = :district AND _missing_since IS NULL"),
            {"district": district},
        ).scalar_one()
        assert live == truth[collection]["active"], collection


def test_every_command_works_after_source_env(stack):
    env = stack._shell_env.path
    assert oct(env.stat().st_mode & 0o777) == "0o600"
    [psql] = [line.partition("  ")[2] for line in stack.addresses().splitlines() if line.startswith("Warehouse")]
    commands = ("rollcall status --all --json", "rollcall check cedar --json", f"{psql} -Atc 'SELECT 1'")
    for command in commands:
        script = f"{stack.source_line} && cd / && {command}"
        bare = {"PATH": "/usr/bin:/bin", "HOME": str(stack.state)}
        done = subprocess.run(["bash", "-c", script], env=bare, cwd=PROJECT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_every_task_is_green(stack):
    for district in DISTRICTS:
        runs = stack.airflow.api.runs(f"roster_{district}")
        assert len(runs) == 2
        for run in runs:
            states = stack.airflow.api.task_states(f"roster_{district}", run["dag_run_id"])
            assert set(states.values()) == {"success"}
            assert len(states) == 5


def test_no_task_log_names_a_person_or_a_secret(stack, warehouse):
    # the sandbox's own output tells its mock credentials, as a district's screen would
    files = [path for path in stack.state.rglob("*.log") if path.name != "sandbox.log"]
    logs = [path.read_text(errors="replace") for path in files]
    everything = "\n".join(logs)
    assert len(logs) >= 20
    assert "published" in everything
    emails = warehouse.execute(sa.text("SELECT DISTINCT email FROM roster.users WHERE email IS NOT NULL")).scalars()
    names = warehouse.execute(sa.text("SELECT given_name || ' ' || family_name FROM roster.users")).scalars()
    planted = {*emails, *names}
    assert len(planted) > 3000
    assert [value for value in planted if value in everything] == []
    assert "sandbox-secret" not in everything


def test_no_library_speaks_in_a_task_log(stack):
    lines = [
        json.loads(line)
        for path in (stack.state / "airflow" / "logs" / "tasks").rglob("*.log")
        for line in path.read_text().splitlines()
    ]
    assert len(lines) > 200
    own = ("rollcall", "oneroster_provider", "task", "airflow.")
    assert {line["logger"] for line in lines if not line.get("logger", "").startswith(own)} == set()


def test_the_asset_event_carries_the_counts(stack, warehouse):
    events = stack.airflow.api._get("/assets/events?limit=100")["asset_events"]
    by_asset = [event for event in events if event["extra"].get("district") == "maple"]
    assert len(by_asset) == 2
    accounts = warehouse.execute(
        sa.text("SELECT count(*) FROM roster.accounts WHERE district_id = 'maple'")
    ).scalar_one()
    assert accounts in {event["extra"]["accounts"] for event in by_asset}


@pytest.mark.timeout(600)  # five more nights of maple, and the setting-up where this is run alone
def test_three_in_ten_students_lost_are_reported_held_and_approved_in_airflow(stack, warehouse):
    api = stack.airflow.api
    people = sa.text("SELECT count(*) FROM roster.users WHERE district_id = 'maple'")
    about = sa.text(
        "SELECT * FROM roster_ops.holds WHERE collection = 'users' AND kind = 'removals' AND school = '' "
        "AND closed_at IS NULL"
    )

    def night() -> int:
        run_id = api.trigger("roster_maple", {"mode": "full"})
        _until(stack, lambda: api.run_state("roster_maple", run_id) in ("success", "failed"))
        assert api.run_state("roster_maple", run_id) == "success"
        return warehouse.execute(people).scalar_one()

    before = night()  # the leavers of the night before are gone for good now
    requests.post(f"{stack.sandbox_url}/sandbox/maple/quirks", json=["accounts-lost"], timeout=30)
    # reported on the first night, held on the second, synced on the third with the hold still open
    statuses = []
    for _ in range(3):
        assert night() == before
        [hold] = warehouse.execute(about).all()
        statuses.append(hold.status)
    assert statuses == ["announced", "open", "open"]
    assert 0.2 * before / 2 < hold.rows < before

    # three nights and one question for each stage of it
    asked = max(
        (run for run in api.runs("roster_holds") if run["conf"]["hold"] == hold.hold_id),
        key=lambda run: run["dag_run_id"],
    )
    waiting = f"/dags/roster_holds/dagRuns/{asked['dag_run_id']}"
    _until(stack, lambda: api.task_states("roster_holds", asked["dag_run_id"])["decision"] == "awaiting_input")
    # another run asks the same, and looks again every few seconds
    twin = api.trigger("roster_holds", {**asked["conf"], "recheck_minutes": 0.05})
    _until(stack, lambda: api.task_states("roster_holds", twin).get("decision") == "awaiting_input")
    detail = api._get(f"{waiting}/taskInstances/decision/-1/hitlDetails")
    assert detail["options"] == ["Approve", "Reject"]
    answer = {"chosen_options": ["Approve"], "params_input": {"reason": "they have graduated"}}
    api._json(api._call("PATCH", f"{waiting}/taskInstances/decision/-1/hitlDetails", answer))

    published = f"approved__{asked['dag_run_id']}"
    _until(stack, lambda: published in {run["dag_run_id"] for run in api.runs("roster_maple")})
    _until(stack, lambda: api.run_state("roster_maple", published) in ("success", "failed"))
    query = sa.text("SELECT * FROM roster_ops.holds WHERE hold_id = :hold")
    after = warehouse.execute(query, {"hold": hold.hold_id}).one()
    assert (after.status, after.closed_reason, after.last_run_id) == ("closed", "published", published)
    assert (after.decided_by, after.reason) == ("admin", "they have graduated")
    assert warehouse.execute(people).scalar_one() == before - hold.rows
    # the twin has noticed, and decided nothing
    _until(stack, lambda: api.run_state("roster_holds", twin) in ("success", "failed"))
    states = {"decision": "success", "apply": "skipped", "publish": "skipped"}
    assert api.task_states("roster_holds", twin) == states


@pytest.mark.timeout(600)  # two more nights of cedar, and the setting-up where this is run alone
def test_a_back_fill_of_two_at_once_a_noon_sync_and_a_hold_at_the_same_time(stack, warehouse):
    """The pulls so far are given to two earlier nights; then all that can overlap does."""
    api = stack.airflow.api
    zone = ZoneInfo("America/Denver")
    tonight = night_of(datetime.now(UTC), zone.key)
    earlier = [datetime.combine(tonight - timedelta(days=ago), time(9), zone) for ago in (3, 2)]
    seen = _give_to(stack, warehouse, earlier)
    requests.post(f"{stack.sandbox_url}/sandbox/cedar/quirks", json=["school-scope"], timeout=30)
    first = api.trigger("roster_cedar", {"mode": "full"})
    _until(stack, lambda: api.run_state("roster_cedar", first) in ("success", "failed"))

    engine = sa.create_engine(stack.warehouse_url)
    waiting = sa.text("SELECT waits_for FROM roster_ops.runs WHERE district_id = 'cedar' AND waits_for LIKE 'run %'")
    with engine.begin() as other:
        acquire_publish_lock(other, "cedar", "someone at a terminal")
        backfill = {
            "dag_id": "roster_cedar",
            "from_date": (earlier[0] - timedelta(hours=33)).isoformat(),
            "to_date": (earlier[1] - timedelta(hours=24)).isoformat(),
            "max_active_runs": 2,
            "reprocess_behavior": "none",
        }
        api._json(api._call("POST", "/backfills", backfill))
        noon = api.trigger("roster_cedar", {"mode": "full"})
        _until(stack, lambda: len(warehouse.execute(waiting).all()) == 3)
        said = warehouse.execute(waiting).scalars().all()
    assert set(said) == {"run someone at a terminal"}
    _until(stack, lambda: {run["state"] for run in api.runs("roster_cedar")} <= {"success", "failed"})
    assert {run["state"] for run in api.runs("roster_cedar")} == {"success"}

    ledger = sa.text("SELECT status FROM roster_ops.runs WHERE kind = 'replay' AND night = ANY(:nights)")
    replayed = warehouse.execute(ledger, {"nights": [one.date() for one in earlier]}).scalars().all()
    assert replayed == ["replayed", "replayed"]
    state = sa.text("SELECT current_run_id FROM roster_ops.state WHERE district_id = 'cedar' AND paused = ''")
    assert warehouse.execute(state).scalar_one() == noon
    newest = sa.text("SELECT max(as_of) FROM roster_ops.runs WHERE district_id = 'cedar'")
    current = sa.text("SELECT current_as_of FROM roster_ops.state WHERE district_id = 'cedar'")
    assert warehouse.execute(current).scalar_one() == warehouse.execute(newest).scalar_one()
    past = sa.text(
        "SELECT sourced_id FROM roster_history.users WHERE district_id = 'cedar' AND _valid_from <= :at"
        " AND (_valid_to IS NULL OR _valid_to > :at)"
    )
    for at, people in zip(earlier, seen, strict=True):
        assert set(warehouse.execute(past, {"at": at}).scalars()) == people
    open_holds = sa.text("SELECT status FROM roster_ops.holds WHERE district_id = 'cedar' AND collection = 'orgs'")
    assert warehouse.execute(open_holds).scalars().all() == ["open"]
    engine.dispose()


def _give_to(stack: Stack, warehouse: sa.Connection, nights: list[datetime]) -> list[set[str]]:
    """Make cedar's pulls, oldest first, those of other nights; who was there in each, by what was published of it."""
    manifests = [path / "extract" / "manifest.json" for path in (stack.landing / "district=cedar").glob("pull=*")]
    pulls = sorted((json.loads(path.read_text()) | {"path": path} for path in manifests), key=lambda one: one["as_of"])
    seen = []
    for generation, (pull, night) in enumerate(zip(pulls, nights, strict=True), 1):
        path = pull.pop("path")
        path.write_text(json.dumps(pull | {"as_of": night.astimezone(UTC).isoformat()}))
        rows = rows_at(warehouse, "cedar", TABLES["users"], generation, ["sourced_id", "_missing_since"])
        seen.append({row["sourced_id"] for row in rows.to_pylist() if row["_missing_since"] is None})
    return seen


def _until(stack: Stack, done: Callable[[], bool], limit: float = 240.0) -> None:
    deadline = clock.monotonic() + limit
    while not done():
        stack.check()
        assert clock.monotonic() < deadline
        clock.sleep(0.5)
