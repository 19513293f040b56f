"""Map people with roles at schools to accounts with usernames at sites, in pandas.

Each person has one or more accounts, or is left out for exactly one reason.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.accounts.account_rows import (
    COPIED,
    account_rows,
    choose_account_rows,
    find_name_changes,
    find_second_records,
    name_changes_table,
    published_accounts,
)
from rollcall.accounts.assignment import assign_usernames, current_decisions
from rollcall.accounts.report import coverage, summarize_person_findings, undecided_findings, unknown_person_findings
from rollcall.accounts.roles import RolesAtSites, evaluate_roles, group_by_site, reasons_without_site
from rollcall.accounts.usernames import as_text, source_columns
from rollcall.landing.mapping import (
    LEFT_OUT_SCHEMA,
    NAME_CHANGES_SCHEMA,
    PERSON_FINDINGS_SCHEMA,
    MappingInput,
    MappingResult,
)
from rollcall.landing.validated import accepted_schema
from rollcall.model.tables import TABLES
from rollcall.settings import District, PersonDecision

#: The columns, in addition to a birth date, that prove or contradict that two records are one person.
_PERSON_COLUMNS = ("sourced_id", "identifier", "given_name", "family_name", "grades", "email", "username")


def required_user_columns(district: District) -> list[str]:
    """The columns of `users` that the district's accounts depend on."""
    return sorted({*_PERSON_COLUMNS, "primary_org_sourced_id", *COPIED, *source_columns(district)})


def map_accounts(district: District, people: MappingInput, night: date) -> MappingResult:
    """The accounts after tonight, the people without one, and the usernames that change.

    :param people: the roster after tonight, and the published accounts.
    :param night: the local date to map for. Roles and enrollments that have ended by then give no account (end dates
        are exclusive). Decisions about one person apply until then.
    """
    if not people.users.num_rows:
        empty = accepted_schema(TABLES["accounts"]).empty_table(), LEFT_OUT_SCHEMA.empty_table()
        findings = unknown_person_findings(district, people.users["sourced_id"])
        return MappingResult(*empty, coverage(0, empty[1]), findings, NAME_CHANGES_SCHEMA.empty_table())
    users = people.users.select(required_user_columns(district)).combine_chunks().sort_by("sourced_id")
    roles = evaluate_roles(district, people, users, night)
    site_roles = group_by_site(roles)
    published = published_accounts(people.accounts, users, roles)
    decisions = current_decisions(district, users["sourced_id"], night)
    candidates = _candidates(users, site_roles, source_columns(district), people.birth_dates)
    assigned, person_findings = assign_usernames(district, candidates, decisions, published)
    person_findings = person_findings.sort_values(["user", "rule"], kind="stable")
    findings_table = _user_table(person_findings, users, PERSON_FINDINGS_SCHEMA)
    with_username = assigned[assigned["reason"].isna()]
    rows = choose_account_rows(site_roles, with_username, published)
    without_site = np.setdiff1d(np.arange(users.num_rows), site_roles.rows["user"])
    reasons = pd.concat(
        [
            _apply_exclusions(reasons_without_site(roles, without_site), decisions),
            assigned.loc[assigned["reason"].notna(), ["user", "reason", "detail"]],
            find_second_records(rows, with_username, users),
        ]
    )
    left_out = _user_table(reasons.sort_values("user", kind="stable"), users, LEFT_OUT_SCHEMA)
    return MappingResult(
        accounts=account_rows(rows, site_roles, roles, users, people.accounts),
        left_out=left_out,
        coverage=coverage(users.num_rows, left_out),
        findings=[
            *undecided_findings(roles),
            *unknown_person_findings(district, users["sourced_id"]),
            *summarize_person_findings(findings_table),
        ],
        name_changes=name_changes_table(find_name_changes(rows, published), users["sourced_id"], roles.site_ids),
        person_findings=findings_table,
    )


def _candidates(
    users: pa.Table, site_roles: RolesAtSites, source_columns: list[str], birth_dates: pa.Table
) -> pd.DataFrame:
    """The people with a role at a site, each with one role: the one at the primary site, else staff before student."""
    rows = site_roles.rows
    order = np.lexsort((~rows["is_staff"], ~rows["is_primary"], ~rows["is_primary_org"], rows["user"]))
    first = rows.iloc[order].drop_duplicates("user").reset_index(drop=True)
    columns = sorted({*_PERSON_COLUMNS, *source_columns})
    texts = users.select([*columns, "is_enabled"]).take(pa.array(first["user"], pa.int64()))
    birth_date = (
        birth_dates["birth_date"]
        .cast(pa.string())
        .take(pc.index_in(texts["sourced_id"], value_set=birth_dates["sourced_id"]))
    )
    # a user without `enabledUser` is enabled
    texts = texts.set_column(len(columns), "is_enabled", pc.fill_null(texts["is_enabled"], True))
    frame = texts.append_column("birth_date", birth_date).to_pandas(types_mapper=as_text)
    first["role"] = np.where(first["is_staff"], "staff", "student")
    return pd.concat([frame, first[["user", "role", "is_primary", "is_primary_org"]]], axis=1)


def _apply_exclusions(reasons: pd.DataFrame, decisions: dict[int, PersonDecision]) -> pd.DataFrame:
    """A decision about one person comes first, even if the person would have no account for another reason."""
    decided = {user: one.reason for user, one in decisions.items() if one.exclude}
    if not decided:
        return reasons
    is_excluded = reasons["user"].isin(list(decided))
    reasons.loc[is_excluded, "reason"] = "decided"
    reasons.loc[is_excluded, "detail"] = reasons.loc[is_excluded, "user"].map(decided)
    return reasons


def _user_table(rows: pd.DataFrame, users: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows in a schema that begins with the user's sourcedId, in place of the user's position."""
    sourced_ids = users["sourced_id"].take(pa.array(rows["user"], pa.int64()))
    others = [pa.array(rows[name], pa.string(), from_pandas=True) for name in schema.names[1:]]
    return pa.table([sourced_ids, *others], schema=schema)
