"""OneRoster's entities as typed records: one liberal set for 1.1 and 1.2 (information models, section "data model").

Liberal because providers are: booleans and numbers come as strings and the other way round, a list may be a single
value or null, a reference an object, a bare sourcedId or null. Members that are not named here are ignored, which is
how `password` (of a user, of a credential) never gets past the decoder.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import msgspec

#: Text, or what providers send for it. A number with a point is none of these, so that its page is read record by
#: record and `10442.0` digit by digit: as a float it would lose the last of seventeen.
Scalar = str | int | bool | None


class Ref(msgspec.Struct, rename="camel", gc=False):
    """A GUIDRef. The field decides what it points at; `type` and `href` are unreliable and not read."""

    sourced_id: str | int | None = None


Reference = Ref | str | int | None
References = list[Reference] | Ref | str | int | None
Texts = list[Scalar] | str | int | bool | None


class UserId(msgspec.Struct, gc=False):
    """An external id of a user: LDAP, a state's id, …"""

    type: Scalar = None
    identifier: Scalar = None


class Credential(msgspec.Struct, gc=False):
    """How a user signs in with a vendor; its `password` is not read."""

    type: Scalar = None
    username: Scalar = None


class UserProfile(msgspec.Struct, rename="camel", gc=False):
    """An account of a user at a vendor (1.2)."""

    profile_id: Scalar = None
    profile_type: Scalar = None
    vendor_id: Scalar = None
    application_id: Scalar = None
    description: Scalar = None
    credentials: list[Credential | None] | Credential | None = None


class Role(msgspec.Struct, rename="camel", gc=False):
    """What a user is at an org, and when (1.2)."""

    role_type: Scalar = None
    role: Scalar = None
    org: Reference = None
    user_profile: Scalar = None
    begin_date: Scalar = None
    end_date: Scalar = None


class Record(msgspec.Struct, rename="camel", gc=False, kw_only=True):
    """What every entity has. Only sourcedId is needed to read a record: a tombstone may have nothing else."""

    sourced_id: Annotated[str, msgspec.Meta(min_length=1)] | int
    status: Scalar = None
    date_last_modified: Scalar = None
    metadata: Any = None


class Org(Record):
    name: Scalar = None
    type: Scalar = None
    identifier: Scalar = None
    parent: Reference = None


class AcademicSession(Record):
    title: Scalar = None
    type: Scalar = None
    start_date: Scalar = None
    end_date: Scalar = None
    parent: Reference = None
    school_year: Scalar = None


class Course(Record):
    """`school_year` is a reference here, unlike an academic session's."""

    title: Scalar = None
    course_code: Scalar = None
    school_year: Reference = None
    org: Reference = None
    grades: Texts = None
    subjects: Texts = None
    subject_codes: Texts = None


class Class(Record):
    title: Scalar = None
    class_code: Scalar = None
    class_type: Scalar = None
    location: Scalar = None
    grades: Texts = None
    subjects: Texts = None
    subject_codes: Texts = None
    periods: Texts = None
    course: Reference = None
    school: Reference = None
    terms: References = None


class User(Record):
    """`role` and `orgs` are 1.1's, `roles` and `primary_org` 1.2's."""

    user_master_identifier: Scalar = None
    username: Scalar = None
    user_ids: list[UserId | str | int | None] | UserId | str | int | None = None
    user_profiles: list[UserProfile | None] | UserProfile | None = None
    enabled_user: Scalar = None
    given_name: Scalar = None
    family_name: Scalar = None
    middle_name: Scalar = None
    preferred_first_name: Scalar = None
    preferred_middle_name: Scalar = None
    preferred_last_name: Scalar = None
    pronouns: Scalar = None
    identifier: Scalar = None
    email: Scalar = None
    sms: Scalar = None
    phone: Scalar = None
    grades: Texts = None
    primary_org: Reference = None
    role: Scalar = None
    orgs: References = None
    roles: list[Role | None] | Role | None = None
    agents: References = None


class Enrollment(Record):
    user: Reference = None
    class_: Reference = msgspec.field(default=None, name="class")
    school: Reference = None
    role: Scalar = None
    primary: Scalar = None
    begin_date: Scalar = None
    end_date: Scalar = None


class Demographics(Record):
    """Its sourcedId is the user's."""

    birth_date: Scalar = None
    sex: Scalar = None
    american_indian_or_alaska_native: Scalar = None
    asian: Scalar = None
    black_or_african_american: Scalar = None
    native_hawaiian_or_other_pacific_islander: Scalar = None
    white: Scalar = None
    demographic_race_two_or_more_races: Scalar = None
    hispanic_or_latino_ethnicity: Scalar = None
    country_of_birth_code: Scalar = None
    state_of_birth_abbreviation: Scalar = None
    city_of_birth: Scalar = None
    public_school_residence_status: Scalar = None


@dataclass(frozen=True)
class Collection:
    """One collection of the rostering service.

    :param name: its name in Rollcall, and of its main table.
    :param path: below the service's base, without slash.
    :param envelope: the member of the answer that holds the records.
    :param tables: the main table, then those of its lists.
    """

    name: str
    path: str
    envelope: str
    record: type[Record]
    tables: tuple[str, ...]


#: By name, in the order they are pulled: what is referred to comes before what refers to it.
COLLECTIONS: dict[str, Collection] = {
    collection.name: collection
    for collection in (
        Collection("orgs", "orgs", "orgs", Org, ("orgs",)),
        Collection(
            "academic_sessions", "academicSessions", "academicSessions", AcademicSession, ("academic_sessions",)
        ),
        Collection("courses", "courses", "courses", Course, ("courses",)),
        Collection("classes", "classes", "classes", Class, ("classes", "class_terms")),
        Collection("users", "users", "users", User, ("users", "user_roles", "user_agents")),
        Collection("enrollments", "enrollments", "enrollments", Enrollment, ("enrollments",)),
        Collection("demographics", "demographics", "demographics", Demographics, ("demographics",)),
    )
}


class OrgSummary(NamedTuple):
    """As much of a OneRoster org as says which district it belongs to; `parent` is a sourcedId."""

    sourced_id: str
    type: str | None
    parent: str | None
    name: str | None


def district_org(
    orgs: Iterable[tuple[str, str | None, str | None, str | None]], pinned: str | None = None
) -> OrgSummary | None:
    """The district's own org: the topmost of type `district`; where there is none, the topmost of type `local`, which
    is what OneRoster 1.0 called a district; else one without a parent.

    :param orgs: sourcedId, type, parent's sourcedId and name of the orgs that are not deleted.
    :param pinned: the org it was so far. Where several stand at the top (a connection for two districts) it is still
        the one; without it the first by sourcedId is.
    :returns: None where there are no orgs.
    """
    there = [OrgSummary(*org) for org in orgs]
    for kind in ("district", "local"):
        if found := _topmost([org for org in there if org.type == kind]):
            return _one(found, pinned)
    return _one([org for org in there if not org.parent] or _topmost(there), pinned)


def _topmost(orgs: list[OrgSummary]) -> list[OrgSummary]:
    """Those whose parent is not among them; all of them where each names another one as its parent."""
    ids = {org.sourced_id for org in orgs}
    return [org for org in orgs if org.parent not in ids or org.parent == org.sourced_id] or orgs


def _one(orgs: list[OrgSummary], pinned: str | None) -> OrgSummary | None:
    return min(orgs, key=lambda org: (org.sourced_id != pinned, org.sourced_id), default=None)
