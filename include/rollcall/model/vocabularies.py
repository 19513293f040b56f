"""The vocabularies of OneRoster rostering, per version where they differ (information models 1.1 and 1.2).

Some providers write the tokens in a different case: `School`, `STUDENT`, `gradingperiod`. They are read as the
specification's tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Literal

Version = Literal["1.1", "1.2"]
VERSIONS: tuple[Version, ...] = ("1.1", "1.2")

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

#: Roles of a person at an org.
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

#: Roles of a person in a class. The REST binding of 1.1 allows all user roles.
ENROLLMENT_ROLES: dict[Version, tuple[str, ...]] = {
    "1.1": _ROLES_1_1,
    "1.2": ("administrator", "proctor", "student", "teacher"),
}

SEXES: dict[Version, tuple[str, ...]] = {
    "1.1": ("male", "female"),
    "1.2": ("male", "female", "unspecified", "other"),
}

#: Roles of people who are in the roster because of another person.
RELATIVES = ("guardian", "parent", "relative")

#: Grades of CEDS, which OneRoster recommends. Providers send others too.
GRADES = ("IT", "PR", "PK", "TK", "KG", *(f"{number:02}" for number in range(1, 14)), "PS", "UG", "Other")

#: The tokens of all versions, per column with a vocabulary. Providers of one version also send roles of the other.
TOKENS: Mapping[str, tuple[str, ...]] = {
    "org_type": ORG_TYPES["1.2"],
    "session_type": SESSION_TYPES["1.2"],
    "class_type": CLASS_TYPES["1.2"],
    "role": tuple(dict.fromkeys((*USER_ROLES["1.1"], *USER_ROLES["1.2"]))),
    "role_type": ROLE_TYPES,
    "sex": SEXES["1.2"],
}


@cache
def _by_lower_case(vocabulary: str) -> dict[str, str]:
    return {token.lower(): token for token in TOKENS[vocabulary]}


def token(vocabulary: str, value: str) -> str:
    """The specification's token if the value differs from it only in case and spaces around it; else the value.

    :param vocabulary: a key of `TOKENS`.
    """
    return _by_lower_case(vocabulary).get(value.strip().lower(), value)


def tokens(vocabulary: str, values: Iterable[str]) -> list[str]:
    """The tokens of several values."""
    return [token(vocabulary, value) for value in values]
