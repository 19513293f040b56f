"""The input and result of mapping people to accounts. In memory, within one task."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from rollcall.landing.validated import Finding

#: Why a person has no account, in the order of the checks. A role's reason is the first that applies. Of several
#: roles, the one that passed the most checks gives the reason. The words are for a school secretary.
LEFT_OUT_REASONS: dict[str, str] = {
    "decided": "no account because of a decision about this person",
    "no_role": "no role in the roster",
    "role_left_out": "only roles that get no account, such as guardian",
    "role_undecided": "only roles that are not mapped yet",
    "filtered_role": "only roles that the district did not select",
    "role_ended": "the role ended on the end date from the SIS",
    "role_not_begun": "the role has not started yet",
    "no_school": "no role at a school that is shared",
    "school_left_out": "only at schools that are excluded in the district settings",
    "school_undecided": "only at schools that are not mapped to a site yet",
    "filtered_school": "only at schools that the district did not select",
    "filtered_grade": "no grade, or a grade that the district did not select",
    "no_class": "in no current class",
    "no_username": "no value in the username fields",
    "username_pattern": "username does not match the required format",
    "username_collision": "username already in use by another person",
    "same_person": "second record of a person who already has the account",
}


#: People without an account: sourcedId, reason, and its object (a school, a role, …).
LEFT_OUT_SCHEMA = pa.schema([(name, pa.string()) for name in ("user_sourced_id", "reason", "detail")])


#: Findings about single people: sourcedId, rule, and detail (the field, or another record's sourcedId and the
#: difference).
PERSON_FINDINGS_SCHEMA = pa.schema([(name, pa.string()) for name in ("user_sourced_id", "rule", "detail")])


#: Accounts whose username differs from the published one, or is from another field (rule 10). `kind` is `renamed` (same
#: field, other value), `field_changed` (the username may be the same), or `exchanged` (the new username was another
#: person's before tonight). Usernames that a person decided are not included.
NAME_CHANGES_SCHEMA = pa.schema(
    [
        (name, pa.string())
        for name in (
            "user_sourced_id",
            "site_id",
            "kind",
            "old_username",
            "new_username",
            "old_field",
            "new_field",
        )
    ]
)


@dataclass(frozen=True)
class ClassMembership:
    """Enrollments, and the terms of their classes.

    :param enrollments: user_sourced_id, class_sourced_id, begin_date, end_date.
    :param class_terms: class_sourced_id, term_sourced_id.
    :param academic_sessions: sourced_id, start_date, end_date.
    """

    enrollments: pa.Table
    class_terms: pa.Table
    academic_sessions: pa.Table


#: Birth dates by person.
BIRTH_DATES_SCHEMA = pa.schema([("sourced_id", pa.string()), ("birth_date", pa.date32())])


@dataclass(frozen=True)
class MappingInput:
    """The roster as it will be after tonight, as far as accounts depend on it; in memory, within one task.

    :param orgs: sourced_id, name, type.
    :param users: the columns of the table that accounts depend on, or more.
    :param user_roles: all columns of the table.
    :param accounts: the published accounts.
    :param in_classes: who is in which class; None unless `filters.require_class` asks for it, for it is much to read.
    :param birth_dates: in `BIRTH_DATES_SCHEMA`, where the district shares demographics.
    """

    orgs: pa.Table
    users: pa.Table
    user_roles: pa.Table
    accounts: pa.Table
    in_classes: ClassMembership | None = None
    birth_dates: pa.Table = field(default_factory=BIRTH_DATES_SCHEMA.empty_table)


@dataclass(frozen=True)
class MappingResult:
    """The result of mapping people to accounts.

    :param accounts: every account as it will be, in the table's schema.
    :param left_out: all people without one, in `LEFT_OUT_SCHEMA`.
    :param coverage: the number of people received, with a role that gets an account, a site, a username, an account.
    :param name_changes: the accounts whose username or its field changes, in `NAME_CHANGES_SCHEMA`.
    :param person_findings: findings about single people, in `PERSON_FINDINGS_SCHEMA`.
    """

    accounts: pa.Table
    left_out: pa.Table
    coverage: dict[str, int]
    findings: list[Finding]
    name_changes: pa.Table = field(default_factory=NAME_CHANGES_SCHEMA.empty_table)
    person_findings: pa.Table = field(default_factory=PERSON_FINDINGS_SCHEMA.empty_table)
