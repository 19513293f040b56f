"""What nobody has decided yet, and decisions that decide nothing."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from include.contracts import Finding
from include.mapping import people, persons
from include.mapping.positions import positions
from include.mapping.roles import RANK, Held
from include.settings import District


def undecided(held: Held) -> list[Finding]:
    """Schools and roles nobody has decided about, with how many people wait for it."""
    schools = _people_per(held.rows, "school_undecided", "org")
    roles = _people_per(held.rows, "role_undecided", "source_role")
    made = []
    for position, count in schools.items():
        org, name = held.orgs.loc[position, ["sourced_id", "name"]]
        shown = name if isinstance(name, str) else "A school without a name"
        message = f"{shown} ({org}) has no site; its people are left out until somebody decides."
        made.append(_warning("orgs", f"school_undecided:{org}", message, count))
    for position, count in roles.items():
        role = held.source_roles[position] if position >= 0 else ""
        message = f"The role {role} is not one of OneRoster's; say in `roles` what it becomes."
        made.append(_warning("users", f"role_undecided:{role}", message, count))
    return made


def decisions_about_nobody(district: District, users: pa.ChunkedArray) -> list[Finding]:
    """Decisions about people who are not in the roster: they left long ago, or the sourcedId has a slip in it."""
    count = int((positions(pa.array(list(district.people), pa.string()), users) < 0).sum())
    message = "Decisions in `people` are about sourcedIds that are not in the roster."
    return [_warning("users", "decision_about_nobody", message, count)] if count else []


#: What is found about single people, in words; `{examples}` names a few by sourcedId.
_ABOUT_PEOPLE = {
    persons.CONTRADICTED: "Records share the number or e-mail address that makes one person of them but contradict "
    "each other, so they stay separate people: {examples}.",
    persons.PLACEHOLDER: "Records share a number or e-mail address that is a placeholder or has many names, so they "
    "stay separate people: {examples}.",
    people.CLEANED: "Invisible characters or blanks were taken away from the field of the username: {examples}.",
    people.REFUSED: "The username would have a blank, a control character or a letter without an ASCII form in it, so "
    "there is none: {examples}.",
    people.LOOK_ALIKE: "The username mixes letters of scripts that look alike, such as Latin and Cyrillic, or can be "
    "taken for a Latin one: {examples}.",
}

#: So many examples stand in a finding; all are in `roster_ops.person_findings`.
_EXAMPLES = 3


def findings_about_people(found: pa.Table) -> list[Finding]:
    """One finding per rule, with examples that name the records.

    :param found: in `PERSON_FINDINGS_SCHEMA`, about everybody.
    """
    made = []
    rows = found.to_pandas()
    for rule, message in _ABOUT_PEOPLE.items():
        theirs = rows[rows["rule"] == rule]
        if len(theirs):
            few = theirs.sort_values("user_sourced_id").head(2 * _EXAMPLES)
            # of two records that name each other one example is enough
            pairs = {
                frozenset(_told(rule, *row).split()): row for row in few[["user_sourced_id", "detail"]].values[::-1]
            }
            told = "; ".join(_told(rule, *row) for row in [*pairs.values()][::-1][:_EXAMPLES])
            made.append(_warning("users", rule, message.format(examples=told), len(theirs)))
    return made


def is_about_people(finding: Finding) -> bool:
    return finding.rule in _ABOUT_PEOPLE


def _told(rule: str, who: str, detail: str) -> str:
    if rule not in (persons.CONTRADICTED, persons.PLACEHOLDER):
        return f"{who} ({detail})"
    other, _, what = detail.rpartition(": ")
    return f"{who} and {other} ({what})"


def _people_per(rows: pd.DataFrame, reason: str, about: str) -> dict[int, int]:
    waiting = rows[rows["reason"] == RANK[reason]].groupby(about)["user"].nunique()
    return dict(zip(waiting.index.tolist(), waiting.tolist(), strict=True))


def _warning(collection: str, rule: str, message: str, count: int) -> Finding:
    return Finding(collection=collection, rule=rule, severity="warning", message=message, count=count)
