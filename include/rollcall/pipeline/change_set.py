"""Between merge, guard and mapping: what of a night is published, and what a person has to decide first.

The stages know nothing of each other; here they meet. The guard judges what would change, merge leaves away what it
withholds, mapping makes accounts of the rest, and the guard judges those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from rollcall.accounts.mapping import is_person_finding, map_accounts, required_user_columns, summarize_person_findings
from rollcall.accounts.usernames import keys_from_any_source, source_columns
from rollcall.changes.comparison import TableChanges
from rollcall.changes.coverage import coverage
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
from rollcall.changes.published_lookups import PublishedLookups
from rollcall.changes.roster_changes import RosterChanges, concat_keys, difference
from rollcall.guard.evidence import KEY, Evidence
from rollcall.guard.judgment import came_back, judge, judge_accounts
from rollcall.landing.change_set import COMPARED_OF_ACCOUNTS, Hold
from rollcall.landing.manifests import Part
from rollcall.landing.mapping import Mapped
from rollcall.landing.pull import Pull
from rollcall.landing.validated import ValidatedCollection
from rollcall.model.username_text import username_key
from rollcall.runtime.memory import give_back_what_is_free
from rollcall.settings import District, night_of, rules_digest
from rollcall.settings.sections import LEAVE_OUT, UNDECIDED, measured_apart

# Whom a delta maps: everybody whose account tonight may make another one, and nobody else.
#
# An account depends on its user and their roles, on the records of the same person, on who has or wants the same
# username, and on the day. After a publication that held nothing everybody has what mapping gives them, so it is enough
# to begin with those whom tonight touches and to go on to whoever shares an identifier with them or has a username they
# may want, until nobody is added. Who wants a username without having it is left out because of that, and is always
# among them. Whatever else decides accounts, such as the district's rules, its schools, or holds, decides about
# everybody; then everybody is mapped.

#: Where more of the people than this are in reach all of them are mapped: that is faster then.
_MANY = 0.25

#: What changes of an org a mapping may notice.
_NOTICED = ("added", "changed", "returned", "removed")


def affected_users(
    district: District, merged: RosterChanges, pull: Pull, living: pa.Table, night: date
) -> pa.ChunkedArray | None:
    """The users to map, each once; None for everybody.

    :param merged: what may be published tonight.
    :param living: rows of living holds, in `LIVING_HOLD_ROWS_SCHEMA`.
    """
    before = merged.state.current_as_of
    if before is None or not _is_about_some(district, merged, pull, living):
        return None
    connection, key = merged.connection, merged.district
    decided = pa.array(list(district.people), pa.string())
    waiting = users_in_username_collisions(connection, key)
    since = night_of(before, district.schedule.timezone)
    today = users_with_role_dates_between(connection, key, since, night, district.filters.days_early)
    found = concat_keys(_touched(merged.tables), pa.chunked_array([decided]), waiting, today)
    names = {username_key(one.username) for one in district.people.values() if one.username is not None}
    most = _MANY * merged.count_after("users")
    whom = concat_keys()
    while len(found := pa.chunked_array([difference(found, whom).unique()], pa.string())):
        whom = concat_keys(whom, found)
        if len(whom) > most:
            return None
        users = _as_they_were_and_will_be(district, merged, found)
        names |= keys_from_any_source(district, users)
        found = users_with_usernames(connection, key, names)
        if district.person_key == "identifier":
            found = concat_keys(found, users_sharing_identifiers(connection, key, users["identifier"]))
        elif district.person_key == "email":
            found = concat_keys(found, users_sharing_emails(connection, key, users["email"]))
    return whom


def with_unaffected_users(merged: RosterChanges, mapped: Mapped, whom: pa.ChunkedArray) -> Mapped:
    """What mapping makes of everybody when only these users were mapped."""
    others = read_left_out(merged.connection, merged.district)
    others = others.filter(pc.invert(pc.is_in(others["user_sourced_id"], value_set=whom)))
    left_out = pa.concat_tables([others, mapped.left_out]).sort_by("user_sourced_id")
    found = read_person_findings(merged.connection, merged.district)
    found = found.filter(pc.invert(pc.is_in(found["user_sourced_id"], value_set=whom)))
    found = pa.concat_tables([found, mapped.person_findings]).sort_by(
        [("user_sourced_id", "ascending"), ("rule", "ascending")]
    )
    findings = [finding for finding in mapped.findings if not is_person_finding(finding)]
    return replace(
        mapped,
        left_out=left_out,
        coverage=coverage(merged.count_after("users"), left_out),
        findings=[*findings, *summarize_person_findings(found)],
        person_findings=found,
    )


def _is_about_some(district: District, merged: RosterChanges, pull: Pull, living: pa.Table) -> bool:
    state = merged.state
    if pull.mode != "delta" or pull.kind != "sync" or living.num_rows:
        return False
    if state.rules_digest != rules_digest(district) or district.filters.require_class:
        return False
    if "orgs" in merged.tables:
        change = merged.tables["orgs"].rows["_change"]
        if pc.any(pc.is_in(change, value_set=pa.array(_NOTICED))).as_py():
            return False
    connection, run_id = merged.connection, state.current_run_id
    if had_holds_or_rollback(connection, merged.district, run_id):
        return False
    return not has_undecided_findings(connection, merged.district, run_id)


def _touched(tables: Mapping[str, TableChanges]) -> pa.ChunkedArray:
    columns = (("users", "sourced_id"), ("user_roles", "user_sourced_id"), ("demographics", "sourced_id"))
    return concat_keys(*(tables[name].rows[column] for name, column in columns if name in tables))


def _as_they_were_and_will_be(district: District, merged: RosterChanges, keys: pa.ChunkedArray) -> pa.Table:
    columns = sorted({"sourced_id", "identifier", "email", *source_columns(district)})
    of = ColumnFilter("sourced_id", keys)
    return pa.concat_tables([merged.before("users", columns, of), merged.after("users", columns, of)])


#: Withheld content is published nowhere, and a delta would not bring it again.
_COMES_AGAIN = ("updates", "identities", "additions")


@dataclass(frozen=True)
class ChangeSetDraft:
    """What a night comes to.

    :param mapped: the accounts as they will be.
    :param held_rows: what the holds name, in `HELD_ROWS_SCHEMA`.
    :param came_back: rows of living holds whose reason is gone, in `CAME_BACK_SCHEMA`.
    :param full_required: why a hold needs the next pull to be a full one; empty if none does.
    :param expected_accounts: all accounts as they have to be after this, in columns of the table; None where only some
        people were mapped.
    """

    mapped: Mapped
    holds: list[Hold]
    held_rows: pa.Table
    came_back: pa.Table
    full_required: str
    expected_accounts: pa.Table | None = None


def approved_removals(living: pa.Table) -> pa.Table:
    """Removals a person has agreed to: they need no pull that repeats them.

    A first absence is not among them, for the second may not come; nor are old ids, which go when the new ones come.

    :param living: in `LIVING_HOLD_ROWS_SCHEMA`.
    """
    is_removal = pc.and_(pc.equal(living["kind"], "removals"), pc.equal(living["change"], "removed"))
    return living.filter(pc.and_(is_removal, living["is_approved"])).select(["table_name", "row_key", "because"])


def build_change_set(
    district: District,
    merged: RosterChanges,
    pull: Pull,
    collections: list[ValidatedCollection],
    living: pa.Table,
    night: date,
    write: Callable[[str, pa.Table], list[Part]],
) -> ChangeSetDraft:
    """Judge, withhold and map.

    :param merged: tonight laid over the published roster; afterwards it is what may be published.
    :param collections: what was pulled.
    :param living: rows of living holds, in `LIVING_HOLD_ROWS_SCHEMA`.
    :param write: writes a table's changes to the landing zone; all but accounts are written before accounts are made.
    """
    evidence = _evidence(district, merged, pull, collections, living, night)
    records = judge(district, evidence)
    del evidence
    if records.withheld.num_rows:
        merged.withhold(records.withheld)
    merged.count_removed_with_owner()
    columns = required_user_columns(district)
    merged.spill_to_landing(write, columns)
    give_back_what_is_free()
    whom = affected_users(district, merged, pull, living, night)
    mapped = map_accounts(district, merged.mapping_input(columns, whom), night)
    if whom is not None:
        mapped = with_unaffected_users(merged, mapped, whom)
    give_back_what_is_free()
    merged.add_accounts(mapped, whom)
    expected = mapped.accounts.select(COMPARED_OF_ACCOUNTS) if whom is None else None
    with_accounts = _evidence(district, merged, pull, collections, living, night)
    accounts = judge_accounts(district, with_accounts, mapped)
    back = came_back(with_accounts, mapped.name_changes)
    if accounts.withheld.num_rows:
        before = merged.tables["accounts"].keys()
        mapped = merged.withhold_accounts(mapped, accounts.withheld["row_key"])
        if expected is not None:
            withheld = difference(before, merged.tables["accounts"].keys())
            expected = merged.with_published_accounts(expected, withheld)
    merged.parts["accounts"] = write("accounts", merged.tables["accounts"].rows)
    holds = [*records.holds, *accounts.holds]
    return ChangeSetDraft(
        mapped=mapped,
        holds=holds,
        held_rows=pa.concat_tables([records.rows, accounts.rows]),
        came_back=back,
        full_required=_full_required(holds, living),
        expected_accounts=expected,
    )


def _evidence(
    district: District,
    merged: RosterChanges,
    pull: Pull,
    collections: list[ValidatedCollection],
    living: pa.Table,
    night: date,
) -> Evidence:
    before = merged.state.rules_digest
    return Evidence(
        night=night,
        collections=collections,
        changes={name: made.rows.append_column(KEY, made.keys()) for name, made in merged.tables.items()},
        received={name: made.received for name, made in merged.tables.items()},
        counts={name: made.counts for name, made in merged.tables.items()},
        readers=_readers(district, merged),
        living=living,
        landed=pull.collections,
        rules_changed=before is not None and before != rules_digest(district),
    )


def _readers(district: District, merged: RosterChanges) -> PublishedLookups:
    students, others = measured_apart(district.roles)
    decided = {} if district.sites is None else district.sites.map
    sites = {school: site for school, site in decided.items() if site not in (LEAVE_OUT, UNDECIDED)}
    return PublishedLookups(merged.connection, merged.district, students, others, sites)


def _full_required(holds: list[Hold], living: pa.Table) -> str:
    kinds = {hold.kind for hold in holds} | set(living["kind"].unique().to_pylist())
    return "what a hold keeps back has to come again" if kinds & set(_COMES_AGAIN) else ""
