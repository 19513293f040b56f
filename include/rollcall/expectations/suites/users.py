"""Users, with their roles and their agents (related people).

Guardians and relatives need no username, email, or identifier. Student information systems give them none, and a
warning for each would hide the student without an email address.

A person is never rejected for a missing value. Without a username they get no account, which the mapping reports. An
invalid date of a role is left empty and does not reject the role. Roles are published as a set with their person, so a
rejected role would remove it, while an open date keeps the person at the school.
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
from rollcall.model.vocabularies import ROLE_TYPES, USER_ROLES

#: White space, control characters, the no-break space, and characters without width.
_INVISIBLE = "[\\s\\x00-\\x1f\\x7f\u00a0\u200b\ufeff]"


def expected(column: str) -> gxe.Expectation:
    """A value is provided, or the person is only a guardian or relative."""
    return is_true(f"{column}_provided_or_not_needed")


def _people() -> list[Rule]:
    return [
        *every_record.storable(),
        *every_record.dated(),
        Rule("given_name_missing", "warning", "givenName", "The person has no first name.", not_null("given_name")),
        Rule("family_name_missing", "warning", "familyName", "The person has no last name.", not_null("family_name")),
        Rule("username_missing", "warning", "username", "The person has no username.", expected("username")),
        Rule("email_missing", "warning", "email", "The person has no email address.", expected("email")),
        Rule(
            "username_malformed",
            "warning",
            "username",
            "The username contains a space or an invisible character, perhaps at its end.",
            gxe.ExpectColumnValuesToNotMatchRegex(column="username", regex=_INVISIBLE),
        ),
        Rule(
            "email_malformed",
            "warning",
            "email",
            "The email address does not look like name@school.example, or contains a space.",
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
            "The record does not state whether the person may sign in.",
            provided("is_enabled"),
        ),
        Rule(
            "enabled_user_unreadable",
            "warning",
            "enabledUser",
            "The field for whether the person may sign in is neither true nor false. It is left empty.",
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
            "One of the person's roles has no role name. That role is skipped.",
            not_null("role"),
            guards_key=True,
        ),
        Rule(
            "role_org_missing",
            "warning",
            "roles.org",
            "One of the person's roles has no school. It gives no account.",
            not_null("org_sourced_id"),
        ),
        Rule(
            "role_repeated",
            "critical",
            "roles",
            "A role was received more than once with the same school and begin date. The longest one is used.",
            is_true("lasts_longest"),
            guards_key=True,
        ),
        *vocabulary(
            "role_unknown",
            "roles.role",
            "The role is not a OneRoster role. It gives no account until it is mapped in the district's settings.",
            "role",
            USER_ROLES,
        ),
        Rule(
            "role_type_unknown",
            "warning",
            "roles.roleType",
            "The role type is neither primary nor secondary.",
            one_of("role_type", ROLE_TYPES),
        ),
        Rule(
            "role_begin_date_impossible",
            "warning",
            "roles.beginDate",
            "The begin date of a role is not a valid date such as 2026-08-21. It is left empty.",
            parseable("begin_date"),
        ),
        Rule(
            "role_end_date_impossible",
            "warning",
            "roles.endDate",
            "The end date of a role is not a valid date such as 2026-08-21. It is left empty.",
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
            "A related person has no usable sourcedId. That relation is skipped.",
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
                "The school of a role was not received. It is probably outside the connection's school scope.",
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
                "A related person was not received. They probably have no account in the student information system.",
                is_true("agent_sourced_id_resolves"),
            )
        ],
    }


def _shares() -> list[Share]:
    return [
        Share("share_without_email", "warning", "email", "people have no email address", "has_email"),
        Share("share_without_class", "warning", "enrollments", "students are in no class", "has_class"),
        Share("share_without_school", "warning", "roles.org", "people are at no school that was shared", "has_school"),
    ]


SUITE = Suite(
    records=_people(),
    parts={"user_roles": _roles(), "user_agents": _agents()},
    roster=_roster(),
    shares=_shares(),
)
