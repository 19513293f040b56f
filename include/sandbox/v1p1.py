"""Records of OneRoster 1.1 as Infinite Campus makes them: one user record per role, its sourcedId the person's number
behind a letter for the role; principals, counselors and the like are `administrator`.
"""

from __future__ import annotations

from include.sandbox.people import family_role
from include.sandbox.rendering import Fields, Rendered, Renderer, boolean, present, user_ids
from include.sandbox.roster import FAMILY_ROLES, AcademicSession, Demographics, Person

_LETTERS = {"student": "s", "teacher": "t", "administrator": "a", "aide": "d", "guardian": "g", "relative": "r"}


class V1p1Renderer(Renderer):
    """OneRoster 1.1: `role` and `orgs`, reference tokens that name what the target is."""

    def users(self, person: Person) -> list[Rendered]:
        orgs_by_role: dict[str, dict[str, None]] = {}
        for membership in person.memberships:
            orgs_by_role.setdefault(_role(membership.role), {})[membership.org] = None
        return [self._user(person, role, list(orgs)) for role, orgs in orgs_by_role.items()]

    def _user(self, person: Person, role: str, orgs: list[str]) -> Rendered:
        key = self.user_id(person, role)
        in_family = role in FAMILY_ROLES
        fields = {
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
            "orgs": [self.org_ref(org) for org in orgs],
            "agents": self._agents(person, role) if in_family or role == "student" else [],
            "grades": [person.grade] if role == "student" else [],
        }
        whole = self.base_fields(person, key) | present(fields)
        return Rendered(key, person.status, person.modified, (role,), whole)

    def _agents(self, person: Person, role: str) -> list[Fields]:
        if role != "student":
            return [self.user_ref(child, "student") for child in person.agents]
        return [self.user_ref(agent, family_role(self.roster.people[agent])) for agent in person.agents]

    def user_id(self, person: Person, role: str) -> str:
        return f"{_LETTERS[_role(role)]}{person.number}"

    def user_type(self, role: str) -> str:
        return role

    def session_type(self, session: AcademicSession) -> str:
        return session.type if session.type in ("term", "gradingPeriod") else "academicSession"

    def sex(self, demographics: Demographics) -> str | None:
        return demographics.sex if demographics.sex in ("female", "male") else None


def _role(role: str) -> str:
    """1.1's role for one of 1.2."""
    return role if role in _LETTERS else "administrator"
