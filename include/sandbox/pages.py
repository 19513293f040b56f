"""Pages of a collection: what was asked, the joined bytes, and the headers that say how many there are in all."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, quote

from include.sandbox.encoded import EncodedRoster
from include.sandbox.quirks import QUIRKS, Answer, Ask
from include.sandbox.resources import RESOURCES
from include.sandbox.status_info import Refused

DEFAULT_LIMIT = 100
_CACHED_BYTES = 256 * 2**20


class PageQuery(NamedTuple):
    """The query of a collection request; `others` are repeated in links and otherwise ignored."""

    limit: int
    offset: int
    filter: str | None
    others: tuple[tuple[str, str], ...]


class Page(NamedTuple):
    """An answered page; `total` is nothing where the provider keeps it to itself."""

    body: bytes
    received: int
    total: int | None
    limit: int


def page_query(query_string: str) -> PageQuery:
    """Read limit, offset and filter.

    :raises Refused: 400 `invaliddata`, for a limit below 1, an offset below 0, or one that is not a whole number.
    """
    pairs = parse_qsl(query_string, keep_blank_values=True)
    query = dict(pairs)
    return PageQuery(
        limit=_whole(query, "limit", default=DEFAULT_LIMIT, least=1),
        offset=_whole(query, "offset", default=0, least=0),
        filter=query.get("filter"),
        others=tuple((name, value) for name, value in pairs if name not in ("limit", "offset")),
    )


def _whole(query: dict[str, str], name: str, *, default: int, least: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 19 and int(text) >= least):
        raise Refused(400, "invaliddata", f"{name} is a whole number of at least {least}.")
    return int(text)


class Pages:
    """The pages of a district, each joined once and kept until the roster or its quirks change."""

    def __init__(self, records: EncodedRoster, quirks: frozenset[str]) -> None:
        self._records = records
        self._quirks = [QUIRKS[name] for name in sorted(quirks)]
        self._cached: dict[tuple[str, str | None, int, int], Page] = {}
        self._cached_bytes = 0

    def page(self, resource_name: str, query: PageQuery) -> Page:
        """The page of a resource.

        :raises Refused: 400, for a filter that is not understood.
        """
        key = (resource_name, query.filter, query.limit, query.offset)
        if key not in self._cached:
            page = self._joined(resource_name, query)
            if self._cached_bytes > _CACHED_BYTES:
                self._cached.clear()
                self._cached_bytes = 0
            self._cached[key] = page
            self._cached_bytes += len(page.body)
        return self._cached[key]

    def _joined(self, resource_name: str, query: PageQuery) -> Page:
        ask = Ask(resource_name, query.limit, query.offset)
        for quirk in self._quirks:
            if quirk.asks:
                quirk.asks(ask)
        resource = RESOURCES[resource_name]
        records = self._records.select(resource, query.filter)
        shown = records[ask.offset : ask.offset + ask.limit]
        answer = Answer(ask, [record.body for record in shown], len(records))
        for quirk in self._quirks:
            if quirk.answers:
                quirk.answers(answer)
        body = b"{}"
        if answer.has_envelope:
            body = b'{"' + resource.wrapper.encode() + b'":[' + b",".join(answer.records) + b"]}"
        return Page(body, len(answer.records), answer.total if answer.has_totals else None, ask.limit)


def paging_headers(page: Page, query: PageQuery, url: str) -> dict[str, str]:
    """`X-Total-Count` and `Link` with absolute URLs; `last` asks for no more than is left, as in the specification.

    :param url: the collection's absolute URL without a query.
    """
    if page.total is None:
        return {}
    limit = page.limit
    last = (page.total - 1) // limit * limit if page.total else 0
    links = {"first": (limit, 0), "last": (min(limit, page.total - last) or limit, last)}
    if query.offset + page.received < page.total:
        links["next"] = (limit, query.offset + page.received)
    if query.offset > 0:
        links["prev"] = (limit, max(0, query.offset - limit))
    others = "".join(f"&{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.others)
    link = ", ".join(
        f'<{url}?limit={limit}&offset={offset}{others}>; rel="{rel}"' for rel, (limit, offset) in links.items()
    )
    return {"X-Total-Count": str(page.total), "Link": link}
