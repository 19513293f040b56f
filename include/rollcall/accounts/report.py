"""What mapping reports: how many people reached an account, and findings about schools, roles and people."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.accounts.assignment import CLEANED, LOOK_ALIKE, REFUSED
from rollcall.accounts.person_matching import CONTRADICTED, PLACEHOLDER
from rollcall.accounts.positions import positions
from rollcall.accounts.roles import RANK, EvaluatedRoles
from rollcall.landing.mapping import LEFT_OUT_REASONS
from rollcall.landing.validated import Finding
from rollcall.settings import District

_WITHOUT_USERNAME = ("no_username", "username_pattern", "username_collision")
_WITHOUT_ACCOUNT = ("same_person",)
_WITHOUT_SITE = tuple(reason for reason in LEFT_OUT_REASONS if reason not in (*_WITHOUT_USERNAME, *_WITHOUT_ACCOUNT))


def coverage(people: int, left_out: pa.Table) -> dict[str, int]:
    """How many people there are, and how many of them have a site, a username, an account.

    :param people: all people; each has an account or is left out.
    :param left_out: the people without an account, in `LEFT_OUT_SCHEMA`.
    """
    without_site, without_username, without_account = (
        pc.sum(pc.is_in(left_out["reason"], value_set=pa.array(reasons)), min_count=0).as_py()
        for reasons in (_WITHOUT_SITE, _WITHOUT_USERNAME, _WITHOUT_ACCOUNT)
    )
    with_site = people - without_site
    with_username = with_site - without_username
    return {
        "people": people,
        "with_site": with_site,
        "with_username": with_username,
        "with_account": with_username - without_account,
    }


def undecided_findings(roles: EvaluatedRoles) -> list[Finding]:
    """Schools and roles without a decision, with the number of people who wait for one."""
    schools = _count_people(roles.rows, "school_undecided", "org")
    source_roles = _count_people(roles.rows, "role_undecided", "source_role")
    findings = []
    for position, count in schools.items():
        org, name = roles.orgs.loc[position, ["sourced_id", "name"]]
        label = name if isinstance(name, str) else "A school without a name"
        message = f"{label} ({org}) has no site. Its people are left out until you map the school or exclude it."
        findings.append(_warning("orgs", f"school_undecided:{org}", message, count))
    for position, count in source_roles.items():
        role = roles.source_roles[position] if position >= 0 else ""
        message = f"The role {role} is not a OneRoster role. Set in `roles` what it becomes."
        findings.append(_warning("users", f"role_undecided:{role}", message, count))
    return findings


def unknown_person_findings(district: District, users: pa.ChunkedArray) -> list[Finding]:
    """Decisions about people who are not in the roster: they left long ago, or the sourcedId has a typo."""
    count = int((positions(pa.array(list(district.people), pa.string()), users) < 0).sum())
    message = "Decisions in `people` name sourcedIds that are not in the roster."
    return [_warning("users", "decision_about_nobody", message, count)] if count else []


#: The message of each rule about people; `{examples}` names a few by sourcedId.
_PERSON_MESSAGES = {
    CONTRADICTED: "Records share the number or email address that would make them one person, but contradict each "
    "other, so they stay separate people: {examples}.",
    PLACEHOLDER: "Records share a number or email address that is a placeholder or has many names, so they stay "
    "separate people: {examples}.",
    CLEANED: "Invisible characters or spaces were removed from the username field: {examples}.",
    REFUSED: "The username would contain a space, a control character, or a letter without an ASCII form, so none was "
    "assigned: {examples}.",
    LOOK_ALIKE: "The username mixes letters of scripts that look alike, such as Latin and Cyrillic, or looks like a "
    "Latin username: {examples}.",
}

#: Examples in a finding; all cases are in `roster_ops.person_findings`.
_EXAMPLES = 3


def summarize_person_findings(person_findings: pa.Table) -> list[Finding]:
    """One finding per rule, with examples that name the records.

    :param person_findings: in `PERSON_FINDINGS_SCHEMA`, about all people.
    """
    findings = []
    rows = person_findings.to_pandas()
    for rule, message in _PERSON_MESSAGES.items():
        of_rule = rows[rows["rule"] == rule]
        if len(of_rule):
            few = of_rule.sort_values("user_sourced_id").head(2 * _EXAMPLES)
            # two records that name each other are one example
            pairs = {
                frozenset(_example(rule, *row).split()): row for row in few[["user_sourced_id", "detail"]].values[::-1]
            }
            examples = "; ".join(_example(rule, *row) for row in [*pairs.values()][::-1][:_EXAMPLES])
            findings.append(_warning("users", rule, message.format(examples=examples), len(of_rule)))
    return findings


def is_person_finding(finding: Finding) -> bool:
    return finding.rule in _PERSON_MESSAGES


def _example(rule: str, user: str, detail: str) -> str:
    if rule not in (CONTRADICTED, PLACEHOLDER):
        return f"{user} ({detail})"
    other, _, difference = detail.rpartition(": ")
    return f"{user} and {other} ({difference})"


def _count_people(rows: pd.DataFrame, reason: str, column: str) -> dict[int, int]:
    """The number of people with a reason, by the value of a column."""
    waiting = rows[rows["reason"] == RANK[reason]].groupby(column)["user"].nunique()
    return dict(zip(waiting.index.tolist(), waiting.tolist(), strict=True))


def _warning(collection: str, rule: str, message: str, count: int) -> Finding:
    return Finding(collection=collection, rule=rule, severity="warning", message=message, count=count)
