"""Writes one collection to the landing zone, page by page. Memory does not grow with the collection.

All tables of a collection become files together, at the end of a page. The files hold exactly the rows up to that page,
so a retry can continue there. A collection may start over, for example when its total changes during the pull. Files
from before are void: no manifest names them, and retention deletes them with the pull.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.extract.resume import PartialCollection
from rollcall.landing.manifests import Part, write_rows
from rollcall.landing.pull import LandedCollection, Pull, landed_schema
from rollcall.landing.rejects import REJECT_SCHEMA, Reject, build_rejects
from rollcall.landing.zone import PullFolder
from rollcall.model.tables import tables_of
from rollcall.oneroster.columns import columns
from rollcall.oneroster.decode import UnreadableRecord
from rollcall.oneroster.pages import Page, Proof

#: Rows of a table kept in memory before they become a file, and their bytes. A crash loses at most these.
ROWS_PER_PART = 20_000
_BYTES_PER_PART = 32 << 20

_REASONS = {
    "not_an_object": "The entry is not a record. Expected: a JSON object.",
    "no_sourced_id": "The record has no readable sourcedId, so it cannot be identified.",
    "wrong_type": "A field has the wrong type, such as an object where OneRoster has text.",
    "not_utf8": "The record is not encoded in UTF-8, so its text cannot be read.",
    "not_json": "A field holds a value that JSON does not allow, such as NaN or Infinity.",
    "number_out_of_range": "A number is too large or has too many digits.",
    "nested_too_deeply": "A field has lists or objects nested more than 100 levels deep. No database accepts that.",
    "record_too_large": "The record is larger than 16 MB.",
    "sourced_id_unusable": (
        "The sourcedId contains a NUL or half a character. No database stores these, and without them it would be "
        "another record's sourcedId."
    ),
}


class CollectionLanding:
    """Writes one attempt at a collection to the landing zone.

    :param dropped_roles: people with no other role are not landed (`drop`).
    :param partial: files that an earlier try of the same pull wrote. They are kept.
    """

    def __init__(
        self,
        folder: PullFolder,
        collection: str,
        dropped_roles: Iterable[str],
        *,
        attempt: int = 1,
        partial: PartialCollection | None = None,
    ) -> None:
        self.attempt = attempt
        self.received = partial.received if partial else 0
        self.not_landed = partial.not_landed if partial else 0
        self.collection = collection
        self._dropped_roles = pa.array(sorted(dropped_roles), pa.string())
        written = partial.parts if partial else {}
        self._tables = {
            table.name: _PartWriter(folder, table.name, landed_schema(table), written.get(table.name, []))
            for table in tables_of(collection)
        }
        self._rejects = _PartWriter(folder, "rejects", REJECT_SCHEMA, partial.rejects if partial else [])
        self._unidentified = partial.unidentified if partial else 0
        self._checkpoint = partial.checkpoint if partial else None

    def add(self, page: Page) -> bool:
        """Add a page's records, readable or not.

        :returns: whether all rows received so far are in files.
        """
        self.received += page.received
        for name, rows in self._as_tables(page.records).items():
            self._tables[name].add(rows)
        if page.unreadable:
            self._unidentified += sum(record.sourced_id is None for record in page.unreadable)
            self._rejects.add(_rejects(self.collection, page.unreadable))
        self._checkpoint = page.checkpoint
        if not any(writer.is_full for writer in (*self._tables.values(), self._rejects)):
            return False
        self._write()
        return True

    def flush(self, since: datetime | None, landed: LandedCollection | None = None) -> PartialCollection:
        """Write buffered rows. Return what a retry needs to continue.

        :param landed: the manifest's entry, once the collection is complete.
        """
        self._write()
        return PartialCollection(
            collection=self.collection,
            received=self.received,
            parts={name: parts.written for name, parts in self._tables.items()},
            rejects=self._rejects.written,
            unidentified=self._unidentified,
            not_landed=self.not_landed,
            checkpoint=self._checkpoint,
            since=since,
            landed=landed,
        )

    def finish(self, proof: Proof, since: datetime | None = None) -> tuple[LandedCollection, list[Part]]:
        """Write buffered rows. Return the manifest's entry and the parts of the rejects."""
        self._write()
        landed = LandedCollection(
            collection=self.collection,
            parts={name: parts.written for name, parts in self._tables.items()},
            proof=proof,
            since=since,
            unreadable=self._rejects.rows,
            unidentified=self._unidentified,
            not_landed=self.not_landed,
        )
        return landed, self._rejects.written

    def _as_tables(self, records: list[Any]) -> dict[str, pa.Table]:
        values = columns(self.collection, records)
        tables = {name: pa.table(values[name], schema=parts.schema) for name, parts in self._tables.items()}
        if self.collection == "users" and len(self._dropped_roles):
            kept = _drop_users_by_role(tables, self._dropped_roles)
            self.not_landed += tables["users"].num_rows - kept["users"].num_rows
            return kept
        return tables

    def _write(self) -> None:
        for parts in (*self._tables.values(), self._rejects):
            parts.write()


class _PartWriter:
    """Buffers rows of one table and writes them to files.

    :param written: existing files.
    """

    def __init__(self, folder: PullFolder, table: str, schema: pa.Schema, written: list[Part]) -> None:
        self.schema = schema
        self.written = list(written)
        self.buffered = 0
        self._bytes = 0
        self._folder = folder
        self._table = table
        self._rows: list[pa.Table] = []

    @property
    def rows(self) -> int:
        return self.buffered + sum(part.rows for part in self.written)

    @property
    def is_full(self) -> bool:
        """Whether the buffer must become a file."""
        return self.buffered >= ROWS_PER_PART or self._bytes >= _BYTES_PER_PART

    def add(self, rows: pa.Table) -> None:
        self.buffered += rows.num_rows
        self._bytes += rows.nbytes
        self._rows.append(rows)

    def write(self) -> None:
        """Write buffered rows to a file."""
        if self._rows:
            self.written += write_rows(self._folder, Pull.STAGE, self._table, pa.concat_tables(self._rows))
            self._rows, self.buffered, self._bytes = [], 0, 0


def _drop_users_by_role(tables: dict[str, pa.Table], dropped_roles: pa.Array) -> dict[str, pa.Table]:
    """Drop users whose roles are all dropped, with their rows in the other tables. Users without a role stay.

    All roles of a user are in one record, so one page is enough to decide.
    """
    roles = tables["user_roles"]
    is_dropped = pc.is_in(roles.column("role"), value_set=dropped_roles)
    holders = roles.column("user_sourced_id")
    dropped = pc.and_(
        pc.is_in(tables["users"].column("sourced_id"), value_set=holders.filter(is_dropped).combine_chunks()),
        pc.invert(
            pc.is_in(
                tables["users"].column("sourced_id"), value_set=holders.filter(pc.invert(is_dropped)).combine_chunks()
            )
        ),
    )
    users = tables["users"].filter(pc.invert(dropped))
    kept = users.column("sourced_id").combine_chunks()
    others = {
        name: rows.filter(pc.is_in(rows.column("user_sourced_id"), value_set=kept))
        for name, rows in tables.items()
        if name != "users"
    }
    return {"users": users, **others}


def _rejects(collection: str, unreadable: list[UnreadableRecord]) -> pa.Table:
    """Unreadable records as rejects."""
    return build_rejects(
        collection,
        (
            Reject(
                record.sourced_id,
                record.code,
                _REASONS.get(record.code, "The record could not be read."),
                record.field,
                msgspec.json.decode(record.record) if record.record else msgspec.UNSET,
            )
            for record in unreadable
        ),
    )
