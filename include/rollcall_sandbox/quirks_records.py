"""Quirks of records: which are sent, and how their members are written."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any, TypeGuard
from zlib import crc32
from zoneinfo import ZoneInfo

from rollcall_sandbox.people import RACES
from rollcall_sandbox.quirk import V1P1, V1P2, Quirk
from rollcall_sandbox.rendering import Fields, Row
from rollcall_sandbox.roster import (
    COLLECTIONS,
    TOBEDELETED,
    Course,
    Demographics,
    Enrollment,
    Org,
    Person,
    Roster,
    Section,
)
from rollcall_sandbox.schools import STUDENTS_START
from rollcall_sandbox.versions import VOCABULARY, Members

#: The members that are dates.
_DATES = ("beginDate", "endDate", "startDate", "birthDate")

# Rows that are sent -----------------------------------------------------------------------------------------------


def _no_orgs(_: Roster, row: Row) -> bool:
    return not isinstance(row.record, Org)


def _no_users(_: Roster, row: Row) -> bool:
    return not isinstance(row.record, Person)


def _with_account(_: Roster, row: Row) -> bool:
    return not isinstance(row.record, Person) or row.record.enabled


def _accounts_lost(_: Roster, row: Row) -> bool:
    """Without three in ten students. A student without an account gets no tombstone either."""
    is_student = isinstance(row.record, Person) and row.record.grade is not None
    return not is_student or crc32(row.sourced_id.encode()) % 10 >= 3


def _no_tombstone(_: Roster, row: Row) -> bool:
    return row.status != TOBEDELETED


def _half_the_tombstones(_: Roster, row: Row) -> bool:
    return row.status != TOBEDELETED or crc32(row.sourced_id.encode()) % 2 == 0


def _in_scope(roster: Roster, row: Row) -> bool:
    """Everything except the middle schools. An enrollment belongs to the school of its class."""
    match row.record:
        case Org() as org:
            place = org.sourced_id
        case Course() | Enrollment() as record:
            place = record.school
        case Section() as section:
            place = section.course.school
        case Person() as person:
            place = person.memberships[0].org
        case Demographics() as demographics:
            place = roster.people[demographics.person].memberships[0].org
        case _:
            return True
    return all(school.sourced_id != place for school in roster.schools["middle"])


# Members --------------------------------------------------------------------------------------------------------------

_BOOLEANS = {"true": True, "false": False}
_BOOLEAN_MEMBERS = ("enabledUser", "primary", "demographicRaceTwoOrMoreRaces", "hispanicOrLatinoEthnicity", *RACES)
_MOCK_PASSWORD = "not-a-real-password"  # noqa: S105
_NUMBER_MEMBERS = ("schoolYear", "identifier", "courseCode")


def _members(collection: str, fields: Fields) -> Members:
    """The members of the record's version, which only users differ in."""
    return VOCABULARY["1.1" if "orgs" in fields else "1.2"][collection]


def _json_booleans(_: str, fields: Fields) -> None:
    for name in _BOOLEAN_MEMBERS:
        if name in fields:
            fields[name] = _BOOLEANS[fields[name]]


def _nulls(collection: str, fields: Fields) -> None:
    for name, member in _members(collection, fields).items():
        if not member.required and not fields.get(name):
            fields[name] = None


def _numbers(_: str, fields: Fields) -> None:
    for name in _NUMBER_MEMBERS:
        value = fields.get(name)
        if isinstance(value, str) and value.isdecimal() and not value.startswith("0"):
            fields[name] = int(value)
    if "periods" in fields:
        fields["periods"] = [int(period) for period in fields["periods"]]


def _numbers_with_point(_: str, fields: Fields) -> None:
    """As pandas writes a column of numbers that has a gap in it."""
    for name in (*_NUMBER_MEMBERS, "grades", "periods"):
        value = fields.get(name)
        if isinstance(value, list):
            fields[name] = [float(one) if _is_number(one) else one for one in value]
        elif _is_number(value):
            fields[name] = float(value)


