"""A district's pages on a real warehouse: what they show, and what their forms do."""

from __future__ import annotations

import csv
import io
import sqlite3
import time
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from rollcall.holds import queries
from rollcall.orchestration import required_actions
from tests.conftest import ROOT


def audit_log() -> list[tuple[str, str, str]]:
    """Event, user, and DAG of the newest entries. Airflow's API shows those of DAGs it has parsed only."""
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    with create_session() as session:
        newest = session.query(Log).order_by(Log.id.desc()).limit(2)
        return [(entry.event, entry.owner, entry.dag_id) for entry in newest]


def test_the_overview_shows_numbers_to_a_viewer_and_no_person(browse, nights, roster):
    nights.publish(roster("ada", "ben"))
    nights.publish(roster("ada", "ben", "cleo"))
    text = browse("viewer").get("/rosters/districts/elm").text
    assert text.count('class="pygal-chart"') == 4
    assert "<style" not in text
    assert " style=" not in text
    assert "Planted-Okonkwo" not in text
    assert "Sync now" not in text
    assert "Sync now" in browse("user").get("/rosters/districts/elm").text
    run = browse("viewer").get("/rosters/districts/elm/runs/run2")
    assert run.status_code == 200
    assert browse("viewer").get("/rosters/districts/elm/runs/run9").status_code == 404


def test_changes_of_the_last_pull_and_between_two_dates(browse, nights, roster):
    first = nights.publish(roster("ada", "ben"))
    nights.publish(roster("ada", "ben", "cleo"))
    client = browse("user")
    text = client.get("/rosters/districts/elm/changes").text
    assert "Cleo Planted-Okonkwo" in text
    assert "Ben Planted-Okonkwo" not in text
    assert first
    between = "from=2026-11-02&to=2026-11-03"
    assert "Cleo Planted-Okonkwo" in client.get(f"/rosters/districts/elm/changes?{between}").text
    at_school = client.get(f"/rosters/districts/elm/changes?{between}&school=school").text
    assert '<option value="school" selected>Elm School</option>' in at_school
    assert "Cleo Planted-Okonkwo" in at_school
    assert client.get(f"/rosters/districts/elm/changes.csv?{between}&school=none").status_code == 400
    assert "Cleo" not in client.get("/rosters/districts/elm/changes?school=none").text
    rows = list(csv.DictReader(io.StringIO(client.get(f"/rosters/districts/elm/changes.csv?{between}").text)))
    assert {row["sourced_id"] for row in rows} == {"cleo"}
    assert "2026" in client.get("/rosters/districts/elm/changes?from=2026-01-01&to=2026-01-02").text
    assert client.get("/rosters/districts/elm/changes?from=yesterday&to=today").status_code == 200


def test_left_out_people_by_reason_and_as_a_safe_csv(browse, nights, roster):
    rows = roster("ada", "ben")
    rows["users"][1] |= {"email": None, "given_name": "=HYPERLINK(1)"}
    nights.publish(rows)
    client = browse("user")
    assert "=HYPERLINK(1) Planted-Okonkwo" in client.get("/rosters/districts/elm/left-out?reason=no_username").text
    assert "Planted-Okonkwo" not in client.get("/rosters/districts/elm/left-out?reason=no_role").text
    listed = list(csv.DictReader(io.StringIO(client.get("/rosters/districts/elm/left-out.csv").text)))
    assert [(row["sourced_id"], row["name"][:12]) for row in listed] == [("ben", "'=HYPERLINK(")]


def test_rejected_records_as_csv(browse, nights, roster):
    from rollcall.warehouse.ops_models import rejects

    nights.publish(roster("ada"))
    with nights.engine.begin() as connection:
        values = {"district_id": "elm", "run_id": "run1", "collection": "users", "sourced_id": "+1", "rule": "r"}
        connection.execute(rejects.insert().values(**values, reason="Bad.", field="email", record={"givenName": "Eve"}))
    client = browse("user")
    answer = client.get("/rosters/districts/elm/runs/run1/rejects.csv")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row == {"collection": "users", "sourced_id": "'+1", "rule": "r", "reason": "Bad.", "field": "email"}
    assert "Eve" not in answer.text


