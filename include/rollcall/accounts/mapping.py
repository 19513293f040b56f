"""The stage mapping: from people with roles at schools to accounts with usernames at sites, in pandas.

Every person ends as one or more accounts or as left out with exactly one first reason.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.accounts import assignment as people
from rollcall.accounts import person_matching as persons
from rollcall.accounts.account_rows import (
    COPIED,
    account_rows,
    choose_account_rows,
    find_second_records,
    published_accounts,
)
from rollcall.accounts.assignment import assign_usernames, current_decisions, positions
from rollcall.accounts.name_changes import find_name_changes, name_changes_table
from rollcall.accounts.roles import (
    RANK,
    EvaluatedRoles,
    RolesAtSites,
    evaluate_roles,
    group_by_site,
    reasons_without_site,
)
from rollcall.accounts.usernames import as_text, source_columns
from rollcall.changes.coverage import coverage
from rollcall.landing.mapping import (
    LEFT_OUT_SCHEMA,
    NAME_CHANGES_SCHEMA,
    PERSON_FINDINGS_SCHEMA,
    MappingInput,
    MappingResult,
)
from rollcall.landing.validated import Finding, accepted_schema
from rollcall.model.tables import TABLES
from rollcall.settings import District, PersonDecision

# What nobody has decided yet, and decisions that decide nothing.


def undecided_findings(held: EvaluatedRoles) -> list[Finding]:
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


def unknown_person_decisions(district: District, users: pa.ChunkedArray) -> list[Finding]:
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


def summarize_person_findings(found: pa.Table) -> list[Finding]:
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
                frozenset(_example(rule, *row).split()): row for row in few[["user_sourced_id", "detail"]].values[::-1]
            }
            told = "; ".join(_example(rule, *row) for row in [*pairs.values()][::-1][:_EXAMPLES])
            made.append(_warning("users", rule, message.format(examples=told), len(theirs)))
    return made


def is_person_finding(finding: Finding) -> bool:
    return finding.rule in _ABOUT_PEOPLE


def _example(rule: str, who: str, detail: str) -> str:
    if rule not in (persons.CONTRADICTED, persons.PLACEHOLDER):
        return f"{who} ({detail})"
    other, _, what = detail.rpartition(": ")
    return f"{who} and {other} ({what})"


def _people_per(rows: pd.DataFrame, reason: str, about: str) -> dict[int, int]:
    waiting = rows[rows["reason"] == RANK[reason]].groupby(about)["user"].nunique()
    return dict(zip(waiting.index.tolist(), waiting.tolist(), strict=True))


def _warning(collection: str, rule: str, message: str, count: int) -> Finding:
    return Finding(collection=collection, rule=rule, severity="warning", message=message, count=count)


#: What makes a person or speaks against it, next to a birth date.
_PERSON = ("sourced_id", "identifier", "given_name", "family_name", "grades", "email", "username")


def required_user_columns(district: District) -> list[str]:
    """The columns of `users` that the district's accounts depend on."""
    return sorted({*_PERSON, "primary_org_sourced_id", *COPIED, *source_columns(district)})


