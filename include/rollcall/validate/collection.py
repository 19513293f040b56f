"""Judges one collection: accepted records, rejected records with reasons, and warnings.

The identity rules judge every record. The collection's rules judge the records that pass and are no tombstones; a
tombstone needs only `sourcedId` and `status` (rule 2). Parts (a user's roles, a class's terms) follow their record:
they are dropped with a rejected record or a tombstone. For repeated sourcedIds see `rollcall.validate.copies`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.expectations.judge import BrokenRule, Judge
from rollcall.expectations.rules import VERSION_COLUMN, Rule
from rollcall.expectations.suites import SUITES, every_record
from rollcall.landing.rejects import Reject, build_rejects
from rollcall.landing.validated import Finding, Severity, accepted_schema
from rollcall.model.tables import Table, tables_of
from rollcall.model.vocabularies import RELATIVES, Version
from rollcall.validate.copies import deduplicate_roles, with_role_key
from rollcall.validate.storable import storable_facts
from rollcall.validate.types import TypedTable, to_types, with_status


def rule_inputs(typed: TypedTable, facts: Mapping[str, pa.Array], rules: list[Rule], version: Version) -> pa.Table:
    """The columns these rules read.

    They are the table's own columns, `<column>_is_parseable` and `<column>_is_provided` for each column of another type
    than text, the facts computed by the caller, and the OneRoster version.
    """
    needed = dict.fromkeys(column for rule in rules for column in rule.columns())
    columns: dict[str, Any] = {}
    for name in needed:
        if name in facts:
            columns[name] = facts[name]
        elif name == VERSION_COLUMN:
            columns[name] = pa.repeat(pa.scalar(version), typed.rows.num_rows).dictionary_encode()
        elif name.endswith("_is_parseable"):
            columns[name] = typed.parseable(name.removesuffix("_is_parseable"))
        elif name.endswith("_is_provided"):
            columns[name] = typed.provided[name.removesuffix("_is_provided")]
        else:
            columns[name] = typed.rows.column(name)
    return pa.table(columns)


@dataclass(frozen=True)
class JudgedCollection:
    """The result for one collection.

    :param accepted: per table its rows, in `accepted_schema`, tombstones included.
    :param rejects: one row per rejected record, in `REJECT_SCHEMA`: the first rule it broke and the reasons of all.
    :param unidentified: rejects without a usable sourcedId.
    """

    accepted: dict[str, pa.Table]
    rejects: pa.Table
    findings: list[Finding]
    tombstones: int
    unidentified: int


def judge_collection(
    judge: Judge,
    collection: str,
    version: Version,
    landed: dict[str, pa.Table],
    copy_facts: Mapping[str, pa.Array],
    *,
    timezone: str = "UTC",
) -> JudgedCollection:
    """Judge one collection, or a slice of its records with all their parts.

    :param landed: per table of the collection, the text columns that extract wrote.
    :param copy_facts: per record, the facts that `Copies` finds in the whole collection.
    :param timezone: the district's time zone, for dates that were sent as timestamps.
    :raises RollcallError: `rule_not_judged` when a rule itself fails; never because of a record's values.
    """
    suite = SUITES[collection]
    main, *part_tables = tables_of(collection)
    records = with_status(to_types(landed[main.name], main, timezone))
    parts = {table.name: to_types(landed[table.name], table, timezone) for table in part_tables}

    identity = every_record.identity()
    broken = judge.broken(collection, rule_inputs(records, copy_facts, identity, version), identity)
    rejected = _reasons(broken, np.arange(records.rows.num_rows))
    unidentified = sum(found.count for found in broken if found.rule.name == "sourced_id_missing")

    active = pc.equal(records.rows.column("status"), "active").to_numpy()
    active_rows = np.flatnonzero(active & _not_rejected(rejected, len(active)))
    active_records = records.take(active_rows)
    facts = {f"has_{name}": _has(active_records, part) for name, part in parts.items()} | storable_facts(
        main, active_records, parts
    )
    if collection == "users":
        facts |= _provided_or_relative(active_records, parts["user_roles"])
    broken += (
        content := judge.broken(collection, rule_inputs(active_records, facts, suite.records, version), suite.records)
    )
    rejected |= _reasons(content, active_rows)

    passed = _not_rejected(rejected, len(active))
    accepted = {main.name: records.rows.filter(pa.array(passed)) if rejected else records.rows}
    findings = [_finding(collection, one, one.rule.severity) for one in broken]
    owners = records.rows.column("sourced_id").filter(pa.array(passed & active))
    for table in part_tables:
        rules = suite.parts[table.name]
        rows, part_findings = _judge_parts(judge, table, parts[table.name], owners, rules, version)
        accepted[table.name] = rows
        findings += part_findings
    return JudgedCollection(
        accepted=accepted,
        rejects=_rejects(main, landed[main.name], rejected),
        findings=findings,
        tombstones=int((passed & ~active).sum()),
        unidentified=unidentified,
    )


def _judge_parts(
    judge: Judge, table: Table, parts: TypedTable, owners: pa.ChunkedArray, rules: list[Rule], version: Version
) -> tuple[pa.Table, list[Finding]]:
    """The parts of accepted records, each key once, without those that break a critical rule.

    No record is rejected because of a part, so findings about parts are warnings at most.
    """
    owned = pc.is_in(parts.rows.column(table.key[0]), value_set=owners.combine_chunks())
    parts = parts.take(np.flatnonzero(owned.to_numpy()))
    facts: Mapping[str, pa.Array] = {}
    if table.name == "user_roles":
        parts, facts = deduplicate_roles(parts)
    collection = table.collection or table.name
    broken = judge.broken(collection, rule_inputs(parts, facts, rules, version), rules)
    kept = _not_rejected(_reasons(broken, np.arange(parts.rows.num_rows)), parts.rows.num_rows)
    rows = parts.rows.filter(pa.array(kept))
    if table.name == "user_roles":
        rows = with_role_key(rows).select(table.names).cast(accepted_schema(table))
    findings = [_finding(collection, one, "info" if one.rule.severity == "info" else "warning") for one in broken]
    return _each_key_once(rows, table), findings


def _has(records: TypedTable, part: TypedTable) -> pa.ChunkedArray:
    """Whether a record has at least one of these parts."""
    return pc.is_in(records.rows.column("sourced_id"), value_set=part.rows.column(0).combine_chunks())


def _provided_or_relative(users: TypedTable, roles: TypedTable) -> dict[str, pa.ChunkedArray]:
    """For values expected of students and staff only: whether they are provided, or the person is only a relative."""
    is_relative = pc.is_in(roles.rows.column("role"), value_set=pa.array(RELATIVES))
    owners = roles.rows.column("user_sourced_id")
    ids = users.rows.column("sourced_id")
    has_relative_role = pc.is_in(ids, value_set=owners.filter(is_relative).combine_chunks())
    has_other_role = pc.is_in(ids, value_set=owners.filter(pc.invert(is_relative)).combine_chunks())
    is_only_relative = pc.and_(has_relative_role, pc.invert(has_other_role))
    return {
        f"{name}_provided_or_not_needed": pc.or_(pc.is_valid(users.rows.column(name)), is_only_relative)
        for name in ("username", "email", "identifier")
    }


def _reasons(broken: list[BrokenRule], rows: np.ndarray) -> dict[int, list[Rule]]:
    """Row number to the critical rules it breaks, in the suite's order; `rows` are the numbers of the judged rows."""
    reasons: dict[int, list[Rule]] = {}
    for one in broken:
        for row in rows[one.rows] if one.rows is not None else ():
            reasons.setdefault(int(row), []).append(one.rule)
    return reasons


