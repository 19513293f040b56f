"""What a night does is what the truth says it did, what a delta shows, and the same every time."""

# ruff: noqa: S113 - a request that hangs is ended by pytest-timeout
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from rollcall_sandbox import Sandbox, SandboxDistrict

Held = dict[str, dict[str, dict[str, Any]]]


def orgs(user: dict[str, Any]) -> set[str]:
    return {ref["sourcedId"] for ref in user.get("orgs") or [role["org"] for role in user["roles"]]}


def names(user: dict[str, Any]) -> tuple[str, str]:
    return user["givenName"], user["familyName"]


def without_port(held: Held, port: int) -> str:
    return repr(held).replace(f":{port}/", ":0/")


@pytest.fixture(params=["1.1", "1.2"])
def district(request) -> SandboxDistrict:
    return SandboxDistrict("elm", request.param, students=600, demographics=True)


def test_a_night_changes_what_the_truth_says_and_nothing_else(alone, district):
    reader = alone(SandboxDistrict("elm", district.version, students=1500, demographics=True))
    before = reader.everything()
    assert reader.sandbox.truth("elm")["last_night"] is None
    reader.sandbox.pass_night("elm")
    after = reader.everything()
    truth = reader.sandbox.truth("elm")
    night = truth["last_night"]
    assert (truth["nights"], night["number"], night["date"]) == (1, 1, "2026-11-23")
    counts = {name: night[name]["count"] for name in ("joined", "moved", "renamed", "left", "vanished", "rescheduled")}
    assert counts == {"joined": 6, "moved": 5, "renamed": 4, "left": 4, "vanished": 3, "rescheduled": 8}
    ids = {name: {*night[name]["sourced_ids"], *night[name]["family"]} for name in counts}

    old, new = before["users"], after["users"]
    assert new.keys() - old.keys() == ids["joined"]
    assert old.keys() - new.keys() == ids["vanished"]
    assert {key for key, user in new.items() if user["status"] == "tobedeleted"} == ids["left"]
    both = old.keys() & new.keys()
    assert {key for key in both if names(old[key]) != names(new[key])} == ids["renamed"]
    moved = set(night["moved"]["sourced_ids"])
    assert all(len(orgs(old[key])) == len(orgs(new[key])) == 1 and orgs(old[key]) != orgs(new[key]) for key in moved)

    for name, records in after.items():
        changed = {key for key, record in records.items() if record != before[name].get(key)}
        assert changed == {key for key, record in records.items() if record["dateLastModified"] >= "2026-11-23"}, name
        delta = reader.all(name, "dateLastModified>='2026-11-23T00:00:00.000Z'")
        assert {record["sourcedId"] for record in delta} == changed
        assert night["changed"][name] == len(changed)
        assert truth["collections"][name] == {
            "total": len(records),
            "active": sum(record["status"] == "active" for record in records.values()),
            "tobedeleted": sum(record["status"] == "tobedeleted" for record in records.values()),
        }


def test_who_goes_takes_enrollments_and_demographics_along(alone, district):
    reader = alone(district)
    before = reader.everything()
    reader.sandbox.pass_night("elm")
    after, night = reader.everything(), reader.sandbox.truth("elm")["last_night"]
    left, vanished = set(night["left"]["sourced_ids"]), set(night["vanished"]["sourced_ids"])
    assert left
    assert vanished
    for key, enrollment in before["enrollments"].items():
        if enrollment["user"]["sourcedId"] in left:
            assert after["enrollments"][key]["status"] == "tobedeleted"
        if enrollment["user"]["sourcedId"] in vanished:
            assert key not in after["enrollments"]
    for key in before["demographics"]:
        if key in left:
            assert after["demographics"][key]["status"] == "tobedeleted"
        if key in vanished:
            assert key not in after["demographics"]


def test_who_moves_changes_school_classes_and_guardians_orgs(alone, district):
    reader = alone(district)
    reader.sandbox.pass_night("elm")
    after, night = reader.everything(), reader.sandbox.truth("elm")["last_night"]
    assert night["moved"]["count"] == 2
    for key in night["moved"]["sourced_ids"]:
        student = after["users"][key]
        mine = [record for record in after["enrollments"].values() if record["user"]["sourcedId"] == key]
        here = [record for record in mine if record["school"]["sourcedId"] in orgs(student)]
        assert here
        assert {record["status"] for record in here} == {"active"}
        assert {record["status"] for record in mine if record not in here} == {"tobedeleted"}
        assert {record["beginDate"] for record in here} == {"2026-11-23"}
        for agent in student["agents"]:
            assert orgs(student) <= orgs(after["users"][agent["sourcedId"]])


