"""What becomes of a table's accepted rows when they are judged against the roster as it will be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from include.contracts import REJECT_SCHEMA, Finding, Severity
from include.expectations.judge import Broken, Judge
from include.expectations.rules import Rule
from include.expectations.suites import SUITES
from include.reject_record import reject_record
from include.tables import Table


@dataclass(frozen=True)
class Verdict:
    """The rows that stay, and what is told about the others.

    :param rejects: in `REJECT_SCHEMA`; a refused part (a user's role) is told as a finding only.
    """

    accepted: pa.Table
    rejects: pa.Table
    findings: list[Finding]


def judged(
    judge: Judge,
    rows: pa.Table,
    table: Table,
    facts: Mapping[str, pa.Array | pa.ChunkedArray],
    reasons: Mapping[str, str] | None = None,
) -> Verdict:
    """Refuse the rows that would do harm, count the others.

    :param facts: boolean columns about the rows; rules about others cannot be asked tonight, such as references to a
        collection that was not pulled.
    :param reasons: what a rule says tonight in place of its own reason, by its name.
    """
    collection = table.collection or table.name
    known = reasons or {}
    rules = [
        replace(rule, reason=known[rule.name]) if rule.name in known else rule
        for rule in SUITES[collection].roster.get(table.name, [])
        if set(rule.columns()) <= set(facts)
    ]
    broken = judge.broken(collection, pa.table(dict(facts)), rules) if facts else []
    findings = [
        Finding(
            collection=collection,
            rule=one.rule.name,
            severity=one.rule.severity if table.parent is None else _of_part(one.rule.severity),
            message=one.rule.reason,
            count=one.count,
        )
        for one in broken
    ]
    refused = _first_reasons(broken)
    if not refused:  # nearly always: then nothing is copied
        return Verdict(rows, REJECT_SCHEMA.empty_table(), findings)
    keeps = np.ones(rows.num_rows, dtype=bool)
    keeps[list(refused)] = False
    rejects = _rejects(rows, collection, table, refused) if table.parent is None else REJECT_SCHEMA.empty_table()
    return Verdict(rows.filter(pa.array(keeps)), rejects, findings)


def went_along(judge: Judge, table: Table, name: str, count: int) -> Finding:
    """What is told about received records that went along with their person or class; none of them is a reject."""
    collection = table.collection or table.name
    [rule] = [rule for rule in SUITES[collection].roster[table.name] if rule.name == name]
    severity = judge.severities.of(collection, rule).severity
    return Finding(collection=collection, rule=name, severity=severity, message=rule.reason, count=count)


def _of_part(severity: Severity) -> Severity:
    """No record is refused for a part of it, so a finding about one is at most a warning."""
    return "info" if severity == "info" else "warning"


def _first_reasons(broken: list[Broken]) -> dict[int, Rule]:
    """Row number to the first critical rule it breaks."""
    refused: dict[int, Rule] = {}
    for one in broken:
        for row in () if one.rows is None else one.rows.tolist():
            refused.setdefault(row, one.rule)
    return refused


def _rejects(rows: pa.Table, collection: str, table: Table, refused: dict[int, Rule]) -> pa.Table:
    """The refused rows with their reasons, in the order in which they came."""
    numbers = sorted(refused)
    told = [
        {
            "collection": collection,
            "sourced_id": record["sourced_id"],
            "rule": refused[number].name,
            "reason": refused[number].reason,
            "field": refused[number].field,
            "record": reject_record(collection, record, table.of_kind("json")),
        }
        for number, record in zip(numbers, rows.take(pa.array(numbers, pa.int64())).to_pylist(), strict=True)
    ]
    return pa.Table.from_pylist(told, schema=REJECT_SCHEMA)