def _is_number(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and value.isdecimal() and not value.startswith("0")


def _capitalized(collection: str, fields: Fields) -> None:
    """The first letter of each token, as an importer's screen shows it; `status` has a switch of its own."""
    for name in ("type", "classType", "role", "sex"):
        if isinstance(fields.get(name), str):
            fields[name] = _with_capital(fields[name])
    for role in fields.get("roles", ()) if collection == "users" else ():
        role.update({name: _with_capital(role[name]) for name in ("role", "roleType")})


def _with_capital(token: str) -> str:
    return token[:1].upper() + token[1:]


def _roles_at_primary_org(collection: str, fields: Fields) -> None:
    for role in fields.get("roles", ()) if collection == "users" else ():
        if role["org"]["sourcedId"] == fields["primaryOrg"]["sourcedId"]:
            del role["org"]


def _registration_entries(collection: str, fields: Fields) -> None:
    """Before each role one that ends two days after the same begin date."""
    if collection == "users":
        fields["roles"] = [entry for role in fields["roles"] for entry in (_for_two_days(role), role)]


def _for_two_days(role: Fields) -> Fields:
    begin = date.fromisoformat(role["beginDate"]) if "beginDate" in role else STUDENTS_START
    return role | {"endDate": (begin + timedelta(days=2)).isoformat()}


def _scalars(_: str, fields: Fields) -> None:
    for name, value in fields.items():
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
            fields[name] = value[0]


def _extended(collection: str, fields: Fields) -> None:
    if collection == "classes" and fields["classType"] == "homeroom":
        fields["classType"] = "ext:advisory"
    if fields.get("sex") == "other":
        fields["sex"] = "ext:X"
    for role in fields.get("roles", ()):
        if role["role"] == "aide":
            role["role"] = "ext:coach"
    if collection == "users" and fields.get("role") == "aide":
        fields["role"] = "ext:coach"


def _administrators(collection: str, fields: Fields) -> None:
    for role in fields.get("roles", ()) if collection == "users" else ():
        if role["role"].endswith("Administrator") or role["role"] == "principal":
            role["role"] = "administrator"


def _naive(_: str, fields: Fields) -> None:
    fields["dateLastModified"] = fields["dateLastModified"].removesuffix("Z")


def _with_offset(_: str, fields: Fields) -> None:
    local = datetime.fromisoformat(fields["dateLastModified"]).astimezone(timezone(timedelta(hours=-6)))
    fields["dateLastModified"] = local.isoformat(timespec="milliseconds")


def _dates_as_instants(write: Callable[[date], str]) -> Callable[[str, Fields], None]:
    def writes(_: str, fields: Fields) -> None:
        for record in (fields, *(role for role in fields.get("roles") or () if isinstance(role, dict))):
            for name in _DATES:
                if record.get(name):
                    record[name] = write(date.fromisoformat(record[name]))

    return writes


def _midnight_in_oslo(day: date) -> str:
    local = datetime.combine(day, time(), ZoneInfo("Europe/Oslo"))
    return f"{local.astimezone(UTC):%Y-%m-%dT%H:%M:%S.000Z}"


def _midnight_utc(day: date) -> str:
    return f"{day}T00:00:00.000Z"


def _only_required(collection: str, fields: Fields) -> None:
    members = _members(collection, fields)
    for name in [name for name in fields if not members[name].required]:
        del fields[name]


def _status(words: dict[str, str]) -> Callable[[str, Fields], None]:
    def writes(_: str, fields: Fields) -> None:
        fields["status"] = words.get(fields["status"], fields["status"])

    return writes


def _with_password(collection: str, fields: Fields) -> None:
    if collection == "users":
        fields["password"] = _MOCK_PASSWORD
        for profile in fields.get("userProfiles", ()):
            for credential in profile["credentials"]:
                credential["password"] = _MOCK_PASSWORD


def _without_username(collection: str, fields: Fields) -> None:
    if collection == "users" and "email" not in fields:
        fields["username"] = ""


def _email_null(collection: str, fields: Fields) -> None:
    if collection == "users":
        fields.setdefault("email", "NULL")


def _races_when_true(_: str, fields: Fields) -> None:
    for name in RACES:
        if fields.get(name) == "false":
            del fields[name]


def _departments(collection: str, fields: Fields) -> None:
    if collection == "orgs" and fields["type"] == "school":
        fields["type"] = "departments"


def _local(collection: str, fields: Fields) -> None:
    if collection == "orgs" and fields["type"] == "district":
        fields["type"] = "local"


def _staff_without_identifier(collection: str, fields: Fields) -> None:
    if collection == "users" and str(fields.get("identifier", "")).startswith("E"):
        del fields["identifier"]


def _more_members(_: str, fields: Fields) -> None:
    fields["x-vendor"] = {"exported": True, "row": 7}
    fields["customField1"] = None


def _kebab(collection: str) -> str:
    return re.sub("([A-Z])", r"-\1", collection).lower()


def _not_shared(collection: str) -> Quirk:
    return Quirk(f"{collection} return 403: Data to Share does not include them", "Infinite Campus")


def _writes(what: str, provider: str, writes: Callable[[str, Fields], None], **more: Any) -> Quirk:
    return Quirk(what, provider, changes_record=writes, **more)


RECORDS = {
    "empty-orgs": Quirk(
        "orgs return an empty list", "Infinite Campus with no school in scope", keeps=_no_orgs
    ),
    "empty-users": Quirk(
        "users return an empty list", "Infinite Campus before scheduling is done", keeps=_no_users
    ),
    "school-scope": Quirk(
        "the middle schools are out of scope with all their people, some of them enrolled in classes elsewhere",
        "Infinite Campus", keeps=_in_scope,
    ),
    "accounts-only": Quirk(
        "users without an enabled account are not sent, but their enrollments are", "Infinite Campus",
        keeps=_with_account,
    ),
    "accounts-lost": Quirk(
        "three in ten students are no longer sent, without a tombstone; their enrollments are", "Infinite Campus",
        keeps=_accounts_lost,
    ),
    "no-tombstones": Quirk(
        "deleted records are not sent", "Ed-Fi", group="tombstones",
        keeps=_no_tombstone,
    ),
    "half-the-tombstones": Quirk(
        "every second tombstone is not sent", "Skyward", group="tombstones", keeps=_half_the_tombstones
    ),
    "record-per-school": Quirk("one user record per person and school", "Ed-Fi", versions=V1P2),
    "odd-ids": Quirk("sourcedIds with `/`, `@`, a space, letters outside ASCII, 255 characters", "any"),
    "relative-hrefs": Quirk("hrefs begin with `~/ims/oneroster/`", "Aeries"),
    "status-empty": _writes(
        "status is empty where it should be active", "bulk-loaded records", _status({"active": ""}), group="status"
    ),
    "status-inactive": _writes(
        "deleted records are `inactive`", "Timeback, OneRoster 1.0", _status({TOBEDELETED: "inactive"}), group="status"
    ),
    "status-mixed-case": _writes(
        "status is `Active` or `ToBeDeleted`", "several", _status({"active": "Active", TOBEDELETED: "ToBeDeleted"}),
        group="status",
    ),
    "json-booleans": _writes("booleans are JSON booleans", "servers after the 1.1 OpenAPI", _json_booleans),
    "nulls-for-absent": _writes("absent members are null", "Aeries", _nulls, group="absent"),
    "missing-optional": _writes("only required members are sent", "any", _only_required, group="absent"),
    "numbers-for-text": _writes(
        "text of digits is sent as a number", "servers by hand", _numbers, group="numbers"
    ),
    "numbers-with-point": _writes(
        "text of digits is sent as a number with `.0`", "servers built on pandas", _numbers_with_point, group="numbers"
    ),
    "tokens-capitalized": _writes(
        "types, roles and other tokens begin with a capital: `School`, `GradingPeriod`", "Microsoft School Data Sync",
        _capitalized,
    ),
    "roles-at-primary-org": _writes(
        "a role at the person's primary org does not repeat the org", "servers by hand", _roles_at_primary_org,
        versions=V1P2,
    ),
    "registration-entries": _writes(
        "each role has a second entry that ends two days after it began", "systems that keep registrations",
        _registration_entries, versions=V1P2,
    ),
    "scalar-for-list": _writes("a list of one text is sent as the text", "servers by hand", _scalars),
    "ext-values": _writes("roles, class types and sexes with `ext:`", "any 1.2", _extended, versions=V1P2),
    "administrator-role": _writes(
        "principals and administrators have the role `administrator`, which 1.2 does not know", "Infinite Campus",
        _administrators, versions=V1P2,
    ),
    "naive-dates": _writes("dateLastModified has no time zone", "Synergy", _naive, group="dates"),
    "offset-dates": _writes("dateLastModified has an offset of six hours", "any", _with_offset, group="dates"),
    "dates-local-midnight": _writes(
        "a date is the midnight of Europe/Oslo, written in UTC", "systems east of UTC",
        _dates_as_instants(_midnight_in_oslo), group="days",
    ),
    "dates-utc-midnight": _writes(
        "a date is midnight UTC", "servers that have no dates, only times", _dates_as_instants(_midnight_utc),
        group="days",
    ),
    "passwords": _writes("users carry a password", "ClassLink", _with_password),
    "empty-usernames": _writes("username is empty without an e-mail", "Ed-Fi", _without_username),
    "email-null-text": _writes("a missing e-mail is the text NULL", "UK 1.1 servers", _email_null, versions=V1P1),
    "race-flags-when-true": _writes("race flags are sent only if true", "any but Ed-Fi", _races_when_true),
    "schools-are-departments": _writes("schools have the type `departments`", "Rediker", _departments),
    "district-is-local": _writes("the district has the type `local`", "OneRoster 1.0", _local),
    "staff-without-identifier": _writes("staff have no identifier", "Skyward", _staff_without_identifier),
    "unknown-members": _writes("members no specification knows", "any", _more_members),
} | {f"{_kebab(name)}-not-shared": _not_shared(name) for name in COLLECTIONS}  # fmt: skip


def not_shared(collection: str) -> str:
    """The name of the quirk that keeps a collection out of the data to share."""
    return f"{_kebab(collection)}-not-shared"
