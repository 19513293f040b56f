"""The vocabularies of OneRoster rostering, per version where they differ (information models 1.1 and 1.2)."""

from __future__ import annotations

from include.expectations.rules import VERSIONS, Version

STATUS = ("active", "tobedeleted")
ORG_TYPES: dict[Version, tuple[str, ...]] = dict.fromkeys(
    VERSIONS, ("department", "school", "district", "local", "state", "national")
)
SESSION_TYPES: dict[Version, tuple[str, ...]] = dict.fromkeys(
    VERSIONS, ("gradingPeriod", "semester", "schoolYear", "term")
)
CLASS_TYPES: dict[Version, tuple[str, ...]] = dict.fromkeys(VERSIONS, ("homeroom", "scheduled"))
ROLE_TYPES = ("primary", "secondary")

_ROLES_1_1 = ("administrator", "aide", "guardian", "parent", "proctor", "relative", "student", "teacher")

#: What a person is at an org.
USER_ROLES: dict[Version, tuple[str, ...]] = {
    "1.1": _ROLES_1_1,
    "1.2": (
        "aide",
        "counselor",
        "districtAdministrator",
        "guardian",
        "parent",
        "principal",
        "proctor",
        "relative",
        "siteAdministrator",
        "student",
        "systemAdministrator",
        "teacher",
    ),
}

#: What a person is in a class; 1.1's REST binding takes the whole list of user roles.
ENROLLMENT_ROLES: dict[Version, tuple[str, ...]] = {
    "1.1": _ROLES_1_1,
    "1.2": ("administrator", "proctor", "student", "teacher"),
}

SEXES: dict[Version, tuple[str, ...]] = {
    "1.1": ("male", "female"),
    "1.2": ("male", "female", "unspecified", "other"),
}

#: Roles of people who are in the roster because of somebody else.
RELATIVES = ("guardian", "parent", "relative")
