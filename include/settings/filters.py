"""Who gets an account at all, beside sites and roles."""

from __future__ import annotations

from typing import Literal

from include.settings.base import Settings


class Filters(Settings, frozen=True):
    """Narrow who gets an account; everybody stays in the staging tables (DESIGN, section 4).

    :param schools: only people at one of these orgs, by sourcedId; empty means all.
    :param grades: only students of these grades, as the provider writes them; empty means all. Staff have no grade.
    :param roles: only people with one of these OneRoster roles; empty means all that `roles` gives an account.
    :param terms: which classes count for `require_class`: those of terms that are not over (`active`), or `all`.
    :param require_class: only people enrolled in a class.
    """

    schools: list[str] = []
    grades: list[str] = []
    roles: list[str] = []
    terms: Literal["active", "all"] = "active"
    require_class: bool = False
