"""Check rows against the roster after tonight: references, parents, primary roles, and sessions (rule 2).

A reference resolves if its target was accepted tonight, or is live and not removed tonight. A rejected target counts by
its published version, and targets of collections that were not pulled are not checked. The checks compute boolean
columns for all rows at once; the suites judge them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.expectations.judge import BrokenRule, Judge
from rollcall.expectations.rules import Rule
from rollcall.expectations.suites import SUITES
from rollcall.landing.rejects import REJECT_SCHEMA, Reject, build_rejects
from rollcall.landing.validated import Finding, Severity
from rollcall.model.keys import join_columns
from rollcall.model.tables import TABLES, Table


def find_parent_ends(rows: pa.Table, staying: pa.Table) -> pa.Array:
    """False for each row that is its own ancestor.

    Each node has one parent, so all parents are followed at once, twice as far each time. After log2(n) steps each node
    has reached the end above it, or a circle; the nodes reached that are no end are exactly those of circles.

    :param rows: accepted tonight; sourced_id, parent_sourced_id.
    :param staying: published rows that stay without having been received, the same columns.
    """
    names = ["sourced_id", "parent_sourced_id"]
    nodes = pa.concat_tables([rows.select(names), staying.select(names)])
    count = nodes.num_rows
    above = pc.index_in(nodes["parent_sourced_id"], value_set=nodes["sourced_id"])
    # an empty or unknown parent is the number after the last node, which is its own parent
    reached = np.append(pc.fill_null(above, count).to_numpy(), count).astype(np.int64)
    for _ in range(max(1, count).bit_length()):
        reached = reached[reached]
    on_circle = np.zeros(count + 1, dtype=bool)
    on_circle[reached] = True
    return pa.array(~on_circle[: rows.num_rows])


def find_only_primary(user_roles: pa.Table) -> pa.ChunkedArray:
    """False for primary roles of which a person has another at the same org.

    All roles of a user come in one record, so those accepted tonight are all the person will have.
    """
    is_primary = pc.fill_null(pc.equal(user_roles["role_type"], "primary"), False)
    org = pc.fill_null(user_roles["org_sourced_id"], "")
    place = join_columns(user_roles["user_sourced_id"], org)
    counted = pc.value_counts(place.filter(is_primary))
    several = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
    return pc.invert(pc.and_(is_primary, pc.is_in(place, value_set=several)))


#: End dates are exclusive in OneRoster and inclusive in many a roster: one day is no difference.
_A_DAY = pa.scalar(np.timedelta64(1, "D").astype("timedelta64[s]"))


def find_inside_session(enrollments: pa.Table, class_terms: pa.Table, sessions: pa.Table) -> pa.ChunkedArray:
    """False if a date of the enrollment is outside the terms of its class.

    A class with several terms lasts from the first begin date to the last end date.

    :param class_terms: as they will be; class_sourced_id, term_sourced_id.
    :param sessions: as they will be; sourced_id, start_date, end_date.
    """
    at = pc.index_in(class_terms["term_sourced_id"], value_set=sessions["sourced_id"])
    spans = pa.table(
        {
            "class": class_terms["class_sourced_id"],
            "start": sessions["start_date"].take(at),
            "end": sessions["end_date"].take(at),
        }
    )
    lasts = spans.group_by("class").aggregate([("start", "min"), ("end", "max")])
    of_class = pc.index_in(enrollments["class_sourced_id"], value_set=lasts["class"])
    last_day = pc.add(lasts["end_max"].cast(pa.timestamp("s")), _A_DAY).cast(pa.date32())
    begins = pc.greater_equal(enrollments["begin_date"], lasts["start_min"].take(of_class))
    ends = pc.less_equal(enrollments["end_date"], last_day.take(of_class))
    return pc.and_(pc.fill_null(begins, True), pc.fill_null(ends, True))


@dataclass(frozen=True)
class Reference:
    """One reference that must resolve.

    :param column: an empty one has nothing to resolve.
    :param target: the table it leads to.
    :param is_needed: whether the row is unusable without it; then the reason why the target is missing is reported.
    """

    column: str
    target: str
    is_needed: bool = False

    def facts(self) -> list[str]:
        """The boolean columns about it. Of a needed one, exactly one is false where it does not resolve."""
        endings = ("arrived", "is_not_refused", "is_not_removed") if self.is_needed else ("resolves",)
        return [f"{self.column}_{ending}" for ending in endings]


def _references(table: Table) -> list[Reference]:
    """The references that a rule of the table's suite reads."""
    rules = SUITES[table.collection].roster.get(table.name, []) if table.collection else []
    read = {column for rule in rules for column in rule.columns()}
    known = (Reference(name, target, name in table.owners) for name, target in table.references.items())
    return [reference for reference in known if read.intersection(reference.facts())]


#: By table. A part's reference to its own record has no rule: both were received together.
REFERENCES: dict[str, list[Reference]] = {table.name: _references(table) for table in TABLES.values()}


@dataclass(frozen=True)
class Targets:
    """Targets of references, as sourcedIds per table; without tables that were not pulled.

    :param live: of the roster as it will be.
    :param refused: of records refused tonight.
    :param removed: of records removed tonight or earlier.
    """

    live: Mapping[str, pa.ChunkedArray]
    refused: Mapping[str, pa.ChunkedArray]
    removed: Mapping[str, pa.ChunkedArray]


