"""Every record the sandbox sends, against the field tables of OneRoster 1.1 and 1.2 written down here once more.

Required members are there, no unknown ones are, tokens come from the version's vocabularies, dates and booleans have
the form the REST bindings prescribe, and references are whole, typed for the version and lead where their field says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

Check = Callable[[Any], bool]
Table = dict[str, tuple[str, Check]]

REQUIRED, OPTIONAL = "required", "optional"

GRADES = {"IT", "PR", "PK", "TK", "KG", *(f"{grade:02d}" for grade in range(1, 14)), "PS", "UG", "Other"}
ROLES_V1P1 = "administrator aide guardian parent proctor relative student teacher"
ROLES_V1P2 = (
    "aide counselor districtAdministrator guardian parent principal proctor relative siteAdministrator student "
    "systemAdministrator teacher"
)


def text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255 and value == value.strip()


def guid(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9.\-_/@]{1,255}", value) is not None


def matching(pattern: str) -> Check:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def one_of(tokens: str) -> Check:
    return lambda value: isinstance(value, str) and value in tokens.split()


def many(check: Check, least: int = 0) -> Check:
    return lambda value: isinstance(value, list) and len(value) >= least and all(check(item) for item in value)


def structure(table: Table) -> Check:
    return lambda value: isinstance(value, dict) and not list(problems(table, value))


def ref(types: str, *paths: str) -> Check:
    """A GUIDRef with one of the types, and an absolute href to one of the paths."""

    def check(value: Any) -> bool:
        if not isinstance(value, dict) or value.keys() != {"href", "sourcedId", "type"}:
            return False
        places = [f"/{path}/{value['sourcedId']}" for path in paths]
        is_absolute = value["href"].startswith("http://127.0.0.1:")
        is_there = any(value["href"].endswith(place) for place in places)
        return guid(value["sourcedId"]) and value["type"] in types.split() and is_absolute and is_there

    return check


date = matching(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
date_time = matching(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")
year = matching(r"\d{4}")
boolean = one_of("true false")
metadata: Check = lambda value: isinstance(value, dict)  # noqa: E731 - reads like its neighbors
grade: Check = lambda value: value in GRADES  # noqa: E731

org_ref = ref("org", "orgs")
BASE: Table = {
    "sourcedId": (REQUIRED, guid),
    "status": (REQUIRED, one_of("active tobedeleted")),
    "dateLastModified": (REQUIRED, date_time),
    "metadata": (OPTIONAL, metadata),
}
USER_BOTH: Table = BASE | {
    "enabledUser": (REQUIRED, boolean),
    "givenName": (REQUIRED, text),
    "familyName": (REQUIRED, text),
    "middleName": (OPTIONAL, text),
    "identifier": (OPTIONAL, text),
    "email": (OPTIONAL, matching(r"[^@\s]+@[^@\s]+\.[a-z]+")),
    "sms": (OPTIONAL, text),
    "phone": (OPTIONAL, text),
    "agents": (OPTIONAL, many(ref("user", "users"))),
    "grades": (OPTIONAL, many(grade)),
    "password": (OPTIONAL, text),
    "userIds": (OPTIONAL, many(structure({"type": (REQUIRED, text), "identifier": (REQUIRED, text)}))),
}
CREDENTIAL: Table = {"type": (REQUIRED, text), "username": (REQUIRED, text), "password": (OPTIONAL, text)}


def tables(version: str) -> dict[str, Table]:
    """The version's field tables; fields on which the sources of 1.1 disagree are required of a sandbox."""
    is_v1p1 = version == "1.1"
    session_ref = ref("academicSession term gradingPeriod" if is_v1p1 else "academicSession", "academicSessions")
    user_ref = ref("user student teacher" if is_v1p1 else "user", "users")
    return {
        "orgs": BASE
        | {
            "name": (REQUIRED, text),
            "type": (REQUIRED, one_of("department school district local state national")),
            "identifier": (REQUIRED, text),
            "parent": (OPTIONAL, org_ref),
            "children": (OPTIONAL, many(org_ref)),
        },
        "academicSessions": BASE
        | {
            "title": (REQUIRED, text),
            "startDate": (REQUIRED, date),
            "endDate": (REQUIRED, date),
            "type": (REQUIRED, one_of("gradingPeriod semester schoolYear term")),
            "parent": (OPTIONAL, session_ref),
            "children": (OPTIONAL, many(session_ref)),
            "schoolYear": (REQUIRED, year),
        },
        "courses": BASE
        | {
            "title": (REQUIRED, text),
            "schoolYear": (OPTIONAL, session_ref),
            "courseCode": (REQUIRED, text),
            "grades": (OPTIONAL, many(grade)),
            "subjects": (OPTIONAL, many(text)),
            "org": (OPTIONAL, org_ref),
            "subjectCodes": (OPTIONAL, many(text)),
        },
        "classes": BASE
        | {
            "title": (REQUIRED, text),
            "classCode": (OPTIONAL, text),
            "classType": (OPTIONAL, one_of("homeroom scheduled")),
            "location": (OPTIONAL, text),
            "grades": (OPTIONAL, many(grade)),
            "subjects": (OPTIONAL, many(text)),
            "course": (REQUIRED, ref("course", "courses")),
            "school": (REQUIRED, org_ref),
            "terms": (REQUIRED, many(session_ref, least=1)),
            "subjectCodes": (OPTIONAL, many(text)),
            "periods": (OPTIONAL, many(text)),
        },
        "users": (_user_v1p1() if is_v1p1 else _user_v1p2()),
        "enrollments": BASE
        | {
            "user": (REQUIRED, user_ref),
            "class": (REQUIRED, ref("class", "classes")),
            "school": (REQUIRED, org_ref),
            "role": (REQUIRED, one_of(ROLES_V1P1 if is_v1p1 else "administrator proctor student teacher")),
            "primary": (OPTIONAL, boolean),
            "beginDate": (OPTIONAL, date),
            "endDate": (OPTIONAL, date),
        },
        "demographics": BASE
        | {
            "birthDate": (OPTIONAL, date),
            "sex": (OPTIONAL, one_of("male female" if is_v1p1 else "male female unspecified other")),
            "americanIndianOrAlaskaNative": (OPTIONAL, boolean),
            "asian": (OPTIONAL, boolean),
            "blackOrAfricanAmerican": (OPTIONAL, boolean),
            "nativeHawaiianOrOtherPacificIslander": (OPTIONAL, boolean),
            "white": (OPTIONAL, boolean),
            "demographicRaceTwoOrMoreRaces": (OPTIONAL, boolean),
            "hispanicOrLatinoEthnicity": (OPTIONAL, boolean),
            "countryOfBirthCode": (OPTIONAL, text),
            "stateOfBirthAbbreviation": (OPTIONAL, matching("[A-Z]{2}")),
            "cityOfBirth": (OPTIONAL, text),
            "publicSchoolResidenceStatus": (OPTIONAL, one_of("01652 01653 01654 01655 01656")),
        },
    }


