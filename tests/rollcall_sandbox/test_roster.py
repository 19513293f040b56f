"""The made-up districts are consistent in themselves and look like districts."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from rollcall_sandbox import SandboxDistrict
from rollcall_sandbox.provider import Provider
from rollcall_sandbox.roster import COLLECTIONS
from rollcall_sandbox.truth import Gauge

APPS = ("maple", "cedar", "birch", "aspen", "linden")
TARGETS = {
    "academicSession": "academicSessions", "term": "academicSessions", "gradingPeriod": "academicSessions",
    "org": "orgs", "course": "courses", "class": "classes", "user": "users", "student": "users", "teacher": "users",
}  # fmt: skip


def references(value: Any) -> list[dict[str, str]]:
    if isinstance(value, list):
        return [reference for item in value for reference in references(item)]
    if isinstance(value, dict):
        if value.keys() == {"href", "sourcedId", "type"}:
            return [value]
        return references(list(value.values()))
    return []


def active(records: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in records.values() if record["status"] == "active"]


@pytest.mark.parametrize("app", APPS)
def test_active_records_refer_to_active_records(everything, app):
    held = everything[app]
    for collection in held.values():
        for record in active(collection):
            for reference in references(record):
                target = held[TARGETS[reference["type"]]][reference["sourcedId"]]
                assert target["status"] == "active"


@pytest.mark.parametrize("app", APPS)
def test_agents_are_symmetric_and_between_family_and_students(everything, app):
    users = everything[app]["users"]
    pairs = {(user["sourcedId"], agent["sourcedId"]) for user in users.values() for agent in user.get("agents", [])}
    assert pairs
    assert pairs == {(agent, user) for user, agent in pairs}
    for one, other in pairs:
        kinds = [roles(users[one]), roles(users[other])]
        assert any("student" in kind for kind in kinds)
        assert any(kind & {"guardian", "relative"} for kind in kinds)


def roles(user: dict[str, Any]) -> set[str]:
    return {user["role"]} if "role" in user else {role["role"] for role in user["roles"]}


@pytest.mark.parametrize("app", APPS)
def test_sessions_nest_from_the_year_to_the_grading_period(everything, app):
    sessions = everything[app]["academicSessions"]
    above = {"semester": "schoolYear", "term": "semester", "gradingPeriod": "term"}
    assert Counter(session["type"] for session in sessions.values()) == {
        "schoolYear": 1, "semester": 2, "term": 4, "gradingPeriod": 8,
    }  # fmt: skip
    for session in sessions.values():
        assert session["startDate"] < session["endDate"]
        assert session["schoolYear"] == "2027"
        for child in session["children"]:
            assert sessions[child["sourcedId"]]["parent"]["sourcedId"] == session["sourcedId"]
        if session["type"] == "schoolYear":
            assert "parent" not in session
            continue
        parent = sessions[session["parent"]["sourcedId"]]
        assert parent["type"] == above[session["type"]]
        assert parent["startDate"] <= session["startDate"] < session["endDate"] <= parent["endDate"]


@pytest.mark.parametrize("app", APPS)
def test_classes_and_enrollments_agree_with_schools_and_sessions(everything, app):
    held = everything[app]
    for class_ in held["classes"].values():
        assert held["orgs"][class_["school"]["sourcedId"]]["type"] == "school"
        assert len(class_["subjects"]) == len(class_["subjectCodes"])
    primary = Counter()
    for enrollment in active(held["enrollments"]):
        class_ = held["classes"][enrollment["class"]["sourcedId"]]
        terms = [held["academicSessions"][term["sourcedId"]] for term in class_["terms"]]
        assert enrollment["school"]["sourcedId"] == class_["school"]["sourcedId"]
        assert min(term["startDate"] for term in terms) <= enrollment["beginDate"]
        assert enrollment["beginDate"] < enrollment["endDate"] <= max(term["endDate"] for term in terms)
        primary[class_["sourcedId"]] += enrollment.get("primary") == "true"
        assert ("primary" in enrollment) == (enrollment["role"] == "teacher")
    assert set(primary.values()) == {1}
    assert primary.keys() == held["classes"].keys()


@pytest.mark.parametrize("app", ["maple", "birch", "linden"])
def test_v1p2_users_have_one_primary_role_per_org(everything, app):
    for user in everything[app]["users"].values():
        per_org = Counter(role["org"]["sourcedId"] for role in user["roles"] if role["roleType"] == "primary")
        assert set(per_org) == {role["org"]["sourcedId"] for role in user["roles"]}
        assert set(per_org.values()) == {1}
        assert user["primaryOrg"]["sourcedId"] == user["roles"][0]["org"]["sourcedId"]
        profiles = {profile["profileId"] for profile in user.get("userProfiles", [])}
        assert {role["userProfile"] for role in user["roles"] if "userProfile" in role} == profiles


@pytest.mark.parametrize("app", ["cedar", "birch", "aspen"])
def test_demographics_describe_the_students(everything, app):
    held = everything[app]
    students = {key for key, user in held["users"].items() if "student" in roles(user)}
    assert held["demographics"].keys() == students


@pytest.mark.parametrize("app", ["maple", "cedar"])
def test_a_district_of_1500_has_the_size_it_should(served, app):
    truth = served.truth(app)
    count = {name: counts["total"] for name, counts in truth["collections"].items()}
    role = {name: counts["total"] for name, counts in truth["roles"].items()}
    assert role["student"] == count["demographics"] == 1500
    assert 80 <= role["teacher"] <= 120
    assert 1700 <= role["guardian"] + role["relative"] <= 2300
    assert 8500 <= count["enrollments"] <= 10500
    assert count["orgs"] == 6


def test_schools_offer_what_their_level_does(everything):
    held = everything["maple"]
    homerooms = Counter()
    per_student = Counter()
    level = {key: org["name"].split()[-2] for key, org in held["orgs"].items() if org["type"] == "school"}
    assert Counter(level.values()) == {"Elementary": 2, "Middle": 1, "High": 1}
    for class_ in held["classes"].values():
        homerooms[level[class_["school"]["sourcedId"]]] += class_["classType"] == "homeroom"
    assert homerooms["Elementary"] > 20
    assert homerooms["Middle"] > 10
    assert homerooms["High"] == 0
    for enrollment in held["enrollments"].values():
        if enrollment["role"] == "student":
            per_student[level[enrollment["school"]["sourcedId"]], enrollment["user"]["sourcedId"]] += 1
    usual = {
        name: Counter(n for (at, _), n in per_student.items() if at == name).most_common(1)[0][0] for name in homerooms
    }
    assert usual == {"Elementary": 4, "Middle": 8, "High": 8}


def test_people_are_as_awkward_as_people_are(everything):
    users = everything["maple"]["users"].values()
    students = [user for user in users if "student" in roles(user)]
    names = {user["familyName"] for user in students} | {user["givenName"] for user in students}
    assert {"O'Neil", "D'Angelo", "José", "Zoë", "Núñez", "Mary Ann", "de la Cruz", "García Márquez"} <= names
    emails = Counter(user["email"] for user in students if "email" in user)
    assert sum("email" not in user for user in students) == 15
    assert 14 <= sum(count for count in emails.values() if count > 1) <= 18
    at_two_schools = [user for user in students if len({role["org"]["sourcedId"] for role in user["roles"]}) == 2]
    assert 5 <= len(at_two_schools) <= 40
    two_roles = Counter(tuple(sorted(roles(user))) for user in users if len(roles(user)) > 1)
    assert two_roles[("guardian", "teacher")] >= 1
    assert two_roles[("aide", "teacher")] >= 1


def test_v1p1_makes_a_record_of_each_role_of_a_person(everything):
    users = everything["cedar"]["users"]
    assert {key[0] for key in users} == set("stadgr")
    both = [key for key in users if key[0] == "t" and f"g{key[1:]}" in users]
    assert both
    for key in both:
        teacher, guardian = users[key], users[f"g{key[1:]}"]
        assert (teacher["role"], guardian["role"]) == ("teacher", "guardian")
        assert teacher["identifier"] == guardian["identifier"]
        assert teacher["agents"] == []
        assert guardian["agents"]


def test_v1p2_keeps_the_number_of_v1p1_in_the_metadata(everything):
    numbers = [user["metadata"]["ic.legacysourceId"] for user in everything["maple"]["users"].values()]
    assert all(number.isdecimal() for number in numbers)
    assert len(set(numbers)) == len(numbers)


def test_logins_and_work_addresses_are_nobody_elses(everything):
    for app in APPS:
        people: dict[str, set[str]] = {}
        for user in everything[app]["users"].values():
            for user_id in user["userIds"]:
                if user_id["type"] == "LDAP":
                    people.setdefault(user_id["identifier"], set()).add(user["identifier"])
        assert all(len(owners) == 1 for owners in people.values())


def digest(district: SandboxDistrict) -> str:
    """A digest of all records of a district, as served at one fixed address."""
    provider = Provider(district, "http://127.0.0.1:1", Gauge(), clock=lambda: datetime(2026, 11, 25, tzinfo=UTC))
    hash_ = hashlib.sha256()
    for name in COLLECTIONS:
        hash_.update(provider._records.joined(name, provider._records.all(name)))
    return hash_.hexdigest()


SMALL = {"app": "rowan", "version": "1.2", "students": 60, "demographics": True, "nights": 2}


def test_a_seed_gives_the_same_bytes_in_another_process():
    """Hash randomisation is what would show an order taken from a set."""
    program = (
        "import sys, json; sys.path.insert(0, sys.argv[2]); from test_roster import digest, SandboxDistrict; "
        "print(digest(SandboxDistrict(**json.loads(sys.argv[1]))))"
    )
    other = subprocess.run(
        [sys.executable, "-c", program, json.dumps(SMALL), os.path.dirname(__file__)],  # noqa: PTH120
        env=os.environ | {"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == digest(SandboxDistrict(**SMALL))


def test_another_seed_or_app_gives_another_district():
    digests = {digest(SandboxDistrict(**(SMALL | change))) for change in ({}, {"seed": 2}, {"app": "elm"})}
    assert len(digests) == 3


def test_a_tiny_district_works_as_well():
    for students in (1, 2, 7):
        provider = Provider(SandboxDistrict("elm", "1.1", students=students, nights=2), "http://127.0.0.1:1", Gauge())
        assert provider.truth()["collections"]["orgs"]["active"] == 6