def test_why_a_person_is_not_here(browse, nights, roster):
    nights.publish(roster("ada", "ben"))
    client = browse("user")
    found = client.post("/rosters/districts/elm/person", data={"who": "ada"})
    assert "ada@elm.example" in found.text
    assert 'id="reply"' in found.text
    several = client.post("/rosters/districts/elm/person", data={"who": "okonkwo"}).text
    assert several.count('name="who" value="') == 2
    assert "Ada" not in str(found.url)
    unknown = client.post("/rosters/districts/elm/person", data={"who": "<b>Zoe</b>"}).text
    assert "<b>Zoe" not in unknown


def test_rollback_needs_the_id_and_is_recorded_and_resume_goes_on(browse, nights, roster):
    nights.publish(roster("ada"))
    nights.publish(roster("ada", "ben"))
    client = browse("user")
    path = "/rosters/districts/elm/history/run1"
    refused = client.post(path, data={"confirm": "Elm", "reason": "wrong file"})
    assert refused.status_code == 422
    assert nights.live("accounts", "user_sourced_id") == ["ada", "ben"]
    assert client.post(path, data={"confirm": "elm", "reason": "wrong file"}).status_code == 303
    assert nights.live("accounts", "user_sourced_id") == ["ada"]
    assert nights.scalar("SELECT paused FROM roster_ops.state") != ""
    assert client.post("/rosters/districts/elm/resume").status_code == 303
    assert nights.scalar("SELECT paused FROM roster_ops.state") == ""
    decided = "SELECT string_agg(action || ' ' || decided_by || ' ' || reason, '; ' ORDER BY decision_id)"
    assert nights.scalar(f"{decided} FROM roster_ops.decisions") == "rolled_back ursula wrong file; resumed ursula "
    assert audit_log() == [
        ("rosters.resumed", "ursula", "roster_elm"),
        ("rosters.rolled_back", "ursula", "roster_elm"),
    ]


def test_a_hold_is_approved_except_one_person(browse, nights, held):
    client = browse("user")
    assert "Decide" in client.get("/rosters/districts/elm/holds").text
    page = client.get(f"/rosters/districts/elm/holds/{held}").text
    assert page.count('name="except"') == 12
    without = client.post(f"/rosters/districts/elm/holds/{held}/approve", data={"reason": " "})
    assert without.status_code == 422
    sent = {"reason": "They graduated", "except": ["p30"]}
    assert client.post(f"/rosters/districts/elm/holds/{held}/approve", data=sent).status_code == 303
    found = "SELECT status || ' ' || decided_by || ' ' || reason FROM roster_ops.holds WHERE hold_id = '{}'"
    assert nights.scalar(found.format(held)) == "approved ursula They graduated"
    approved = "SELECT count(*) FROM roster_ops.hold_rows WHERE is_approved AND table_name = 'users'"
    assert nights.scalar(approved) == 11
    assert audit_log()[0] == ("rosters.hold_approved", "ursula", "roster_elm")
    unknown = client.post(f"/rosters/districts/elm/holds/{held}/approve", data={"reason": "x", "except": ["p77"]})
    assert unknown.status_code == 422


def test_an_approval_says_if_no_run_publishes_it(browse, held, nights):
    """Airflow has not read the district's DAG, so it cannot start a run."""
    client = browse("user")
    sent = {"reason": "They graduated", "publish": "yes"}
    answer = client.post(f"/rosters/districts/elm/holds/{held}/approve", data=sent)
    assert answer.headers["location"] == "/rosters/districts/elm/holds?notice=approved_not_started"
    assert "No run was started" in client.get(answer.headers["location"]).text
    assert nights.scalar("SELECT string_agg(action, ' ') FROM roster_ops.decisions") == "hold_approved"


def test_a_hold_is_rejected(browse, nights, held):
    client = browse("user")
    assert client.post(f"/rosters/districts/elm/holds/{held}/reject", data={"reason": "Half a file"}).status_code == 303
    assert nights.scalar(f"SELECT status FROM roster_ops.holds WHERE hold_id = '{held}'") == "rejected"
    assert nights.scalar("SELECT \"after\" ->> 'status' FROM roster_ops.decisions") == "rejected"


def test_a_hold_of_another_district_is_not_decided_here(browse, nights, held, districts_folder):
    text = (districts_folder / "elm.yaml").read_text().replace("elm", "oak")
    (districts_folder / "oak.yaml").write_text(text)
    client = browse("user")
    assert client.get(f"/rosters/districts/oak/holds/{held}").status_code == 404
    assert client.post(f"/rosters/districts/oak/holds/{held}/reject", data={"reason": "x"}).status_code in (404, 422)
    assert nights.scalar(f"SELECT status FROM roster_ops.holds WHERE hold_id = '{held}'") == "open"


