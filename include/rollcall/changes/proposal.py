"""Compare tonight's accepted records with the published roster and propose the changes.

Only this module decides what changes. It reads one snapshot of the warehouse and writes nothing to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from rollcall.changes.comparison import (
    TableChanges,
    count_changes,
    find_arrivals,
    find_confirmed_removals,
    find_departures,
)
from rollcall.changes.dependents import (
    RowsByOwner,
    find_returns,
    returned_keys,
    split_by_owner,
    with_pending_removals_live,
)
from rollcall.changes.published import (
    KeyFilter,
    PublishedRows,
    district_state,
    read_live_rows,
    read_published,
    with_owners,
)
from rollcall.changes.references import REFERENCES, Targets, Verdict, compute_facts, judge_rows
from rollcall.changes.roster_changes import IN_CLASSES, NONE, RosterChanges, concat_keys
from rollcall.changes.shares import find_jumps, may_jump, people_with_facts, read_published_shares
from rollcall.expectations.judge import Judge
from rollcall.expectations.severities import Severities
from rollcall.expectations.suites.orphans import reasons_while_unproven
from rollcall.landing.change_set import change_schema
from rollcall.landing.manifests import read_rows
from rollcall.landing.mapping import BIRTH_DATES_SCHEMA
from rollcall.landing.pull import Pull
from rollcall.landing.rejects import REJECT_SCHEMA
from rollcall.landing.validated import Validated, ValidatedCollection, accepted_schema
from rollcall.landing.zone import PullFolder
from rollcall.model.keys import row_keys
from rollcall.model.tables import COLLECTIONS, Table, tables_of
from rollcall.runtime.memory import release_free_memory
from rollcall.settings import RuleChange
from rollcall.warehouse.clock import require_not_older, warehouse_now

#: Tables whose rows after tonight are needed by mapping or by a rule about another table.
_NEEDED_LATER = ("orgs", "academic_sessions", "class_terms", "users", "user_roles")


def propose_changes(
    connection: sa.Connection,
    folder: PullFolder,
    pull: Pull,
    validated: Validated,
    rules: Mapping[str, RuleChange],
    *,
    approved: pa.Table,
    with_enrollments: bool = False,
) -> RosterChanges:
    """Propose the changes of tonight's pull.

    :param connection: in a transaction whose snapshot does not move (repeatable read).
    :param rules: those the district has raised or lowered.
    :param approved: removals a person has agreed to (`table_name`, `row_key`, `reason`), done now whether or not
        tonight's pull repeats them.
    :param with_enrollments: mapping needs them too.
    :raises RollcallError: `pull_is_older` if the published roster is newer than this pull.
    :raises ActionRequired: `state_in_future` when that is so because a clock was ahead.
    """
    state = district_state(connection, pull.district)
    require_not_older(warehouse_now(connection), pull.as_of, state.current_as_of, pull.district)
    judge = Judge(Severities(rules, pull.district))
    merged = RosterChanges(connection, pull.district, state, judge, approved, with_enrollments=with_enrollments)
    collections = {collection.collection: collection for collection in validated.collections}
    refused = read_rows(folder, validated.rejects, REJECT_SCHEMA, ["collection", "sourced_id"])
    for name in COLLECTIONS:
        for table in tables_of(name):
            if name in collections:
                _merge_table(merged, folder, pull, collections[name], table, refused)
            else:
                _follow_owners(merged, pull, table)
        release_free_memory()
    _judge_shares(merged)
    return merged


def _merge_table(
    merged: RosterChanges,
    folder: PullFolder,
    pull: Pull,
    collection: ValidatedCollection,
    table: Table,
    refused: pa.Table,
) -> None:
    everything = read_rows(folder, collection.parts.get(table.name, []), accepted_schema(table))
    is_own = table.parent is None
    is_tombstone = pc.equal(everything["status"], "tobedeleted") if is_own else None
    tombstones = everything["sourced_id"].filter(is_tombstone) if is_own else NONE
    received_count = everything.num_rows
    active = everything.filter(pc.invert(is_tombstone)) if len(tombstones) else everything
    del everything  # two copies of enrollments would take too much memory
    if table.parent:
        active = active.filter(pc.is_in(active[table.key[0]], value_set=merged.tables[table.parent].received))
    # a delta reads the rows it received and the rows that depend on them
    is_delta = pull.mode == "delta" and not collection.proves_absence
    key_filter = _key_filter(merged, table, concat_keys(row_keys(table, active), tombstones)) if is_delta else None
    published = read_published(merged.connection, pull.district, table, key_filter)
    about = _about(merged, table, active, tombstones, refused)
    parted = split_by_owner(active, table, about.targets, about.going_tonight) if is_own and table.owners else None
    if parted is not None:
        active = parted.settled
    verdict = _judged(merged, pull, table, active, about)
    merged.findings.extend(verdict.findings)
    merged.rejects.append(verdict.rejects)
    if verdict.rejects.num_rows and any(owner not in merged.tables for owner in table.owners.values()):
        merged.lacks_targets = True  # the next pull may bring their owners, but not these rows again
    active = verdict.accepted
    excused = refused.filter(pc.equal(refused["collection"], collection.collection))["sourced_id"]
    keys = row_keys(table, active)
    published = with_owners(merged.connection, pull.district, table, published.with_received(keys))
    arrived = merged.with_changed_fields(table, find_arrivals(table, active, published), published)
    departed = find_departures(
        table,
        published,
        tombstones=tombstones,
        excused=concat_keys(excused, verdict.rejects["sourced_id"], _not_taken(parted)) if is_own else NONE,
        whole_owners=merged.tables[table.parent].received if table.parent else None,
        removed_owners={name: done.removed for name, done in merged.tables.items()},
        absence_counts=is_own and collection.proves_absence,
        as_of=pull.as_of,
        approved=_rows_of(merged.approved, table),
    )
    # in a full collection, every returning row has been received; parts arrive with their record
    may_restore = is_own and not collection.proves_absence
    received_keys = concat_keys(keys, tombstones)
    restored = (
        _returning(merged, table, published, received_keys) if may_restore else change_schema(table).empty_table()
    )
    rows = pa.concat_tables([arrived, departed, find_confirmed_removals(table, published, tombstones), restored])
    counts = count_changes(
        rows,
        accepted=active.num_rows + restored.num_rows,
        received=collection.received if is_own else received_count,
        rejected=(collection.rejected if is_own else 0) + verdict.rejects.num_rows,
    )
    made = merged.add_table(table, rows, counts, published, keys)
    if parted is not None:
        made = _add_pending(merged, pull, table, published, parted, about)
    if table.name in _NEEDED_LATER:
        merged.accepted[table.name] = active
    if table.name == "enrollments" and (merged.with_enrollments or is_delta):
        merged.accepted[table.name] = pa.concat_tables([active.select(IN_CLASSES), restored.select(IN_CLASSES)])
    if table.name == "demographics":
        born = BIRTH_DATES_SCHEMA.names
        merged.accepted[table.name] = pa.concat_tables([active.select(born), restored.select(born)])
    if is_own:
        merged.removed[table.name] = concat_keys(published.gone_keys(), made.removed, tombstones)
    if table.name == "enrollments" and not is_delta:
        stays = pc.is_in(published.keys, value_set=made.kept)
        users = (rows["user_sourced_id"] for rows in (active, published.rows.filter(stays), restored))
        merged.enrolled = concat_keys(*users)


@dataclass(frozen=True)
class _About:
    """The roster that tonight's rows of a table are judged against.

    :param staying: published rows of the table that stay without having been received, where rows refer to others.
    :param going_tonight: per table of owners, the keys that are to be removed tonight.
    """

    targets: Targets
    staying: pa.Table
    going_tonight: Mapping[str, pa.ChunkedArray]


def _about(
    merged: RosterChanges, table: Table, active: pa.Table, tombstones: pa.ChunkedArray, refused: pa.Table
) -> _About:
    """The roster after tonight, as far as these rows refer to it."""
    live, gone = _targets(merged, table, active)
    staying = active.slice(0, 0)
    if "parent_sourced_id" in table.names:
        staying = read_live_rows(merged.connection, merged.district, table, ["sourced_id", "parent_sourced_id"])
        known = concat_keys(active["sourced_id"], tombstones)
        staying = staying.filter(pc.invert(pc.is_in(staying["sourced_id"], value_set=known)))
        live[table.name] = concat_keys(active["sourced_id"], staying["sourced_id"])
    rejects = pa.concat_tables([rows.select(["collection", "sourced_id"]) for rows in (refused, *merged.rejects)])
    names = rejects["collection"].unique().to_pylist()
    targets = Targets(
        live=live,
        refused={name: rejects.filter(pc.equal(rejects["collection"], name))["sourced_id"] for name in names},
        removed=gone,
    )
    tonight = {name: merged.tables[name].removed for name in table.owners.values() if name in merged.tables}
    return _About(targets, staying, tonight)


def _judged(merged: RosterChanges, pull: Pull, table: Table, active: pa.Table, about: _About) -> Verdict:
    """Judge tonight's rows of a table against the roster after tonight."""

    def after(name: str, columns: list[str]) -> pa.Table:
        if name == "class_terms":
            return merged.parts_after(name, "class_sourced_id", active["class_sourced_id"])
        return merged.after(name, columns)

    found = compute_facts(table, active, about.targets, about.staying, after)
    return judge_rows(merged.judge, active, table, found, reasons_while_unproven(pull))


