"""Who gets an account at all, beside sites and roles."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from include.settings.base import Settings
from include.vocabularies import tokens


class Filters(Settings, frozen=True):
    """Narrow who gets an account; everybody stays in the staging tables (DESIGN, section 4).

    :param schools: only people at one of these orgs, by sourcedId; empty means all.
    :param grades: only students of these grades, as the provider writes them; empty means all. Staff have no grade.
    :param roles: only people with one of these OneRoster roles; empty means all that `roles` gives an account.
    :param terms: which classes count for `require_class`: those whose terms have begun and are not over (`active`), or
        `all`.
    :param require_class: only people enrolled in a class.
    :param start_early: how long before its begin date a role, an enrollment or a term counts, such as `14 days`.
    """

    schools: list[str] = []
    grades: list[str] = []
    roles: list[str] = []
    terms: Literal["active", "all"] = "active"
    require_class: bool = False
    start_early: Annotated[
        str | int,
        msgspec.Meta(
            description="How long before its begin date a role, an enrollment or a term counts.",
            extra_json_schema={"pattern": r"^\d{1,3}( days?)?$", "examples": ["14 days"]},
        ),
    ] = "0 days"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d{1,3}( days?)?", str(self.start_early)):
            raise ValueError('start_early must be a number of days such as "14 days", at most 999')
        roles = tokens("role", self.roles)
        if roles != self.roles:
            msgspec.structs.force_setattr(self, "roles", roles)

    @property
    def days_early(self) -> int:
        """`start_early` as a number of days."""
        return int(str(self.start_early).split()[0])
