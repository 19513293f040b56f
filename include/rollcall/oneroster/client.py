"""A district's OneRoster service, ready to be read: the one door of this package.

with OneRosterClient(connection, "1.2") as client:
    reader = client.pages("users")
    for page in reader:
        ...
    reader.proof
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from types import TracebackType
from typing import Literal

from msgspec import structs

from rollcall.oneroster.connection import OneRosterConnection, Version
from rollcall.oneroster.decode import Decoded, decode_page
from rollcall.oneroster.errors import (
    CONNECTION_SCREEN,
    BaseUrlWrong,
    EndpointNotFound,
    FilterUnanswered,
    InvalidResponse,
    OneRosterError,
    RequestRefused,
    client_closed,
)
from rollcall.oneroster.http import Budget, LocalBudget, Response, Transport, Usage
from rollcall.oneroster.pages import Checkpoint, Fetched
from rollcall.oneroster.paging import PageReader
from rollcall.oneroster.records import COLLECTIONS
from rollcall.oneroster.requester import BackoffGate, Exchange, Retry, T
from rollcall.oneroster.source import FAR_FUTURE, Fetch, LargestLimit, Prefetcher, PrefetchSlots, Source, modified_since

log = logging.getLogger(__name__)

FilterSupport = Literal["obeyed", "ignored", "refused", "unanswered"]

#: What stands between a Base URL as districts get it and the rostering service, by version; the first is "nothing".
_SERVICE = {"1.1": ("", "/v1p1", "/rostering/v1p1"), "1.2": ("", "/rostering/v1p2")}


class OneRosterClient:
    """Reads the collections of one provider; from several threads, one collection each.

    The pages of a collection whose total is known are asked for in parallel, up to `concurrency` of them ahead of the
    one that is being worked on.

    :param version: of the service, which decides paths and scopes. Records of both are read alike.
    :param page_size: rows asked for per page; providers may serve fewer.
    :param concurrency: requests at once, token requests included.
    :param budget: asked for leave before each request; left out, it is `concurrency` in this process.
    :param demographics: whether they will be read, which takes a scope of its own.
    :param timeout: seconds to connect, and of silence while reading.
    :param retry: how long a failing request is tried again.
    """

    def __init__(
        self,
        connection: OneRosterConnection,
        version: Version,
        *,
        page_size: int = 5000,
        concurrency: int = 5,
        budget: Budget | None = None,
        demographics: bool = False,
        timeout: tuple[float, float] = (10, 120),
        retry: Retry | None = None,
    ) -> None:
        self.connection = connection
        self.version = version
        self.page_size = page_size
        self._waits = BackoffGate()
        #: What is asked for leave before each request; a lease also counts requests in peak hours.
        self.budget: Budget = budget or LocalBudget(concurrency)
        self._transport = Transport(
            budget=self.budget, concurrency=concurrency, timeout=timeout, check_open=self._waits.check
        )
        self._exchange = Exchange(
            connection, version, self._transport, retry or Retry(), self._waits, demographics=demographics
        )
        # With one request at once there is nothing to overlap. Threads begin when they are needed.
        self._places = PrefetchSlots(concurrency if concurrency > 1 else 0)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="oneroster")
        self._largest = LargestLimit()
        self._base_url: str | None = None
        self._known_base_url = ""
        self._nowhere: OneRosterError | None = None
        self._resolving = threading.Lock()

    @property
    def usage(self) -> Usage:
        """Load on the provider so far."""
        return structs.replace(
            self._transport.usage,
            requests_in_peak=getattr(self.budget, "requests_in_peak", 0),
            seconds_waited=self._waits.seconds,
        )

    def assume_base_url(self, base_url: str) -> None:
        """Look first where the service answered the last time; it costs nothing where that is still right."""
        self._known_base_url = base_url

    def assume_limit(self, limit: int) -> None:
        """Ask for no more rows per page than the provider accepted the last time."""
        self._largest.expect(limit)

    @property
    def largest_limit(self) -> int | None:
        """The largest limit that was accepted after a larger one had been refused; None while none was refused."""
        return self._largest.found

    @property
    def requests_in_flight(self) -> int:
        """Requests in flight now."""
        return self._transport.requests_in_flight

    @property
    def backoff_seconds_left(self) -> float | None:
        """Seconds until requests resume after a 429. None: no back-off is active."""
        return self._waits.seconds_left

    @property
    def base_url(self) -> str:
        """Where the rostering service answers: the Base URL, or a service path below it. Asked for once.

        :raises BaseUrlWrong: it answers nowhere; the message says where it was looked for.
        :raises OneRosterError: refused or unreachable; a refusal (401, 403) is no sign of a wrong path.
        """
        with self._resolving:
            if self._nowhere is not None:
                raise self._nowhere  # each waiting thread would only wait for the same failure once more
            if self._base_url is None:
                try:
                    self._base_url = self._resolve()
                except OneRosterError as error:
                    self._nowhere = error
                    raise
            return self._base_url

    def pages(
        self,
        collection: str,
        *,
        filter: str | None = None,
        resume: Checkpoint | None = None,
        seen: Iterable[str] = (),
    ) -> PageReader:
        """The pages of a collection, read as they are iterated over.

        :param collection: a name of `COLLECTIONS`.
        :param filter: OneRoster's expression, such as `modified_since` makes; it must not name a person, for URLs are
            logged.
        :param resume: the checkpoint of the last page of an earlier reading with the same filter. That page is read
            again; if it is still the same, the pages behind it follow, else the collection from its start as attempt 2.
        :param seen: every sourcedId that earlier reading brought, whether it was kept or not; if one is missing, the
            collection is read from its start too.
        """
        limit = resume.page_size if resume is not None and resume.page_size else self.page_size
        source = self._source(collection, filter, limit)
        return PageReader(
            COLLECTIONS[collection],
            lambda: Prefetcher(source.fetch, self._submit, self._places),
            resume=resume,
            seen=seen,
        )

    def filter_support(self, collection: str) -> FilterSupport:
        """What the provider does with a filter by `dateLastModified`: asked for what will be modified in the far
        future, one that obeys serves nothing, and one that ignores filters serves everything. Some refuse it (400), and
        some answer without a list, which may mean either.

        :raises OneRosterError: as reading the collection does.
        """
        try:
            fetched = self._source(collection, modified_since(FAR_FUTURE), 1).fetch(0)
        except (RequestRefused, FilterUnanswered) as error:
            log.info("%s: no filter by dateLastModified: %s", collection, error.message)
            return "unanswered" if isinstance(error, FilterUnanswered) else "refused"
        is_empty = fetched is None or (not fetched.decoded.rows and not fetched.total)
        return "obeyed" if is_empty else "ignored"

    def fetch_with_largest_limit(self, limit: int, page: Callable[[int], T]) -> T:
        """A page with this limit, or with the largest smaller one if the provider refuses it.

        :param page: asks for it with a limit.
        :raises OneRosterError: as `page` does.
        """
        return self._largest.ask(limit, page)

    def has_scope(self, scope: str) -> bool | None:
        """Whether the token has a scope such as `roster.readonly`; None where there are none, or nobody can tell."""
        return self._exchange.has_scope(scope)

    def sign_in(self) -> None:
        """Have a token, where that is how one signs in; reading does so by itself.

        :raises RetryableError: the Token URL did not answer as it should.
        :raises OneRosterError: it refused.
        """
        self._exchange.sign_in()

    def get(self, url: str, read: Callable[[Response], T]) -> T:
        """What `read` makes of a single answer, for those who want to see what pages hide.

        :param url: at the provider's host.
        :param read: may raise RetryableError, for an answer that was cut off.
        :raises OneRosterError: as reading a collection does.
        """
        return self._exchange.get(url, read)

    def close(self) -> None:
        """End it: no request is begun any more, and who waits for one is told so by `ClientClosed`."""
        self._waits.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._transport.close()

    def __enter__(self) -> OneRosterClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _source(self, collection: str, filter_: str | None, limit: int) -> Source:
        return Source(self._exchange, lambda: self.base_url, COLLECTIONS[collection], filter_, limit, self._largest)

    def _submit(self, fetch: Fetch, offset: int, patient: bool) -> Future[Fetched | None]:
        try:
            return self._threads.submit(fetch, offset, patient)
        except RuntimeError:  # the threads were shut down
            raise client_closed() from None

    def _resolve(self) -> str:
        tried = []
        for base in _candidates(self.connection.base_url, self.version, self._known_base_url):
            url = f"{base}/orgs?limit=1"
            try:
                self._exchange.get(url, _read_orgs)
            except (EndpointNotFound, InvalidResponse) as error:
                tried.append(f"{url} ({_in_short(error)})")
            else:
                return base
        raise BaseUrlWrong(
            "base_url_wrong",
            f"No OneRoster {self.version} service answers under the Base URL. Tried: {', '.join(tried)}.",
            remedy=f"Compare the Base URL and the OneRoster version with {CONNECTION_SCREEN}.",
        )


def _candidates(base_url: str, version: Version, known: str) -> list[str]:
    """The Base URL as it is, then with each service path it does not end in already; the known one first."""
    found = [base_url + path for path in _SERVICE[version] if not path or not base_url.endswith(path)]
    return sorted(found, key=lambda url: url != known)


def _in_short(error: EndpointNotFound | InvalidResponse) -> str:
    return "not found" if isinstance(error, EndpointNotFound) else error.code.replace("_", " ")


def _read_orgs(answer: Response) -> Decoded | None:
    return None if answer.status == HTTPStatus.NO_CONTENT else decode_page(COLLECTIONS["orgs"], answer.body)
