"""The validate stage: reads a landed pull; writes accepted rows with types, rejects, and findings.

It reads only the pull: no warehouse and no other night. It can run again at any time on the same pull, with the same
result.
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
from rollcall.validate.collection import JudgedCollection, judge_collection
from rollcall.validate.copies import NEWEST_BY, find_copies

#: Values per slice. Great Expectations takes a twentieth of a second per suite, which is negligible for so many.
VALUES_PER_SLICE = 1_500_000


@dataclass(frozen=True)
class Slice:
    """Some records of a collection with all their parts, so memory does not grow with the collection.

    :param landed: per table of the collection, the rows as text.
    :param copy_facts: per record, the facts from `Copies`.
    :param merged: the number of records merged into others.
    """

    landed: dict[str, pa.Table]
    copy_facts: dict[str, pa.Array]
    merged: int


def slices(folder: PullFolder, landed: LandedCollection) -> Iterator[Slice]:
    """The slices of a collection; an empty collection has one empty slice."""
    main, *part_tables = tables_of(landed.collection)
    parts = {
        table.name: read_rows(folder, landed.parts.get(table.name, []), landed_schema(table)) for table in part_tables
    }
    groups = _groups(landed.parts.get(main.name, []), VALUES_PER_SLICE // len(main.names))
    newness = read_rows(folder, [part for group in groups for part in group], landed_schema(main), NEWEST_BY)

    def with_ids(ids: pa.Array) -> pa.Table:
        read = (read_rows(folder, group, landed_schema(main)) for group in groups)
        return pa.concat_tables([rows.filter(pc.is_in(rows["sourced_id"], value_set=ids)) for rows in read])

    copies, start = find_copies(newness, main, with_ids), 0
    del newness
    for group in groups:
        rows = read_rows(folder, group, landed_schema(main))
        records = copies.apply(rows, start)
        slice_parts = parts
        if len(groups) > 1:
            ids = records["sourced_id"]
            slice_parts = {name: part.filter(pc.is_in(part.column(0), value_set=ids)) for name, part in parts.items()}
        stop = start + rows.num_rows
        yield Slice({main.name: records, **slice_parts}, copies.facts(start, stop), rows.num_rows - records.num_rows)
        start = stop


def _groups(parts: list[Part], records: int) -> list[list[Part]]:
    """Files to read together, with at most this many records; a group has at least one file."""
    groups: list[list[Part]] = [[]]
    for part in parts:
        if groups[-1] and sum(file.rows for file in groups[-1]) + part.rows > records:
            groups.append([])
        groups[-1].append(part)
    return groups


log = logging.getLogger(__name__)


def validate(landing: Landing, ref: PullRef, district: District) -> Validated:
    """Judge every record of a pull by itself.

    :returns: the stage's manifest, which is also saved.
    :raises ActionRequired: `rule_unknown` or `rule_fixed` for the district's `rules`.
    :raises RollcallError: `not_landed`, `landing_damaged`, `rule_not_judged`; never for a record's values.
    """
    with redact_errors("validate", district=district.district):
        folder = ref.folder(landing)
        pull = load(folder, Pull)
        judge = Judge(Severities(district.rules, district.district))
        unreadable = read_rows(folder, pull.rejects, REJECT_SCHEMA)
        collections: list[ValidatedCollection] = []
        rejects = [unreadable]
        findings = _findings_of_extract(unreadable)
        for collection in pull.collections:
            totals = _CollectionTotals(collection)
            for part in slices(folder, collection):
                judged = judge_collection(
                    judge,
                    collection.collection,
                    pull.version,
                    part.landed,
                    part.copy_facts,
                    timezone=district.schedule.timezone,
                )
                totals.add(judged, _written(folder, judged), part.merged)
                del judged, part
                release_free_memory()
            manifest = totals.manifest()
            log.info(
                "%s: %d received, %d accepted, %d tombstones, %d rejected",
                manifest.collection,
                manifest.received,
                manifest.accepted,
                manifest.tombstones,
                manifest.rejected,
            )
            collections.append(manifest)
            rejects += totals.rejects
            findings += totals.findings()
        validated = Validated(
            collections=collections,
            rejects=write_rows(folder, Validated.STAGE, "rejects", pa.concat_tables(rejects)),
            findings=findings,
            rules=ruleset_digest(district),
        )
        save(folder, validated)
        return validated


def _written(folder: PullFolder, judged: JudgedCollection) -> dict[str, list[Part]]:
    return {name: write_rows(folder, Validated.STAGE, name, rows) for name, rows in judged.accepted.items()}


@dataclass
class _CollectionTotals:
    """The results of a collection, summed over its slices."""

    landed: LandedCollection
    parts: dict[str, list[Part]] = field(default_factory=dict)
    rejects: list[pa.Table] = field(default_factory=list)
    accepted: int = 0
    tombstones: int = 0
    unidentified: int = 0
    merged: int = 0
    _findings_by_rule: dict[str, Finding] = field(default_factory=dict)

    def add(self, judged: JudgedCollection, parts: dict[str, list[Part]], merged: int) -> None:
        self.merged += merged
        for name, more in parts.items():
            self.parts.setdefault(name, []).extend(more)
        self.rejects.append(judged.rejects)
        self.accepted += judged.accepted[self.landed.collection].num_rows
        self.tombstones += judged.tombstones
        self.unidentified += judged.unidentified
        for finding in judged.findings:
            count = self._findings_by_rule[finding.rule].count if finding.rule in self._findings_by_rule else 0
            self._findings_by_rule[finding.rule] = replace(finding, count=count + finding.count)

    def findings(self) -> list[Finding]:
        """One per rule."""
        return list(self._findings_by_rule.values())

    def manifest(self) -> ValidatedCollection:
        """The collection's counts. Each record is accepted or rejected; merged records count as one."""
        landed = self.landed
        identified = landed.unidentified == 0 and self.unidentified == 0
        return ValidatedCollection(
            collection=landed.collection,
            parts=self.parts,
            received=landed.rows(landed.collection) - self.merged + landed.unreadable,
            accepted=self.accepted,
            tombstones=self.tombstones,
            rejected=landed.unreadable + sum(rejects.num_rows for rejects in self.rejects),
            proves_absence=landed.since is None and landed.proof.proven and identified,
        )


def _findings_of_extract(rejects: pa.Table) -> list[Finding]:
    """One finding per collection and cause of unreadable records."""
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
