"""Records of OneRoster 1.1 as Infinite Campus makes them: one user record per role, its sourcedId the person's number
behind a letter for the role; principals, counselors and the like are `administrator`.
"""

from __future__ import annotations

from collections.abc import Iterator

from include.sandbox.people import family_role
from include.sandbox.rendering import Fields, Renderer, Row, boolean, user_ids
from include.sandbox.roster import FAMILY_ROLES, AcademicSession, Demographics, Membership, Person

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