def _user_v1p1() -> Table:
    return USER_BOTH | {
        "username": (REQUIRED, text),
        "role": (REQUIRED, one_of(ROLES_V1P1)),
        "orgs": (REQUIRED, many(org_ref, least=1)),
    }


def _user_v1p2() -> Table:
    role: Table = {
        "roleType": (REQUIRED, one_of("primary secondary")),
        "role": (REQUIRED, one_of(ROLES_V1P2)),
        "org": (REQUIRED, org_ref),
        "userProfile": (OPTIONAL, text),
        "beginDate": (OPTIONAL, date),
        "endDate": (OPTIONAL, date),
    }
    profile: Table = {
        "profileId": (REQUIRED, text),
        "profileType": (REQUIRED, text),
        "vendorId": (REQUIRED, text),
        "applicationId": (OPTIONAL, text),
        "description": (OPTIONAL, text),
        "credentials": (OPTIONAL, many(structure(CREDENTIAL))),
    }
    return USER_BOTH | {
        "userMasterIdentifier": (OPTIONAL, text),
        "username": (OPTIONAL, text),
        "preferredFirstName": (OPTIONAL, text),
        "preferredMiddleName": (OPTIONAL, text),
        "preferredLastName": (OPTIONAL, text),
        "pronouns": (OPTIONAL, text),
        "roles": (REQUIRED, many(structure(role), least=1)),
        "userProfiles": (OPTIONAL, many(structure(profile))),
        "primaryOrg": (OPTIONAL, org_ref),
    }


def problems(table: Table, record: dict[str, Any]) -> Iterator[str]:
    for name, (need, check) in table.items():
        if name not in record:
            if need == REQUIRED:
                yield f"{name} is missing"
        elif not check(record[name]):
            yield f"{name} is {record[name]!r}"
    for name in record.keys() - table.keys():
        yield f"{name} is unknown"


@pytest.mark.parametrize(
    ("app", "collection"),
    [
        (app, collection)
        for app in ("maple", "cedar", "birch", "aspen", "linden")
        for collection in tables("1.1")
        if collection != "demographics" or app in ("cedar", "birch", "aspen")
    ],
)
def test_every_record_keeps_to_its_version(everything, read, app, collection):
    table = tables(read[app].district.version)[collection]
    records = everything[app][collection]
    assert records
    wrong = {key: found for key, record in records.items() if (found := list(problems(table, record)))}
    assert not wrong


def test_the_check_itself_sees_what_is_wrong():
    table = tables("1.2")["orgs"]
    good = {
        "sourcedId": "o1", "status": "active", "dateLastModified": "2026-08-01T06:00:00.000Z", "name": "Maple High",
        "type": "school", "identifier": "270001", "parent": {
            "href": "http://127.0.0.1:1/x/orgs/o2", "sourcedId": "o2", "type": "org"},
    }  # fmt: skip
    assert not list(problems(table, good))
    assert list(problems(table, good | {"type": "School"})) == ["type is 'School'"]
    assert list(problems(table, good | {"extra": 1})) == ["extra is unknown"]
    assert list(problems(table, good | {"dateLastModified": "2026-08-01"})) == ["dateLastModified is '2026-08-01'"]
    assert list(problems(table, {key: good[key] for key in good if key != "name"})) == ["name is missing"]
    assert len(list(problems(table, good | {"parent": good["parent"] | {"type": "school"}}))) == 1


def test_v1p1_references_name_their_targets_as_1_1_does(everything):
    """In 1.1 the same target may be a `term` or an `academicSession`, a `student` or a `user`; in 1.2 it may not."""
    cedar = everything["cedar"]
    assert {class_["terms"][0]["type"] for class_ in cedar["classes"].values()} == {"academicSession", "term"}
    assert {enrollment["user"]["type"] for enrollment in cedar["enrollments"].values()} == {"student", "teacher"}
