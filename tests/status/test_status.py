"""The state of every district: which need action, worst first, and the next command for each."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from rollcall.cli.main import rollcall
from rollcall.display.dates import format_date
from rollcall.errors import ActionRequired, RollcallError
from rollcall.settings import District, Schedule
from rollcall.status import airflow_dags
from rollcall.status.digest import alert, digest, totals
from rollcall.status.status import statuses
from rollcall.warehouse import ledger


def _district(name: str, **more) -> District:
    return District(district=name, name=name.title(), version="1.2", usernames="email", **more)


@pytest.fixture
def now():
    return datetime.now(UTC)


@pytest.fixture
def read_statuses(nights):
    """The statuses of Elm and other districts."""

    def read(*others, broken=()):
        with nights.engine.connect() as connection:
            return statuses(connection, [nights.district, *others], broken)

    return read


def _fail(nights, run_id, night, code="provider_refused", message="The provider refused. Ask for new credentials."):
    error = RollcallError(code, message)
    with nights.engine.begin() as connection:
        ledger.upsert_district(connection, nights.district)
        ledger.start_run(connection, "elm", run_id, night)
        ledger.fail_run(connection, "elm", run_id, "extract", error)


def _set(nights, query, **values):
    with nights.engine.begin() as connection:
        connection.execute(sa.text(query), values)


def test_a_published_district_needs_no_action(nights, roster, read_statuses, now):
    nights.publish(roster("ada"), as_of=now)
    (elm,) = read_statuses()
    assert (elm.state, elm.command, elm.action_required) == ("published", "", False)
    assert elm.published_as_of == now
    assert digest([elm]).endswith("No action needed.")


def test_the_same_failure_on_following_nights_is_one_incident_with_its_first_date(nights, roster, read_statuses, now):
    nights.publish(roster("ada"), as_of=now - timedelta(hours=29))
    for days in (3, 2, 1):
        _fail(nights, f"night{days}", (now - timedelta(days=days)).date())
    _set(nights, "UPDATE roster_ops.runs SET started_at = now() + interval '1 second' WHERE status = 'failed'")
    _set(nights, "UPDATE roster_ops.runs SET started_at = now() + interval '2 second' WHERE run_id = 'night1'")
    (elm,) = read_statuses()
    assert (elm.state, elm.nights) == ("failed", 3)
    assert elm.message == "The provider refused. Ask for new credentials. Same failure on 3 nights."
    assert elm.command == "rollcall check elm"
    assert digest([elm]).splitlines()[0] == f"Published roster: {format_date(elm.night)} (1 district)."


def test_a_good_night_ends_an_incident(nights, roster, read_statuses, now):
    _fail(nights, "bad", now.date())
    nights.publish(roster("ada"), as_of=now)
    _set(nights, "UPDATE roster_ops.runs SET finished_at = now() + interval '1 second' WHERE status = 'published'")
    _set(nights, "UPDATE roster_ops.runs SET started_at = now() - interval '1 hour' WHERE run_id = 'bad'")
    (elm,) = read_statuses()
    assert (elm.state, elm.nights) == ("published", 0)


def test_a_run_in_progress_shows_what_it_waits_for(nights, roster, read_statuses, now):
    nights.publish(roster("ada"), as_of=now)
    with nights.engine.begin() as connection:
        ledger.start_run(connection, "elm", "waiting", now.date())
    _set(nights, "UPDATE roster_ops.runs SET waits_for = 'the run noon, which publishes' WHERE run_id = 'waiting'")
    _set(nights, "UPDATE roster_ops.runs SET started_at = now() + interval '1 minute' WHERE run_id = 'waiting'")
    (elm,) = read_statuses()
    assert elm.state == "running"
    assert elm.message.endswith("waiting for the run noon, which publishes.")


@pytest.mark.parametrize(
    ("schedule", "as_of", "now", "state"),
    [
        # publish_by has passed, or not yet
        ({"publish_by": "06:00"}, "2026-11-24T08:16Z", "2026-11-25T11:59Z", "published"),
        ({"publish_by": "06:00"}, "2026-11-24T08:16Z", "2026-11-25T12:00Z", "late"),
        # without publish_by a night has six hours
        ({}, "2026-11-24T08:16Z", "2026-11-25T14:14Z", "published"),
        ({}, "2026-11-24T08:16Z", "2026-11-25T14:15Z", "late"),
        # a roster by hand in the evening is of tomorrow, and newer than today's date
        ({"publish_by": "06:00"}, "2026-11-25T01:00Z", "2026-11-25T03:00Z", "published"),
        ({"publish_by": "20:00"}, "2026-11-25T00:30Z", "2026-11-25T02:30Z", "published"),
        # a cron that rests at weekends
        ({"publish_by": "06:00", "nightly": "15 2 * * 1-5"}, "2026-11-27T08:16Z", "2026-11-30T11:59Z", "published"),
        ({"publish_by": "06:00", "nightly": "15 2 * * 1-5"}, "2026-11-27T08:16Z", "2026-11-30T12:00Z", "late"),
        ({"nightly": "15 2 * * 1-5"}, "2026-11-27T08:16Z", "2026-11-30T14:14Z", "published"),
        # the nights on which clocks are changed: a time that does not exist, and one that exists twice
        ({"publish_by": "02:30", "nightly": "15 1 * * *"}, "2026-03-07T07:16Z", "2026-03-08T07:59Z", "published"),
        ({"publish_by": "02:30", "nightly": "15 1 * * *"}, "2026-03-07T07:16Z", "2026-03-08T08:00Z", "late"),
        ({"publish_by": "01:30", "nightly": "15 0 * * *"}, "2026-10-31T05:16Z", "2026-11-01T06:29Z", "published"),
        ({"publish_by": "01:30", "nightly": "15 0 * * *"}, "2026-10-31T05:16Z", "2026-11-01T06:30Z", "late"),
        ({"publish_by": "01:30", "nightly": "15 0 * * *"}, "2026-10-31T05:16Z", "2026-11-01T07:15Z", "late"),
    ],
)
def test_late_is_what_the_districts_own_schedule_says(nights, roster, schedule, as_of, now, state):
    plain = {"timezone": "America/Chicago", "nightly": "15 2 * * *", **schedule}
    nights.settings(schedule=Schedule(**plain))
    nights.publish(roster("ada"), as_of=datetime.fromisoformat(as_of))
    with nights.engine.connect() as connection:
        (elm,) = statuses(connection, [nights.district], now=datetime.fromisoformat(now))
    assert elm.state == state
    assert elm.command == ("rollcall sync elm" if state == "late" else "")
    if state == "late":
        assert elm.since <= datetime.fromisoformat(now)


def test_the_view_and_the_command_agree_on_what_is_late(nights, roster, read_statuses, now):
    view = "SELECT state || (since = late_from)::text FROM roster_ops.district_status"
    nights.settings(schedule=Schedule(timezone="UTC", nightly="0 0 * * *"))
    nights.publish(roster("ada"), as_of=now - timedelta(hours=50))
    assert (read_statuses()[0].state, nights.scalar(view)) == ("late", "latetrue")
    nights.publish(roster("ada"), as_of=now)
    assert (read_statuses()[0].state, nights.scalar(view)) == ("published", "publishedfalse")


@pytest.mark.parametrize(("is_paused", "state"), [(True, "is paused"), (None, "is missing"), (False, None)])
def test_a_paused_or_missing_holds_dag_is_reported(nights, tmp_path, monkeypatch, is_paused, state):
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(tmp_path))
    monkeypatch.setenv("ROLLCALL_AIRFLOW_URL", "http://127.0.0.1:1")
    dag = None if is_paused is None else {"is_paused": is_paused}
    monkeypatch.setattr(airflow_dags, "airflow_api", lambda: SimpleNamespace(dag={"roster_holds": dag}.__getitem__))
    url = nights.engine.url.render_as_string(hide_password=False)
    result = CliRunner().invoke(rollcall, ["status", "--warehouse", url])
    assert result.exit_code == 0, result.output
    assert (f"The DAG roster_holds {state}" in result.stdout) if state else ("roster_holds" not in result.stdout)


def test_an_unreachable_airflow_does_not_hide_the_status(nights, tmp_path, monkeypatch):
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(tmp_path))
    for name, value in (("URL", "http://127.0.0.1:1"), ("USER", "admin"), ("PASSWORD", "planted")):
        monkeypatch.setenv(f"ROLLCALL_AIRFLOW_{name}", value)
    url = nights.engine.url.render_as_string(hide_password=False)
    result = CliRunner().invoke(rollcall, ["status", "--warehouse", url])
    assert result.exit_code == 0, result.output
    assert "The state of the DAG roster_holds is unknown" in result.stdout
    assert "planted" not in result.output


def test_new_disabled_and_broken_districts_are_listed_worst_first(nights, roster, read_statuses, now):
    nights.publish(roster("ada"), as_of=now)
    oak, ash = _district("oak"), _district("ash", enabled=False)
    broken = ActionRequired("district_file", "fir.yaml, line 3: unknown key 'naem'.", district="fir")
    states = read_statuses(oak, ash, broken=[broken])
    assert [(one.district, one.state) for one in states] == [
        ("fir", "broken"),
        ("oak", "never"),
        ("ash", "disabled"),
        ("elm", "published"),
    ]
    assert totals(states) == "4 districts: 1 published, 1 disabled, 1 never, 1 broken."
    assert "oak" in digest(states)
    assert "Ash" not in digest(states)


def test_a_paused_district_has_the_reason_and_the_next_command(nights, roster, read_statuses, now):
    nights.publish(roster("ada"), as_of=now)
    _set(nights, "UPDATE roster_ops.state SET paused = 'rolled back to run1'")
    (elm,) = read_statuses()
    assert (elm.state, elm.command) == ("paused", "rollcall resume elm")
    assert alert(elm).splitlines()[0] == f"Published roster: {format_date(elm.night)}. Elm (elm): paused."


def test_the_command_prints_totals_and_the_districts_that_need_action(nights, roster, now, tmp_path, monkeypatch):
    for name in ("elm", "oak"):
        (tmp_path / f"{name}.yaml").write_text(f'district: {name}\nname: {name}\nversion: "1.2"\nusernames: email\n')
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(tmp_path))
    nights.publish(roster("ada"), as_of=now)
    url = nights.engine.url.render_as_string(hide_password=False)
    result = CliRunner().invoke(rollcall, ["status", "--warehouse", url])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "2 districts: 1 published, 1 never."
    assert "rollcall sync oak --dry-run" in result.stdout
    assert "elm" not in result.stdout
    result = CliRunner().invoke(rollcall, ["status", "--all", "--json", "--warehouse", url])
    assert [(one["district"], one["state"]) for one in json.loads(result.stdout)] == [
        ("oak", "never"),
        ("elm", "published"),
    ]


@pytest.mark.parametrize(
    ("code", "command"),
    [
        ("credentials_refused", "rollcall check elm"),
        ("site_unknown", "rollcall districts show elm"),
        ("publish_failed", "rollcall sync elm"),
        ("warehouse_version", "rollcall db upgrade"),
    ],
)
def test_the_next_command_fits_the_failure(nights, roster, read_statuses, now, code, command):
    nights.publish(roster("ada"), as_of=now - timedelta(hours=1))
    _fail(nights, "bad", now.date(), code=code)
    assert read_statuses()[0].command == command
