"""The collections of one pull, from the client into the pull's folder, with notes for a retry on the way."""

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

#: Why nothing can be asked for by when it was modified.
_WITHOUT_FILTER: dict[FilterSupport, str] = {
    "ignored": "the provider ignores the filter on dateLastModified",
    "refused": "the provider refuses the filter on dateLastModified",
    "unanswered": "the provider answers the filter on dateLastModified without a list",
}

#: A collection's entry in the manifest, and the parts of its rejects.
Landed = tuple[LandedCollection, list[Part]]


class Pages(Protocol):
    """The pages of a collection, and after the last one its proof."""

    @property
    def proof(self) -> Proof: ...

    def __iter__(self) -> Iterator[Page]: ...


class CollectionReader:
    """Reads the collections of one pull; what an earlier try completed is taken as it is.

    :param district: its id, for errors.
    :param not_landed: roles whose people stay outside.
    """

    def __init__(
        self,
        client: OneRosterClient,
        district: str,
        folder: PullFolder,
        unfinished: ResumeJournal,
        begun: StartedPull,
        not_landed: Iterable[str],
        teller: ProgressReporter,
    ) -> None:
        self._client = client
        self._district = district
        self._folder = folder
        self._unfinished = unfinished
        self._begun = begun
        self._not_landed = list(not_landed)
        self._teller = teller

    def all(self, wanted: Mapping[str, datetime | None], at_once: int) -> dict[str, Landed]:
        """Read collections in parallel; the first failure closes the client, so that none waits for its back-off.

        :param wanted: since when each was modified; None for the whole of it.
        :raises RollcallError: what the client raises, with the collection named.
        """
        with ThreadPoolExecutor(at_once, thread_name_prefix="extract") as pool:
            reading = {name: pool.submit(self._one_of_many, name, since) for name, since in wanted.items()}
            try:
                wait(reading.values(), return_when=FIRST_EXCEPTION)
            finally:
                if not all(future.done() for future in reading.values()):
                    self._client.close()
                pool.shutdown(cancel_futures=True)
        ended = [future.exception() for future in reading.values() if not future.cancelled()]
        if errors := [error for error in ended if error is not None]:
            raise min(errors, key=lambda error: isinstance(error, ClientClosed))
        return {name: future.result() for name, future in reading.items()}

    def one(self, collection: str, *, since: datetime | None = None, pages: Pages | None = None) -> Landed:
        """Read one collection, behind what an earlier try left of it.

        :param pages: where they were read already.
        """
        found = self._unfinished.collection(self._begun, collection)
        if found is not None and found.landed is not None:
            log.info("%s: complete since an earlier try of this pull", collection)
            return found.landed, found.rejects
        self._teller.begin(collection, found.received if found else 0)
        with prefix_errors(collection, self._district):
            if found is not None:
                since = found.since
            elif since is not None and (answer := self._client.filter_support(collection)) != "obeyed":
                log.info("%s: %s, so all of it is read", collection, _WITHOUT_FILTER[answer])
                since = None
            made, reader = self._begin(collection, since, found)
            try:
                return self._land(made, pages or reader, since)
            except FilterUnanswered as error:
                log.info("%s: %s All of it is read", collection, error.message)
            made, reader = self._begin(collection, None, None)
            return self._land(made, reader, None)

    def _one_of_many(self, collection: str, since: datetime | None) -> Landed:
        try:
            return self.one(collection, since=since)
        except BaseException:
            self._client.close()  # here, for a free thread would begin the next collection at once
            raise

    def _begin(
        self, collection: str, since: datetime | None, found: PartialCollection | None
    ) -> tuple[CollectionLanding, Pages]:
        """What to add pages to, and the pages to add.

        Nothing is ever joined to the filter: with `status` beside it a provider would keep its tombstones to itself.
        """
        expression = None if since is None else modified_since(since)
        # of people who must not land nothing is kept, so nobody could tell whether they come again
        if found is None or found.checkpoint is None or found.not_landed:
            made = CollectionLanding(self._folder, collection, self._not_landed)
            return made, self._client.pages(collection, filter=expression)
        made = CollectionLanding(self._folder, collection, self._not_landed, found=found)
        log.info("%s: going on behind the %s rows of an earlier try", collection, f"{made.received:,}")
        reader = self._client.pages(
            collection, filter=expression, resume=found.checkpoint, seen=self._ids(collection, found)
        )
        return made, reader

    def _land(self, made: CollectionLanding, pages: Pages, since: datetime | None) -> Landed:
        collection = made.collection
        try:
            for page in pages:
                if page.attempt != made.attempt:
                    made = CollectionLanding(self._folder, collection, self._not_landed, attempt=page.attempt)
                if made.add(page):
                    self._unfinished.note(self._begun, made.so_far(since))
                self._teller.page(collection, made.received, page.total)
        except RollcallError:  # between two pages, so that what there is ends with a whole one
            self._unfinished.note(self._begun, made.so_far(since))
            raise
        if made.attempt != pages.proof.attempt:  # begun again, and then without a page
            made = CollectionLanding(self._folder, collection, self._not_landed, attempt=pages.proof.attempt)
        landed, rejects = made.finish(pages.proof, since)
        self._unfinished.note(self._begun, made.so_far(since, landed))
        self._teller.done(landed)
        return landed, rejects

    def _ids(self, collection: str, found: PartialCollection) -> Iterator[str]:
        """The sourcedIds that came already, readable records or not; file by file."""
        schema = landed_schema(TABLES[collection])
        for part in found.parts[collection]:
            yield from read_rows(self._folder, [part], schema, ["sourced_id"]).column(0).to_pylist()
        for part in found.rejects:
            refused = read_rows(self._folder, [part], REJECT_SCHEMA, ["sourced_id"]).column(0)
            yield from refused.drop_null().to_pylist()


@contextmanager
def prefix_errors(collection: str, district: str) -> Iterator[None]:
    """Put the collection's name before what is wrong with it."""
    try:
        yield
    except RollcallError as error:
        raise type(error)(
            error.code, f"{collection}: {error.message}", remedy=error.remedy, district=district
        ) from None
