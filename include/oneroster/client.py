"""A district's OneRoster service, ready to be read: the one door of this package.

with OneRosterClient(connection, "1.2") as client:
    reader = client.pages("users")
    for page in reader:
        ...
    reader.proof
"""

from __future__ import annotations

import hashlib
import logging
import threading
from http import HTTPStatus
from types import TracebackType
from urllib.parse import quote, urlencode

from requests.utils import parse_header_links

from include.oneroster.connection import OneRosterConnection, Version
from include.oneroster.decode import Decoded, decode_page
from include.oneroster.entities import COLLECTIONS, Collection
from include.oneroster.errors import SCREEN, AnswerUnusable, BaseUrlWrong, NotOffered, OneRosterError
from include.oneroster.exchange import Exchange
from include.oneroster.paging import Fetched, PageReader
from include.oneroster.retry import Retry
from include.oneroster.transport import Answer, Transport, Usage

log = logging.getLogger(__name__)

#: What stands between a Base URL as districts get it and the rostering service, by version; the first is "nothing".
_SERVICE = {"1.1": ("", "/v1p1", "/rostering/v1p1"), "1.2": ("", "/rostering/v1p2")}

#: Behind the end nothing is worth a second try.
_ONCE = Retry(attempts=1)


class OneRosterClient:
    """Reads the collections of one provider; from several threads, one collection each.

    :param version: of the service, which decides paths and scopes. Records of both are read alike.
    :param page_size: rows asked for per page; providers may serve fewer.
    :param concurrency: requests at once, token requests included.
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
        demographics: bool = False,
        timeout: tuple[float, float] = (10, 120),
        retry: Retry | None = None,
    ) -> None:
        self.connection = connection
        self.version = version
        self.page_size = page_size
        self._transport = Transport(concurrency=concurrency, timeout=timeout)
        self._exchange = Exchange(connection, version, self._transport, retry or Retry(), demographics=demographics)
        self._base_url: str | None = None
        self._nowhere: OneRosterError | None = None
        self._resolving = threading.Lock()

    @property
    def usage(self) -> Usage:
        """What was asked of the provider so far."""
        return self._transport.usage

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

    def pages(self, collection: str, *, filter: str | None = None) -> PageReader:
        """The pages of a collection, read as they are iterated over.

        :param collection: a name of `COLLECTIONS`.
        :param filter: OneRoster's expression, such as `dateLastModified>'2026-11-20T00:00:00.000Z'`; it must not name
            a person, for URLs are logged.
        """
        known = COLLECTIONS[collection]
        return PageReader(known, lambda offset, patient: self._fetch(known, filter, offset, patient=patient))

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> OneRosterClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _fetch(self, collection: Collection, filter_: str | None, offset: int, *, patient: bool) -> Fetched | None:
        query = {"limit": str(self.page_size), "offset": str(offset)}
        if filter_ is not None:
            query["filter"] = filter_
        # Spaces as %20: OAuth 1 signs them so, and some servers read `+` as a plus.
        url = f"{self.base_url}/{collection.path}?{urlencode(query, quote_via=quote, safe='')}"
        try:
            fetched = self._exchange.get(
                url, lambda answer: _read_page(collection, answer), retry=None if patient else _ONCE
            )
        except NotOffered:
            if offset:
                return None  # some providers have no page behind the last
            raise
        if fetched is not None and not offset and fetched.decoded.envelope != collection.envelope:
            log.info("%s came under another name: `%s`", collection.path, fetched.decoded.envelope)
        return fetched

    def _resolve(self) -> str:
        tried = []
        for base in _candidates(self.connection.base_url, self.version):
            url = f"{base}/orgs?limit=1"
            try:
                self._exchange.get(url, _read_orgs)
            except (NotOffered, AnswerUnusable) as error:
                tried.append(f"{url} ({_in_short(error)})")
            else:
                return base
        raise BaseUrlWrong(
            "base_url_wrong",
            f"No OneRoster {self.version} service answers under the Base URL. Tried: {', '.join(tried)}.",
            remedy=f"Compare Base URL and OneRoster version with {SCREEN}; the Base URL may have changed there.",
        )


def _candidates(base_url: str, version: Version) -> list[str]:
    """The Base URL as it is, then with each service path it does not end in already."""
    return [base_url + path for path in _SERVICE[version] if not path or not base_url.endswith(path)]


def _in_short(error: NotOffered | AnswerUnusable) -> str:
    return "not found" if isinstance(error, NotOffered) else error.code.replace("_", " ")


def _read_orgs(answer: Answer) -> Decoded | None:
    return None if answer.status == HTTPStatus.NO_CONTENT else decode_page(COLLECTIONS["orgs"], answer.body)


def _read_page(collection: Collection, answer: Answer) -> Fetched | None:
    if answer.status == HTTPStatus.NO_CONTENT:
        return None
    decoded = decode_page(collection, answer.body)
    digest = hashlib.blake2b(answer.body, digest_size=16).digest()
    return Fetched(decoded, _total(answer.headers.get("X-Total-Count")), _has_next(answer.headers.get("Link")), digest)


def _total(header: str | None) -> int | None:
    """The stated total; what is no number says nothing."""
    header = (header or "").strip()
    return int(header) if header.isascii() and header.isdecimal() and len(header) < 12 else None


def _has_next(header: str | None) -> bool | None:
    if not header:
        return None
    return any("next" in link.get("rel", "").lower().split() for link in parse_header_links(header))
