"""Pages of a collection: the request, the rows, their JSON, and the headers with totals and links."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from rollcall_sandbox.encoded import EncodedRoster
from rollcall_sandbox.paths import RESOURCES
from rollcall_sandbox.queries import PageQuery
from rollcall_sandbox.quirk import HttpResponse, PageRequest, PageResponse, Quirk

_CACHED_BYTES = 512 * 2**20


class Place(NamedTuple):
    """A path of a list.

    :param pattern: the names in it, such as `users` or `schools/classes`; `parents` are the sourcedIds in it.
    :param url: absolute, without a query.
    """

    pattern: str
    parents: tuple[str, ...]
    url: str

    @property
    def last(self) -> str:
        return self.pattern.rpartition("/")[2]


class Pages:
    """The pages of a district; JSON once made is kept until the roster or its quirks change."""

    def __init__(self, records: EncodedRoster, quirks: Sequence[Quirk]) -> None:
        self._records = records
        self._quirks = quirks
        self._rearranged = any(quirk.arranges for quirk in quirks)
        self._requests: Counter[str] = Counter()
        self._later_requests: Counter[str] = Counter()
        self.forget()

    def forget(self) -> None:
        """Drop the JSON; the counts of requests stay."""
        self._cached: dict[tuple[object, ...], bytes] = {}
        self._cached_bytes = 0

    def reply(self, place: Place, query: PageQuery) -> HttpResponse:
        """The answer to a request for a page.

        :raises Refused: 400, for a filter that is not understood.
        """
        request = self._request(place, query)
        for quirk in self._quirks:
            if quirk.changes_request:
                quirk.changes_request(request)
        page = self._page(place, request)
        reply = HttpResponse(page.status)
        if page.status == 200:
            reply.body = self._body(place, page) if page.has_body else b""
            reply.headers = paging_headers(page, query, place.url)
        for quirk in self._quirks:
            if quirk.changes_response:
                quirk.changes_response(request, reply)
        return reply

    def _request(self, place: Place, query: PageQuery) -> PageRequest:
        request = PageRequest(
            resource=place.pattern,
            collection=RESOURCES[place.last].collection,
            limit=query.limit,
            offset=query.offset,
            filter=query.filter,
            sort=query.sort,
            descending=query.descending,
            fields=query.fields,
            requested_limit=query.limit,
            earlier=self._requests[place.url],
            later_pages=self._later_requests[place.url],
        )
        self._requests[place.url] += 1
        self._later_requests[place.url] += query.offset > 0
        return request

    def _page(self, place: Place, request: PageRequest) -> PageResponse:
        rows = self._records.select(request, place.parents)
        for quirk in self._quirks:
            if quirk.arranges:
                rows = quirk.arranges(request, rows)
        start, stop = min(request.offset, len(rows)), request.offset + request.limit
        page = PageResponse(request, rows, start, stop, len(rows), RESOURCES[place.last].wrapper)
        for quirk in self._quirks:
            if quirk.changes_page:
                quirk.changes_page(page)
        return page

    def _body(self, place: Place, page: PageResponse) -> bytes:
        if page.envelope is None:
            return b"{}"
        records = b"[" + self._joined(place, page) + b"]"
        if not page.envelope:
            return records
        extra = b"," + msgspec.json.encode(page.extra_members)[1:-1] if page.extra_members else b""
        return b'{"' + page.envelope.encode() + b'":' + records + extra + b"}"

    def _joined(self, place: Place, page: PageResponse) -> bytes:
        request, shown = page.request, page.rows[page.start : page.stop]
        if self._rearranged:
            return self._records.joined(request.collection, shown, request.fields)
        key = (place.url, request.filter, request.sort, request.descending, request.fields, page.start, page.stop)
        if key not in self._cached:
            body = self._records.joined(request.collection, shown, request.fields)
            if self._cached_bytes > _CACHED_BYTES:
                self.forget()
            self._cached[key] = body
            self._cached_bytes += len(body)
        return self._cached[key]


def paging_headers(page: PageResponse, query: PageQuery, url: str) -> dict[str, str]:
    """`X-Total-Count` and `Link` with absolute URLs; `last` requests only the remaining rows, as in the specification.

    :param url: the collection's absolute URL without a query.
    """
    headers = {"X-Total-Count": str(page.total)} if page.has_total else {}
    if not page.has_links:
        return headers
    limit, total = page.request.limit, page.total
    last = (total - 1) // limit * limit if total else 0
    links = {"first": (limit, 0), "last": (min(limit, total - last) or limit, last)}
    if query.offset + page.received < total:
        links["next"] = (limit, query.offset + page.received)
    if query.offset > 0:
        links["prev"] = (limit, max(0, query.offset - limit))
    others = "".join(f"&{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.others)
    headers["Link"] = ", ".join(
        f'<{url}?limit={limit}&offset={offset}{others}>; rel="{rel}"' for rel, (limit, offset) in links.items()
    )
    return headers
