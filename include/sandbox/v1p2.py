"""Records of OneRoster 1.2 as Infinite Campus makes them: one user record per person, known by a GUID, with all their
roles, and the number behind 1.1's sourcedIds as `ic.legacysourceId` in the metadata.
"""

from __future__ import annotations

from collections.abc import Iterator

from include.sandbox.rendering import Fields, Renderer, Row, boolean, day, present, user_ids
from include.sandbox.roster import AcademicSession, Demographics, Membership, Person


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
