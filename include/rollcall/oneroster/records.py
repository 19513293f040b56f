"""OneRoster's entities as typed records: one liberal set for 1.1 and 1.2 (information models, section "data model").

The types are liberal because providers are. Booleans and numbers arrive as strings and vice versa. A list may be a
single value or null. A reference may be an object, a plain sourcedId, or null. Members not named here are ignored, so a
`password` (of a user or a credential) never passes the decoder.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import msgspec

#: Text, or what providers send instead. Floats are excluded: a page with one is read record by record, and `10442.0`
#: keeps all its digits. A float would lose the last of seventeen digits.
Scalar = str | int | bool | None


class Ref(msgspec.Struct, rename="camel", gc=False):
    """A GUIDRef. The field determines its target. `type` and `href` are unreliable and not read."""

    sourced_id: str | int | None = None


Reference = Ref | str | int | None
References = list[Reference] | Ref | str | int | None
Texts = list[Scalar] | str | int | bool | None


class UserId(msgspec.Struct, gc=False):
    """An external ID of a user, such as LDAP or a state ID."""

    type: Scalar = None
    identifier: Scalar = None


class Credential(msgspec.Struct, gc=False):
    """A user's sign-in at a vendor. Its `password` is not read."""

    type: Scalar = None
    username: Scalar = None


class UserProfile(msgspec.Struct, rename="camel", gc=False):
    """A user's account at a vendor (1.2)."""

    profile_id: Scalar = None
    profile_type: Scalar = None
    vendor_id: Scalar = None
    application_id: Scalar = None
    description: Scalar = None
    credentials: list[Credential | None] | Credential | None = None


class Role(msgspec.Struct, rename="camel", gc=False):
    """A user's role at an org, with its dates (1.2)."""

    role_type: Scalar = None
    role: Scalar = None
    org: Reference = None
    user_profile: Scalar = None
    begin_date: Scalar = None
    end_date: Scalar = None


class Record(msgspec.Struct, rename="camel", gc=False, kw_only=True):
    """Fields of every entity. Only sourcedId is required: a tombstone may have nothing else."""

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
    """Here `school_year` is a reference, unlike that of an academic session."""

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
    """`role` and `orgs` are from 1.1, `roles` and `primary_org` from 1.2."""

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

    :param name: its name in Rollcall, and the name of its main table.
    :param path: path below the service URL, without a slash.
    :param envelope: the member of the response that holds the records.
    :param tables: the main table, then the tables of its lists.
    """

    name: str
    path: str
    envelope: str
    record: type[Record]
    tables: tuple[str, ...]


#: By name, in pull order: targets of references come first.
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
    """The fields of an org that identify its district. `parent` is a sourcedId."""

    sourced_id: str
    type: str | None
    parent: str | None
    name: str | None


def district_org(
    orgs: Iterable[tuple[str, str | None, str | None, str | None]], pinned: str | None = None
) -> OrgSummary | None:
    """The org that represents the whole district.

    It is the topmost org of type `district`. If there is none: the topmost of type `local`, the name of a district in
    OneRoster 1.0. Otherwise an org without a parent. The first check of a connection pins this org, and a pull that
    shows another org is refused: another district's Client ID looks like any other, and so does its roster.

    :param orgs: sourcedId, type, parent's sourcedId, and name of the orgs that are not deleted.
    :param pinned: the district's org so far. It wins if several orgs are topmost (a connection for two districts).
        Otherwise the first by sourcedId wins.
    :returns: None: there are no orgs.
    """
    summaries = [OrgSummary(*org) for org in orgs]
    for kind in ("district", "local"):
        if topmost := _topmost([org for org in summaries if org.type == kind]):
            return _choose(topmost, pinned)
    return _choose([org for org in summaries if not org.parent] or _topmost(summaries), pinned)


def _topmost(orgs: list[OrgSummary]) -> list[OrgSummary]:
    """The orgs whose parent is not among them. All orgs, if each has a parent among them."""
    ids = {org.sourced_id for org in orgs}
    return [org for org in orgs if org.parent not in ids or org.parent == org.sourced_id] or orgs


def _choose(orgs: list[OrgSummary], pinned: str | None) -> OrgSummary | None:
    return min(orgs, key=lambda org: (org.sourced_id != pinned, org.sourced_id), default=None)
