"""The stage merge: tonight's accepted records laid over the published roster yield the change set.

Nothing else decides what changes. It reads one snapshot of the warehouse and writes nothing there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from include.contracts import (
    REJECT_SCHEMA,
    Finding,
    InClasses,
    Mapped,
    People,
    Pull,
    TableCounts,
    Validated,
    ValidatedCollection,
    accepted_schema,
    change_schema,
    read_rows,
)
from include.errors import RollcallError
from include.expectations.judge import Judge
from include.expectations.severities import Severities
from include.landing import PullFolder
from include.merge.compare import (
    TableChanges,
    arrivals,
    confirmed,
    counted,
    departures,
    leaving,
    with_changed_fields,
)
from include.merge.digest import row_keys
from include.merge.facts import facts
from include.merge.hold_accounts import hold_accounts
from include.merge.published import (
    DistrictState,
    PublishedRows,
    district_state,
    read_live_rows,
    read_published,
    read_rows_by_key,
)
from include.merge.references import Targets
from include.merge.returning import returning
from include.merge.shares import jumps, people_with_facts, read_published_shares
from include.merge.verdict import Verdict, judged
from include.merge.withholding import withhold
from include.settings import RuleChange
from include.tables import COLLECTIONS, TABLES, Table, tables_of

_NONE = pa.chunked_array([], pa.string())

#: Tables whose rows mapping, or a rule about another table, needs as they will be.
_NEEDED_LATER = ("orgs", "academic_sessions", "class_terms", "users", "user_roles")

#: The columns of enrollments that mapping needs where accounts depend on them.
_IN_CLASSES = ["sourced_id", "user_sourced_id", "class_sourced_id", "end_date"]


@dataclass
class Merged:
    """The change set in the making, in memory, within one task."""

    connection: sa.Connection
    district: str
    state: DistrictState
    judge: Judge
    approved: pa.Table
    tables: dict[str, TableChanges] = field(default_factory=dict)
    rejects: list[pa.Table] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    accepted: dict[str, pa.Table] = field(default_factory=dict)
    removed: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    enrolled: pa.ChunkedArray | None = None
    with_enrollments: bool = False

    def after(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A table's live rows as they will be: accepted tonight, and those that stay without having been received."""
        table = TABLES[name]
        wanted = list(columns or table.names)
        if name not in self.tables or name not in self.accepted:
            return read_live_rows(self.connection, self.district, table, wanted)
        kept = _split_key(table, self.tables[name].kept)
        stays = read_rows_by_key(self.connection, self.district, table, kept, wanted)
        return pa.concat_tables([self.accepted[name].select(wanted), stays])

    def keys_after(self) -> dict[str, pa.ChunkedArray]:
        """Per table settled so far, the keys that will be live."""
        return {name: _joined(changes.received, changes.kept) for name, changes in self.tables.items()}

    def people(self) -> People:
        """What mapping works on."""
        return People(
            orgs=self.after("orgs", ["sourced_id", "name", "type"]),
            users=self.after("users"),
            user_roles=self.after("user_roles"),
            accounts=read_live_rows(self.connection, self.district, TABLES["accounts"], TABLES["accounts"].names),
            in_classes=self._in_classes() if self.with_enrollments else None,
        )

    def _in_classes(self) -> InClasses:
        return InClasses(
            enrollments=self.after("enrollments", _IN_CLASSES).drop_columns(["sourced_id"]),
            class_terms=self.after("class_terms"),
            academic_sessions=self.after("academic_sessions", ["sourced_id", "end_date"]),
        )

    def extend(self, mapped: Mapped) -> None:
        """Add what mapping decided: accounts are a table like others, only that what mapping does not yield goes."""
        table = TABLES["accounts"]
        published = read_published(self.connection, self.district, table)
        arrived = self._explained(table, arrivals(table, mapped.accounts, published))
        because = mapped.left_out.select(["user_sourced_id", "reason"]).rename_columns(["owner", "because"])
        keys = row_keys(table, mapped.accounts)
        rows = pa.concat_tables([arrived, leaving(table, published, keys, because)])
        counts = counted(rows, accepted=mapped.accounts.num_rows, received=mapped.accounts.num_rows, rejected=0)
        self.tables["accounts"] = _changes(table, rows, counts, published, keys)

    def withhold(self, named: pa.Table) -> None:
        """Leave the named rows, and what hangs on them, as they are published.

        :param named: `table_name`, `row_key` and `change`.
        """
        before = self.tables
        self.tables = withhold(before, named, self._published_owners)
        for name, accepted in self.accepted.items():
            withheld = _beside(before[name].keys(), self.tables[name].keys())
            keys = row_keys(TABLES[name], accepted)
            self.accepted[name] = accepted.filter(pc.invert(pc.is_in(keys, value_set=withheld)))

    def withhold_accounts(self, mapped: Mapped, keys: pa.Array | pa.ChunkedArray) -> Mapped:
        """Leave these accounts as they are published; returns what is left of the mapping."""
        columns = ["user_sourced_id", "site_id", "username"]
        published = read_live_rows(self.connection, self.district, TABLES["accounts"], columns)
        self.tables["accounts"], mapped = hold_accounts(self.tables["accounts"], mapped, published, keys)
        return mapped

    def _published_owners(self, table: Table, keys: pa.ChunkedArray) -> pa.Table:
        wanted = pa.table({table.key[0]: keys})
        return read_rows_by_key(self.connection, self.district, table, wanted, [*table.key, *table.owners])

    def _explained(self, table: Table, rows: pa.Table) -> pa.Table:
        """Arrivals, the changed ones with the names of the columns that differ."""
        is_changed = pc.equal(rows["_change"], "changed")
        changed = rows.filter(is_changed)
        if not changed.num_rows:
            return rows
        before = read_rows_by_key(self.connection, self.district, table, changed)
        return pa.concat_tables([rows.filter(pc.invert(is_changed)), with_changed_fields(table, changed, before)])


