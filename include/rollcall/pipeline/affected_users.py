"""The users a delta has to map: everyone whose account tonight may change someone's account, and no one else.

An account depends on its user and their roles, on the records of the same person, on who has or wants the same
username, and on the day. After a publication that held nothing, everyone has the account that mapping gives them. So it
is enough to start with the users tonight touches and to add everyone who shares an identifier with them or has a
username they may want, until no one is added. A user who wants a username they do not have is left out for that reason
and is always included. Anything else that decides accounts (the district's rules, its schools, a hold) decides about
everyone. In that case everyone is mapped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from rollcall.accounts.report import coverage, is_person_finding, summarize_person_findings
from rollcall.accounts.usernames import keys_from_any_source, source_columns
from rollcall.changes.comparison import TableChanges
from rollcall.changes.lookups import (
    had_holds_or_rollback,
    has_undecided_findings,
    read_left_out,
    read_person_findings,
    users_in_username_collisions,
    users_sharing_emails,
    users_sharing_identifiers,
    users_with_role_dates_between,
    users_with_usernames,
)
from rollcall.changes.published import ColumnFilter
from rollcall.changes.roster_changes import RosterChanges, concat_keys, difference
from rollcall.landing.mapping import MappingResult
from rollcall.landing.pull import Pull
from rollcall.model.username_text import username_key
from rollcall.settings import District, night_of, rules_digest

#: If more than this share of the users is affected, mapping all of them is faster.
_MAX_SHARE = 0.25

#: Changes of an org that mapping may notice.
_ORG_CHANGES = ("added", "changed", "returned", "removed")


def affected_users(
    district: District, allowed: RosterChanges, pull: Pull, living: pa.Table, night: date
) -> pa.ChunkedArray | None:
    """The users to map, each once; None for everyone.

    :param allowed: the changes that may be published tonight.
    :param living: rows of living holds, in `OPEN_HOLD_ROWS_SCHEMA`.
    """
    before = allowed.state.current_as_of
    if before is None or _affects_everyone(district, allowed, pull, living):
        return None
    connection, key = allowed.connection, allowed.district
    decided = pa.array(list(district.people), pa.string())
    waiting = users_in_username_collisions(connection, key)
    since = night_of(before, district.schedule.timezone)
    by_date = users_with_role_dates_between(connection, key, since, night, district.filters.days_early)
    added = concat_keys(_changed_users(allowed.tables), pa.chunked_array([decided]), waiting, by_date)
    usernames = {username_key(one.username) for one in district.people.values() if one.username is not None}
    limit = _MAX_SHARE * allowed.count_after("users")
    affected = concat_keys()
    while len(added := pa.chunked_array([difference(added, affected).unique()], pa.string())):
        affected = concat_keys(affected, added)
        if len(affected) > limit:
            return None
        users = _before_and_after(district, allowed, added)
        usernames |= keys_from_any_source(district, users)
        added = users_with_usernames(connection, key, usernames)
        if district.person_key == "identifier":
            added = concat_keys(added, users_sharing_identifiers(connection, key, users["identifier"]))
        elif district.person_key == "email":
            added = concat_keys(added, users_sharing_emails(connection, key, users["email"]))
    return affected


def with_unaffected_users(allowed: RosterChanges, mapped: MappingResult, affected: pa.ChunkedArray) -> MappingResult:
    """The mapping of everyone, when only the affected users were mapped."""
    others = read_left_out(allowed.connection, allowed.district)
    others = others.filter(pc.invert(pc.is_in(others["user_sourced_id"], value_set=affected)))
    left_out = pa.concat_tables([others, mapped.left_out]).sort_by("user_sourced_id")
    about_people = read_person_findings(allowed.connection, allowed.district)
    about_people = about_people.filter(pc.invert(pc.is_in(about_people["user_sourced_id"], value_set=affected)))
    about_people = pa.concat_tables([about_people, mapped.person_findings]).sort_by(
        [("user_sourced_id", "ascending"), ("rule", "ascending")]
    )
    findings = [finding for finding in mapped.findings if not is_person_finding(finding)]
    return replace(
        mapped,
        left_out=left_out,
        coverage=coverage(allowed.count_after("users"), left_out),
        findings=[*findings, *summarize_person_findings(about_people)],
        person_findings=about_people,
    )


def _affects_everyone(district: District, allowed: RosterChanges, pull: Pull, living: pa.Table) -> bool:
    state = allowed.state
    if pull.mode != "delta" or pull.kind != "sync" or living.num_rows:
        return True
    if state.rules_digest != rules_digest(district) or district.filters.require_class:
        return True
    if "orgs" in allowed.tables:
        change = allowed.tables["orgs"].rows["_change"]
        if pc.any(pc.is_in(change, value_set=pa.array(_ORG_CHANGES))).as_py():
            return True
    connection, run_id = allowed.connection, state.current_run_id
    if had_holds_or_rollback(connection, allowed.district, run_id):
        return True
    return has_undecided_findings(connection, allowed.district, run_id)


def _changed_users(tables: Mapping[str, TableChanges]) -> pa.ChunkedArray:
    columns = (("users", "sourced_id"), ("user_roles", "user_sourced_id"), ("demographics", "sourced_id"))
    return concat_keys(*(tables[name].rows[column] for name, column in columns if name in tables))


def _before_and_after(district: District, allowed: RosterChanges, keys: pa.ChunkedArray) -> pa.Table:
    """These users as published, and as they will be."""
    columns = sorted({"sourced_id", "identifier", "email", *source_columns(district)})
    of = ColumnFilter("sourced_id", keys)
    return pa.concat_tables([allowed.before("users", columns, of), allowed.after("users", columns, of)])
