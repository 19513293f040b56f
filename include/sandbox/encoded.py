"""A district's records as bytes of its version: each is encoded once, and again only when a night changed it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec

from include.sandbox.filters import parse
from include.sandbox.nights import Night
from include.sandbox.rendering import Rendered, Renderer
from include.sandbox.resources import Resource
from include.sandbox.roster import COLLECTIONS

_encode = msgspec.json.Encoder().encode


class Encoded(NamedTuple):
    """A record ready to be sent, with what it is selected and counted by."""

    sourced_id: str
    status: str
    modified: datetime
    views: tuple[str, ...]
    body: bytes


class EncodedRoster:
    """The collections of one district in one version, ordered by sourcedId."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._by_key: dict[str, dict[str | int, list[Encoded]]] = {}
        for name in COLLECTIONS:
            records = renderer.roster.collection(name)
            self._by_key[name] = {key: self._encoded(renderer.records(record)) for key, record in records.items()}
        self._forget()

    def refresh(self, night: Night) -> None:
        """Encode anew what a night changed."""
        for name, keys in night.changed.items():
            records = self._renderer.roster.collection(name)
            for key in keys:
                if key in records:
                    self._by_key[name][key] = self._encoded(self._renderer.records(records[key]))
                else:
                    self._by_key[name].pop(key, None)
        self._forget()

    def all(self, collection: str) -> list[Encoded]:
        """A whole collection."""
        if collection not in self._ordered:
            records = (record for records in self._by_key[collection].values() for record in records)
            self._ordered[collection] = sorted(records, key=lambda record: record.sourced_id)
        return self._ordered[collection]

    def select(self, resource: Resource, filter_: str | None) -> list[Encoded]:
        """The records a path shows, through a filter if one is given.

        :raises Refused: 400, for a filter that is not understood.
        """
        if (resource.collection, resource.view, filter_) not in self._selections:
            records = self.all(resource.collection)
            if resource.view:
                records = [record for record in records if resource.view in record.views]
            if filter_ is not None:
                keep = parse(filter_)
                records = [record for record in records if keep(record)]
            self._selections[resource.collection, resource.view, filter_] = records
        return self._selections[resource.collection, resource.view, filter_]

    def one(self, resource: Resource, sourced_id: str) -> Encoded | None:
        """A single record, if the path shows it."""
        if resource.collection not in self._by_id:
            records = self.all(resource.collection)
            self._by_id[resource.collection] = {record.sourced_id: record for record in records}
        record = self._by_id[resource.collection].get(sourced_id)
        return record if record and (not resource.view or resource.view in record.views) else None

    def _forget(self) -> None:
        self._ordered: dict[str, list[Encoded]] = {}
        self._by_id: dict[str, dict[str, Encoded]] = {}
        self._selections: dict[tuple[str, str, str | None], list[Encoded]] = {}

    @staticmethod
    def _encoded(records: list[Rendered]) -> list[Encoded]:
        return [Encoded(*record[:4], _encode(record.fields)) for record in records]
