"""Records of OneRoster 1.2 as Infinite Campus makes them: one user record per person, known by a GUID, with all their
roles, and the number behind 1.1's sourcedIds as `ic.legacysourceId` in the metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rollcall_sandbox.people import family_role
from rollcall_sandbox.rendering import Fields, Renderer, Row, boolean, day, present, user_ids
from rollcall_sandbox.roster import FAMILY_ROLES, AcademicSession, Demographics, Membership, Person

# Records of OneRoster 1.1 as Infinite Campus makes them: one user record per role, its sourcedId the person's number
# behind a letter for the role; principals, counselors and the like are `administrator`.

_LETTERS = {"student": "s", "teacher": "t", "administrator": "a", "aide": "d", "guardian": "g", "relative": "r"}


class V1p1Renderer(Renderer):
    """OneRoster 1.1: `role` and `orgs`, reference tokens that name what the target is."""

    def _users(self, person: Person) -> Iterator[Row]:
        by_role: dict[str, list[Membership]] = {}
        for membership in person.memberships:
            by_role.setdefault(self.role(membership.role), []).append(membership)
        for role, memberships in by_role.items():
            yield Row(self.user_id(person, role), person, tuple(memberships))

    def _user(self, person: Person, memberships: tuple[Membership, ...]) -> Fields:
        role = self.role(memberships[0].role)
        in_family = role in FAMILY_ROLES
        return {
            "username": person.username,
            "userIds": user_ids(person),
            "enabledUser": boolean(person.enabled),
            "givenName": person.given,
            "familyName": person.family,
            "middleName": person.middle,
            "role": role,
            "identifier": person.identifier,
            "email": person.email,
            "phone": person.phone,
            "orgs": [self.org_ref(org) for org in dict.fromkeys(membership.org for membership in memberships)],
            "agents": self._agents(person, role) if in_family or role == "student" else [],
            "grades": [person.grade] if role == "student" else [],
        }

    def _agents(self, person: Person, role: str) -> list[Fields]:
        if role != "student":
            return [self.user_ref(child, "student") for child in person.agents]
        return [self.user_ref(agent, family_role(self.roster.people[agent])) for agent in person.agents]

    def _ids_of_student(self, person: Person) -> Iterator[str]:
        yield self.user_id(person, "student")

    def role(self, role: str) -> str:
        return role if role in _LETTERS else "administrator"

    def user_id(self, person: Person, role: str, school: str = "") -> str:  # noqa: ARG002 - one record for all schools
        return self.sourced_id(f"{_LETTERS[self.role(role)]}{person.number}")

    def user_type(self, role: str) -> str:
        return role

    def session_type(self, session: AcademicSession) -> str:
        return session.type if session.type in ("term", "gradingPeriod") else "academicSession"

    def sex(self, demographics: Demographics) -> str | None:
        return demographics.sex if demographics.sex in ("female", "male") else None


class V1p2Renderer(Renderer):
    """OneRoster 1.2: `roles` with one primary role per org, `primaryOrg`, `userProfiles`."""

    def _users(self, person: Person) -> Iterator[Row]:
        if not self._style.per_school:
            yield Row(self.user_id(person, ""), person, tuple(person.memberships))
            return
        by_school: dict[str, list[Membership]] = {}
        for membership in person.memberships:
            by_school.setdefault(membership.org, []).append(membership)
        for school, memberships in by_school.items():
            yield Row(self.user_id(person, "", school), person, tuple(memberships))

    def _user(self, person: Person, memberships: tuple[Membership, ...]) -> Fields:
        profile = f"https://campus.example/profiles/{person.number}" if person.has_profile else None
        return {
            "metadata": {"ic.legacysourceId": str(person.number)},
            "userMasterIdentifier": person.sourced_id.lower() if person.grade else None,
            "username": person.username if person.login or person.email else None,
            "userIds": user_ids(person),
            "enabledUser": boolean(person.enabled),
            "givenName": person.given,
            "familyName": person.family,
            "middleName": person.middle,
            "preferredFirstName": person.preferred,
            "pronouns": person.pronouns,
            "roles": self._roles(memberships, profile),
            "userProfiles": [_profile(person, profile)] if profile else None,
            "primaryOrg": self.org_ref(memberships[0].org),
            "identifier": person.identifier,
            "email": person.email,
            "phone": person.phone,
            "agents": [self.user_ref(agent, "user") for agent in person.agents] or None,
            "grades": [person.grade] if person.grade else None,
        }

    def _roles(self, memberships: tuple[Membership, ...], profile: str | None) -> list[Fields]:
        roles: list[Fields] = []
        seen: set[str] = set()
        for membership in memberships:
            roles.append(
                present(
                    {
                        "roleType": "secondary" if membership.org in seen else "primary",
                        "role": membership.role,
                        "org": self.org_ref(membership.org),
                        "userProfile": profile if not roles else None,
                        "beginDate": day(membership.begin),
                    }
                )
            )
            seen.add(membership.org)
        return roles

    def _ids_of_student(self, person: Person) -> Iterator[str]:
        schools = [membership.org for membership in person.memberships if membership.role == "student"]
        for school in dict.fromkeys(schools if self._style.per_school else schools[:1]):
            yield self.user_id(person, "student", school)

    def role(self, role: str) -> str:
        return role

    def user_id(self, person: Person, role: str, school: str = "") -> str:  # noqa: ARG002 - one record for all roles
        if not self._style.per_school:
            return self.sourced_id(person.sourced_id)
        schools = [membership.org for membership in person.memberships]
        return self.sourced_id(f"{person.sourced_id}-{school if school in schools else schools[0]}")

    def user_type(self, role: str) -> str:  # noqa: ARG002 - 1.2 has one token per field
        return "user"

    def session_type(self, session: AcademicSession) -> str:  # noqa: ARG002 - likewise
        return "academicSession"

    def sex(self, demographics: Demographics) -> str | None:
        return demographics.sex


def _profile(person: Person, profile: str) -> Fields:
    return {
        "profileId": profile,
        "profileType": "login",
        "vendorId": "campus.example",
        "applicationId": "default",
        "credentials": [{"type": "username", "username": person.username}],
    }


# The members of each collection's records in both versions: what may be filtered, sorted and selected by.
#
# Reference: the field tables of OneRoster 1.1 and of the 1.2 OpenAPI; a required member is one both sources agree on.


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