def test_a_district_without_a_dag_says_so(browse, nights):
    """Airflow has not parsed a district that was added a moment ago."""
    answer = browse("user").post("/rosters/districts/elm/sync", data={"kind": "dry_run"})
    assert answer.status_code == 422
    assert "Airflow has not read this district yet" in answer.text


def test_trend_counts_the_last_publication_of_a_night(nights, roster):
    from rollcall.reports.district import trend

    nights.publish(roster("ada"), as_of=nights.began)
    nights.publish(roster("ada", "ben"), as_of=nights.began.replace(hour=9))
    with nights.engine.connect() as connection:
        found = trend(connection, "elm", nights=30, now=nights.began + timedelta(days=29))
        later = trend(connection, "elm", nights=30, now=nights.began + timedelta(days=30))
    assert [(one.night, one.people, one.accounts) for one in found] == [(date(2026, 11, 1), 2, 2)]
    assert later == []


def test_a_locked_log_of_airflow_delays_the_entry_and_not_the_change(browse, nights, held, monkeypatch):
    """Airflow on SQLite has one writer at a time."""
    from airflow import settings

    from oneroster_provider import rosters

    monkeypatch.setattr(rosters, "AUDIT_WAITS", (0.1,) * 20)
    client = browse("user")
    with sqlite3.connect(settings.engine.url.database, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            answer = client.post(f"/rosters/districts/elm/holds/{held}/approve", data={"reason": "They graduated"})
            assert answer.status_code == 303
            assert audit_log() == []
        finally:
            other.execute("ROLLBACK")
    for _ in range(100):
        if audit_log():
            break
        time.sleep(0.1)
    assert audit_log() == [("rosters.hold_approved", "ursula", "roster_elm")]


def test_what_is_rolled_back_is_not_in_airflows_log(browse, nights, held):
    answer = browse("user").post(
        f"/rosters/districts/elm/holds/{held}/approve", data={"reason": "x", "except": ["p77"]}
    )
    assert (answer.status_code, audit_log()) == (422, [])


@pytest.fixture
def waiting(browse, held, nights):
    """The ID of a hold whose task waits under Required Actions, and a function that reads the task's state and answer.

    The run is one of the real DAG. No scheduler runs, so the state is set here.
    """
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    sync_bag_to_db(DagBag(str(ROOT / "dags" / "roster_holds.py"), bundle_name="dags-folder"), "dags-folder", None)
    with nights.engine.connect() as connection:
        run_id = required_actions.run_of(queries.find_hold(connection, held))
    body = {"dag_run_id": run_id, "logical_date": None, "conf": {"hold": held}}
    assert browse("admin").post("/api/v2/dags/roster_holds/dagRuns", json=body).status_code == 200
    its_own = (TaskInstance.run_id == run_id) & (TaskInstance.task_id == "decision")
    with create_session() as session:
        task = session.scalars(sa.select(TaskInstance).where(its_own)).one()
        task.state, task.next_method, task.next_kwargs = "awaiting_input", "execute_complete", {}
        session.add(HITLDetail(ti_id=task.id, options=["Approve", "Reject"], subject="", body="", params={}))

    def answered():
        with create_session() as session:
            task = session.scalars(sa.select(TaskInstance).where(its_own)).one()
            asked = session.scalars(sa.select(HITLDetail).where(HITLDetail.ti_id == task.id)).one()
            return task.state, asked.chosen_options, (asked.responded_by or {}).get("name")

    return held, answered


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_a_decision_on_the_page_ends_the_task_that_waits_for_it(browse, waiting, decision):
    held, answered = waiting
    path = f"/rosters/districts/elm/holds/{held}/{decision}"
    assert browse("user").post(path, data={"reason": "They graduated"}).status_code == 303
    assert answered() == ("scheduled", [decision.capitalize()], "ursula")


def test_a_decision_that_is_refused_leaves_the_task_waiting(browse, waiting):
    held, answered = waiting
    assert browse("user").post(f"/rosters/districts/elm/holds/{held}/approve", data={"reason": ""}).status_code == 422
    assert answered()[:2] == ("awaiting_input", None)
