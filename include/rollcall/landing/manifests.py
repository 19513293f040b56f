"""What one stage hands the next: small values and the names of files, never rows.

A task returns a `PullRef`. Everything else it produced is in the pull's folder of the landing zone and is listed in the
stage's manifest. So any stage can be run again alone from what the stage before it left.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

import msgspec
import pyarrow as pa

from rollcall.landing.zone import PullFolder


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """Values between stages: immutable, and converted to JSON and back without loss.

    A contract that is a stage's manifest has that stage's name in `STAGE`.
    """

    STAGE: ClassVar[str]


ContractType = TypeVar("ContractType", bound=Contract)


class Part(Contract, frozen=True):
    """One Parquet file of the landing zone."""

    name: str
    rows: int
    sha256: str


def save(folder: PullFolder, contract: Contract) -> None:
    """Write a stage's manifest."""
    folder.write_manifest(contract.STAGE, to_json(contract))


def load(folder: PullFolder, kind: type[ContractType]) -> ContractType:
    """Read a stage's manifest.

    :raises RollcallError: `not_landed` when the stage has not finished for this pull.
    """
    return from_json(folder.read_manifest(kind.STAGE), kind)


def to_json(contract: msgspec.Struct) -> dict[str, Any]:
    """A contract as plain values, for XCom and manifests."""
    plain: dict[str, Any] = msgspec.to_builtins(contract)
    return plain


def from_json(plain: dict[str, Any], kind: type[ContractType]) -> ContractType:
    return msgspec.convert(plain, kind)


def write_rows(folder: PullFolder, stage: str, table: str, rows: pa.Table) -> list[Part]:
    """Write rows as one part; no part for no rows."""
    if not rows.num_rows:
        return []
    name, sha256 = folder.write_part(stage, table, rows)
    return [Part(name=name, rows=rows.num_rows, sha256=sha256)]


def read_rows(folder: PullFolder, parts: list[Part], schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """The rows of these parts in order, in `schema` or only its named columns."""
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    tables = [folder.read_part(part.name, part.sha256, schema.names).cast(schema) for part in parts]
    return pa.concat_tables(tables) if tables else schema.empty_table()
