"""The manifest of validate: accepted rows, rejects, and findings."""

from __future__ import annotations

from typing import ClassVar, Literal

import pyarrow as pa

from rollcall.landing.manifests import Contract, Part
from rollcall.model.tables import Kind, Table

#: How serious a finding is; only `critical` rejects the record.
Severity = Literal["critical", "warning", "info"]


class Finding(Contract, frozen=True):
    """One rule's count in one collection of one run."""

    collection: str
    rule: str
    severity: Severity
    message: str
    count: int


class ValidatedCollection(Contract, frozen=True):
    """One collection after validation.

    :param parts: accepted rows per table, typed, tombstones included (`status` `tobedeleted`).
    :param received: records received, unreadable ones included.
    :param rejected: records rejected, unreadable ones included; they are in the pull's rejects.
    :param proves_absence: whether this was a complete full pull and every sourcedId could be read.
    """

    collection: str
    parts: dict[str, list[Part]]
    received: int
    accepted: int
    tombstones: int
    rejected: int
    proves_absence: bool


class Validated(Contract, frozen=True):
    """The manifest of validate; `rejects` includes those of extract.

    :param rules: a digest of the rules that were applied. If the rules have changed, a replay validates the pull again.
    """

    STAGE: ClassVar[str] = "validate"

    collections: list[ValidatedCollection]
    rejects: list[Part]
    findings: list[Finding]
    rules: str = ""


_ARROW: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "json": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "boolean": pa.bool_(),
    "integer": pa.int64(),
}


def accepted_schema(table: Table) -> pa.Schema:
    """The schema of accepted rows: the table's own types."""
    return pa.schema([(column.name, _ARROW[column.kind]) for column in table.columns])
