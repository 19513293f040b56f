"""Students, staff and others are measured apart, and accounts: in the district, at each school, at each site.

A table: what goes, how much of it and where, diluted by everybody else. Each case is worked out over one published
roster and none is published, so that it costs one night's judgment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from rollcall.landing.change_set import Hold
from rollcall.landing.zone import Landing
from rollcall.pipeline import run
from rollcall.settings import Filters, Guards, Sites
from rollcall.settings.sections import Floor
from tests.conftest import Nights
from tests.warehouses import Warehouses

Rows = dict[str, list[dict[str, Any]]]

SCHOOLS = ("north", "south", "west")

#: How many of each kind are at each school: guardians outnumber the students, and students the staff.
STUDENTS, STAFF, GUARDIANS = 50, 20, 150


def _people() -> Iterator[tuple[str, str, str]]:
    for role, count in (("student", STUDENTS), ("teacher", STAFF), ("guardian", GUARDIANS)):
        for school in SCHOOLS:
            for number in range(count):
                yield f"{role}-{school}-{number:03}", role, school


def _roster() -> Rows:
    people = list(_people())
    return {
        "orgs": [{"sourced_id": name, "name": name.title(), "type": "school"} for name in SCHOOLS],
        "academic_sessions": [{"sourced_id": "year", "title": "2026", "type": "schoolYear"}],
        "courses": [{"sourced_id": "maths", "title": "Mathematics"}],
        "classes": [
            {"sourced_id": f"{name}-{number}", "title": "Maths", "school_sourced_id": name}
            for name in SCHOOLS
            for number in range(12)
        ],
        "users": [
            {
                "sourced_id": key,
                "given_name": f"Given {key}",
                "family_name": "Family",
                "email": f"{key}@town.example",
                "grades": '["12"]' if _is_senior(key) else '["09"]',
                "primary_org_sourced_id": school,
            }
            for key, role, school in people
        ],
        "user_roles": [
            {"user_sourced_id": key, "role_key": f"{role}|{school}|", "org_sourced_id": school, "role": role}
            for key, role, school in people
        ],
        "enrollments": [
            {
                "sourced_id": f"e-{key}-{number}",
                "user_sourced_id": key,
                "class_sourced_id": f"{school}-{number}",
                "school_sourced_id": school,
                "role": role,
            }
            for key, role, school in people
            if role != "guardian"
            for number in range(6)
        ],
    }


def _is_senior(key: str) -> bool:
    return key.startswith("student") and key.endswith(("0", "5"))


def _number(key: str) -> int:
    return int(key.split("-")[2])


def _without(role: str, each: dict[str, int]) -> Callable[[Rows], None]:
    """So many people of a role are gone at each school, and what is theirs."""

    def change(rows: Rows) -> None:
        gone = {key for key, is_role, at in _people() if is_role == role and _number(key) < each.get(at, 0)}
        rows["users"] = [row for row in rows["users"] if row["sourced_id"] not in gone]
        for name in ("user_roles", "enrollments"):
            rows[name] = [row for row in rows[name] if row["user_sourced_id"] not in gone]

    return change


def _classes(each: int) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        rows["classes"] = [row for row in rows["classes"] if int(row["sourced_id"].split("-")[1]) >= each]

    return change


def _enrollments(role: str, fewer: int) -> Callable[[Rows], None]:
    """Everybody of a role is in so many classes fewer."""

    def change(rows: Rows) -> None:
        rows["enrollments"] = [
            row for row in rows["enrollments"] if row["role"] != role or int(row["sourced_id"][-1]) >= fewer
        ]

    return change


def _edited(role: str, field: str) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        for row in rows["users"]:
            if row["sourced_id"].startswith(role):
                row[field] = f"x-{row['sourced_id']}@town.example"

    return change


def _renumbered(role: str, each: int) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        for name, column in (
            ("users", "sourced_id"),
            ("user_roles", "user_sourced_id"),
            ("enrollments", "user_sourced_id"),
        ):
            for row in rows[name]:
                if row[column].startswith(role) and _number(row[column]) < each:
                    row[column] = f"new-{row[column]}"

    return change


def _no_role(role: str, each: int) -> Callable[[Rows], None]:
    """So many of a role at each school stay in the roster and lose what gives them an account."""

    def change(rows: Rows) -> None:
        for row in rows["user_roles"]:
            if row["role"] == role and _number(row["user_sourced_id"]) < each:
                row.update(role="guardian", role_key=row["role_key"].replace(role, "guardian"))

    return change


@dataclass(frozen=True)
class Case:
    """:param holds: what is held: collection, kind, school, rows, and how many readers have of that kind."""

    name: str
    change: Callable[[Rows], None]
    holds: list[tuple[str, str, str, int, int]]
    settings: dict[str, Any] = field(default_factory=dict)


_SITES = Sites(targets=["A", "B"], map={"north": "A", "south": "A", "west": "B"})

CASES = [
    Case(
        "students 30% at every school",
        _without("student", dict.fromkeys(SCHOOLS, 15)),
        [("users", "removals", "", 45, 150)],
    ),
    Case(
        "students, one school passes",
        _without("student", {"north": 11, "south": 1, "west": 1}),
        [("users", "removals", "", 13, 150)],
    ),
    Case("students at one school only", _without("student", {"north": 11}), [("users", "removals", "north", 11, 150)]),
    Case(
        "students, the district passes and no school does",
        _without("student", dict.fromkeys(SCHOOLS, 6)),
        [("users", "removals", "", 18, 150)],
    ),
    Case("students, few", _without("student", dict.fromkeys(SCHOOLS, 3)), []),
    Case(
        "staff 25% at every school", _without("teacher", dict.fromkeys(SCHOOLS, 5)), [("users", "removals", "", 15, 60)]
    ),
    Case("staff at one school", _without("teacher", {"west": 11}), [("users", "removals", "west", 11, 60)]),
    Case("staff, few", _without("teacher", dict.fromkeys(SCHOOLS, 3)), []),
    Case("others 20%", _without("guardian", dict.fromkeys(SCHOOLS, 30)), []),
    Case("others 30%", _without("guardian", dict.fromkeys(SCHOOLS, 45)), [("users", "removals", "", 135, 450)]),
    Case(
        "students, a site passes and no school does",
        _without("student", {"north": 10, "south": 10}),
        [("users", "removals", "", 20, 150)],
        {"sites": _SITES, "guards": Guards(students="15%")},
    ),
    Case("classes", _classes(2), [("classes", "removals", "", 6, 36)], {"guards": Guards(floor=Floor(classes=5))}),
    Case("enrollments of students", _enrollments("student", 2), [("enrollments", "removals", "", 300, 900)]),
    Case("enrollments of staff, few of all", _enrollments("teacher", 2), [("enrollments", "removals", "", 120, 360)]),
    Case("updates of students", _edited("student", "family_name"), [("users", "updates", "", 150, 150)]),
    Case("updates of staff", _edited("teacher", "family_name"), [("users", "updates", "", 60, 60)]),
    Case(
        "usernames of staff",
        _edited("teacher", "email"),
        [("accounts", "usernames", "", 60, 60)],
        {"guards": Guards(updates="100%")},
    ),
    Case("identities of students", _renumbered("student", 15), [("users", "identities", "", 90, 150)]),
    Case("accounts of staff", _no_role("teacher", 5), [("accounts", "removals", "", 15, 60)]),
    Case("accounts of students", _no_role("student", 6), [("accounts", "removals", "", 18, 150)]),
    Case("accounts, few", _no_role("student", 3), []),
]


@pytest.fixture(scope="module")
def published(warehouses: Warehouses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    nights = Nights(warehouses.take(), Landing(str(tmp_path_factory.mktemp("landing"))))
    nights.publish(_roster())
    yield nights
    warehouses.give_back(nights.engine)


@pytest.fixture
def judged(published: Nights) -> Iterator[Callable[..., list[Hold]]]:
    """What would be held of a night, which is not published."""
    described = published.district

    def judge(change: Callable[[Rows], None], settings: dict[str, Any]) -> list[Hold]:
        rows = _roster()
        change(rows)
        published.settings(**settings)
        ref = published.prepare(rows)
        return run.map_night(published.engine, published.district, ref, published.landing).holds

    yield judge
    published.district = described


def _told(holds: list[Hold]) -> list[tuple[str, str, str, int, int]]:
    return [(hold.collection, hold.kind, hold.school, hold.rows, hold.published) for hold in holds]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_kind_is_measured_by_itself(judged: Callable[..., list[Hold]], case: Case) -> None:
    assert _told(judged(case.change, case.settings)) == case.holds


def test_the_cause_is_judged_on_all_that_goes(judged: Callable[..., list[Hold]]) -> None:
    """One school passes its limit first; students go at all three."""
    [hold] = judged(_without("student", {"north": 11, "south": 1, "west": 1}), {})
    assert "one school" not in hold.looks_like
    assert "one school (they are at 3 of 3 schools)" in hold.looks_not_like
    assert "13 of 150 students" in hold.looks_like


def test_a_year_rollover_is_judged_by_the_students_however_many_guardians_there_are(
    judged: Callable[..., list[Hold]],
) -> None:
    def change(rows: Rows) -> None:
        _without("student", dict.fromkeys(SCHOOLS, 15))(rows)
        rows["academic_sessions"] = [{"sourced_id": "next", "title": "2027", "type": "schoolYear"}]
        for row in rows["users"]:
            if row["sourced_id"].startswith("student"):
                row["grades"] = '["10"]'

    hold = next(hold for hold in judged(change, {}) if hold.kind == "removals" and hold.collection == "users")
    assert hold.looks_like.startswith("a year rollover")
    assert "45 of 150 students leave, 105 were promoted" in hold.looks_like


def test_the_accounts_of_one_grade_are_measured_though_its_students_are_few(nights: Nights) -> None:
    """Only seniors have accounts: nine of thirty go, and nine of a hundred and fifty students."""
    wide = Guards(students="100%", floor=Floor(people=8))
    nights.settings(filters=Filters(grades=["12"]), guards=wide)
    nights.publish(_roster())
    gone = {key for key, _, _ in _people() if _is_senior(key) and _number(key) < 15}
    rows = _roster()
    rows["users"] = [row for row in rows["users"] if row["sourced_id"] not in gone]
    for name in ("user_roles", "enrollments"):
        rows[name] = [row for row in rows[name] if row["user_sourced_id"] not in gone]
    assert _told(nights.publish(rows).holds) == [("users", "removals", "", 9, 150)]
    done = nights.publish(rows)
    assert (done.exit_code, done.counts["users"].removed, done.counts["accounts"].removed) == (3, 0, 0)
    assert gone <= set(nights.live("accounts", "user_sourced_id"))


def test_held_students_keep_roles_enrollments_demographics_and_accounts(nights: Nights) -> None:
    """Guardians go along in the same night and flow: they are others, below their own share."""
    roster = _roster() | {
        "demographics": [{"sourced_id": key} for key, role, _ in _people() if role == "student"],
    }
    nights.publish(roster)
    rows = _roster()
    _without("student", {"north": 11, "south": 3, "west": 1})(rows)
    _without("guardian", dict.fromkeys(SCHOOLS, 5))(rows)
    there = {row["sourced_id"] for row in rows["users"]}
    rows["demographics"] = [row for row in roster["demographics"] if row["sourced_id"] in there]
    for _ in range(2):
        done = nights.publish(rows)
    assert (done.exit_code, done.counts["users"].held, done.counts["users"].removed) == (3, 15, 15)
    students = [key for key, role, _ in _people() if role == "student"]
    assert set(students) <= set(nights.live("users", "sourced_id"))
    assert set(students) <= set(nights.live("user_roles", "user_sourced_id"))
    assert set(students) == set(nights.live("demographics", "sourced_id"))
    assert set(students) <= set(nights.live("accounts", "user_sourced_id"))
    assert len(nights.live("enrollments", "sourced_id")) == len(roster["enrollments"])
