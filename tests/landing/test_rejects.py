"""What of a refused record is kept: never a password, never demographics, wherever a provider put them."""

from __future__ import annotations

import json

import pytest

from rollcall.landing.rejects import redact_record

PRIVATE = [
    "password",
    "passwordHash",
    "user_password",
    "birthDate",
    "dateOfBirth",
    "ic.birthdate",
    "sex",
    "gender",
    "raceCode",
    "raceEthnicity",
    "americanIndianOrAlaskaNative",
    "asian",
    "blackOrAfricanAmerican",
    "nativeHawaiianOrOtherPacificIslander",
    "white",
    "demographicRaceTwoOrMoreRaces",
    "hispanicOrLatinoEthnicity",
    "countryOfBirthCode",
    "stateOfBirthAbbreviation",
    "cityOfBirth",
    "publicSchoolResidenceStatus",
    "demographics",
]


@pytest.mark.parametrize("name", PRIVATE)
def test_private_members_are_left_away_wherever_they_stand(name: str) -> None:
    record = {"sourcedId": "u1", name: "planted", "metadata": {name: "planted", "kept": [{name: {"x": "planted"}}]}}
    assert json.loads(redact_record("users", record) or "") == {"sourcedId": "u1", "metadata": {"kept": [{}]}}


def test_json_columns_become_part_of_the_record_and_nothing_null_is_kept() -> None:
    record = {"sourced_id": "u1", "grades": '["07"]', "metadata": '{"gender":"planted","a":1}', "email": None}
    kept = redact_record("users", record, ("grades", "metadata"))
    assert json.loads(kept or "") == {"sourced_id": "u1", "grades": ["07"], "metadata": {"a": 1}}


def test_of_a_demographics_record_nothing_is_kept() -> None:
    assert redact_record("demographics", {"sourced_id": "u1", "sex": "female"}) is None


def test_other_names_stay() -> None:
    record = dict.fromkeys(("traceId", "whiteboard", "title", "essex", "sourced_id", "embrace", "asiago"), "x")
    assert json.loads(redact_record("classes", record) or "") == record
