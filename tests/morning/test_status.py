"""The morning on one screen: which districts need a person, worst first, and what to do about each."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from include.cli import rollcall
from include.errors import NeedsPerson, RollcallError
from include.morning.digest import alert, digest, totals
from include.morning.status import statuses
from include.settings import District, Schedule
from include.warehouse import ledger


def _district(name: str, **more) -> District:
    return District(district=name, name=name.title(), version="1.2", usernames="email", **more)


@pytest.fixture
def now():
    return datetime.now(UTC)


@pytest.fixture
def told(nights):
    """The statuses of elm, whose nights are written, and of others."""

    def read(*others, broken=()):
        with nights.engine.connect() as connection:
            return statuses(connection, [nights.district, *others], broken)

    return read


def _fail(nights, run_id, night, code="provider_refused", message="The provider refused. Ask for new credentials."):
    error = RollcallError(code, message)
    with nights.engine.begin() as connection:
        ledger.describe_district(connection, nights.district)
        ledger.start_run(connection, "elm", run_id, night)
        ledger.fail_run(connection, "elm", run_id, "extract", error)


def _set(nights, query, **values):
    with nights.engine.begin() as connection:
        connection.execute(sa.text(query), values)


def test_a_published_district_needs_nobody(nights, roster, told, now):
    nights.publish(roster("ada"), as_of=now)
    (elm,) = told()
    assert (elm.state, elm.command, elm.needs_a_person) == ("published", "", False)
    assert elm.readers_have == now
    assert digest([elm]).endswith("No district needs a person.")


def test_the_same_failure_on_following_nights_is_one_incident_with_its_first_date(nights, roster, told, now):
    nights.publish(roster("ada"), as_of=now - timedelta(hours=29))
    for days in (3, 2, 1):
        _fail(nights, f"night{days}", (now - timedelta(days=days)).date())
    _set(nights, "UPDATE roster_ops.runs SET started_at = now() + interval '1 second' WHERE status = 'failed'")
    _set(nights, "UPDATE roster_ops.runs SET started_at = now() + interval '2 second' WHERE run_id = 'night1'")
    (elm,) = told()
    assert (elm.state, elm.nights) == ("failed", 3)
    assert elm.what == "The provider refused. Ask for new credentials. The same on 3 nights."
    assert elm.command == "rollcall check elm"
    assert digest([elm]).splitlines()[0] == f"Readers have the roster of {elm.night:%A, %Y-%m-%d} for 1 district."


def test_a_good_night_ends_an_incident(nights, roster, told, now):
    _fail(nights, "bad", now.date())
    nights.publish(roster("ada"), as_of=now)
    _set(nights, "UPDATE roster_ops.runs SET finished_at = now() + interval '1 second' WHERE status = 'published'")
    _set(nights, "UPDATE roster_ops.runs SET started_at = now() - interval '1 hour' WHERE run_id = 'bad'")
    (elm,) = told()
    assert (elm.state, elm.nights) == ("published", 0)


def test_a_run_that_does_not_finish_says_what_it_waits_for(nights, roster, told, now):
    nights.publish(roster("ada"), as_of=now)
    with nights.engine.begin() as connection:
        ledger.start_run(connection, "elm", "waiting", now.date())
    _set(nights, "UPDATE roster_ops.runs SET waits_for = 'the run noon, which publishes' WHERE run_id = 'waiting'")
    _set(nights, "UPDATE roster_ops.runs SET started_at = now() + interval '1 minute' WHERE run_id = 'waiting'")
    (elm,) = told()
    assert elm.state == "running"
    assert elm.what.endswith("waiting for the run noon, which publishes.")


def test_a_roster_that_is_not_there_by_publish_by_is_late(nights, roster, told, now):
    zone = "UTC" if 1 <= now.hour < 23 else "Asia/Tokyo"  # where it is not about midnight
    now = now.astimezone(ZoneInfo(zone))
    past, coming = ((now + timedelta(minutes=minutes)).strftime("%H:%M") for minutes in (-30, 30))
    for publish_by, state in ((past, "late"), (coming, "published")):
        nights.settings(schedule=Schedule(timezone=zone, publish_by=publish_by))
        nights.publish(roster("ada"), as_of=now - timedelta(hours=26) + timedelta(seconds=nights.count))
        (elm,) = told()
        assert elm.state == state
    assert elm.command == ""


def test_readers_without_a_new_roster_for_over_thirty_hours_are_told_of(nights, roster, told, now):
    nights.publish(roster("ada"), as_of=now - timedelta(hours=31))
    (elm,) = told()
    assert (elm.state, elm.command) == ("late", "rollcall sync elm")


def test_districts_never_run_switched_off_and_broken_are_in_it_worst_first(nights, roster, told, now):
    nights.publish(roster("ada"), as_of=now)
    oak, ash = _district("oak"), _district("ash", enabled=False)
    broken = NeedsPerson("district_file", "fir.yaml, line 3: unknown key 'naem'.", district="fir")
    states = told(oak, ash, broken=[broken])
    assert [(one.district, one.state) for one in states] == [
        ("fir", "broken"),
        ("oak", "never"),
        ("ash", "disabled"),
        ("elm", "published"),
    ]
    assert totals(states) == "4 districts: 1 published, 1 disabled, 1 never, 1 broken."
    assert "oak" in digest(states)
    assert "Ash" not in digest(states)


def test_a_paused_publication_says_why_and_how_it_goes_on(nights, roster, told, now):
    nights.publish(roster("ada"), as_of=now)
    _set(nights, "UPDATE roster_ops.state SET paused = 'rolled back to run1'")
    (elm,) = told()
    assert (elm.state, elm.command) == ("paused", "rollcall resume elm")
    assert alert(elm).splitlines()[0] == f"Readers have the roster of {elm.night:%A, %Y-%m-%d}: Elm (elm) is paused."


def test_the_command_prints_totals_and_only_who_needs_a_person(nights, roster, now, tmp_path, monkeypatch):
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
def test_what_comes_next_is_about_what_failed(nights, roster, told, now, code, command):
    nights.publish(roster("ada"), as_of=now - timedelta(hours=1))
    _fail(nights, "bad", now.date(), code=code)
    assert told()[0].command == command
