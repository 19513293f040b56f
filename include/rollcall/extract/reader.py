"""Reads the collections of one pull from the client into the pull's folder, and records progress for a retry."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from rollcall.errors import RollcallError
from rollcall.extract.collection import CollectionLanding
from rollcall.extract.progress import ProgressReporter
from rollcall.extract.resume import PartialCollection, ResumeJournal, StartedPull
from rollcall.landing.manifests import Part, read_rows
from rollcall.landing.pull import LandedCollection, landed_schema
from rollcall.landing.rejects import REJECT_SCHEMA
from rollcall.landing.zone import PullFolder
from rollcall.model.tables import TABLES
from rollcall.oneroster.client import FilterSupport, OneRosterClient
from rollcall.oneroster.errors import ClientClosed, FilterUnanswered
from rollcall.oneroster.pages import Page, Proof
from rollcall.oneroster.source import modified_since

log = logging.getLogger(__name__)

#: Why a delta is not possible.
_NO_FILTER_REASONS: dict[FilterSupport, str] = {
    "ignored": "the provider ignores the filter on dateLastModified",
    "refused": "the provider refuses the filter on dateLastModified",
    "unanswered": "the provider returns no list for the filter on dateLastModified",
}

#: A collection's entry in the manifest, and the parts of its rejects.
Landed = tuple[LandedCollection, list[Part]]


class Pages(Protocol):
    """The pages of a collection. After the last page: its proof."""

    @property
    def proof(self) -> Proof: ...

    def __iter__(self) -> Iterator[Page]: ...


class CollectionReader:
    """Reads the collections of one pull. Collections that an earlier try completed are not read again.

    :param district: district ID, for errors.
    :param dropped_roles: people with no other role are not landed.
    """

    def __init__(
        self,
        client: OneRosterClient,
        district: str,
        folder: PullFolder,
        journal: ResumeJournal,
        started: StartedPull,
        dropped_roles: Iterable[str],
        reporter: ProgressReporter,
    ) -> None:
        self._client = client
        self._district = district
        self._folder = folder
        self._journal = journal
        self._started = started
        self._dropped_roles = list(dropped_roles)
        self._reporter = reporter

    def read_all(self, since_by_collection: Mapping[str, datetime | None], concurrency: int) -> dict[str, Landed]:
        """Read collections in parallel. The first failure closes the client, which ends the back-off of the others.

        :param since_by_collection: read records modified since then. None: the whole collection.
        :raises RollcallError: what the client raises, with the collection named.
        """
        with ThreadPoolExecutor(concurrency, thread_name_prefix="extract") as pool:
            futures = {
                name: pool.submit(self._read_or_close, name, since) for name, since in since_by_collection.items()
            }
            try:
                wait(futures.values(), return_when=FIRST_EXCEPTION)
            finally:
                if not all(future.done() for future in futures.values()):
                    self._client.close()
                pool.shutdown(cancel_futures=True)
        not_run = [name for name, future in futures.items() if future.cancelled()]  # codespell:ignore cancelled
        outcomes = [future.exception() for name, future in futures.items() if name not in not_run]
        if errors := [error for error in outcomes if error is not None]:
            raise min(errors, key=lambda error: isinstance(error, ClientClosed))
        return {name: future.result() for name, future in futures.items()}

    def read(self, collection: str, *, since: datetime | None = None, pages: Pages | None = None) -> Landed:
        """Read one collection. Continue where an earlier try stopped.

        :param pages: its pages, if they were read before.
        """
        partial = self._journal.collection(self._started, collection)
        if partial is not None and partial.landed is not None:
            log.info("%s: complete from an earlier try of this pull", collection)
            return partial.landed, partial.rejects
        self._reporter.begin(collection, partial.received if partial else 0)
        with prefix_errors(collection, self._district):
            if partial is not None:
                since = partial.since
            elif since is not None and (support := self._client.filter_support(collection)) != "obeyed":
                log.info("%s: %s. The whole collection is read.", collection, _NO_FILTER_REASONS[support])
                since = None
            writer, reader = self._start(collection, since, partial)
            try:
                return self._land(writer, pages or reader, since)
            except FilterUnanswered as error:
                log.info("%s: %s The whole collection is read.", collection, error.message)
            writer, reader = self._start(collection, None, None)
            return self._land(writer, reader, None)

    def _read_or_close(self, collection: str, since: datetime | None) -> Landed:
        try:
            return self.read(collection, since=since)
        except BaseException:
            self._client.close()  # before this thread is free and starts the next collection
            raise

    def _start(
        self, collection: str, since: datetime | None, partial: PartialCollection | None
    ) -> tuple[CollectionLanding, Pages]:
        """The writer of a collection, and the pages to write.

        The filter never has a second condition: with `status` in it a provider would not send tombstones.
        """
        expression = None if since is None else modified_since(since)
        # Dropped people leave no trace, so repeated rows of them could not be detected on resuming.
        if partial is None or partial.checkpoint is None or partial.not_landed:
            writer = CollectionLanding(self._folder, collection, self._dropped_roles)
            return writer, self._client.pages(collection, filter=expression)
        writer = CollectionLanding(self._folder, collection, self._dropped_roles, partial=partial)
        log.info("%s: resuming after the %s rows of an earlier try", collection, f"{writer.received:,}")
        reader = self._client.pages(
            collection, filter=expression, resume=partial.checkpoint, seen=self._seen_ids(collection, partial)
        )
        return writer, reader

    def _land(self, writer: CollectionLanding, pages: Pages, since: datetime | None) -> Landed:
        collection = writer.collection
        try:
            for page in pages:
                if page.attempt != writer.attempt:
                    writer = CollectionLanding(self._folder, collection, self._dropped_roles, attempt=page.attempt)
                if writer.add(page):
                    self._journal.record(self._started, writer.flush(since))
                self._reporter.page(collection, writer.received, page.total)
                del page  # before the next one is decoded
        except RollcallError:  # raised between two pages, so the files end with a whole page
            self._journal.record(self._started, writer.flush(since))
            raise
        if writer.attempt != pages.proof.attempt:  # started over, and then without a page
            writer = CollectionLanding(self._folder, collection, self._dropped_roles, attempt=pages.proof.attempt)
        landed, rejects = writer.finish(pages.proof, since)
        self._journal.record(self._started, writer.flush(since, landed))
        self._reporter.done(landed)
        return landed, rejects

    def _seen_ids(self, collection: str, partial: PartialCollection) -> Iterator[str]:
        """The sourcedIds received before, of readable and unreadable records, file by file."""
        schema = landed_schema(TABLES[collection])
        for part in partial.parts[collection]:
            yield from read_rows(self._folder, [part], schema, ["sourced_id"]).column(0).to_pylist()
        for part in partial.rejects:
            rejected = read_rows(self._folder, [part], REJECT_SCHEMA, ["sourced_id"]).column(0)
            yield from rejected.drop_null().to_pylist()


@contextmanager
def prefix_errors(collection: str, district: str) -> Iterator[None]:
    """Start the message of an error with the collection's name."""
    try:
        yield
    except RollcallError as error:
        raise type(error)(
            error.code, f"{collection}: {error.message}", remedy=error.remedy, district=district
        ) from None
