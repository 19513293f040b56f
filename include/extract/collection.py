"""One collection into the landing zone: page by page, so that memory does not grow with the collection.

A reader may begin a collection again (its total changed while it was read). What was written before then is void: its
files are not named by any manifest, and retention deletes them with the pull.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from include.contracts import REJECT_SCHEMA, LandedCollection, Part, Proof, Pull, landed_schema, write_rows
from include.landing import PullFolder
from include.oneroster.columns import columns
from include.oneroster.decode import Unreadable
from include.oneroster.paging import Page
from include.oneroster.paging import Proof as ReadersProof
from include.tables import tables_of

#: Rows of a table that are kept in memory until they become a file.
ROWS_PER_PART = 50_000

_REASONS = {
    "not_an_object": "The entry is no record: a JSON object was expected.",
    "no_sourced_id": "The record has no sourcedId that can be read, so nobody can tell which record it is.",
    "wrong_type": "A field holds another kind of value than OneRoster has there, such as an object where text belongs.",
    "not_utf8": "The record is not encoded in UTF-8, so its letters cannot be read.",
}


class CollectionLanding:
    """What one reading of a collection left in the landing zone.

    :param not_landed: roles whose people stay outside, where they have no other role (`do_not_land`).
    """

    def __init__(self, folder: PullFolder, collection: str, not_landed: Iterable[str], attempt: int) -> None:
        self.attempt = attempt
        self.received = 0
        self._collection = collection
        self._not_landed = pa.array(sorted(not_landed), pa.string())
        self._tables = {table.name: _Parts(folder, table.name, landed_schema(table)) for table in tables_of(collection)}
        self._rejects = _Parts(folder, "rejects", REJECT_SCHEMA)
        self._unidentified = 0

    def add(self, page: Page) -> None:
        """Take a page's records, readable or not."""
        self.received += page.received
        for name, rows in self._as_tables(page.records).items():
            self._tables[name].add(rows)
        if page.unreadable:
            self._unidentified += sum(one.sourced_id is None for one in page.unreadable)
            self._rejects.add(_rejects(self._collection, page.unreadable))

    def finish(self, proof: ReadersProof) -> tuple[LandedCollection, list[Part]]:
        """Write what is still in memory; the manifest's entry, and the parts of the rejects."""
        unreadable = self._rejects.rows
        landed = LandedCollection(
            collection=self._collection,
            parts={name: parts.finish() for name, parts in self._tables.items()},
            proof=_proof(proof),
            unreadable=unreadable,
            unidentified=self._unidentified,
        )
        return landed, self._rejects.finish()

    def _as_tables(self, records: list[Any]) -> dict[str, pa.Table]:
        made = columns(self._collection, records)
        tables = {name: pa.table(made[name], schema=parts.schema) for name, parts in self._tables.items()}
        if self._collection == "users" and len(self._not_landed):
            return _without_roles(tables, self._not_landed)
        return tables


class _Parts:
    """Rows of one table on their way into files of about `ROWS_PER_PART` rows."""

    def __init__(self, folder: PullFolder, table: str, schema: pa.Schema) -> None:
        self.schema = schema
        self.rows = 0
        self._folder = folder
        self._table = table
        self._waiting: list[pa.Table] = []
        self._written: list[Part] = []

    def add(self, rows: pa.Table) -> None:
        self.rows += rows.num_rows
        self._waiting.append(rows)
        if sum(table.num_rows for table in self._waiting) >= ROWS_PER_PART:
            self._write()

    def finish(self) -> list[Part]:
        self._write()
        return self._written

    def _write(self) -> None:
        if self._waiting:
            self._written += write_rows(self._folder, Pull.STAGE, self._table, pa.concat_tables(self._waiting))
            self._waiting = []


def _without_roles(tables: dict[str, pa.Table], not_landed: pa.Array) -> dict[str, pa.Table]:
    """The users that have another role than these, or none at all; with their parts.

    All roles of a user stand in one record, so a page is enough to decide.
    """
    roles = tables["user_roles"]
    outside = pc.is_in(roles.column("role"), value_set=not_landed)
    holders = roles.column("user_sourced_id")
    leaving = pc.and_(
        pc.is_in(tables["users"].column("sourced_id"), value_set=holders.filter(outside).combine_chunks()),
        pc.invert(
            pc.is_in(
                tables["users"].column("sourced_id"), value_set=holders.filter(pc.invert(outside)).combine_chunks()
            )
        ),
    )
    users = tables["users"].filter(pc.invert(leaving))
    staying = users.column("sourced_id").combine_chunks()
    parts = {
        name: rows.filter(pc.is_in(rows.column("user_sourced_id"), value_set=staying))
        for name, rows in tables.items()
        if name != "users"
    }
    return {"users": users, **parts}


def _rejects(collection: str, unreadable: list[Unreadable]) -> pa.Table:
    """Unreadable records as rejects; of demographics nothing but that there was one."""
    return pa.table(
        {
            "collection": [collection] * len(unreadable),
            "sourced_id": [one.sourced_id for one in unreadable],
            "rule": [one.code for one in unreadable],
            "reason": [_REASONS.get(one.code, "The record could not be read.") for one in unreadable],
            "field": [one.field for one in unreadable],
            "record": [None if collection == "demographics" else one.record.decode() or None for one in unreadable],
        },
        schema=REJECT_SCHEMA,
    )


def _proof(proof: ReadersProof) -> Proof:
    return Proof(
        kind=proof.kind,
        expected=proof.expected,
        received=proof.received,
        unique=proof.unique,
        pages=proof.pages,
        rows_per_page=proof.rows_per_page,
        why=proof.why,
    )
