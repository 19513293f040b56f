"""The stage validate: a landed pull in, accepted rows with types, rejects and findings out.

It looks at nothing but the pull: no warehouse, no other night. It can be run again at any time from what extract left,
and yields the same.
"""

from __future__ import annotations

import logging

import pyarrow as pa

from include.contracts import (
    REJECT_SCHEMA,
    Finding,
    LandedCollection,
    Part,
    Pull,
    PullRef,
    Validated,
    ValidatedCollection,
    landed_schema,
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
from include.settings import District
from include.tables import tables_of
from include.validate.collection import Judged, judge_collection

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
            landed = {
                table.name: read_rows(folder, collection.parts.get(table.name, []), landed_schema(table))
                for table in tables_of(collection.collection)
            }
            judged = judge_collection(judge, collection.collection, pull.version, landed)
            made = _manifest(collection, judged, _written(folder, judged))
            log.info(
                "%s: %d received, %d accepted, %d tombstones, %d rejected",
                made.collection,
                made.received,
                made.accepted,
                made.tombstones,
                made.rejected,
            )
            collections.append(made)
            rejects.append(judged.rejects)
            findings += judged.findings
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


def _manifest(landed: LandedCollection, judged: Judged, parts: dict[str, list[Part]]) -> ValidatedCollection:
    """The collection's numbers; each record received is either accepted or rejected."""
    accepted = judged.accepted[landed.collection].num_rows
    identified = landed.unidentified == 0 and judged.unidentified == 0
    return ValidatedCollection(
        collection=landed.collection,
        parts=parts,
        received=landed.rows(landed.collection) + landed.unreadable,
        accepted=accepted,
        tombstones=judged.tombstones,
        rejected=landed.unreadable + judged.rejects.num_rows,
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
