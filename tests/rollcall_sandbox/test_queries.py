"""The rest of the protocol: nested lists, every filter, order, and the members to show."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest


def roles(user: dict[str, Any]) -> set[tuple[str, str]]:
    if "roles" in user:
        return {(role["role"], role["org"]["sourcedId"]) for role in user["roles"]}
    return {(user["role"], org["sourcedId"]) for org in user["orgs"]}


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["sourcedId"] for row in rows]


def nested(held: dict[str, dict[str, dict[str, Any]]]) -> dict[str, set[str]]:
    """What every nested path shows, worked out from the records alone."""
    shown: dict[str, set[str]] = defaultdict(set)
    school_of = {key: row["school"]["sourcedId"] for key, row in held["classes"].items()}
    for key, session in held["academicSessions"].items():
        above = session
        while session["type"] == "gradingPeriod" and "parent" in above:
            shown[f"terms/{above['parent']['sourcedId']}/gradingPeriods"].add(key)
            above = held["academicSessions"][above["parent"]["sourcedId"]]
    for key, course in held["courses"].items():
        shown[f"schools/{course['org']['sourcedId']}/courses"].add(key)
    for key, row in held["classes"].items():
        shown[f"schools/{school_of[key]}/classes"].add(key)
        shown[f"courses/{row['course']['sourcedId']}/classes"].add(key)
        for term in row["terms"]:
            shown[f"terms/{term['sourcedId']}/classes"].add(key)
            if held["academicSessions"][term["sourcedId"]]["type"] == "term":
                shown[f"schools/{school_of[key]}/terms"].add(term["sourcedId"])
    for key, user in held["users"].items():
        for role, org in roles(user):
            if role in ("student", "teacher") and held["orgs"][org]["type"] == "school":
                shown[f"schools/{org}/{role}s"].add(key)
    for key, row in held["enrollments"].items():
        user, class_ = row["user"]["sourcedId"], row["class"]["sourcedId"]
        school, role = row["school"]["sourcedId"], row["role"]
        shown[f"schools/{school}/enrollments"].add(key)
        shown[f"schools/{school_of[class_]}/classes/{class_}/enrollments"].add(key)
        shown[f"schools/{school_of[class_]}/classes/{class_}/{role}s"].add(user)
        shown[f"classes/{class_}/{role}s"].add(user)
        shown[f"users/{user}/classes"].add(class_)
        shown[f"{role}s/{user}/classes"].add(class_)
    return shown


@pytest.mark.parametrize("app", ["birch", "aspen"])
def test_nested_lists_are_the_joins_they_say(read, everything, app):
    expected = nested(everything[app])
    tried = defaultdict(int)
    for path in sorted(expected):
        pattern = "/".join(path.split("/")[::2])
        if tried[pattern] < 7:  # a few of each of the seventeen, every session that has grading periods
            tried[pattern] += 1
            assert ids(read[app].all(path)) == sorted(expected[path]), path
    assert len(tried) == 17


def test_nested_lists_page_filter_and_are_empty_for_a_parent_nobody_knows(read, everything):
    reader = read["birch"]
    school = next(key for key, org in everything["birch"]["orgs"].items() if org["type"] == "school")
    answer = reader.get(f"schools/{school}/students", "limit=5&offset=5&filter=status%3D%27active%27")
    assert len(answer.json()["users"]) == 5
    assert f"/schools/{school}/students?limit=5&offset=10&filter=" in answer.links["next"]["url"]
    assert reader.get("schools/nobody/students").json() == {"users": []}
    assert reader.get(f"schools/{school}/classes/nobody/students").json() == {"users": []}
    assert reader.get(f"orgs/{school}/students").status_code == 404


def test_nested_lists_take_the_wider_scope(served, reading, read):
    reader = reading(served, read["birch"].district)
    core = "https://purl.imsglobal.org/spec/or/v1p2/scope/roster-core.readonly"
    reader.token(core)
    assert reader.get("classes", "limit=1").status_code == 200
    assert reader.get("classes/1/students").status_code == 403


@pytest.mark.parametrize(
    ("app", "path", "filter_", "keeps"),
    [
        ("birch", "users", "givenName>='M'", lambda row: row["givenName"] >= "M"),
        ("birch", "users", "givenName~'ar'", lambda row: "ar" in row["givenName"].lower()),
        ("birch", "users", "middleName!='Ava'", lambda row: row.get("middleName") != "Ava"),
        ("birch", "users", "middleName<'B'", lambda row: "middleName" in row and row["middleName"] < "B"),
        ("birch", "users", "grades='09' OR grades='10'", lambda row: row.get("grades") in (["09"], ["10"])),
        ("birch", "users", "roles.role='teacher'", lambda row: "teacher" in {role for role, _ in roles(row)}),
        ("aspen", "users", "role='student' AND enabledUser='false'",
         lambda row: (row["role"], row["enabledUser"]) == ("student", "false")),
        ("birch", "users", "metadata.ic.legacysourceId~'7'", lambda row: "7" in row["metadata"]["ic.legacysourceId"]),
        ("birch", "users", "primaryOrg.type='org'", lambda row: True),
        ("birch", "classes", "subjectCodes~'02,03'", lambda row: row["subjectCodes"][0] in ("02", "03")),
        ("birch", "classes", "grades!='KG'", lambda row: row["grades"] != ["KG"]),
        ("aspen", "academicSessions", "schoolYear='2027' AND type='term'", lambda row: row["type"] == "term"),
        ("aspen", "enrollments", "beginDate>'2026-09-01'", lambda row: row["beginDate"] > "2026-09-01"),
        ("birch", "demographics", "sex='female'", lambda row: row["sex"] == "female"),
    ],
)  # fmt: skip
def test_any_member_may_be_filtered(read, everything, app, path, filter_, keeps):
    held = everything[app][path]
    expected = sorted(key for key, row in held.items() if keeps(row))
    assert ids(read[app].all(path, filter_)) == expected != []


@pytest.mark.parametrize(
    "spelled", ["''", "\\'", "'", "%27"], ids=["doubled", "behind a backslash", "as it is", "encoded twice"]
)
@pytest.mark.parametrize("app", ["birch", "aspen"])
def test_a_filter_finds_names_with_an_apostrophe_however_it_is_spelled(read, everything, app, spelled):
    users = everything[app]["users"]
    name = next(user["familyName"] for user in users.values() if "'" in user["familyName"])
    expected = sorted(key for key, user in users.items() if user["familyName"] == name and user["status"] == "active")
    value = name.replace("'", spelled)
    assert ids(read[app].all("users", f"familyName='{value}' AND status='active'")) == expected != []
    assert ids(read[app].all("users", f"status='active' AND familyName='{value}'")) == expected
    found = ids(read[app].all("users", f"familyName='{value}' OR familyName='Nobody'"))
    assert set(found) >= set(expected)


@pytest.mark.parametrize("app", ["birch", "aspen"])
def test_grading_periods_hang_below_every_term_that_a_class_names(read, everything, app):
    named = {term["sourcedId"] for row in everything[app]["classes"].values() for term in row["terms"]}
    assert len(named) > 1
    for key in named:
        below = read[app].all(f"terms/{key}/gradingPeriods")
        assert {session["type"] for session in below} == {"gradingPeriod"}, key


def test_a_filter_on_one_school_is_its_nested_list(read, everything):
    school = next(key for key, org in everything["birch"]["orgs"].items() if org["type"] == "school")
    nested_ = read["birch"].all(f"schools/{school}/classes")
    assert read["birch"].all("classes", f"school.sourcedId='{school}'") == nested_ != []


def test_sort_and_order(read, everything):
    reader = read["birch"]

    def named(query: str) -> list[str | None]:
        return [row.get("middleName") for row in reader.get("users", f"limit=10000&{query}").json()["users"]]

    middle = sorted(user["middleName"] for user in everything["birch"]["users"].values() if "middleName" in user)
    assert [name for name in named("sort=middleName") if name] == middle
    assert named("sort=middleName")[: len(middle)] == middle
    assert named("sort=middleName&orderBy=desc")[: len(middle)] == middle[::-1]
    assert named("sort=shoeSize") == named("")
    assert reader.get("users", "orderBy=up").status_code == 400
    first = reader.get("users", "limit=7&sort=familyName").json()["users"]
    second = reader.get("users", "limit=7&offset=7&sort=familyName").json()["users"]
    assert max(row["familyName"] for row in first) <= min(row["familyName"] for row in second)


def test_members_to_show(read):
    for app in ("birch", "aspen"):
        reader = read[app]
        [org] = reader.get("orgs", "limit=1&fields=name,sourcedId").json()["orgs"]
        assert org.keys() == {"name", "sourcedId"}
        single = reader.get(f"orgs/{org['sourcedId']}", "fields=type").json()["org"]
        assert single.keys() == {"type"}
        for path in ("orgs", f"orgs/{org['sourcedId']}"):
            answer = reader.get(path, "fields=")
            assert answer.status_code == 400
            assert "selection_field" in answer.text
            unknown = reader.get(path, "fields=name,shoeSize")
            if app == "birch":
                assert unknown.status_code == 400
                assert "invalid_selection_field" in unknown.text
            else:
                assert unknown.json() == reader.get(path).json()