def resolve_references(rows: pa.Table, table: Table, targets: Targets) -> dict[str, pa.ChunkedArray]:
    """The columns of the suites: `<column>_resolves`, and for needed references a column per cause."""
    facts: dict[str, pa.ChunkedArray] = {}
    for reference in REFERENCES[table.name]:
        if reference.target not in targets.live:
            continue
        values = rows[reference.column]
        resolves = pc.or_(pc.is_null(values), pc.is_in(values, value_set=targets.live[reference.target]))
        facts |= _why_not(values, resolves, reference, targets) if reference.is_needed else _only(reference, resolves)
    return facts


def _only(reference: Reference, resolves: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
    return dict(zip(reference.facts(), [resolves], strict=True))


def _why_not(
    values: pa.ChunkedArray, resolves: pa.ChunkedArray, reference: Reference, targets: Targets
) -> dict[str, pa.ChunkedArray]:
    is_refused = _in(values, targets.refused.get(reference.target))
    is_removed = pc.and_(pc.invert(is_refused), _in(values, targets.removed.get(reference.target)))
    is_known = pc.or_(is_refused, is_removed)
    found = (is_known, pc.invert(is_refused), pc.invert(is_removed))
    return {name: pc.or_(resolves, fact) for name, fact in zip(reference.facts(), found, strict=True)}


def _in(values: pa.ChunkedArray, keys: pa.ChunkedArray | None) -> pa.ChunkedArray:
    return pc.is_in(values, value_set=pa.chunked_array([], pa.string()) if keys is None else keys)


#: Live rows of a table as they will be, these columns.
After = Callable[[str, list[str]], pa.Table]


def compute_facts(
    table: Table, rows: pa.Table, targets: Targets, staying: pa.Table, after: After
) -> dict[str, pa.Array | pa.ChunkedArray]:
    """All boolean columns of the suite for this table.

    :param rows: accepted tonight, without tombstones.
    :param staying: published rows of this table that stay without having been received; sourced_id and parent.
    """
    made: dict[str, pa.Array | pa.ChunkedArray] = dict(resolve_references(rows, table, targets))
    if "parent_sourced_id" in table.names:
        made["parent_ends"] = find_parent_ends(rows, staying)
    if table.name == "user_roles":
        made["is_only_primary"] = find_only_primary(rows)
    if table.name == "enrollments":
        terms = after("class_terms", ["class_sourced_id", "term_sourced_id"])
        sessions = after("academic_sessions", ["sourced_id", "start_date", "end_date"])
        made["is_inside_session"] = find_inside_session(rows, terms, sessions)
    return made


@dataclass(frozen=True)
class Verdict:
    """The accepted rows, and the rejects and findings about the others.

    :param rejects: in `REJECT_SCHEMA`; a refused part (a user's role) is only a finding.
    """

    accepted: pa.Table
    rejects: pa.Table
    findings: list[Finding]


def judge_rows(
    judge: Judge,
    rows: pa.Table,
    table: Table,
    facts: Mapping[str, pa.Array | pa.ChunkedArray],
    reasons: Mapping[str, str] | None = None,
) -> Verdict:
    """Refuse rows that break a critical rule; count the others.

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
    if not refused:  # the usual case, without a copy
        return Verdict(rows, REJECT_SCHEMA.empty_table(), findings)
    keeps = np.ones(rows.num_rows, dtype=bool)
    keeps[list(refused)] = False
    rejects = _rejects(rows, collection, table, refused) if table.parent is None else REJECT_SCHEMA.empty_table()
    return Verdict(rows.filter(pa.array(keeps)), rejects, findings)


def removed_with_owner_finding(judge: Judge, table: Table, name: str, count: int) -> Finding:
    """The finding about received records that were removed with their person or class; none is a reject."""
    collection = table.collection or table.name
    [rule] = [rule for rule in SUITES[collection].roster[table.name] if rule.name == name]
    severity = judge.severities.of(collection, rule).severity
    return Finding(collection=collection, rule=name, severity=severity, message=rule.reason, count=count)


def _of_part(severity: Severity) -> Severity:
    """No record is refused for a part of it, so a finding about one is at most a warning."""
    return "info" if severity == "info" else "warning"


def _first_reasons(broken: list[BrokenRule]) -> dict[int, Rule]:
    """Row number to the first critical rule it breaks."""
    refused: dict[int, Rule] = {}
    for one in broken:
        for row in () if one.rows is None else one.rows.tolist():
            refused.setdefault(row, one.rule)
    return refused


def _rejects(rows: pa.Table, collection: str, table: Table, refused: dict[int, Rule]) -> pa.Table:
    """The rejected rows with their reasons, in the order in which they were received."""
    numbers = sorted(refused)
    records = rows.take(pa.array(numbers, pa.int64())).to_pylist()
    rejects = (
        Reject(record["sourced_id"], (rule := refused[number]).name, rule.reason, rule.field, record)
        for number, record in zip(numbers, records, strict=True)
    )
    return build_rejects(collection, rejects, table.of_kind("json"))
