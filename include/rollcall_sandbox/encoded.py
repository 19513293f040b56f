"""A district's records as its provider has them: rows in order, built on first use, and encoded when
they are sent. A million students are rows; only the pages being read are JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter

import msgspec

from rollcall_sandbox.paths import RESOURCES, Joins, Resource
from rollcall_sandbox.queries import one, parse
from rollcall_sandbox.quirk import PageRequest, Quirk
from rollcall_sandbox.rendering import Fields, Renderer, Row
from rollcall_sandbox.versions import VOCABULARY, Members

_encode = msgspec.json.Encoder().encode
_MOST_SELECTIONS = 64

Encode = Callable[[str, Fields], bytes]


class EncodedRoster:
    """The collections of one district in one version, ordered by sourcedId."""

    def __init__(self, renderer: Renderer, version: str, quirks: Sequence[Quirk]) -> None:
        self._renderer = renderer
        self._members = VOCABULARY[version]
        self._keeps = [quirk.keeps for quirk in quirks if quirk.keeps]
        self._writes = [quirk.changes_record for quirk in quirks if quirk.changes_record]
        self._flaws = [quirk.flaw for quirk in quirks if quirk.flaw]
        self.refresh()

    def refresh(self) -> None:
        """Forget what was made of the roster, because a night changed it."""
        self._ordered: dict[str, list[Row]] = {}
        self._by_id: dict[str, dict[str, Row]] = {}
        self._selections: dict[tuple[object, ...], list[Row]] = {}
        self._defective: dict[str, dict[str, Encode]] = {}
        self._joins = Joins(self, self._renderer)

    def members(self, collection: str) -> Members:
        return self._members[collection]

    def all(self, collection: str) -> list[Row]:
        """A whole collection, as far as the provider has it."""
        if collection not in self._ordered:
            records = self._renderer.roster.collection(collection).values()
            rows = [row for record in records for row in self._renderer.rows(record)]
            for keep in self._keeps:
                rows = [row for row in rows if keep(self._renderer.roster, row)]
            rows.sort(key=attrgetter("sourced_id"))
            self._ordered[collection] = rows
        return self._ordered[collection]

    def select(self, request: PageRequest, parents: tuple[str, ...]) -> list[Row]:
        """The rows a path shows, filtered and sorted as requested.

        :param parents: the sourcedIds in the path of a nested list, such as that of a school.
        :raises Refused: 400, for a filter that is not understood.
        """
        key = (request.resource, parents, request.filter, request.sort, request.descending)
        if key not in self._selections:
            if len(self._selections) >= _MOST_SELECTIONS:
                self._selections.clear()
            self._selections[key] = self._selected(request, parents)
        return self._selections[key]

    def _selected(self, request: PageRequest, parents: tuple[str, ...]) -> list[Row]:
        rows = self._joins.rows(request.resource, parents) if parents else self._viewed(RESOURCES[request.resource])
        if request.filter is not None:
            keep = parse(request.filter, self._members[request.collection], self._renderer.fields)
            rows = [row for row in rows if keep(row)]
        if request.sort is not None:
            rows = self._sorted(rows, request.sort, request.descending)
        return rows

    def _viewed(self, resource: Resource) -> list[Row]:
        rows = self.all(resource.collection)
        return [row for row in rows if resource.view in self._renderer.views(row)] if resource.view else rows

    def _sorted(self, rows: list[Row], name: str, descending: bool) -> list[Row]:
        """In Unicode order; rows without the member are last, in either order."""
        values = [(one(self._renderer.fields(row), name), row) for row in rows]
        having = [(value, row) for value, row in values if value is not None]
        having.sort(key=lambda pair: pair[0], reverse=descending)
        return [row for _, row in having] + [row for value, row in values if value is None]

    def one(self, resource: Resource, sourced_id: str) -> Row | None:
        """A single row, if the path shows it."""
        collection = resource.collection
        if collection not in self._by_id:
            self._by_id[collection] = {row.sourced_id: row for row in self.all(collection)}
        row = self._by_id[collection].get(sourced_id)
        return row if row and (not resource.view or resource.view in self._renderer.views(row)) else None

    def body(self, collection: str, row: Row, names: Sequence[str] = ()) -> bytes:
        """A record in JSON, with all its members or those named."""
        fields = self._renderer.fields(row)
        for write in self._writes:
            write(collection, fields)
        if self._flaws and (encode := self.defective(collection).get(row.sourced_id)):
            return encode(collection, fields)
        if names:
            fields = {name: fields[name] for name in names if name in fields}
        return _encode(fields)

    def joined(self, collection: str, rows: Sequence[Row], names: Sequence[str] = ()) -> bytes:
        """Records in JSON with commas between them."""
        if self._writes or self._flaws or names:
            return b",".join([self.body(collection, row, names) for row in rows])
        return b",".join(map(_encode, map(self._renderer.fields, rows)))

    def defective(self, collection: str) -> dict[str, Encode]:
        """The records of a collection that a quirk makes defective, by sourcedId."""
        if collection not in self._defective:
            rows = self.all(collection)
            self._defective[collection] = {
                rows[flaw.position].sourced_id: flaw.encode
                for flaw in self._flaws
                if collection in flaw.collections and flaw.position < len(rows)
            }
        return self._defective[collection]
