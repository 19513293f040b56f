"""Records of OneRoster 1.2 as Infinite Campus makes them: one user record per person, known by a GUID, with all their
roles, and the number behind 1.1's sourcedIds as `ic.legacysourceId` in the metadata.
"""

from __future__ import annotations

from include.sandbox.rendering import Fields, Rendered, Renderer, boolean, day, present, user_ids
from include.sandbox.roster import AcademicSession, Demographics, Person


class V1p2Renderer(Renderer):
    """OneRoster 1.2: `roles` with one primary role per org, `primaryOrg`, `userProfiles`."""

    def users(self, person: Person) -> list[Rendered]:
        profile = f"https://campus.example/profiles/{person.number}" if person.has_profile else None
        fields = {
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
            "roles": self._roles(person, profile),
            "userProfiles": [_profile(person, profile)] if profile else None,
            "primaryOrg": self.org_ref(person.memberships[0].org),
            "identifier": person.identifier,
            "email": person.email,
            "phone": person.phone,
            "agents": [self.user_ref(agent, "user") for agent in person.agents] or None,
            "grades": [person.grade] if person.grade else None,
        }
        roles = tuple(dict.fromkeys(membership.role for membership in person.memberships))
        whole = self.base_fields(person, person.sourced_id) | present(fields)
        return [Rendered(person.sourced_id, person.status, person.modified, roles, whole)]

    def _roles(self, person: Person, profile: str | None) -> list[Fields]:
        roles: list[Fields] = []
        seen: set[str] = set()
        for membership in person.memberships:
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

    def user_id(self, person: Person, role: str) -> str:  # noqa: ARG002 - one record for all roles
        return person.sourced_id

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