def _not_rejected(rejected: dict[int, list[Rule]], count: int) -> np.ndarray:
    passed = np.ones(count, dtype=bool)
    passed[list(rejected)] = False
    return passed


def _finding(collection: str, broken: BrokenRule, severity: Severity) -> Finding:
    rule = broken.rule
    return Finding(collection=collection, rule=rule.name, severity=severity, message=rule.reason, count=broken.count)


def _each_key_once(rows: pa.Table, table: Table) -> pa.Table:
    """The first row of each key: these rows consist of their key only, or duplicates were already judged."""
    repeated = rows.select(list(table.key)).to_pandas().duplicated().to_numpy()
    return rows.filter(pa.array(~repeated)) if repeated.any() else rows


def _rejects(table: Table, landed: pa.Table, rejected: dict[int, list[Rule]]) -> pa.Table:
    """The rejected records in the order in which they were received."""
    numbers = sorted(rejected)
    records = landed.take(pa.array(numbers, pa.int64())).to_pylist()
    rejects = []
    for number, record in zip(numbers, records, strict=True):
        rules = rejected[number]
        reason = " ".join(rule.reason for rule in rules)
        rejects.append(Reject(record["sourced_id"], rules[0].name, reason, rules[0].field, record))
    return build_rejects(table.name, rejects, table.of_kind("json"))
