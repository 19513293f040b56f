"""People, with their roles and their agents (the people related to them).

Guardians and relatives are not asked for username, e-mail and identifier: student information systems give them none,
and a warning about every one of them would hide the child without an e-mail address.

A person is never refused for what is missing: without a username they get no account, and that is told where accounts
are made. Bad dates of a role are left empty and do not refuse it: roles are published as a set with their person, so a
refused role would be a role taken away, while an open date leaves the person where the school has them.
"""

from __future__ import annotations

import great_expectations.expectations as gxe

from rollcall.expectations.rules import (
    Rule,
    Share,
    Suite,
    in_order,
    is_true,
    not_null,
    one_of,
    parseable,
    provided,
    vocabulary,
)
from rollcall.expectations.suites import every_record
from rollcall.expectations.vocabularies import ROLE_TYPES, USER_ROLES

#: Blanks and control characters, the no-break space, and what has no width at all.
_INVISIBLE = "[\\s\\x00-\\x1f\\x7f\u00a0\u200b\ufeff]"


def expected(column: str) -> gxe.Expectation:
    """Something is said, or the person is nothing but somebody's relative."""
    return is_true(f"{column}_is_said_or_needless")


def _people() -> list[Rule]:
    return [
        *every_record.storable(),
        *every_record.dated(),
        Rule("given_name_missing", "warning", "givenName", "The person has no first name.", not_null("given_name")),
        Rule("family_name_missing", "warning", "familyName", "The person has no last name.", not_null("family_name")),
        Rule("username_missing", "warning", "username", "The person has no username.", expected("username")),
        Rule("email_missing", "warning", "email", "The person has no e-mail address.", expected("email")),
        Rule(
            "username_malformed",
            "warning",
            "username",
            "The username has a blank or another invisible character in it, perhaps at its end.",
            gxe.ExpectColumnValuesToNotMatchRegex(column="username", regex=_INVISIBLE),
        ),
        Rule(
            "email_malformed",
            "warning",
            "email",
            "The e-mail address is not written like name@school.example, or has a blank in it.",
            gxe.ExpectColumnValuesToMatchRegex(column="email", regex=r"^[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)+\Z"),
        ),
        Rule(
            "identifier_missing",
            "warning",
            "identifier",
            "The person has no identifier such as a student or staff number.",
            expected("identifier"),
        ),
        Rule(
            "enabled_user_missing",
            "info",
            "enabledUser",
            "It is not said whether the person may sign in.",
            provided("is_enabled"),
        ),
        Rule(
            "enabled_user_unreadable",
            "warning",
            "enabledUser",
            "Whether the person may sign in is answered with neither true nor false; it counts as not said.",
            parseable("is_enabled"),
        ),
        Rule(
            "roles_missing",
            "warning",
            "roles",
            "The person has no role at any school.",
            is_true("has_user_roles"),
        ),
    ]


def _roles() -> list[Rule]:
    return [
        Rule(
            "role_missing",
            "critical",
            "roles.role",
            "An entry among the person's roles does not say which role it is; that entry is left out.",
            not_null("role"),
            guards_key=True,
        ),
        Rule(
            "role_org_missing",
            "warning",
            "roles.org",
            "A role of the person does not say at which school it is held; nobody gets an account by it.",
            not_null("org_sourced_id"),
        ),
        Rule(
            "role_repeated",
            "critical",
            "roles",
            "A role of the person is there more than once with the same school and begin date; the entry that lasts "
            "longest is used.",
            is_true("lasts_longest"),
            guards_key=True,
        ),
        *vocabulary(
            "role_unknown",
            "roles.role",
            "The role is none of OneRoster's; until it is mapped in the district's settings nobody gets an account "
            "by it.",
            "role",
            USER_ROLES,
        ),
        Rule(
            "role_type_unknown",
            "warning",
            "roles.roleType",
            "The role is said to be neither primary nor secondary.",
            one_of("role_type", ROLE_TYPES),
        ),
        Rule(
            "role_begin_date_impossible",
            "warning",
            "roles.beginDate",
            "The begin date of a role is not a date of the calendar, written like 2026-08-21; it is left empty.",
            parseable("begin_date"),
        ),
        Rule(
            "role_end_date_impossible",
            "warning",
            "roles.endDate",
            "The end date of a role is not a date of the calendar, written like 2026-08-21; it is left empty.",
            parseable("end_date"),
        ),
        Rule(
            "role_dates_out_of_order",
            "warning",
            "roles.endDate",
            "A role of the person ends before it begins.",
            in_order("begin_date", "end_date"),
        ),
    ]


def _agents() -> list[Rule]:
    return [
        Rule(
            "agent_missing",
            "critical",
            "agents",
            "A related person has no sourcedId that can be used; that relation is left out.",
            not_null("agent_sourced_id"),
            guards_key=True,
        )
    ]


def _roster() -> dict[str, list[Rule]]:
    return {
        "user_roles": [
            Rule(
                "orphan_role_org",
                "warning",
                "roles.org",
                "The school of a role did not arrive: probably outside the connection's school scope.",
                is_true("org_sourced_id_resolves"),
            ),
            Rule(
                "primary_role_repeated",
                "warning",
                "roles.roleType",
                "The person has more than one primary role at the same school.",
                is_true("is_only_primary"),
            ),
        ],
        "user_agents": [
            Rule(
                "orphan_agent",
                "warning",
                "agents",
                "A related person did not arrive: probably has no user account in the student information system.",
                is_true("agent_sourced_id_resolves"),
            )
        ],
    }


def _shares() -> list[Share]:
    return [
        Share("share_without_email", "warning", "email", "people have no e-mail address", "has_email"),
        Share("share_without_class", "warning", "enrollments", "students are in no class", "has_class"),
        Share("share_without_school", "warning", "roles.org", "people are at no school that was shared", "has_school"),
    ]


SUITE = Suite(
    records=_people(),
    parts={"user_roles": _roles(), "user_agents": _agents()},
    roster=_roster(),
    shares=_shares(),
)
