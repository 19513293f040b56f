"""What OneRoster's roles become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

#: What a role can be mapped to. `undecided` is what an unknown role is until somebody decides.
RoleTarget = Literal["student", "staff", "leave_out", "do_not_land"]

#: Every role of OneRoster 1.1 and 1.2; guardians and relatives have no account unless a district says so.
DEFAULT_ROLES: dict[str, RoleTarget] = {
    "student": "student",
    "guardian": "leave_out",
    "parent": "leave_out",
    "relative": "leave_out",
    "administrator": "staff",
    "aide": "staff",
    "counselor": "staff",
    "districtAdministrator": "staff",
    "principal": "staff",
    "proctor": "staff",
    "siteAdministrator": "staff",
    "systemAdministrator": "staff",
    "teacher": "staff",
}

#: The roles of people who are in the roster because of another person.
_RELATIVES = ("guardian", "parent", "relative")


def measured_apart(roles: Mapping[str, RoleTarget]) -> tuple[list[str], list[str]]:
    """Which roles make a student and which make neither a student nor staff; every other role makes staff.

    A student who gets no account here is a student all the same.

    :param roles: what the district has decided.
    """
    targets = {**DEFAULT_ROLES, **roles}
    students = {name for name, target in targets.items() if target == "student"} | {"student"}
    others = {name for name in _RELATIVES if targets[name] not in ("student", "staff")}
    return sorted(students), sorted(others)
