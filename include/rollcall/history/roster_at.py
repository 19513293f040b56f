"""S(t): a district's roster at an instant, as far as every pull known tells it by today's rules.

The pulls at or before t are laid over one another, oldest first. A collection read in full and proven replaces what was
known of it, a delta or an unproven pull adds to it; a tombstone removes, and whoever is removed hides what belongs to
them until they return. A rejected record keeps its last accepted version (rule 2). Absence from one complete
pull is enough: looking back nobody needs a second one to be careful. Nothing is held either, for no reader is harmed.

Accounts go the same way: those of each pull are made with those of the pull before as the accounts people have, so that
a username two people want stays with whoever had it first. The accounts from which this begins are those history has
just before the first pull known.

So S(t) depends on the pulls up to t and on today's rules, not on which nights were published or written before.
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

#: Without these nobody can say who has an account.
_FOR_ACCOUNTS = ("orgs", "users")


@dataclass(frozen=True)
class RosterAt:
    """A roster at the instant of a pull.

    :param tables: what was live, per table, in its own schema. Collections of which no complete read is known by then
        are not among them: what is known of those is only a part.
    """

    known: LandedPull
    tables: dict[str, pa.Table]

    @property
    def unknown(self) -> list[str]:
        """Tables nothing can be said about."""
        return [name for name in TABLES if name not in self.tables]


def rebuild_rosters(
    landing: Landing, district: District, pulls: Sequence[LandedPull], holders: pa.Table
) -> Iterator[RosterAt]:
    """The roster at the instant of each pull.

    :param district: with today's rules, its site targets resolved.
    :param pulls: from the first one known on, in order.
    :param holders: the accounts people had just before the first pull.
    """
    laid = _Laid(Judge(Severities(district.rules, district.district)))
    for known in pulls:
        laid.lay(known, validate_by_current_rules(landing, district, known))
        tables = {name: laid.live(TABLES[name]) for name in laid.whole_tables()}
        if set(_FOR_ACCOUNTS) <= laid.read_whole:
            people = _people(district, laid, tables, holders)
            holders = map_accounts(district, people, known.night(district)).accounts
            tables["accounts"] = holders
        yield RosterAt(known, tables)


def rebuild_roster(
    landing: Landing, district: District, pulls: Sequence[LandedPull], t: LandedPull, holders: pa.Table
) -> RosterAt:
    """S(t) for the instant of one of the pulls; parameters as for :func:`rebuild_rosters`."""
    *_, last = rebuild_rosters(landing, district, pulls[: pulls.index(t) + 1], holders)
    return last


def _people(district: District, laid: _Laid, tables: dict[str, pa.Table], holders: pa.Table) -> MappingInput:
    in_classes = None
    if district.filters.require_class:
        rows = {name: tables.get(name, laid.rows_of(name)) for name in ("enrollments", "class_terms")}
        in_classes = ClassMembership(**rows, academic_sessions=laid.rows_of("academic_sessions"))
    return MappingInput(
        orgs=tables["orgs"],
        users=tables["users"],
        user_roles=tables["user_roles"],
        accounts=holders,
        in_classes=in_classes,
        birth_dates=laid.live(TABLES["demographics"]).select(BIRTH_DATES_SCHEMA.names),
    )


@dataclass
class _Laid:
    """The pulls laid over one another so far.

    :param rows: per table what is known, also what hides because its person or class is gone.
    :param gone: per collection the sourcedIds of records that were there and are not.
    :param read_whole: collections of which a complete read is known.
    """

    judge: Judge
    rows: dict[str, pa.Table] = field(default_factory=dict)
    gone: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    read_whole: set[str] = field(default_factory=set)

    def rows_of(self, name: str, columns: list[str] | None = None) -> pa.Table:
        rows = self.rows.get(name, accepted_schema(TABLES[name]).empty_table())
        return rows.select(columns) if columns else rows

    def whole_tables(self) -> list[str]:
        return [name for name, table in TABLES.items() if table.collection in self.read_whole]

    def live(self, table: Table) -> pa.Table:
        """A table's rows without those whose person or class is gone."""
        rows = self.rows_of(table.name)
        for column, owner in table.owners.items():
            rows = rows.filter(pc.invert(pc.is_in(rows[column], value_set=self.gone.get(owner, _NONE))))
        return rows

    def lay(self, known: LandedPull, validated: Validated) -> None:
        """Lay one more pull over the others."""
        refused = read_rows(known.folder, validated.rejects, REJECT_SCHEMA, ["collection", "sourced_id"])
        tonight = _Tonight(known, refused)
        collections = {collection.collection: collection for collection in validated.collections}
        for name in COLLECTIONS:
            if name in collections:
                self._lay_collection(tonight, collections[name])

    def _lay_collection(self, tonight: _Tonight, collection: ValidatedCollection) -> None:
        own, *parts = tables_of(collection.collection)
        everything = tonight.rows(collection, own)
        is_tombstone = pc.equal(everything["status"], "tobedeleted")
        tombstones = everything.filter(is_tombstone)["sourced_id"]
        before = self.rows_of(own.name)
        received = self._judged(tonight, own, everything.filter(pc.invert(is_tombstone)), tombstones)
        stays = pc.invert(pc.is_in(before["sourced_id"], value_set=_joined(received["sourced_id"], tombstones)))
        if collection.proves_absence:
            stays = pc.and_(stays, pc.is_in(before["sourced_id"], value_set=tonight.refused_of(own.name)))
            self.read_whole.add(own.name)
        staying = before.filter(stays)
        self.rows[own.name] = pa.concat_tables([received, staying])
        now = self.rows[own.name]["sourced_id"]
        were = _joined(self.gone.get(own.name, _NONE), before["sourced_id"], tombstones)
        gone = were.filter(pc.invert(pc.is_in(were, value_set=now))).unique()
        self.gone[own.name] = pa.chunked_array([gone], pa.string())
        tonight.live[own.name] = now
        for table in parts:
            owner = table.key[0]
            came = tonight.rows(collection, table)
            came = came.filter(pc.is_in(came[owner], value_set=received["sourced_id"]))
            came = self._judged(tonight, table, came, _NONE)
            was = self.rows_of(table.name)
            was = was.filter(pc.is_in(was[owner], value_set=staying["sourced_id"]))
            self.rows[table.name] = pa.concat_tables([came, was])

    def _judged(self, tonight: _Tonight, table: Table, rows: pa.Table, tombstones: pa.ChunkedArray) -> pa.Table:
        """Tonight's rows of a table as merge would accept them; who is refused is told to `tonight`."""
        live, staying = dict(tonight.live), rows.slice(0, 0)
        if "parent_sourced_id" in table.names:
            known = _joined(rows["sourced_id"], tombstones)
            staying = self.rows_of(table.name, ["sourced_id", "parent_sourced_id"])
            staying = staying.filter(pc.invert(pc.is_in(staying["sourced_id"], value_set=known)))
            live[table.name] = _joined(rows["sourced_id"], staying["sourced_id"])
        # what a row cannot be without has to be known where it is not in this pull
        unread = {name for name in table.owners.values() if name not in live and name in self.rows}
        live |= {name: self.rows[name]["sourced_id"] for name in unread}
        refused = {name: tonight.refused_of(name) for name in COLLECTIONS}
        targets = Targets(live=live, refused=refused, removed=self.gone)
        if table.parent is None and table.owners:
            parted = split_by_owner(rows, table, targets, {})
            tonight.refuse(table, parted.gone["sourced_id"])
            rows = parted.settled
        made = compute_facts(table, rows, targets, staying, self.rows_of)
        # looking back nobody counts what is fine: only what some rows break can refuse one
        broken = {name: values for name, values in made.items() if not pc.all(values, min_count=0).as_py()}
        if not broken:
            return rows
        verdict = judge_rows(self.judge, rows, table, broken)
        tonight.refused = pa.concat_tables([tonight.refused, verdict.rejects.select(tonight.refused.column_names)])
        return verdict.accepted


@dataclass
class _Tonight:
    """One pull while it is laid over the others.

    :param refused: `collection` and `sourced_id` of every record refused so far.
    :param live: the sourcedIds there are of each collection of this pull settled so far; references to others are
        asked about only where a record cannot be without them.
    """

    known: LandedPull
    refused: pa.Table
    live: dict[str, pa.ChunkedArray] = field(default_factory=dict)

    def rows(self, collection: ValidatedCollection, table: Table) -> pa.Table:
        return read_rows(self.known.folder, collection.parts.get(table.name, []), accepted_schema(table))

    def refuse(self, table: Table, keys: pa.ChunkedArray) -> None:
        """Take no record of a table's under these keys; what was known of them stays."""
        if len(keys):
            names = pa.array([table.name] * len(keys), pa.string())
            more = pa.table({"collection": names, "sourced_id": keys})
            self.refused = pa.concat_tables([self.refused, more.select(self.refused.column_names)])

    def refused_of(self, collection: str) -> pa.ChunkedArray:
        return self.refused.filter(pc.equal(self.refused["collection"], collection))["sourced_id"]


def _joined(*keys: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([chunk for array in keys for chunk in array.chunks], pa.string())
