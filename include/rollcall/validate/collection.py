"""One collection: which of its records are accepted, which are refused and why, and what else is worth a look.

First every record is asked who it is. Records that pass and are no tombstones are then asked the rules of their
collection; a tombstone needs only sourcedId and status (rule 2). Parts (a user's roles, a class's terms) go
with their record: out with a refused one, and not kept for a tombstone. Where a sourcedId came twice see
:mod:`rollcall.validate.copies`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.expectations.judge import BrokenRule, Judge
from rollcall.expectations.rules import VERSION, Rule, Version
from rollcall.expectations.suites import SUITES, every_record
from rollcall.expectations.vocabularies import RELATIVES
from rollcall.landing.rejects import Reject, build_rejects
from rollcall.landing.validated import Finding, Severity, accepted_schema
from rollcall.model.tables import Table, tables_of
from rollcall.validate.copies import each_once, with_role_key
from rollcall.validate.storable import storable_facts
from rollcall.validate.types import Typed, typed, with_status

# What rules get to see of a table.


def rule_inputs(typed: Typed, facts: Mapping[str, pa.Array], rules: list[Rule], version: Version) -> pa.Table:
    """The columns these rules look at.

    Beside the table's own columns there are `<column>_is_readable` and `<column>_is_said` for each that is no text, and
    the facts the caller computed, and the version that all rows came in.
    """
    wanted = dict.fromkeys(column for rule in rules for column in rule.columns())
    columns: dict[str, Any] = {}
    for name in wanted:
        if name in facts:
            columns[name] = facts[name]
        elif name == VERSION:
            columns[name] = pa.repeat(pa.scalar(version), typed.rows.num_rows).dictionary_encode()
        elif name.endswith("_is_readable"):
            columns[name] = typed.readable(name.removesuffix("_is_readable"))
        elif name.endswith("_is_said"):
            columns[name] = typed.said[name.removesuffix("_is_said")]
        else:
            columns[name] = typed.rows.column(name)
    return pa.table(columns)


@dataclass(frozen=True)
class Judged:
    """What came out of one collection.

    :param accepted: per table its rows, in :func:`rollcall.landing.validated.accepted_schema`, tombstones included.
    :param rejects: one row per refused record, in REJECT_SCHEMA: the first rule it broke, the reasons of all of them.
    :param unidentified: records among the rejects whose sourcedId cannot be used.
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
    of_copies: Mapping[str, pa.Array],
    *,
    timezone: str = "UTC",
) -> Judged:
    """Judge one collection, or a slice of its records with all their parts.

    :param landed: per table of the collection what extract wrote, as text.
    :param of_copies: per record what :class:`rollcall.validate.copies.Copies` finds among those of the whole
        collection.
    :param timezone: the district's, in which dates that were sent as instants are read.
    :raises RollcallError: `rule_not_judged` when a rule itself fails; never because of what a record holds.
    """
    suite = SUITES[collection]
    main, *part_tables = tables_of(collection)
    records = with_status(typed(landed[main.name], main, timezone))
    parts = {table.name: typed(landed[table.name], table, timezone) for table in part_tables}

    identity = every_record.identity()
    broken = judge.broken(collection, rule_inputs(records, of_copies, identity, version), identity)
    refused = _reasons(broken, np.arange(records.rows.num_rows))
    unidentified = sum(one.count for one in broken if one.rule.name == "sourced_id_missing")

    active = pc.equal(records.rows.column("status"), "active").to_numpy()
    living = np.flatnonzero(active & _not_in(refused, len(active)))
    alive = records.take(living)
    facts = {f"has_{name}": _has(alive, part) for name, part in parts.items()} | storable_facts(main, alive, parts)
    if collection == "users":
        facts |= _needless(alive, parts["user_roles"])
    broken += (content := judge.broken(collection, rule_inputs(alive, facts, suite.records, version), suite.records))
    refused |= _reasons(content, living)

    passed = _not_in(refused, len(active))
    accepted = {main.name: records.rows.filter(pa.array(passed)) if refused else records.rows}
    findings = [_finding(collection, one, one.rule.severity) for one in broken]
    owners = records.rows.column("sourced_id").filter(pa.array(passed & active))
    for table in part_tables:
        rules = suite.parts[table.name]
        rows, about = _judge_parts(judge, table, parts[table.name], owners, rules, version)
        accepted[table.name] = rows
        findings += about
    return Judged(
        accepted=accepted,
        rejects=_rejects(main, landed[main.name], refused),
        findings=findings,
        tombstones=int((passed & ~active).sum()),
        unidentified=unidentified,
    )


