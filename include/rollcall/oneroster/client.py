"""The client of a district's OneRoster service: the entry point of this package.

with OneRosterClient(connection, "1.2") as client:
    reader = client.pages("users")
    for page in reader:
        ...
    reader.proof
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from types import TracebackType
from typing import Literal

from msgspec import structs

from rollcall.model.tables import Service
from rollcall.oneroster.connection import OneRosterConnection, Version
from rollcall.oneroster.decode import Decoded, decode_page
from rollcall.oneroster.errors import (
    CONNECTION_SCREEN,
    BaseUrlWrong,
    EndpointNotFound,
    FilterUnanswered,
    InvalidResponse,
    LimitExceeded,
    OneRosterError,
    RequestRefused,
    client_closed,
)
from rollcall.oneroster.http import Budget, LocalBudget, Response, Transport, Usage
from rollcall.oneroster.limits import MAX_ORGS, MAX_ORGS_BYTES, Limits, PageMemory, RowCount
from rollcall.oneroster.pages import Checkpoint, Fetched
from rollcall.oneroster.paging import PageReader, ReadLimits
from rollcall.oneroster.records import COLLECTIONS
from rollcall.oneroster.requester import BackoffGate, Requester, Retry, T
from rollcall.oneroster.source import FAR_FUTURE, Fetch, LargestLimit, Prefetcher, PrefetchSlots, Source, modified_since

log = logging.getLogger(__name__)

FilterSupport = Literal["obeyed", "ignored", "refused", "unanswered"]

#: Paths between a district's Base URL and the rostering service, by version.
_SERVICE_PATHS = {"1.1": ("", "/v1p1", "/rostering/v1p1"), "1.2": ("", "/rostering/v1p2")}

#: The part of a service's URL that names the service.
_ROSTERING_PATH = re.compile(r"/rostering/(?=v1p\d$)")


class OneRosterClient:
    """Reads the collections of one provider, from several threads, one collection per thread.

    If the total of a collection is known, its pages are requested in parallel, up to `concurrency` pages ahead.

    :param version: OneRoster version. It decides paths and scopes. Records of both versions are read alike.
    :param page_size: rows requested per page. Providers may serve fewer.
    :param concurrency: maximum number of requests in flight, token requests included.
    :param budget: grants a slot to each request. Default: `concurrency` slots in this process.
    :param demographics: whether demographics will be read. They need an additional scope.
    :param timeout: seconds to connect, and seconds of silence while reading.
    :param retry: how long a failing request is retried.
    :param limits: the bounds on what the provider may send, by the names of `Limits`. Others have their defaults.
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
        limits: Mapping[str, int] | None = None,
    ) -> None:
        self.connection = connection
        self.version = version
        self.page_size = page_size
        self._gate = BackoffGate()
        #: Grants a slot to each request. A lease also counts requests in peak hours.
        self.budget: Budget = budget or LocalBudget(concurrency)
        self.limits = Limits(**limits or {})
        self._transport = Transport(
            budget=self.budget,
            concurrency=concurrency,
            timeout=timeout,
            check_open=self._gate.check,
            limits=self.limits,
            allow_private=connection.allow_private,
        )
        self._memory = PageMemory(self._gate.check)
        self._rows = RowCount(self.limits.rows)
        self._requester = Requester(
            connection, version, self._transport, retry or Retry(), self._gate, demographics=demographics
        )
        # One request at a time leaves nothing to overlap. Threads start when needed.
        self._slots = PrefetchSlots(concurrency if concurrency > 1 else 0)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="oneroster")
        self._largest = LargestLimit()
        self._base_url: str | None = None
        self._known_base_url = ""
        self._resolve_error: OneRosterError | None = None
        self._resolving = threading.Lock()

    @property
    def usage(self) -> Usage:
        """Load on the provider so far."""
        return structs.replace(
            self._transport.usage,
            requests_in_peak=getattr(self.budget, "requests_in_peak", 0),
            seconds_waited=self._gate.seconds,
        )

    def assume_base_url(self, base_url: str) -> None:
        """Try first the URL where the service responded last time. It costs no request if it is still correct."""
        self._known_base_url = base_url

    def assume_limit(self, limit: int) -> None:
        """Request no more rows per page than the provider accepted last time."""
        self._largest.assume(limit)

    @property
    def largest_limit(self) -> int | None:
        """The largest limit accepted after a larger one was refused. None: no limit was refused."""
        return self._largest.accepted

    @property
    def requests_in_flight(self) -> int:
        """Requests in flight now."""
        return self._transport.requests_in_flight

    @property
    def backoff_seconds_left(self) -> float | None:
        """Seconds until requests resume after a 429. None: no back-off is active."""
        return self._gate.seconds_left

    @property
    def base_url(self) -> str:
        """URL of the rostering service: the Base URL, or a service path below it. Looked up once.

        :raises BaseUrlWrong: no service responds; the message lists the URLs tried.
        :raises OneRosterError: refused or unreachable. A refusal (401, 403) does not mean a wrong path.
        """
        with self._resolving:
            if self._resolve_error is not None:
                raise self._resolve_error  # otherwise each waiting thread would repeat the same failure
            if self._base_url is None:
                try:
                    self._base_url = self._resolve()
                except OneRosterError as error:
                    self._resolve_error = error
                    raise
            return self._base_url

    def service_url(self, service: Service) -> str:
        """URL of a service. In 1.1 all services share one; in 1.2 they lie next to each other: `/gradebook/v1p2`.

        :raises OneRosterError: as `base_url`.
        """
        return _ROSTERING_PATH.sub(f"/{service}/", self.base_url)

    def pages(
        self,
        collection: str,
        *,
        filter: str | None = None,
        resume: Checkpoint | None = None,
        seen: Iterable[str] = (),
        in_memory: bool = False,
    ) -> PageReader:
        """The pages of a collection, read while you iterate.

        :param collection: a name of `COLLECTIONS`.
        :param filter: a OneRoster filter, such as `modified_since` builds. It must not name a person: URLs are logged.
        :param resume: the last checkpoint of an earlier attempt with the same filter. Its page is read again. If it is
            unchanged, the following pages are read. Otherwise the collection is read from the start, as attempt 2.
        :param seen: every sourcedId of that earlier attempt, landed or not. If one is missing, the collection is read
            from the start too.
        :param in_memory: whether the caller keeps all pages in memory. Then rows and bytes have lower bounds.
        """
        limit = resume.page_size if resume is not None and resume.page_size else self.page_size
        source = self._source(collection, filter, limit)
        return PageReader(
            COLLECTIONS[collection],
            lambda: Prefetcher(source.fetch, self._submit, self._slots),
            resume=resume,
            seen=seen,
            limits=ReadLimits(
                self._rows,
                self.limits.pages,
                MAX_ORGS if in_memory else None,
                MAX_ORGS_BYTES if in_memory else None,
            ),
        )

    def filter_support(self, collection: str) -> FilterSupport:
        """Whether the provider supports a filter on `dateLastModified`.

        The filter asks for records modified in the far future. A provider that applies it serves none. A provider that
        ignores it serves all. Some refuse it (400). Some return no list, which may mean either.

        :raises OneRosterError: as reading the collection does.
        """
        try:
            fetched = self._source(collection, modified_since(FAR_FUTURE), 1).fetch(0)
        except (RequestRefused, FilterUnanswered) as error:
            log.info("%s: no filter by dateLastModified: %s", collection, error.message)
            return "unanswered" if isinstance(error, FilterUnanswered) else "refused"
        is_empty = fetched is None or (not fetched.decoded.rows and not fetched.total)
        return "obeyed" if is_empty else "ignored"

    def fetch_with_largest_limit(self, limit: int, fetch: Callable[[int], T]) -> T:
        """A page with this limit, or with the largest smaller limit that the provider accepts.

        :param fetch: requests the page with a given limit.
        :raises OneRosterError: as `fetch` does.
        """
        return self._largest.fetch(limit, fetch)

    def has_scope(self, scope: str) -> bool | None:
        """Whether the token has a scope such as `roster.readonly`. None: no scopes, or unknown."""
        return self._requester.has_scope(scope)

    def sign_in(self) -> None:
        """Get a token, if the connection uses tokens. Reading does this automatically.

        :raises RetryableError: the Token URL failed in a way that may pass.
        :raises OneRosterError: the Token URL refused.
        """
        self._requester.sign_in()

    def get(self, url: str, read: Callable[[Response], T]) -> T:
        """Request one URL and read its response, for callers that need more than pages show.

        :param url: on the provider's host.
        :param read: may raise RetryableError for a response that was cut off.
        :raises OneRosterError: as reading a collection does.
        """
        return self._requester.get(url, read)

    def close(self) -> None:
        """Start no more requests. Waiting threads raise `ClientClosed`."""
        self._gate.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._transport.close()

    def __enter__(self) -> OneRosterClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _source(self, collection: str, filter_: str | None, limit: int) -> Source:
        known = COLLECTIONS[collection]
        return Source(
            self._requester,
            lambda: self.service_url(known.service),
            known,
            filter_,
            limit,
            self._largest,
            self._memory,
        )

    def _submit(self, fetch: Fetch, offset: int) -> Future[Fetched | None]:
        try:
            return self._threads.submit(fetch, offset, True, True)
        except RuntimeError:  # the thread pool is shut down
            raise client_closed() from None

    def _resolve(self) -> str:
        tried = []
        for base in _candidates(self.connection.base_url, self.version, self._known_base_url):
            url = f"{base}/orgs?limit=1"
            try:
                self._requester.get(url, _read_orgs)
            except LimitExceeded:
                raise
            except (EndpointNotFound, InvalidResponse) as error:
                tried.append(f"{url} ({_short_reason(error)})")
            else:
                return base
        raise BaseUrlWrong(
            "base_url_wrong",
            f"No OneRoster {self.version} service responds at the Base URL. Tried: {', '.join(tried)}.",
            remedy=f"Compare the Base URL and the OneRoster version with {CONNECTION_SCREEN}.",
        )


def _candidates(base_url: str, version: Version, known: str) -> list[str]:
    """The Base URL, alone and with each service path that it does not end with; the known one first."""
    urls = [base_url + path for path in _SERVICE_PATHS[version] if not path or not base_url.endswith(path)]
    return sorted(urls, key=lambda url: url != known)


def _short_reason(error: EndpointNotFound | InvalidResponse) -> str:
    return "not found" if isinstance(error, EndpointNotFound) else error.code.replace("_", " ")


def _read_orgs(response: Response) -> Decoded | None:
    return None if response.status == HTTPStatus.NO_CONTENT else decode_page(COLLECTIONS["orgs"], response.body)