def _not_taken(parted: RowsByOwner | None) -> pa.ChunkedArray:
    return NONE if parted is None else concat_keys(parted.gone["sourced_id"], parted.pending["sourced_id"])


def _add_pending(
    merged: RosterChanges, pull: Pull, table: Table, published: PublishedRows, parted: RowsByOwner, about: _About
) -> TableChanges:
    """Prepare the rows whose owners are removed tonight, in case a hold keeps the owners; count the rest."""
    causes = [parted.gone["reason"]]
    made = merged.tables[table.name]
    if parted.pending.num_rows:
        targets = with_pending_removals_live(about.targets, about.going_tonight)
        verdict = _judged(merged, pull, table, parted.pending, replace(about, targets=targets))
        fine = pc.is_in(parted.pending["sourced_id"], value_set=verdict.accepted["sourced_id"])
        causes.append(parted.causes.filter(pc.invert(fine)))
        rows = merged.with_changed_fields(table, find_arrivals(table, verdict.accepted, published), published)
        rows = pa.concat_tables([rows, _without_change(table, verdict.accepted, rows)])
        at = pc.index_in(rows["sourced_id"], value_set=parted.pending["sourced_id"])
        rows = rows.set_column(rows.column_names.index("_reason"), "_reason", parted.causes.take(at))
        made = merged.tables[table.name] = replace(made, pending=rows)
        merged.pending[table.name] = verdict.accepted
    merged.removed_with_owner[table.name] = causes
    return made


