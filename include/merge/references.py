"""References, resolved against the roster as it will be (DESIGN, rule 2).

A reference resolves if its target was accepted tonight, or is live and not removed tonight; targets of collections that
were not pulled are not checked. Great Expectations judges the boolean columns made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from include.contracts import REJECT_SCHEMA, Finding, Severity
from include.tables import Table


@dataclass(frozen=True)
class Reference:
    """One reference that has to lead somewhere.

    :param target: the table it leads to.
    :param reason: what an unresolved one means, for the person who reads the reject.
    """

    table: str
    column: str
    target: str
    rule: str
    severity: Severity
    reason: str


_NO_PERSON = (
    "Its person did not arrive: probably no user account in the student information system, or outside the "
    "connection's school scope."
)
_NO_CLASS = "Its class did not arrive: probably in a school or school year outside the connection's scope."


def _warning(table: str, column: str, target: str, rule: str, what: str) -> Reference:
    return Reference(table, column, target, rule, "warning", f"{what} did not arrive.")


REFERENCES: tuple[Reference, ...] = (
    _warning("orgs", "parent_sourced_id", "orgs", "orphan_parent", "Its parent org"),
    _warning("academic_sessions", "parent_sourced_id", "academic_sessions", "orphan_parent", "Its parent session"),
    _warning("courses", "org_sourced_id", "orgs", "orphan_org", "Its org"),
    _warning("courses", "school_year_sourced_id", "academic_sessions", "orphan_session", "Its school year"),
    _warning("classes", "school_sourced_id", "orgs", "orphan_school", "Its school"),
    _warning("classes", "course_sourced_id", "courses", "orphan_course", "Its course"),
    _warning("class_terms", "term_sourced_id", "academic_sessions", "orphan_term", "One of its terms"),
    _warning("user_roles", "org_sourced_id", "orgs", "orphan_org", "The org of a role"),
    _warning("user_agents", "agent_sourced_id", "users", "orphan_agent", "A related person"),
    Reference("enrollments", "user_sourced_id", "users", "orphan_user", "critical", _NO_PERSON),
    Reference("enrollments", "class_sourced_id", "classes", "orphan_class", "critical", _NO_CLASS),
    _warning("enrollments", "school_sourced_id", "orgs", "orphan_school", "Its school"),
    Reference("demographics", "sourced_id", "users", "orphan_user", "critical", _NO_PERSON),
)


def references_of(table: Table, targets: Mapping[str, pa.ChunkedArray]) -> list[Reference]:
    """A table's references whose targets can be checked tonight."""
    return [ref for ref in REFERENCES if ref.table == table.name and ref.target in targets]


def resolves(rows: pa.Table, reference: Reference, targets: Mapping[str, pa.ChunkedArray]) -> pa.ChunkedArray:
    """Whether each row's reference leads to a row of the roster as it will be; an absent one has nothing to resolve."""
    column = rows[reference.column]
    return pc.or_(pc.is_null(column), pc.is_in(column, value_set=targets[reference.target]))


@dataclass(frozen=True)
class Verdict:
    """What became of a table's rows when their references were resolved.

    :param rejects: in `REJECT_SCHEMA`.
    """

    accepted: pa.Table
    rejects: pa.Table
    findings: list[Finding]


def judged(rows: pa.Table, table: Table, targets: Mapping[str, pa.ChunkedArray]) -> Verdict:
    """Refuse the rows that lead nowhere where that would do harm, count the others."""
    rejects = [REJECT_SCHEMA.empty_table()]
    findings = []
    for reference in references_of(table, targets):
        fails = pc.invert(resolves(rows, reference, targets))
        failing = rows.filter(fails)
        if not failing.num_rows:
            continue
        findings.append(
            Finding(
                collection=table.name,
                rule=reference.rule,
                severity=reference.severity,
                message=reference.reason,
                count=failing.num_rows,
            )
        )
        if reference.severity == "critical":
            rejects.append(_rejects(failing, table, reference))
            rows = rows.filter(pc.invert(fails))
    return Verdict(rows, pa.concat_tables(rejects), findings)


def _rejects(rows: pa.Table, table: Table, reference: Reference) -> pa.Table:
    shown = None if table.name == "demographics" else rows.to_pylist()
    texts = [
        None if shown is None else msgspec.json.encode({k: v for k, v in shown[i].items() if v is not None}).decode()
        for i in range(rows.num_rows)
    ]
    same = {
        "collection": table.collection,
        "rule": reference.rule,
        "reason": reference.reason,
        "field": reference.column,
    }
    columns = {name: pa.array([value] * rows.num_rows, pa.string()) for name, value in same.items()}
    columns |= {"sourced_id": rows["sourced_id"], "record": pa.array(texts, pa.string())}
    return pa.table([columns[name] for name in REJECT_SCHEMA.names], schema=REJECT_SCHEMA)
