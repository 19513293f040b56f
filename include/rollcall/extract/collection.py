"""One collection into the landing zone: page by page, so that memory does not grow with the collection.

The tables of a collection become files together, at the end of a page, so that what is in files is all that came up to
that page and nothing else: from there a retry can go on. A reader may begin a collection again (its total changed while
it was read). What was written before then is void: its files are not named by any manifest, and retention deletes them
with the pull.
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

#: Rows of a table that are kept in memory until they become a file, and that are read again after a sudden end.
ROWS_PER_PART = 20_000

_REASONS = {
    "not_an_object": "The entry is no record: a JSON object was expected.",
    "no_sourced_id": "The record has no sourcedId that can be read, so nobody can tell which record it is.",
    "wrong_type": "A field holds another kind of value than OneRoster has there, such as an object where text belongs.",
    "not_utf8": "The record is not encoded in UTF-8, so its letters cannot be read.",
    "not_json": "A field holds something JSON does not have, such as NaN or Infinity.",
    "number_out_of_range": "A number has more digits, or is larger, than any program can read.",
    "nested_too_deeply": "A field holds lists or objects in more than 100 levels, which no database takes.",
    "record_too_large": "The record is larger than 16 MB.",
    "sourced_id_unusable": (
        "The sourcedId has a NUL or half a character in it. No database stores these, and without them it would be "
        "another record's sourcedId."
    ),
}


class CollectionLanding:
    """What one reading of a collection left in the landing zone.

    :param not_landed: roles whose people stay outside, where they have no other role (`drop`).
    :param found: what an earlier try of the same pull left in files; it is gone on with.
    """

    def __init__(
        self,
        folder: PullFolder,
        collection: str,
        not_landed: Iterable[str],
        *,
        attempt: int = 1,
        found: PartialCollection | None = None,
    ) -> None:
        self.attempt = attempt
        self.received = found.received if found else 0
        self.not_landed = found.not_landed if found else 0
        self.collection = collection
        self._not_landed = pa.array(sorted(not_landed), pa.string())
        written = found.parts if found else {}
        self._tables = {
            table.name: _Parts(folder, table.name, landed_schema(table), written.get(table.name, []))
            for table in tables_of(collection)
        }
        self._rejects = _Parts(folder, "rejects", REJECT_SCHEMA, found.rejects if found else [])
        self._unidentified = found.unidentified if found else 0
        self._checkpoint = found.checkpoint if found else None

    def add(self, page: Page) -> bool:
        """Take a page's records, readable or not.

        :returns: whether all that came until now lies in files.
        """
        self.received += page.received
        for name, rows in self._as_tables(page.records).items():
            self._tables[name].add(rows)
        if page.unreadable:
            self._unidentified += sum(one.sourced_id is None for one in page.unreadable)
            self._rejects.add(_rejects(self.collection, page.unreadable))
        self._checkpoint = page.checkpoint
        if max(parts.waiting for parts in (*self._tables.values(), self._rejects)) < ROWS_PER_PART:
            return False
        self._write()
        return True

    def so_far(self, since: datetime | None, landed: LandedCollection | None = None) -> PartialCollection:
        """Write what is still in memory; what a retry finds, and where it goes on.

        :param landed: once the collection is complete.
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
        """Write what is still in memory; the manifest's entry, and the parts of the rejects."""
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
        made = columns(self.collection, records)
        tables = {name: pa.table(made[name], schema=parts.schema) for name, parts in self._tables.items()}
        if self.collection == "users" and len(self._not_landed):
            staying = _without_roles(tables, self._not_landed)
            self.not_landed += tables["users"].num_rows - staying["users"].num_rows
            return staying
        return tables

    def _write(self) -> None:
        for parts in (*self._tables.values(), self._rejects):
            parts.write()


class _Parts:
    """Rows of one table on their way into files.

    :param written: the files there are already.
    """

    def __init__(self, folder: PullFolder, table: str, schema: pa.Schema, written: list[Part]) -> None:
        self.schema = schema
        self.written = list(written)
        self.waiting = 0
        self._folder = folder
        self._table = table
        self._rows: list[pa.Table] = []

    @property
    def rows(self) -> int:
        return self.waiting + sum(part.rows for part in self.written)

    def add(self, rows: pa.Table) -> None:
        self.waiting += rows.num_rows
        self._rows.append(rows)

    def write(self) -> None:
        """Make a file of what waits."""
        if self._rows:
            self.written += write_rows(self._folder, Pull.STAGE, self._table, pa.concat_tables(self._rows))
            self._rows, self.waiting = [], 0


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


def _rejects(collection: str, unreadable: list[UnreadableRecord]) -> pa.Table:
    """Unreadable records as rejects."""
    return build_rejects(
        collection,
        (
            Reject(
                one.sourced_id,
                one.code,
                _REASONS.get(one.code, "The record could not be read."),
                one.field,
                msgspec.json.decode(one.record) if one.record else msgspec.UNSET,
            )
            for one in unreadable
        ),
    )
