"""Two nights of both sandbox districts through a real Airflow scheduler, real HTTP, a real PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from include.local.nights import Nights
from include.local.screen import Screen
from include.local.stack import Stack

DISTRICTS = ("maple", "cedar")
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
def stack() -> Iterator[Stack]:
    """Everything, with two nights behind it."""
    screen = Screen()
    with Stack("test", fresh=True, say=screen.say) as running:
        nights = Nights(running.airflow.api, DISTRICTS, screen, running.check)
        nights.wait_until_parsed()
        nights.first()
        for district in DISTRICTS:
            running.let_night_pass(district)
        nights.next(2, {"mode": "full"})
        yield running


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


def test_the_asset_event_carries_the_counts(stack, warehouse):
    events = stack.airflow.api._get("/assets/events?limit=100")["asset_events"]
    by_asset = [event for event in events if event["extra"].get("district") == "maple"]
    assert len(by_asset) == 2
    accounts = warehouse.execute(
        sa.text("SELECT count(*) FROM roster.accounts WHERE district_id = 'maple'")
    ).scalar_one()
    assert accounts in {event["extra"]["accounts"] for event in by_asset}


@pytest.mark.timeout(600)  # three more nights of maple, and the setting-up where this is run alone
def test_a_hold_is_a_required_action_and_what_is_approved_there_is_published(stack, warehouse):
    api = stack.airflow.api
    requests.post(f"{stack.sandbox_url}/sandbox/maple/quirks", json=["school-scope"], timeout=30)
    orgs = sa.text("SELECT count(*) FROM roster.orgs WHERE district_id = 'maple'")
    people = sa.text("SELECT count(*) FROM roster.users WHERE district_id = 'maple'")
    before = warehouse.execute(orgs).scalar_one()
    # no middle school for two nights: held, and the nights end all the same
    for _ in range(2):
        run_id = api.trigger("roster_maple", {"mode": "full"})
        _until(stack, lambda run_id=run_id: api.run_state("roster_maple", run_id) == "success")
    assert warehouse.execute(orgs).scalar_one() == before
    held = warehouse.execute(people).scalar_one()
    about_orgs = sa.text("SELECT * FROM roster_ops.holds WHERE closed_at IS NULL AND collection = 'orgs'")
    [hold] = warehouse.execute(about_orgs).all()
    assert (hold.kind, hold.status) == ("removals", "open")

    # two nights and one question
    [asked] = [run for run in api.runs("roster_holds") if run["conf"]["hold"] == hold.hold_id]
    waiting = f"/dags/roster_holds/dagRuns/{asked['dag_run_id']}"
    _until(stack, lambda: api.task_states("roster_holds", asked["dag_run_id"])["decision"] == "awaiting_input")
    # another run asks the same, and looks again every few seconds
    twin = api.trigger("roster_holds", {**asked["conf"], "look_again": 0.05})
    _until(stack, lambda: api.task_states("roster_holds", twin).get("decision") == "awaiting_input")
    detail = api._get(f"{waiting}/taskInstances/decision/-1/hitlDetails")
    assert detail["options"] == ["Approve", "Reject"]
    assert "orgs no longer there" in detail["body"]
    answer = {"chosen_options": ["Approve"], "params_input": {"because": "the school has closed"}}
    api._json(api._call("PATCH", f"{waiting}/taskInstances/decision/-1/hitlDetails", answer))

    published = f"approved__{asked['dag_run_id']}"
    _until(stack, lambda: published in {run["dag_run_id"] for run in api.runs("roster_maple")})
    _until(stack, lambda: api.run_state("roster_maple", published) == "success")
    query = sa.text("SELECT * FROM roster_ops.holds WHERE hold_id = :hold")
    after = warehouse.execute(query, {"hold": hold.hold_id}).one()
    assert (after.status, after.closed_because, after.last_run_id) == ("closed", "published", published)
    assert (after.decided_by, after.because) == ("admin", "the school has closed")
    assert warehouse.execute(orgs).scalar_one() == before - 1
    assert warehouse.execute(people).scalar_one() < held
    # the twin has noticed, and decided nothing
    _until(stack, lambda: api.run_state("roster_holds", twin) in ("success", "failed"))
    states = {"decision": "success", "apply": "skipped", "publish": "skipped"}
    assert api.task_states("roster_holds", twin) == states


def _until(stack: Stack, done: Callable[[], bool], limit: float = 240.0) -> None:
    deadline = time.monotonic() + limit
    while not done():
        stack.check()
        assert time.monotonic() < deadline
        time.sleep(0.5)