def _without_change(table: Table, accepted: pa.Table, changed: pa.Table) -> pa.Table:
    """The accepted rows that are unchanged, in `change_schema` with a null `_change`."""
    same = accepted.filter(pc.invert(pc.is_in(accepted["sourced_id"], value_set=changed["sourced_id"])))
    schema = change_schema(table)
    columns = [
        same[field.name] if field.name in same.column_names else pa.nulls(same.num_rows, field.type) for field in schema
    ]
    return pa.table(columns, schema=schema)


def _targets(
    merged: RosterChanges, table: Table, rows: pa.Table
) -> tuple[dict[str, pa.ChunkedArray], dict[str, pa.ChunkedArray]]:
    """The targets of these rows' references, per table: keys that will be live, and keys that are gone."""
    live: dict[str, pa.ChunkedArray] = {}
    gone: dict[str, pa.ChunkedArray] = {}
    for reference in REFERENCES[table.name]:
        target = reference.target
        # a needed target must be published if it is not pulled tonight
        if target in merged.tables or (reference.is_needed and merged.is_known(target)):
            there, not_there = merged.targets(target, rows[reference.column])
            live[target] = concat_keys(live.get(target, NONE), there)
            gone[target] = concat_keys(gone.get(target, NONE), not_there)
    return live, gone