def _judge_parts(
    judge: Judge, table: Table, parts: Typed, owners: pa.ChunkedArray, rules: list[Rule], version: Version
) -> tuple[pa.Table, list[Finding]]:
    """The parts of accepted records, without those that a critical rule refuses, each key once.

    No record is refused for a part, so a finding about one is at most a warning.
    """
    owned = pc.is_in(parts.rows.column(table.key[0]), value_set=owners.combine_chunks())
    parts = parts.take(np.flatnonzero(owned.to_numpy()))
    facts: Mapping[str, pa.Array] = {}
    if table.name == "user_roles":
        parts, facts = each_once(parts)
    collection = table.collection or table.name
    broken = judge.broken(collection, rule_inputs(parts, facts, rules, version), rules)
    kept = _not_in(_reasons(broken, np.arange(parts.rows.num_rows)), parts.rows.num_rows)
    rows = parts.rows.filter(pa.array(kept))
    if table.name == "user_roles":
        rows = with_role_key(rows).select(table.names).cast(accepted_schema(table))
    findings = [_finding(collection, one, "info" if one.rule.severity == "info" else "warning") for one in broken]
    return _each_key_once(rows, table), findings


def _has(records: Typed, part: Typed) -> pa.ChunkedArray:
    """Whether a record has at least one of these parts."""
    return pc.is_in(records.rows.column("sourced_id"), value_set=part.rows.column(0).combine_chunks())


def _needless(users: Typed, roles: Typed) -> dict[str, pa.ChunkedArray]:
    """Of what only students and staff are expected to have: whether it is said, or the person is only a relative."""
    is_relative = pc.is_in(roles.rows.column("role"), value_set=pa.array(RELATIVES))
    owners = roles.rows.column("user_sourced_id")
    ids = users.rows.column("sourced_id")
    some = pc.is_in(ids, value_set=owners.filter(is_relative).combine_chunks())
    others = pc.is_in(ids, value_set=owners.filter(pc.invert(is_relative)).combine_chunks())
    only = pc.and_(some, pc.invert(others))
    return {
        f"{name}_is_said_or_needless": pc.or_(pc.is_valid(users.rows.column(name)), only)
        for name in ("username", "email", "identifier")
    }


def _reasons(broken: list[BrokenRule], rows: np.ndarray) -> dict[int, list[Rule]]:
    """Refused row → the critical rules it breaks, in the suite's order; `rows` are the numbers the judge counted."""
    reasons: dict[int, list[Rule]] = {}
    for one in broken:
        for row in rows[one.rows] if one.rows is not None else ():
            reasons.setdefault(int(row), []).append(one.rule)
    return reasons


def _not_in(refused: dict[int, list[Rule]], count: int) -> np.ndarray:
    passed = np.ones(count, dtype=bool)
    passed[list(refused)] = False
    return passed


def _finding(collection: str, broken: BrokenRule, severity: Severity) -> Finding:
    rule = broken.rule
    return Finding(collection=collection, rule=rule.name, severity=severity, message=rule.reason, count=broken.count)


def _each_key_once(rows: pa.Table, table: Table) -> pa.Table:
    """The first row of each key: rows of these tables are nothing but their key, or were judged before."""
    repeated = rows.select(list(table.key)).to_pandas().duplicated().to_numpy()
    return rows.filter(pa.array(~repeated)) if repeated.any() else rows


def _rejects(table: Table, landed: pa.Table, refused: dict[int, list[Rule]]) -> pa.Table:
    """The rejected records in the order in which they were received."""
    numbers = sorted(refused)
    records = landed.take(pa.array(numbers, pa.int64())).to_pylist()
    rejects = []
    for number, record in zip(numbers, records, strict=True):
        rules = refused[number]
        reason = " ".join(rule.reason for rule in rules)
        rejects.append(Reject(record["sourced_id"], rules[0].name, reason, rules[0].field, record))
    return build_rejects(table.name, rejects, table.of_kind("json"))