def merge(
    connection: sa.Connection,
    folder: PullFolder,
    pull: Pull,
    validated: Validated,
    rules: Mapping[str, RuleChange],
    *,
    approved: pa.Table,
    with_enrollments: bool = False,
) -> Merged:
    """Lay tonight over the published roster.

    :param connection: in a transaction whose snapshot does not move (repeatable read).
    :param rules: those the district has raised or lowered.
    :param approved: removals a person has agreed to (`table_name`, `row_key`, `because`), done now whether or not
        tonight's pull repeats them.
    :param with_enrollments: mapping needs them too.
    :raises RollcallError: `pull_is_older` when readers already have a newer roster than this pull.
    """
    state = district_state(connection, pull.district)
    refuse_older(state, pull)
    judge = Judge(Severities(rules, pull.district))
    merged = Merged(connection, pull.district, state, judge, approved, with_enrollments=with_enrollments)
    collections = {collection.collection: collection for collection in validated.collections}
    refused = read_rows(folder, validated.rejects, REJECT_SCHEMA, ["collection", "sourced_id"])
    for name in COLLECTIONS:
        for table in tables_of(name):
            if name in collections:
                _merge_table(merged, folder, pull, collections[name], table, refused)
            else:
                _follow_owners(merged, pull, table)
    _judge_shares(merged)
    return merged


def refuse_older(state: DistrictState, pull: Pull) -> None:
    """A pull older than the published roster must not overwrite it; the very pull that is published may be repeated."""
    current = state.current_as_of
    if current is None or pull.as_of >= current:
        return
    raise RollcallError(
        "pull_is_older",
        f"Readers of {pull.district} have the roster of {current:%Y-%m-%d %H:%M} UTC; this pull is from "
        f"{pull.as_of:%Y-%m-%d %H:%M} UTC.",
        remedy="Nothing needs to be done. For a newer roster, run a sync now.",
        district=pull.district,
    )


def _merge_table(
    merged: Merged, folder: PullFolder, pull: Pull, collection: ValidatedCollection, table: Table, refused: pa.Table
) -> None:
    everything = read_rows(folder, collection.parts.get(table.name, []), accepted_schema(table))
    is_own = table.parent is None
    is_tombstone = pc.equal(everything["status"], "tobedeleted") if is_own else None
    tombstones = everything["sourced_id"].filter(is_tombstone) if is_own else _NONE
    active = everything.filter(pc.invert(is_tombstone)) if len(tombstones) else everything
    published = read_published(merged.connection, pull.district, table)
    if table.parent:
        active = active.filter(pc.is_in(active[table.key[0]], value_set=merged.tables[table.parent].received))
    verdict = _judged(merged, table, active, tombstones, refused)
    merged.findings.extend(verdict.findings)
    merged.rejects.append(verdict.rejects)
    active = verdict.accepted
    excused = refused.filter(pc.equal(refused["collection"], collection.collection))["sourced_id"]
    keys = row_keys(table, active)
    arrived = merged._explained(table, arrivals(table, active, published))
    departed = departures(
        table,
        published,
        received=keys,
        tombstones=tombstones,
        excused=_joined(excused, verdict.rejects["sourced_id"]) if is_own else _NONE,
        whole_owners=merged.tables[table.parent].received if table.parent else None,
        removed_owners={name: done.removed for name, done in merged.tables.items()},
        absence_counts=is_own and collection.proves_absence,
        as_of=pull.as_of,
        approved=_of(merged.approved, table),
    )
    # of a collection read in full whatever returns has been received; parts come with their record
    helped = is_own and not collection.proves_absence
    spoken_of = _joined(keys, tombstones)
    restored = _returning(merged, table, published, spoken_of) if helped else change_schema(table).empty_table()
    rows = pa.concat_tables([arrived, departed, confirmed(table, published, tombstones), restored])
    counts = counted(
        rows,
        accepted=active.num_rows + restored.num_rows,
        received=collection.received if is_own else everything.num_rows,
        rejected=(collection.rejected if is_own else 0) + verdict.rejects.num_rows,
    )
    merged.tables[table.name] = _changes(table, rows, counts, published, keys)
    if table.name in _NEEDED_LATER:
        merged.accepted[table.name] = active
    if table.name == "enrollments" and merged.with_enrollments:
        merged.accepted[table.name] = pa.concat_tables([active.select(_IN_CLASSES), restored.select(_IN_CLASSES)])
    if is_own:
        gone = published.keys.filter(pc.invert(published.is_live))
        merged.removed[table.name] = _joined(gone, merged.tables[table.name].removed, tombstones)
    if table.name == "enrollments":
        stays = pc.is_in(published.keys, value_set=merged.tables[table.name].kept)
        users = (rows["user_sourced_id"] for rows in (active, published.rows.filter(stays), restored))
        merged.enrolled = _joined(*users)


