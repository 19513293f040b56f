"""A provider, asked one small thing at a time: the client's own requests, tokens and retries, with what they show.

Single answers are looked at here and nowhere else, for they tell what pages hide: the envelope, the total, the links.
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

#: A person waits: few more tries, and less time for them.
_IMPATIENT = Retry(attempts=4, first_wait=0.5, patience=15)
_SOON = (5.0, 30.0)

#: The specification's default; a district has few orgs, and no provider finds so many heavy.
_ORGS_A_PAGE = 100

_DELETED = ("tobedeleted", "inactive")


@dataclass(frozen=True)
class Peek:
    """What one answer shows of its records: how many there are, and their sourcedIds to compare.

    :param total: of the collection, where the provider states it.
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
    """One client, one request at once, little patience.

    :param demographics: whether they are wanted, which takes a scope of its own.
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
            budget=budget,
        )

    def sign_in(self) -> None:
        """Get a token, where that is how one signs in.

        :raises OneRosterError: it was refused, or nobody answers.
        """
        try:
            self._client.sign_in()
        except RetryableError:
            self._sign_in_again()

    @property
    def base_url(self) -> str:
        """:raises OneRosterError: no service answers under the Base URL, or it refuses us."""
        return self._client.base_url

    def peek(
        self, collection: str, *, limit: int = 1, offset: int = 0, filter: str | None = None, path: str = ""
    ) -> Peek:
        """Look at one answer.

        :param path: of another list of the same kind of records, below the service's address.
        :raises OneRosterError: refused, or no list in it.
        """
        known = COLLECTIONS[collection]
        query = {"limit": str(limit), "offset": str(offset)} | ({"filter": filter} if filter else {})
        service = self._client.service_url(known.service)
        url = f"{service}/{path or known.path}?{urlencode(query, quote_via=quote, safe='')}"
        return self._client.get(url, lambda answer: _read(known, answer, is_filtered=filter is not None))

    def longest_page(self, collection: str, limit: int) -> Peek:
        """Look at a page of so many records, or of the largest limit that is not refused.

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
        """Whether a scope is ours. Without OAuth 2 there are none, and where nobody can tell, asking shows it."""
        return self._client.has_scope(scope) is not False

    def orgs(self) -> list[OrgSummary]:
        """The district's orgs, of which there are few, without the deleted ones."""
        return [
            OrgSummary(str(org.sourced_id), _type(org.type), _parent(org.parent_sourced_id), _text(org.name))
            for page in self._client.pages("orgs")
            for org in page.records
            if not _is_deleted(org)
        ]

    def shows_web_page(self, url: str) -> bool:
        """Whether a page for people stands at an address."""
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
    said = _text(value)
    return said and token("org_type", said)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
