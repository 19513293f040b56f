"""References, resolved against the roster as it will be (DESIGN, rule 2).

A reference resolves if its target was accepted tonight, or is live and not removed tonight; targets of collections that
were not pulled are not checked. Whether each row's reference resolves is computed here as one boolean column per
reference, for all rows at once; Great Expectations judges those columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.contracts import REJECT_SCHEMA, Finding
from include.expectations.judge import ROW, Broken, Judge
from include.expectations.rules import Rule, holds
from include.tables import Table

_NO_PERSON = (
    "Its person did not arrive: probably no user account in the student information system, or outside the "
    "connection's school scope."
)
_NO_CLASS = "Its class did not arrive: probably in a school or school year outside the connection's scope."


@dataclass(frozen=True)
class Reference:
    """One reference that has to lead somewhere.

    :param column: of the table `table`; an empty one has nothing to resolve.
    :param target: the table it leads to.
    """

    table: str
    column: str
    target: str
    rule: Rule


def _refuses(table: str, column: str, target: str, field: str, name: str, reason: str) -> Reference:
    return Reference(table, column, target, Rule(name, "critical", field, reason, holds(f"{column}_resolves")))


def _warns(table: str, column: str, target: str, field: str, name: str, what: str) -> Reference:
    rule = Rule(name, "warning", field, f"{what} did not arrive.", holds(f"{column}_resolves"))
    return Reference(table, column, target, rule)


REFERENCES: tuple[Reference, ...] = (
    _warns("orgs", "parent_sourced_id", "orgs", "parent", "orphan_parent", "Its parent org"),
    _warns(
        "academic_sessions", "parent_sourced_id", "academic_sessions", "parent", "orphan_parent", "Its parent session"
    ),
    _warns("courses", "org_sourced_id", "orgs", "org", "orphan_org", "Its org"),
    _warns("courses", "school_year_sourced_id", "academic_sessions", "schoolYear", "orphan_year", "Its school year"),
    _warns("classes", "school_sourced_id", "orgs", "school", "orphan_school", "Its school"),
    _warns("classes", "course_sourced_id", "courses", "course", "orphan_course", "Its course"),
    _warns("class_terms", "term_sourced_id", "academic_sessions", "terms", "orphan_term", "One of its terms"),
    _warns("user_roles", "org_sourced_id", "orgs", "roles", "orphan_role_org", "The org of a role"),
    _warns("user_agents", "agent_sourced_id", "users", "agents", "orphan_agent", "A related person"),
    _refuses("enrollments", "user_sourced_id", "users", "user", "orphan_user", _NO_PERSON),
    _refuses("enrollments", "class_sourced_id", "classes", "class", "orphan_class", _NO_CLASS),
    _warns("enrollments", "school_sourced_id", "orgs", "school", "orphan_school", "Its school"),
    _refuses("demographics", "sourced_id", "users", "sourcedId", "orphan_user", _NO_PERSON),
)


@dataclass(frozen=True)
class Verdict:
    """What became of a table's rows when their references were resolved.

    :param rejects: in `REJECT_SCHEMA`.
    """

    accepted: pa.Table
    rejects: pa.Table
    findings: list[Finding]


def resolve(judge: Judge, rows: pa.Table, table: Table, targets: Mapping[str, pa.ChunkedArray]) -> Verdict:
    """Refuse the rows that lead nowhere where that would do harm, count the others.

    :param targets: per table that can be checked, the keys of the roster as it will be.
    """
    checked = [ref for ref in REFERENCES if ref.table == table.name and ref.target in targets]
    facts = {f"{ref.column}_resolves": _resolves(rows[ref.column], targets[ref.target]) for ref in checked}
    frame = pa.table({ROW: pa.array(np.arange(rows.num_rows)), **facts}).to_pandas()
    broken = judge.broken(table.name, frame, [ref.rule for ref in checked])
    collection = table.collection or table.name
    findings = [
        Finding(
            collection=collection,
            rule=one.rule.name,
            severity=one.rule.severity,
            message=one.rule.reason,
            count=one.count,
        )
        for one in broken
    ]
    refused = _first_reasons(broken)
    keeps = np.ones(rows.num_rows, dtype=bool)
    keeps[list(refused)] = False
    return Verdict(rows.filter(pa.array(keeps)), _rejects(rows, collection, refused), findings)


def _resolves(values: pa.ChunkedArray, target: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.or_(pc.is_null(values), pc.is_in(values, value_set=target))


def _first_reasons(broken: list[Broken]) -> dict[int, Rule]:
    """Row number to the first critical rule it breaks."""
    refused: dict[int, Rule] = {}
    for one in broken:
        for row in () if one.rows is None else one.rows.tolist():
            refused.setdefault(row, one.rule)
    return refused


def _rejects(rows: pa.Table, collection: str, refused: dict[int, Rule]) -> pa.Table:
    """The refused rows with their reasons; of demographics no record is kept, it would hold nothing else."""
    told = [
        {
            "collection": collection,
            "sourced_id": record["sourced_id"],
            "rule": rule.name,
            "reason": rule.reason,
            "field": rule.field,
            "record": None if collection == "demographics" else _as_json(record),
        }
        for record, rule in zip(
            rows.take(pa.array(list(refused), pa.int64())).to_pylist(), refused.values(), strict=True
        )
    ]
    return pa.Table.from_pylist(told, schema=REJECT_SCHEMA)


def _as_json(record: dict[str, object]) -> str:
    return msgspec.json.encode({name: value for name, value in record.items() if value is not None}).decode()