def _key_filter(merged: RosterChanges, table: Table, received: pa.ChunkedArray) -> KeyFilter:
    """The published rows that a delta needs: received rows, approved removals, and the rows of owners that are removed,
    return, or are received with all their parts.
    """
    owners: dict[str, pa.ChunkedArray] = {}
    for column, owner in table.owners.items():
        if owner in merged.tables:
            changes = merged.tables[owner]
            whole = changes.received if table.parent == owner else NONE
            owners[column] = concat_keys(changes.removed, returned_keys(changes), whole)
    return KeyFilter(keys=concat_keys(received, _rows_of(merged.approved, table)["row_key"]), owners=owners)


def _judge_shares(merged: RosterChanges) -> None:
    """Find a sudden rise of people without email, class, or school, after all tables are compared."""
    if not may_jump(merged.connection, merged.district, merged.tables):
        return
    enrolled = merged.enrolled
    if enrolled is None:
        enrolled = merged.after("enrollments", ["user_sourced_id"])["user_sourced_id"]
    people = people_with_facts(
        merged.after("users", ["sourced_id", "email"]),
        merged.after("user_roles", ["user_sourced_id", "org_sourced_id", "role"]),
        merged.after("orgs", ["sourced_id"])["sourced_id"],
        enrolled,
    )
    merged.findings.extend(find_jumps(merged.judge, people, read_published_shares(merged.connection, merged.district)))


def _follow_owners(merged: RosterChanges, pull: Pull, table: Table) -> None:
    """A table that was not pulled changes only if owners of its rows are removed or return, or by an approval."""
    owners = [merged.tables[owner] for owner in table.owners.values() if owner in merged.tables]
    approved = _rows_of(merged.approved, table)
    if not approved.num_rows and not any(len(changes.removed) or changes.counts.returned for changes in owners):
        return
    removed = {changes.table.name: changes.removed for changes in owners}
    published = read_published(merged.connection, pull.district, table, _key_filter(merged, table, NONE)).with_received(
        NONE
    )
    departed = find_departures(
        table,
        published,
        tombstones=NONE,
        excused=NONE,
        whole_owners=None,
        removed_owners=removed,
        absence_counts=False,
        as_of=pull.as_of,
        approved=approved,
    )
    restored = _returning(merged, table, published, NONE)
    rows = pa.concat_tables([departed, restored])
    if rows.num_rows:
        counts = count_changes(rows, accepted=restored.num_rows, received=0, rejected=0)
        merged.add_table(table, rows, counts, published, NONE)
        merged.accepted[table.name] = restored.select(table.names)


def _returning(merged: RosterChanges, table: Table, published: PublishedRows, received: pa.ChunkedArray) -> pa.Table:
    return find_returns(
        merged.connection,
        merged.district,
        table,
        published,
        received=received,
        settled=merged.tables,
        alive={
            owner: merged.targets(owner, published.rows[column])[0]
            for column, owner in table.owners.items()
            if merged.is_known(owner)
        },
    )


def _rows_of(named: pa.Table, table: Table) -> pa.Table:
    return named.filter(pc.equal(named["table_name"], table.name))
