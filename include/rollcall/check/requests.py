"""Small requests to a provider, with the client's own tokens and retries.

Only here single responses are inspected, because they show what pages hide: the envelope, the total, and the links.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode

from rollcall.model.vocabularies import token
from rollcall.oneroster.client import FilterSupport, OneRosterClient
from rollcall.oneroster.connection import OneRosterConnection, Version
from rollcall.oneroster.decode import decode_page
from rollcall.oneroster.errors import OneRosterError, ProviderUnavailable, RetryableError
from rollcall.oneroster.http import Budget, Response
from rollcall.oneroster.records import COLLECTIONS, Collection, OrgSummary
from rollcall.oneroster.requester import Retry
from rollcall.oneroster.source import has_next, parse_total

#: A person waits, so there are fewer and shorter retries.
_IMPATIENT = Retry(attempts=4, first_wait=0.5, patience=15)
_SOON = (5.0, 30.0)
_SECONDS_PER_RESPONSE = 150

#: The default of the specification. A district has few orgs, and no provider finds this many too heavy.
_ORGS_A_PAGE = 100

_DELETED = ("tobedeleted", "inactive")


@dataclass(frozen=True)
class Peek:
    """What one response shows of its records: their number, and their sourcedIds to compare.

    :param total: the total of the collection, if the provider sends it.
    :param links: whether it links to the next page.
    :param deleted: whether one of the records is marked as deleted.
    """

    rows: int = 0
    total: int | None = None
    links: bool = False
    envelope: str = ""
    deleted: bool = False
    ids: tuple[str, ...] = field(default=(), repr=False)


class CheckSession:
    """One client with one request at a time and short retries.

    :param demographics: request the extra scope that demographics need.
    """

    def __init__(
        self,
        connection: OneRosterConnection,
        version: Version,
        *,
        demographics: bool = False,
        budget: Budget | None = None,
    ) -> None:
        self.version = version
        self._client = OneRosterClient(
            connection,
            version,
            page_size=_ORGS_A_PAGE,
            concurrency=1,
            demographics=demographics,
            timeout=_SOON,
            retry=_IMPATIENT,
            limits={"page_seconds": _SECONDS_PER_RESPONSE},
            budget=budget,
        )

    def sign_in(self) -> None:
        """Get a token, if the connection uses tokens.

        :raises OneRosterError: it was refused, or there is no response.
        """
        try:
            self._client.sign_in()
        except RetryableError:
            self._sign_in_again()

    @property
    def base_url(self) -> str:
        """:raises OneRosterError: no service responds at the Base URL, or it refuses us."""
        return self._client.base_url

    def peek(
        self, collection: str, *, limit: int = 1, offset: int = 0, filter: str | None = None, path: str = ""
    ) -> Peek:
        """Inspect one response.

        :param path: another list of the same records, below the service's URL.
        :raises OneRosterError: it was refused, or contains no list.
        """
        known = COLLECTIONS[collection]
        query = {"limit": str(limit), "offset": str(offset)} | ({"filter": filter} if filter else {})
        service = self._client.service_url(known.service)
        url = f"{service}/{path or known.path}?{urlencode(query, quote_via=quote, safe='')}"
        return self._client.get(url, lambda answer: _read(known, answer, is_filtered=filter is not None))

    def longest_page(self, collection: str, limit: int) -> Peek:
        """Inspect a page of this many records, or of the largest limit that is accepted.

        :raises OneRosterError: as `peek`.
        """
        return self._client.fetch_with_largest_limit(limit, lambda accepted: self.peek(collection, limit=accepted))

    @property
    def largest_limit(self) -> int | None:
        """The largest limit that was accepted after a larger one was refused."""
        return self._client.largest_limit

    def filter_support(self, collection: str) -> FilterSupport:
        """What the provider does with a filter by `dateLastModified`."""
        return self._client.filter_support(collection)

    def has_scope(self, scope: str) -> bool:
        """Whether we have a scope. Without OAuth 2 there are no scopes. If it is unknown, a request shows it."""
        return self._client.has_scope(scope) is not False

    def orgs(self) -> list[OrgSummary]:
        """The district's orgs, without deleted ones."""
        return [
            OrgSummary(str(org.sourced_id), _type(org.type), _parent(org.parent_sourced_id), _text(org.name))
            for page in self._client.pages("orgs")
            for org in page.records
            if not _is_deleted(org)
        ]

    def shows_web_page(self, url: str) -> bool:
        """Whether a URL opens a web page."""
        try:
            return self._client.get(url, _is_html)
        except OneRosterError:
            return False

    def close(self) -> None:
        self._client.close()

    def _sign_in_again(self) -> None:
        time.sleep(_IMPATIENT.first_wait)
        try:
            self._client.sign_in()
        except RetryableError as trouble:
            raise trouble.becomes or ProviderUnavailable(
                trouble.code,
                f"No token: {trouble.reason}; tried twice.",
                remedy="Run again later; if it stays, check the host in the Token URL and ask its operator.",
            ) from None

    def __enter__(self) -> CheckSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _read(collection: Collection, answer: Response, *, is_filtered: bool) -> Peek:
    if answer.status == HTTPStatus.NO_CONTENT or (is_filtered and not answer.body.strip()):
        return Peek()
    decoded = decode_page(collection, answer.body)
    stated = parse_total(answer.headers.get("X-Total-Count"))
    return Peek(
        rows=decoded.rows,
        total=decoded.total if stated is None else stated,
        links=bool(has_next(answer.headers.get("Link"))),
        envelope=decoded.envelope,
        deleted=any(_is_deleted(record) for record in decoded.records),
        ids=tuple(str(record.sourced_id) for record in decoded.records),
    )


def _is_html(answer: Response) -> bool:
    return answer.body.lstrip()[:1] == b"<"


def _is_deleted(record: Any) -> bool:
    return str(record.status or "").strip().lower() in _DELETED


def _parent(reference: Any) -> str | None:
    return _text(getattr(reference, "sourced_id", reference))


def _type(value: Any) -> str | None:
    """The type as a pull reads it, so that check and sync know the same schools."""
    text = _text(value)
    return text and token("org_type", text)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