def _judged(merged: Merged, table: Table, active: pa.Table, tombstones: pa.ChunkedArray, refused: pa.Table) -> Verdict:
    """Tonight's rows of a table, judged against the roster as it will be."""
    live = merged.keys_after()
    staying = active.slice(0, 0)
    if "parent_sourced_id" in table.names:
        staying = read_live_rows(merged.connection, merged.district, table, ["sourced_id", "parent_sourced_id"])
        known = _joined(active["sourced_id"], tombstones)
        staying = staying.filter(pc.invert(pc.is_in(staying["sourced_id"], value_set=known)))
        live[table.name] = _joined(active["sourced_id"], staying["sourced_id"])
    rejects = pa.concat_tables([rows.select(["collection", "sourced_id"]) for rows in (refused, *merged.rejects)])
    names = rejects["collection"].unique().to_pylist()
    targets = Targets(
        live=live,
        refused={name: rejects.filter(pc.equal(rejects["collection"], name))["sourced_id"] for name in names},
        removed=merged.removed,
    )
    return judged(merged.judge, active, table, facts(table, active, targets, staying, merged.after))


def _judge_shares(merged: Merged) -> None:
    """Whether suddenly many people are without e-mail, class or school; asked when everything else is settled."""
    enrolled = merged.enrolled
    if enrolled is None:
        enrolled = merged.after("enrollments", ["user_sourced_id"])["user_sourced_id"]
    people = people_with_facts(
        merged.after("users", ["sourced_id", "email"]),
        merged.after("user_roles", ["user_sourced_id", "org_sourced_id", "role"]),
        merged.after("orgs", ["sourced_id"])["sourced_id"],
        enrolled,
    )
    merged.findings.extend(jumps(merged.judge, people, read_published_shares(merged.connection, merged.district)))


def _follow_owners(merged: Merged, pull: Pull, table: Table) -> None:
    """A table that was not pulled changes only where the owners of its rows were removed."""
    owners = [merged.tables[owner] for owner in table.owners.values() if owner in merged.tables]
    approved = _of(merged.approved, table)
    if not approved.num_rows and not any(len(changes.removed) or changes.counts.returned for changes in owners):
        return
    removed = {changes.table.name: changes.removed for changes in owners}
    published = read_published(merged.connection, pull.district, table)
    departed = departures(
        table,
        published,
        received=_NONE,
        tombstones=_NONE,
        excused=_NONE,
        whole_owners=None,
        removed_owners=removed,
        absence_counts=False,
        as_of=pull.as_of,
        approved=approved,
    )
    restored = _returning(merged, table, published, _NONE)
    rows = pa.concat_tables([departed, restored])
    if rows.num_rows:
        counts = counted(rows, accepted=restored.num_rows, received=0, rejected=0)
        merged.tables[table.name] = _changes(table, rows, counts, published, _NONE)
        if table.name == "enrollments" and merged.with_enrollments:
            merged.accepted[table.name] = restored.select(_IN_CLASSES)


def _returning(merged: Merged, table: Table, published: PublishedRows, received: pa.ChunkedArray) -> pa.Table:
    return returning(
        merged.connection,
        merged.district,
        table,
        published,
        received=received,
        settled=merged.tables,
        alive=merged.keys_after(),
    )


def _changes(
    table: Table, rows: pa.Table, counts: TableCounts, published: PublishedRows, received: pa.ChunkedArray
) -> TableChanges:
    leaving_rows = rows.filter(pc.equal(rows["_change"], "removed"))
    removed = row_keys(table, leaving_rows)
    live = published.live_keys()
    gone = pc.or_(pc.is_in(live, value_set=received), pc.is_in(live, value_set=removed))
    counts = msgspec.structs.replace(counts, published=len(live))
    return TableChanges(table, rows, counts, received, kept=live.filter(pc.invert(gone)), removed=removed)


def _joined(*keys: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([chunk for array in keys for chunk in array.chunks], pa.string())


def _beside(keys: pa.ChunkedArray, others: pa.ChunkedArray) -> pa.ChunkedArray:
    return keys.filter(pc.invert(pc.is_in(keys, value_set=others)))


def _of(named: pa.Table, table: Table) -> pa.Table:
    return named.filter(pc.equal(named["table_name"], table.name))


def _split_key(table: Table, keys: pa.ChunkedArray) -> pa.Table:
    if len(table.key) == 1:
        return pa.table({table.key[0]: keys})
    split = pc.split_pattern(keys, "\x1f", max_splits=len(table.key) - 1)
    return pa.table({name: pc.list_element(split, index) for index, name in enumerate(table.key)})
