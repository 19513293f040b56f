"""The stage mapping: from people with roles at schools to accounts with usernames at sites, in pandas.

Every person ends as one or more accounts or as left out with exactly one first reason.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from include.contracts import (
    LEFT_OUT_SCHEMA,
    NAME_CHANGES_SCHEMA,
    PERSON_FINDINGS_SCHEMA,
    Mapped,
    People,
    accepted_schema,
)
from include.coverage import coverage
from include.mapping.accounts import (
    COPIED,
    account_rows,
    one_per_person_and_site,
    published_accounts,
    second_records,
)
from include.mapping.findings import decisions_about_nobody, findings_about_people, undecided
from include.mapping.name_changes import as_table, name_changes
from include.mapping.people import decisions, named
from include.mapping.roles import AtSites, at_sites, held_roles, reasons_of_roles
from include.mapping.usernames import as_text, source_columns
from include.settings import District, PersonDecision
from include.tables import TABLES

#: What makes a person or speaks against it, next to a birth date.
_PERSON = ("sourced_id", "identifier", "given_name", "family_name", "grades", "email", "username")


def columns_of_users(district: District) -> list[str]:
    """The columns of `users` that the district's accounts depend on."""
    return sorted({*_PERSON, "primary_org_sourced_id", *COPIED, *source_columns(district)})


def map_accounts(district: District, people: People, night: date) -> Mapped:
    """Every account as it will be, everybody without one, and whose username changes.

    :param people: the roster as it will be, and the accounts readers have now.
    :param night: the local date it is for; roles and enrollments that have ended by then give no account (end dates are
        exclusive), and decisions about one person hold until then.
    """
    if not people.users.num_rows:
        empty = accepted_schema(TABLES["accounts"]).empty_table(), LEFT_OUT_SCHEMA.empty_table()
        findings = decisions_about_nobody(district, people.users["sourced_id"])
        return Mapped(*empty, coverage(0, empty[1]), findings, NAME_CHANGES_SCHEMA.empty_table())
    from_user = source_columns(district)
    users = people.users.select(columns_of_users(district)).combine_chunks().sort_by("sourced_id")
    held = held_roles(district, people, users, night)
    places = at_sites(held)
    published = published_accounts(people.accounts, users, held)
    decided = decisions(district, users["sourced_id"], night)
    candidates = _candidates(users, places, from_user, people.birth_dates)
    names, about_people = named(district, candidates, decided, published)
    person_findings = _person_findings(about_people, users)
    with_name = names[names["reason"].isna()]
    rows = one_per_person_and_site(places, with_name, published)
    without = np.setdiff1d(np.arange(users.num_rows), places.rows["user"])
    reasons = pd.concat(
        [
            _by_decision(reasons_of_roles(held, without), decided),
            names.loc[names["reason"].notna(), ["user", "reason", "detail"]],
            second_records(rows, with_name, users),
        ]
    )
    left_out = _left_out(reasons, users)
    return Mapped(
        accounts=account_rows(rows, places, held, users, people.accounts),
        left_out=left_out,
        coverage=coverage(users.num_rows, left_out),
        findings=[
            *undecided(held),
            *decisions_about_nobody(district, users["sourced_id"]),
            *findings_about_people(person_findings),
        ],
        name_changes=as_table(name_changes(rows, published), users["sourced_id"], held.site_ids),
        person_findings=person_findings,
    )


def _candidates(users: pa.Table, places: AtSites, from_user: list[str], birth_dates: pa.Table) -> pd.DataFrame:
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


def _by_decision(reasons: pd.DataFrame, decided: dict[int, PersonDecision]) -> pd.DataFrame:
    """A decision about one person is asked first, also about somebody who would have no account anyway."""
    because = {user: one.because for user, one in decided.items() if one.leave_out}
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
