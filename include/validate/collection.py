"""One collection: which of its records are accepted, which are refused and why, and what else is worth a look.

First every record is asked who it is. Records that pass and are no tombstones are then asked the rules of their
collection; a tombstone needs only sourcedId and status (DESIGN, rule 2). Parts (a user's roles, a class's terms) go
with their record: out with a refused one, and not kept for a tombstone. Where a sourcedId came twice, the newest record
counts and the parts of all its copies are laid together, since landed parts know their record by its sourcedId alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from include.contracts import REJECT_SCHEMA, Finding, Severity, accepted_schema
from include.expectations.judge import Broken, Judge
from include.expectations.rules import Rule, Version
from include.expectations.suites import SUITES, every_record
from include.expectations.vocabularies import RELATIVES
from include.reject_record import reject_record
from include.tables import Table, tables_of
from include.validate.looked_at import looked_at
from include.validate.typed import Typed, typed

#: What tells which of the records with one sourcedId counts.
NEWEST_BY = ["sourced_id", "date_last_modified", "status"]


@dataclass(frozen=True)
class Judged:
    """What came out of one collection.

    :param accepted: per table its rows, in :func:`include.contracts.accepted_schema`, tombstones included.
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
    is_newest: pa.Array | None = None,
    *,
    timezone: str = "UTC",
) -> Judged:
    """Judge one collection, or a slice of its records with all their parts.

    :param landed: per table of the collection what extract wrote, as text.
    :param timezone: the district's, in which dates that were sent as instants are read.
    :param is_newest: of a slice's records, as :func:`newest_of` finds it among those of the whole collection.
    :raises RollcallError: `rule_not_judged` when a rule itself fails; never because of what a record holds.
    """
    suite = SUITES[collection]
    main, *part_tables = tables_of(collection)
    records = _with_status(typed(landed[main.name], main, timezone))
    parts = {table.name: typed(landed[table.name], table, timezone) for table in part_tables}

    identity = every_record.identity()
    newest = {"is_newest": newest_of(landed[main.name], main) if is_newest is None else is_newest}
    broken = judge.broken(collection, looked_at(records, newest, identity, version), identity)
    refused = _reasons(broken, np.arange(records.rows.num_rows))
    unidentified = sum(one.count for one in broken if one.rule.name == "sourced_id_missing")

    active = pc.equal(records.rows.column("status"), "active").to_numpy()
    living = np.flatnonzero(active & _not_in(refused, len(active)))
    alive = records.take(living)
    facts = {f"has_{name}": _has(alive, part) for name, part in parts.items()}
    if collection == "users":
        facts |= _needless(alive, parts["user_roles"])
    broken += (content := judge.broken(collection, looked_at(alive, facts, suite.records, version), suite.records))
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
    collection = table.collection or table.name
    broken = judge.broken(collection, looked_at(parts, {}, rules, version), rules)
    kept = _not_in(_reasons(broken, np.arange(parts.rows.num_rows)), parts.rows.num_rows)
    rows = parts.rows.filter(pa.array(kept))
    if table.name == "user_roles":
        rows = _with_role_key(rows).select(table.names).cast(accepted_schema(table))
    findings = [_finding(collection, one, "info" if one.rule.severity == "info" else "warning") for one in broken]
    return _each_key_once(rows, table), findings


def _with_status(records: Typed) -> Typed:
    """Active where no status is said: made in bulk on the provider's side and never touched since (1.2 CSV binding)."""
    place = records.rows.column_names.index("status")
    status = pc.fill_null(records.rows.column("status"), "active")
    return replace(records, rows=records.rows.set_column(place, "status", status))


def newest_of(landed: pa.Table, table: Table) -> pa.Array:
    """False for all but the newest of the records that share a sourcedId.

    Without dateLastModified a record counts as oldest. Where even that is equal, a living record beats a tombstone
    (keeping is the smaller harm), and the later received the earlier.

    :param landed: as text; the columns `NEWEST_BY`, or more.
    """
    newest = np.ones(landed.num_rows, dtype=bool)
    said = landed.column("sourced_id").drop_null()
    if pc.count_distinct(said).as_py() == len(said):  # nearly always
        return pa.array(newest)
    records = _with_status(typed(landed.select(NEWEST_BY), table))
    ids = records.rows.column("sourced_id").to_pandas()
    repeated = (ids.duplicated(keep=False) & ids.notna()).to_numpy()
    copies = pd.DataFrame(
        {
            "sourced_id": ids,
            "changed": records.rows.column("date_last_modified").to_pandas(),
            "active": pc.equal(records.rows.column("status"), "active").to_pandas(),
        }
    )[repeated]
    copies = copies.sort_values(["changed", "active"], na_position="first", kind="stable")
    newest[copies.index[copies.duplicated("sourced_id", keep="last")]] = False
    return pa.array(newest)


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


def _reasons(broken: list[Broken], rows: np.ndarray) -> dict[int, list[Rule]]:
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


def _finding(collection: str, broken: Broken, severity: Severity) -> Finding:
    rule = broken.rule
    return Finding(collection=collection, rule=rule.name, severity=severity, message=rule.reason, count=broken.count)


def _with_role_key(roles: pa.Table) -> pa.Table:
    """`<role>|<org>|<begin date>`: org and begin date may be absent, which no primary key takes.

    Campus 1.1 sends no org for a student who left: the role is kept, so that the reason for having no account is the
    missing school.
    """
    begin = pc.fill_null(roles.column("begin_date").cast(pa.string()), "")
    org = pc.fill_null(roles.column("org_sourced_id"), "")
    key = pc.binary_join_element_wise(roles.column("role"), org, begin, "|")
    return roles.append_column("role_key", key)


def _each_key_once(rows: pa.Table, table: Table) -> pa.Table:
    """The first row of each key; of a role that is there twice, the primary one."""
    keys = rows.select(list(table.key)).to_pandas()
    if not keys.duplicated().any():
        return rows
    order = np.arange(rows.num_rows)
    if "role_type" in rows.column_names:
        primary = pc.fill_null(pc.equal(rows.column("role_type"), "primary"), False).to_numpy()
        order = np.argsort(~primary, kind="stable")
    first = ~keys.iloc[order].duplicated().to_numpy()
    return rows.take(np.sort(order[first]))


def _rejects(table: Table, landed: pa.Table, refused: dict[int, list[Rule]]) -> pa.Table:
    """The refused records in the order in which they came."""
    numbers = sorted(refused)
    records = landed.take(pa.array(numbers, pa.int64())).to_pylist()
    first = [refused[number][0] for number in numbers]
    return pa.table(
        {
            "collection": [table.name] * len(numbers),
            "sourced_id": [record["sourced_id"] for record in records],
            "rule": [rule.name for rule in first],
            "reason": [" ".join(rule.reason for rule in refused[number]) for number in numbers],
            "field": [rule.field for rule in first],
            "record": [reject_record(table.name, record, table.of_kind("json")) for record in records],
        },
        schema=REJECT_SCHEMA,
    )