def test_a_leaving_teachers_classes_are_taken_over(alone, district):
    reader = alone(SandboxDistrict("elm", district.version, students=1500))
    before = {record["sourcedId"]: record for record in reader.all("enrollments")}
    reader.sandbox.pass_night("elm")
    night = reader.sandbox.truth("elm")["last_night"]
    teachers = {user["sourcedId"] for user in reader.all("teachers")}
    [leaver] = teachers & set(night["left"]["sourced_ids"])
    [successor] = teachers & set(night["joined"]["sourced_ids"])
    taught = {(e["class"]["sourcedId"], e["primary"]) for e in before.values() if e["user"]["sourcedId"] == leaver}
    teaches = {
        (e["class"]["sourcedId"], e["primary"])
        for e in reader.all("enrollments", "status='active'")
        if e["user"]["sourcedId"] == successor
    }
    assert taught == teaches != set()


def test_nights_over_http_are_the_nights_it_may_start_with(alone, district):
    live = alone(district)
    url = f"http://127.0.0.1:{live.sandbox.port}/sandbox/elm"
    assert requests.post(f"{url}/nights", json={"nights": 2}).status_code == 200
    assert requests.post(f"{url}/nights").status_code == 200
    same = SandboxDistrict("elm", district.version, students=600, demographics=True, nights=3)
    started = alone(same, datetime(2026, 11, 25, 2, 30, tzinfo=UTC))
    here, there = live.everything(), started.everything()
    assert without_port(here, live.sandbox.port) == without_port(there, started.sandbox.port)
    assert requests.get(f"{url}/truth").json() == started.sandbox.truth("elm")
    assert started.sandbox.truth("elm")["nights"] == 3


def test_a_bad_number_of_nights_changes_nothing(alone, district):
    reader = alone(district)
    url = f"http://127.0.0.1:{reader.sandbox.port}/sandbox/elm/nights"
    for body in (b'{"nights": "two"}', b"[1]", b"{"):
        assert requests.post(url, data=body).status_code == 400
    assert requests.post(url.replace("elm", "oak")).status_code == 404
    assert reader.sandbox.truth("elm")["nights"] == 0


def test_a_page_read_before_the_night_is_not_served_after_it(alone, district):
    reader = alone(district)
    first = reader.get("users", "limit=5000")
    assert reader.get("users", "limit=5000").content == first.content
    reader.sandbox.pass_night("elm")
    assert reader.get("users", "limit=5000").content != first.content


def test_a_month_of_nights_leaves_a_district(alone, district):
    elm = SandboxDistrict("elm", district.version, students=150, demographics=True, nights=30)
    reader = alone(elm, datetime(2026, 12, 22, tzinfo=UTC))
    truth = reader.sandbox.truth("elm")
    assert truth["last_night"]["date"] == "2026-12-22"
    assert truth["roles"]["student"]["active"] > 100
    held = reader.everything()
    live = {key for key, user in held["users"].items() if user["status"] == "active"}
    for enrollment in held["enrollments"].values():
        assert enrollment["status"] == "tobedeleted" or enrollment["user"]["sourcedId"] in live
        assert enrollment["beginDate"] < enrollment["endDate"]


def test_by_the_real_clock_a_delta_of_a_day_shows_last_night_and_no_more(reading):
    """A watermark is the client's own clock before its pull, less a day of overlap."""
    with Sandbox([SandboxDistrict("elm", "1.2", students=300, nights=3)]) as sandbox:
        reader = reading(sandbox, SandboxDistrict("elm", "1.2", students=300))
        since = f"dateLastModified>='{datetime.now(UTC) - timedelta(hours=23):%Y-%m-%dT%H:%M:%S.000Z}'"
        assert len(reader.all("users", since)) == sandbox.truth("elm")["last_night"]["changed"]["users"] > 0
        watermark = datetime.now(UTC)
        sandbox.pass_night("elm")
        changed = sandbox.truth("elm")["last_night"]["changed"]
        since = f"dateLastModified>='{watermark:%Y-%m-%dT%H:%M:%S.%f}Z'"
        for name in ("orgs", "academicSessions", "courses", "classes", "users", "enrollments"):
            assert len(reader.all(name, since)) == changed[name]
        assert changed["users"] > 0
        assert changed["enrollments"] > 0
        assert changed["orgs"] == 0
