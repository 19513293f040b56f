"""The stage validate: a landed pull in, accepted rows with types, rejects and findings out.

It looks at nothing but the pull: no warehouse, no other night. It can be run again at any time from what extract left,
and yields the same.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from rollcall.errors import redact_errors
from rollcall.expectations.judge import Judge
from rollcall.expectations.severities import Severities, ruleset_digest
from rollcall.landing.manifests import Part, load, read_rows, save, write_rows
from rollcall.landing.pull import LandedCollection, Pull, PullRef, landed_schema
from rollcall.landing.rejects import REJECT_SCHEMA
from rollcall.landing.validated import Finding, Validated, ValidatedCollection
from rollcall.landing.zone import Landing, PullFolder
from rollcall.model.tables import tables_of
from rollcall.runtime.memory import release_free_memory
from rollcall.settings import District
from rollcall.validate.collection import Judged, judge_collection
from rollcall.validate.copies import NEWEST_BY, find_copies

# A landed collection in slices, so that memory does not grow with it: records with all their parts.

#: Values judged at once: so many that Great Expectations' own work per suite, a twentieth of a second, is no matter.
AT_ONCE = 1_500_000


@dataclass(frozen=True)
class Slice:
    """Some records of a collection.

    :param landed: per table of the collection, as text; of parts those of these records.
    :param of_copies: per record, what :class:`rollcall.validate.copies.Copies` says of it.
    :param united: records that are not among them, because others have all they say.
    """

    landed: dict[str, pa.Table]
    of_copies: dict[str, pa.Array]
    united: int


def slices(folder: PullFolder, landed: LandedCollection) -> Iterator[Slice]:
    """At least one, if an empty one."""
    main, *of_records = tables_of(landed.collection)
    parts = {
        table.name: read_rows(folder, landed.parts.get(table.name, []), landed_schema(table)) for table in of_records
    }
    groups = _groups(landed.parts.get(main.name, []), AT_ONCE // len(main.names))
    named = read_rows(folder, [part for group in groups for part in group], landed_schema(main), NEWEST_BY)

    def with_ids(ids: pa.Array) -> pa.Table:
        read = (read_rows(folder, group, landed_schema(main)) for group in groups)
        return pa.concat_tables([rows.filter(pc.is_in(rows["sourced_id"], value_set=ids)) for rows in read])

    copies, start = find_copies(named, main, with_ids), 0
    del named
    for group in groups:
        came = read_rows(folder, group, landed_schema(main))
        records = copies.applied(came, start)
        theirs = parts
        if len(groups) > 1:
            ids = records["sourced_id"]
            theirs = {name: rows.filter(pc.is_in(rows.column(0), value_set=ids)) for name, rows in parts.items()}
        stop = start + came.num_rows
        yield Slice({main.name: records, **theirs}, copies.facts(start, stop), came.num_rows - records.num_rows)
        start = stop


def _groups(parts: list[Part], records: int) -> list[list[Part]]:
    """Files that are read together, of so many records at most; a file is the least there is."""
    groups: list[list[Part]] = [[]]
    for part in parts:
        if groups[-1] and sum(one.rows for one in groups[-1]) + part.rows > records:
            groups.append([])
        groups[-1].append(part)
    return groups


log = logging.getLogger(__name__)


def validate(landing: Landing, ref: PullRef, district: District) -> Validated:
    """Judge every record of a pull by itself.

    :returns: the stage's manifest, which is also written beside the rows it names.
    :raises ActionRequired: `rule_unknown`, `rule_fixed` for what the district's `rules` say.
    :raises RollcallError: `not_landed`, `landed_damaged`, `rule_not_judged`; nothing for what a record holds.
    """
    with redact_errors("validate", district=district.district):
        folder = ref.folder(landing)
        pull = load(folder, Pull)
        judge = Judge(Severities(district.rules, district.district))
        refused_before = read_rows(folder, pull.rejects, REJECT_SCHEMA)
        collections: list[ValidatedCollection] = []
        rejects = [refused_before]
        findings = _findings_of_extract(refused_before)
        for collection in pull.collections:
            made = _Made(collection)
            for some in slices(folder, collection):
                judged = judge_collection(
                    judge,
                    collection.collection,
                    pull.version,
                    some.landed,
                    some.of_copies,
                    timezone=district.schedule.timezone,
                )
                made.add(judged, _written(folder, judged), some.united)
                del judged, some
                release_free_memory()
            told = made.manifest()
            log.info(
                "%s: %d received, %d accepted, %d tombstones, %d rejected",
                told.collection,
                told.received,
                told.accepted,
                told.tombstones,
                told.rejected,
            )
            collections.append(told)
            rejects += made.rejects
            findings += made.findings()
        validated = Validated(
            collections=collections,
            rejects=write_rows(folder, Validated.STAGE, "rejects", pa.concat_tables(rejects)),
            findings=findings,
            rules=ruleset_digest(district),
        )
        save(folder, validated)
        return validated


def _written(folder: PullFolder, judged: Judged) -> dict[str, list[Part]]:
    return {name: write_rows(folder, Validated.STAGE, name, rows) for name, rows in judged.accepted.items()}


@dataclass
class _Made:
    """What comes of a collection, slice by slice."""

    landed: LandedCollection
    parts: dict[str, list[Part]] = field(default_factory=dict)
    rejects: list[pa.Table] = field(default_factory=list)
    accepted: int = 0
    tombstones: int = 0
    unidentified: int = 0
    united: int = 0
    _found: dict[str, Finding] = field(default_factory=dict)

    def add(self, judged: Judged, parts: dict[str, list[Part]], united: int) -> None:
        self.united += united
        for name, more in parts.items():
            self.parts.setdefault(name, []).extend(more)
        self.rejects.append(judged.rejects)
        self.accepted += judged.accepted[self.landed.collection].num_rows
        self.tombstones += judged.tombstones
        self.unidentified += judged.unidentified
        for finding in judged.findings:
            count = self._found[finding.rule].count if finding.rule in self._found else 0
            self._found[finding.rule] = replace(finding, count=count + finding.count)

    def findings(self) -> list[Finding]:
        """One per rule."""
        return list(self._found.values())

    def manifest(self) -> ValidatedCollection:
        """The collection's numbers; each record received is accepted or rejected, and united ones are one record."""
        landed = self.landed
        identified = landed.unidentified == 0 and self.unidentified == 0
        return ValidatedCollection(
            collection=landed.collection,
            parts=self.parts,
            received=landed.rows(landed.collection) - self.united + landed.unreadable,
            accepted=self.accepted,
            tombstones=self.tombstones,
            rejected=landed.unreadable + sum(rejects.num_rows for rejects in self.rejects),
            proves_absence=landed.since is None and landed.proof.proven and identified,
        )


def _findings_of_extract(rejects: pa.Table) -> list[Finding]:
    """One finding per collection and kind of unreadable record."""
    counted = rejects.group_by(["collection", "rule"], use_threads=False).aggregate(
        [("reason", "min"), ([], "count_all")]
    )
    return [
        Finding(
            collection=row["collection"],
            rule=row["rule"],
            severity="critical",
            message=row["reason_min"],
            count=row["count_all"],
        )
        for row in counted.to_pylist()
    ]
