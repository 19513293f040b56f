"""Whom a delta maps: everybody whose account tonight may make another one, and nobody else.

An account depends on its user and their roles, on the records of the same person, on who has or wants the same
username, and on the day. After a publication that held nothing everybody has what mapping gives them, so it is enough
to begin with those whom tonight touches and to go on to whoever shares an identifier with them or has a username they
may want, until nobody is added. Who wants a username without having it is left out because of that, and is always among
them. Whatever else decides accounts, such as the district's rules, its schools, or holds, decides about everybody; then
everybody is mapped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from include.contracts import Mapped, Pull
from include.coverage import coverage
from include.mapping.findings import findings_about_people, is_about_people
from include.mapping.usernames import keys_from_any_source, source_columns
from include.merge.compare import TableChanges
from include.merge.merged import Merged, beside, joined
from include.merge.published import Of
from include.merge.related import (
    has_undecided,
    having_usernames,
    left_out_now,
    person_findings_now,
    sharing_emails,
    sharing_identifiers,
    waiting_for_a_username,
    was_anything_held,
    whose_day_it_is,
)
from include.settings import District, night_of, rules_digest
from include.username_text import username_key

#: Where more of the people than this are in reach all of them are mapped: that is faster then.
_MANY = 0.25

#: What changes of an org a mapping may notice.
_NOTICED = ("added", "changed", "returned", "removed")


def whom_to_map(
    district: District, merged: Merged, pull: Pull, living: pa.Table, night: date
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
    waiting = waiting_for_a_username(connection, key)
    since = night_of(before, district.schedule.timezone)
    today = whose_day_it_is(connection, key, since, night, district.filters.days_early)
    found = joined(_touched(merged.tables), pa.chunked_array([decided]), waiting, today)
    names = {username_key(one.username) for one in district.people.values() if one.username is not None}
    most = _MANY * merged.count_after("users")
    whom = joined()
    while len(found := pa.chunked_array([beside(found, whom).unique()], pa.string())):
        whom = joined(whom, found)
        if len(whom) > most:
            return None
        users = _as_they_were_and_will_be(district, merged, found)
        names |= keys_from_any_source(district, users)
        found = having_usernames(connection, key, names)
        if district.person_key == "identifier":
            found = joined(found, sharing_identifiers(connection, key, users["identifier"]))
        elif district.person_key == "email":
            found = joined(found, sharing_emails(connection, key, users["email"]))
    return whom


def with_the_others(merged: Merged, mapped: Mapped, whom: pa.ChunkedArray) -> Mapped:
    """What mapping makes of everybody when only these users were mapped."""
    others = left_out_now(merged.connection, merged.district)
    others = others.filter(pc.invert(pc.is_in(others["user_sourced_id"], value_set=whom)))
    left_out = pa.concat_tables([others, mapped.left_out]).sort_by("user_sourced_id")
    found = person_findings_now(merged.connection, merged.district)
    found = found.filter(pc.invert(pc.is_in(found["user_sourced_id"], value_set=whom)))
    found = pa.concat_tables([found, mapped.person_findings]).sort_by(
        [("user_sourced_id", "ascending"), ("rule", "ascending")]
    )
    findings = [finding for finding in mapped.findings if not is_about_people(finding)]
    return replace(
        mapped,
        left_out=left_out,
        coverage=coverage(merged.count_after("users"), left_out),
        findings=[*findings, *findings_about_people(found)],
        person_findings=found,
    )


def _is_about_some(district: District, merged: Merged, pull: Pull, living: pa.Table) -> bool:
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
    if was_anything_held(connection, merged.district, run_id):
        return False
    return not has_undecided(connection, merged.district, run_id)


def _touched(tables: Mapping[str, TableChanges]) -> pa.ChunkedArray:
    columns = (("users", "sourced_id"), ("user_roles", "user_sourced_id"), ("demographics", "sourced_id"))
    return joined(*(tables[name].rows[column] for name, column in columns if name in tables))


def _as_they_were_and_will_be(district: District, merged: Merged, keys: pa.ChunkedArray) -> pa.Table:
    columns = sorted({"sourced_id", "identifier", "email", *source_columns(district)})
    of = Of("sourced_id", keys)
    return pa.concat_tables([merged.before("users", columns, of), merged.after("users", columns, of)])
