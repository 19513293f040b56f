"""The members of each collection's records in both versions: what may be filtered, sorted and selected by.

Reference: the field tables of OneRoster 1.1 and of the 1.2 OpenAPI; a required member is one both sources agree on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Member(NamedTuple):
    """A member of a record.

    :param parts: of an object, or of the objects of a list; none for text.
    :param is_open: an object of any content (`metadata`).
    """

    required: bool = False
    many: bool = False
    parts: tuple[str, ...] = ()
    is_open: bool = False


Members = Mapping[str, Member]

_REF = ("href", "sourcedId", "type")
_ONE, _MUST, _MANY = Member(), Member(required=True), Member(many=True)
_TO, _MUST_TO, _TO_MANY = Member(parts=_REF), Member(True, parts=_REF), Member(many=True, parts=_REF)

_BASE = {"sourcedId": _MUST, "status": _MUST, "dateLastModified": _MUST, "metadata": Member(is_open=True)}
_USER = _BASE | {
    "userIds": Member(many=True, parts=("type", "identifier")),
    "enabledUser": _MUST, "givenName": _MUST, "familyName": _MUST, "middleName": _ONE, "identifier": _ONE,
    "email": _ONE, "sms": _ONE, "phone": _ONE, "agents": _TO_MANY, "grades": _MANY, "password": _ONE,
}  # fmt: skip
_BOTH: dict[str, Members] = {
    "orgs": _BASE | {
        "name": _MUST, "type": _MUST, "identifier": _ONE, "parent": _TO, "children": _TO_MANY,
    },
    "academicSessions": _BASE | {
        "title": _MUST, "startDate": _MUST, "endDate": _MUST, "type": _MUST, "parent": _TO, "children": _TO_MANY,
        "schoolYear": _MUST,
    },
    "courses": _BASE | {
        "title": _MUST, "schoolYear": _TO, "courseCode": _ONE, "grades": _MANY, "subjects": _MANY, "org": _TO,
        "subjectCodes": _MANY, "resources": _TO_MANY,
    },
    "classes": _BASE | {
        "title": _MUST, "classCode": _ONE, "classType": _ONE, "location": _ONE, "grades": _MANY, "subjects": _MANY,
        "course": _MUST_TO, "school": _MUST_TO, "terms": Member(True, many=True, parts=_REF), "subjectCodes": _MANY,
        "periods": _MANY, "resources": _TO_MANY,
    },
    "enrollments": _BASE | {
        "user": _MUST_TO, "class": _MUST_TO, "school": _MUST_TO, "role": _MUST, "primary": _ONE, "beginDate": _ONE,
        "endDate": _ONE,
    },
    "demographics": _BASE | dict.fromkeys((
        "birthDate", "sex", "americanIndianOrAlaskaNative", "asian", "blackOrAfricanAmerican",
        "nativeHawaiianOrOtherPacificIslander", "white", "demographicRaceTwoOrMoreRaces", "hispanicOrLatinoEthnicity",
        "countryOfBirthCode", "stateOfBirthAbbreviation", "cityOfBirth", "publicSchoolResidenceStatus",
    ), _ONE),
}  # fmt: skip
_USER_V1P2 = _USER | {
    "userMasterIdentifier": _ONE, "username": _ONE, "preferredFirstName": _ONE, "preferredMiddleName": _ONE,
    "preferredLastName": _ONE, "pronouns": _ONE, "primaryOrg": _TO, "resources": _TO_MANY,
    "roles": Member(True, many=True, parts=("roleType", "role", "org", "userProfile", "beginDate", "endDate")),
    "userProfiles": Member(
        many=True, parts=("profileId", "profileType", "vendorId", "applicationId", "description", "credentials")
    ),
}  # fmt: skip

VOCABULARY: dict[str, dict[str, Members]] = {
    "1.1": _BOTH | {
        "users": _USER | {"username": _MUST, "role": _MUST, "orgs": Member(True, many=True, parts=_REF)},
    },
    "1.2": _BOTH | {"users": _USER_V1P2},
}  # fmt: skip
"""By version and collection."""


def is_known(members: Members, dotted: str) -> bool:
    """Whether a name, with dots for nested members, is one that can be compared: text or a list of text."""
    name, *parts = dotted.split(".")
    member = members.get(name)
    if member is None:
        return False
    if member.is_open:
        return bool(parts)
    if not member.parts:
        return not parts
    if parts[:1] == ["org"]:
        return len(parts) == 2 and parts[1] in _REF
    return len(parts) == 1 and parts[0] in member.parts
