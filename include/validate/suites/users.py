"""People, with their roles and their agents (the people related to them).

Guardians and relatives are not asked for username, e-mail and identifier: student information systems give them none,
and a warning about every one of them would hide the child without an e-mail address.

A person is never refused for what is missing: without a username they get no account, and that is told where accounts
are made. Bad dates of a role are left empty and do not refuse it: roles are published as a set with their person, so a
refused role would be a role taken away, while an open date leaves the person where the school has them.
"""

from __future__ import annotations

import great_expectations.expectations as gxe

from include.expectations.rules import Rule, Suite, Version, holds, in_order, one_of, present, readable, said
from include.validate.suites import every_record
from include.validate.vocabularies import ROLE_TYPES, USER_ROLES


def suite(version: Version) -> Suite:
    return Suite(_people(), {"user_roles": _roles(version), "user_agents": _agents()})


def expected(column: str) -> gxe.Expectation:
    """Something is said, or the person is nothing but somebody's relative."""
    return holds(f"{column}_is_said_or_needless")


def _people() -> list[Rule]:
    return [
        *every_record.dated(),
        Rule("given_name_missing", "warning", "givenName", "The person has no first name.", present("given_name")),
        Rule("family_name_missing", "warning", "familyName", "The person has no last name.", present("family_name")),
        Rule("username_missing", "warning", "username", "The person has no username.", expected("username")),
        Rule("email_missing", "warning", "email", "The person has no e-mail address.", expected("email")),
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
            said("is_enabled"),
        ),
        Rule(
            "enabled_user_unreadable",
            "warning",
            "enabledUser",
            "Whether the person may sign in is answered with neither true nor false; it counts as not said.",
            readable("is_enabled"),
        ),
        Rule(
            "roles_missing",
            "warning",
            "roles",
            "The person has no role at any school.",
            holds("has_user_roles"),
        ),
    ]


def _roles(version: Version) -> list[Rule]:
    return [
        Rule(
            "role_missing",
            "critical",
            "roles.role",
            "An entry among the person's roles does not say which role it is; that entry is left out.",
            present("role"),
        ),
        Rule(
            "role_org_missing",
            "critical",
            "roles.org",
            "A role of the person does not say at which school it is held; that role is left out.",
            present("org_sourced_id"),
        ),
        Rule(
            "role_unknown",
            "warning",
            "roles.role",
            "The role is none of OneRoster's; until it is mapped in the district's settings nobody gets an account "
            "by it.",
            one_of("role", USER_ROLES[version], version),
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
            readable("begin_date"),
        ),
        Rule(
            "role_end_date_impossible",
            "warning",
            "roles.endDate",
            "The end date of a role is not a date of the calendar, written like 2026-08-21; it is left empty.",
            readable("end_date"),
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
            present("agent_sourced_id"),
        )
    ]
