"""Two nights of both sandbox districts through a real Airflow scheduler, real HTTP, a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
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
