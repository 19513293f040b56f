"""A district's roster at a past instant, rebuilt from the kept pulls by today's rules.

The pulls up to that instant are merged, oldest first. A proven full read of a collection replaces the collection. A
delta or an unproven read adds to it. A tombstone removes a record, and the removal hides its dependents until the
record returns. A rejected record keeps its last accepted version (rule 2). Absence from one complete pull is enough,
because the past needs no caution: nobody loses access. For the same reason nothing is held.

Accounts are rebuilt in the same order. Each pull starts with the accounts of the pull before it, so a username that two
people want stays with the person who had it first. The first pull starts with the accounts that history has just before
it.

The result depends on the pulls and on today's rules. It does not depend on which nights were published or written
before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from rollcall.accounts.mapping import map_accounts
from rollcall.changes.dependents import split_by_owner
from rollcall.changes.references import Targets, compute_facts, judge_rows
from rollcall.expectations.judge import Judge
from rollcall.expectations.severities import Severities
from rollcall.history.pulls import LandedPull, validate_by_current_rules
from rollcall.landing.manifests import read_rows
from rollcall.landing.mapping import BIRTH_DATES_SCHEMA, ClassMembership, MappingInput
from rollcall.landing.rejects import REJECT_SCHEMA
from rollcall.landing.validated import Validated, ValidatedCollection, accepted_schema
from rollcall.landing.zone import Landing
from rollcall.model.tables import COLLECTIONS, TABLES, Table, tables_of
from rollcall.settings import District

_NONE = pa.chunked_array([], pa.string())

#: The collections that accounts are made of.
_FOR_ACCOUNTS = ("orgs", "users")


@dataclass(frozen=True)
class RosterAt:
    """A roster at the instant of a pull.

    :param tables: the live rows per table, in the table's own schema. A collection without a complete read up to then
        is missing here, because only a part of it is known.
    """

    known: LandedPull
    tables: dict[str, pa.Table]

    @property
    def unknown(self) -> list[str]:
        """Tables that are not known in full."""
        return [name for name in TABLES if name not in self.tables]


def rebuild_rosters(
    landing: Landing, district: District, pulls: Sequence[LandedPull], holders: pa.Table
) -> Iterator[RosterAt]:
    """The roster at the instant of each pull.

    :param district: with today's rules, its site targets resolved.
    :param pulls: from the first kept one on, in order.
    :param holders: the accounts just before the first pull.
    """
    merged = _MergedPulls(Judge(Severities(district.rules, district.district)))
    for known in pulls:
        merged.merge(known, validate_by_current_rules(landing, district, known))
        tables = {name: merged.live(TABLES[name]) for name in merged.tables_in_full()}
        if set(_FOR_ACCOUNTS) <= merged.read_in_full:
            people = _people(district, merged, tables, holders)
            holders = map_accounts(district, people, known.night(district)).accounts
            tables["accounts"] = holders
        yield RosterAt(known, tables)


def _people(district: District, merged: _MergedPulls, tables: dict[str, pa.Table], holders: pa.Table) -> MappingInput:
    in_classes = None
    if district.filters.require_class:
        rows = {name: tables.get(name, merged.rows_of(name)) for name in ("enrollments", "class_terms")}
        in_classes = ClassMembership(**rows, academic_sessions=merged.rows_of("academic_sessions"))
    return MappingInput(
        orgs=tables["orgs"],
        users=tables["users"],
        user_roles=tables["user_roles"],
        accounts=holders,
        in_classes=in_classes,
        birth_dates=merged.live(TABLES["demographics"]).select(BIRTH_DATES_SCHEMA.names),
    )


@dataclass
class _MergedPulls:
    """The pulls merged so far.

    :param rows: the known rows per table, including rows hidden because their person or class is removed.
    :param removed: per collection, the sourcedIds of records that existed and no longer do.
    :param read_in_full: collections with a complete read.
    """

    judge: Judge
    rows: dict[str, pa.Table] = field(default_factory=dict)
    removed: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    read_in_full: set[str] = field(default_factory=set)

    def rows_of(self, name: str, columns: list[str] | None = None) -> pa.Table:
        rows = self.rows.get(name, accepted_schema(TABLES[name]).empty_table())
        return rows.select(columns) if columns else rows

    def tables_in_full(self) -> list[str]:
        return [name for name, table in TABLES.items() if table.collection in self.read_in_full]

    def live(self, table: Table) -> pa.Table:
        """A table's rows without those whose person or class is removed."""
        rows = self.rows_of(table.name)
        for column, owner in table.owners.items():
            rows = rows.filter(pc.invert(pc.is_in(rows[column], value_set=self.removed.get(owner, _NONE))))
        return rows

    def merge(self, known: LandedPull, validated: Validated) -> None:
        """Merge one more pull."""
        rejected = read_rows(known.folder, validated.rejects, REJECT_SCHEMA, ["collection", "sourced_id"])
        pull = _MergingPull(known, rejected)
        collections = {collection.collection: collection for collection in validated.collections}
        for name in COLLECTIONS:
            if name in collections:
                self._merge_collection(pull, collections[name])

    def _merge_collection(self, pull: _MergingPull, collection: ValidatedCollection) -> None:
        own, *parts = tables_of(collection.collection)
        everything = pull.rows(collection, own)
        is_tombstone = pc.equal(everything["status"], "tobedeleted")
        tombstones = everything.filter(is_tombstone)["sourced_id"]
        before = self.rows_of(own.name)
        received = self._accepted(pull, own, everything.filter(pc.invert(is_tombstone)), tombstones)
        stays = pc.invert(pc.is_in(before["sourced_id"], value_set=_joined(received["sourced_id"], tombstones)))
        if collection.proves_absence:
            stays = pc.and_(stays, pc.is_in(before["sourced_id"], value_set=pull.rejected_of(own.name)))
            self.read_in_full.add(own.name)
        staying = before.filter(stays)
        self.rows[own.name] = pa.concat_tables([received, staying])
        now = self.rows[own.name]["sourced_id"]
        were = _joined(self.removed.get(own.name, _NONE), before["sourced_id"], tombstones)
        gone = were.filter(pc.invert(pc.is_in(were, value_set=now))).unique()
        self.removed[own.name] = pa.chunked_array([gone], pa.string())
        pull.live[own.name] = now
        for table in parts:
            owner = table.key[0]
            came = pull.rows(collection, table)
            came = came.filter(pc.is_in(came[owner], value_set=received["sourced_id"]))
            came = self._accepted(pull, table, came, _NONE)
            was = self.rows_of(table.name)
            was = was.filter(pc.is_in(was[owner], value_set=staying["sourced_id"]))
            self.rows[table.name] = pa.concat_tables([came, was])

    def _accepted(self, pull: _MergingPull, table: Table, rows: pa.Table, tombstones: pa.ChunkedArray) -> pa.Table:
        """The pull's rows of a table that a merge accepts. Rejected ones are added to the pull's `rejected`."""
        live, staying = dict(pull.live), rows.slice(0, 0)
        if "parent_sourced_id" in table.names:
            known = _joined(rows["sourced_id"], tombstones)
            staying = self.rows_of(table.name, ["sourced_id", "parent_sourced_id"])
            staying = staying.filter(pc.invert(pc.is_in(staying["sourced_id"], value_set=known)))
            live[table.name] = _joined(rows["sourced_id"], staying["sourced_id"])
        # a row needs its owner; if this pull does not include the owner's collection, an earlier pull counts
        unread = {name for name in table.owners.values() if name not in live and name in self.rows}
        live |= {name: self.rows[name]["sourced_id"] for name in unread}
        rejected = {name: pull.rejected_of(name) for name in COLLECTIONS}
        targets = Targets(live=live, refused=rejected, removed=self.removed)
        if table.parent is None and table.owners:
            parted = split_by_owner(rows, table, targets, {})
            pull.reject(table, parted.gone["sourced_id"])
            rows = parted.settled
        made = compute_facts(table, rows, targets, staying, self.rows_of)
        # only a rule that some rows break can reject one; shares of correct rows are of no use here
        broken = {name: values for name, values in made.items() if not pc.all(values, min_count=0).as_py()}
        if not broken:
            return rows
        verdict = judge_rows(self.judge, rows, table, broken)
        pull.rejected = pa.concat_tables([pull.rejected, verdict.rejects.select(pull.rejected.column_names)])
        return verdict.accepted


@dataclass
class _MergingPull:
    """One pull while it is merged.

    :param rejected: `collection` and `sourced_id` of every record rejected so far.
    :param live: the live sourcedIds of each collection merged so far. References to other collections are checked only
        if a record cannot exist without their target.
    """

    known: LandedPull
    rejected: pa.Table
    live: dict[str, pa.ChunkedArray] = field(default_factory=dict)

    def rows(self, collection: ValidatedCollection, table: Table) -> pa.Table:
        return read_rows(self.known.folder, collection.parts.get(table.name, []), accepted_schema(table))

    def reject(self, table: Table, keys: pa.ChunkedArray) -> None:
        """Reject a table's records with these keys. Their earlier versions stay."""
        if len(keys):
            names = pa.array([table.name] * len(keys), pa.string())
            more = pa.table({"collection": names, "sourced_id": keys})
            self.rejected = pa.concat_tables([self.rejected, more.select(self.rejected.column_names)])

    def rejected_of(self, collection: str) -> pa.ChunkedArray:
        return self.rejected.filter(pc.equal(self.rejected["collection"], collection))["sourced_id"]


def _joined(*keys: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([chunk for array in keys for chunk in array.chunks], pa.string())
