"""What OneRoster's roles become."""

from __future__ import annotations

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
