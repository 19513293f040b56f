"""The stage validate: a landed pull in, accepted rows with types, rejects and findings out.

It looks at nothing but the pull: no warehouse, no other night. It can be run again at any time from what extract left,
and yields the same.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pyarrow as pa
from msgspec.structs import replace

from include.contracts import (
    REJECT_SCHEMA,
    Finding,
    LandedCollection,
    Part,
    Pull,
    PullRef,
    Validated,
    ValidatedCollection,
    load,
    read_rows,
    save,
    write_rows,
)
from include.errors import stage_edge
from include.expectations.in_force import rules_in_force
from include.expectations.judge import Judge
from include.expectations.severities import Severities
from include.landing import Landing, PullFolder
from include.memory import give_back_what_is_free
from include.settings import District
from include.validate.collection import Judged, judge_collection
from include.validate.slices import slices

log = logging.getLogger("rollcall.validate")


def validate(landing: Landing, ref: PullRef, district: District) -> Validated:
    """Judge every record of a pull by itself.

    :returns: the stage's manifest, which is also written beside the rows it names.
    :raises NeedsPerson: `rule_unknown`, `rule_fixed` for what the district's `rules` say.
    :raises RollcallError: `not_landed`, `landed_damaged`, `rule_not_judged`; nothing for what a record holds.
    """
    with stage_edge("validate", district=district.district):
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
                give_back_what_is_free()
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
            rules=rules_in_force(district),
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