def map_accounts(district: District, people: MappingInput, night: date) -> MappingResult:
    """Every account as it will be, everybody without one, and whose username changes.

    :param people: the roster as it will be, and the accounts readers have now.
    :param night: the local date it is for; roles and enrollments that have ended by then give no account (end dates are
        exclusive), and decisions about one person hold until then.
    """
    if not people.users.num_rows:
        empty = accepted_schema(TABLES["accounts"]).empty_table(), LEFT_OUT_SCHEMA.empty_table()
        findings = unknown_person_decisions(district, people.users["sourced_id"])
        return MappingResult(*empty, coverage(0, empty[1]), findings, NAME_CHANGES_SCHEMA.empty_table())
    from_user = source_columns(district)
    users = people.users.select(required_user_columns(district)).combine_chunks().sort_by("sourced_id")
    held = evaluate_roles(district, people, users, night)
    places = group_by_site(held)
    published = published_accounts(people.accounts, users, held)
    decided = current_decisions(district, users["sourced_id"], night)
    candidates = _candidates(users, places, from_user, people.birth_dates)
    names, about_people = assign_usernames(district, candidates, decided, published)
    person_findings = _person_findings(about_people, users)
    with_name = names[names["reason"].isna()]
    rows = choose_account_rows(places, with_name, published)
    without = np.setdiff1d(np.arange(users.num_rows), places.rows["user"])
    reasons = pd.concat(
        [
            _apply_exclusions(reasons_without_site(held, without), decided),
            names.loc[names["reason"].notna(), ["user", "reason", "detail"]],
            find_second_records(rows, with_name, users),
        ]
    )
    left_out = _left_out(reasons, users)
    return MappingResult(
        accounts=account_rows(rows, places, held, users, people.accounts),
        left_out=left_out,
        coverage=coverage(users.num_rows, left_out),
        findings=[
            *undecided_findings(held),
            *unknown_person_decisions(district, users["sourced_id"]),
            *summarize_person_findings(person_findings),
        ],
        name_changes=name_changes_table(find_name_changes(rows, published), users["sourced_id"], held.site_ids),
        person_findings=person_findings,
    )


def _candidates(users: pa.Table, places: RolesAtSites, from_user: list[str], birth_dates: pa.Table) -> pd.DataFrame:
    """Everybody with a role at a site, and what they are: the role at the primary site, else staff before student."""
    rows = places.rows
    order = np.lexsort((~rows["is_staff"], ~rows["is_primary"], ~rows["is_primary_org"], rows["user"]))
    first = rows.iloc[order].drop_duplicates("user").reset_index(drop=True)
    wanted = sorted({*_PERSON, *from_user})
    texts = users.select([*wanted, "is_enabled"]).take(pa.array(first["user"], pa.int64()))
    born = (
        birth_dates["birth_date"]
        .cast(pa.string())
        .take(pc.index_in(texts["sourced_id"], value_set=birth_dates["sourced_id"]))
    )
    # what is not said disables nobody
    texts = texts.set_column(len(wanted), "is_enabled", pc.fill_null(texts["is_enabled"], True))
    made = texts.append_column("birth_date", born).to_pandas(types_mapper=as_text)
    first["role"] = np.where(first["is_staff"], "staff", "student")
    return pd.concat([made, first[["user", "role", "is_primary", "is_primary_org"]]], axis=1)


def _apply_exclusions(reasons: pd.DataFrame, decided: dict[int, PersonDecision]) -> pd.DataFrame:
    """A decision about one person is asked first, also about somebody who would have no account anyway."""
    because = {user: one.reason for user, one in decided.items() if one.exclude}
    theirs = reasons["user"].isin(list(because))
    reasons.loc[theirs, "reason"] = "decided"
    reasons.loc[theirs, "detail"] = reasons.loc[theirs, "user"].map(because)
    return reasons


def _person_findings(found: pd.DataFrame, users: pa.Table) -> pa.Table:
    found = found.sort_values(["user", "rule"], kind="stable")
    made = [
        users["sourced_id"].take(pa.array(found["user"], pa.int64())),
        pa.array(found["rule"], pa.string(), from_pandas=True),
        pa.array(found["detail"], pa.string(), from_pandas=True),
    ]
    return pa.table(made, schema=PERSON_FINDINGS_SCHEMA)


def _left_out(reasons: pd.DataFrame, users: pa.Table) -> pa.Table:
    reasons = reasons.sort_values("user", kind="stable")
    made = [
        users["sourced_id"].take(pa.array(reasons["user"], pa.int64())),
        pa.array(reasons["reason"], pa.string(), from_pandas=True),
        pa.array(reasons["detail"], pa.string(), from_pandas=True),
    ]
    return pa.table(made, schema=LEFT_OUT_SCHEMA)
