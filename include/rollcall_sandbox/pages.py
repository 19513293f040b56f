"""Pages of a collection: what was asked, the rows there are, their JSON, and the headers that say how many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from rollcall_sandbox.encoded import EncodedRoster
from rollcall_sandbox.paths import RESOURCES
from rollcall_sandbox.queries import PageQuery
from rollcall_sandbox.quirk import Answer, Ask, Quirk, Reply

_CACHED_BYTES = 512 * 2**20


class Place(NamedTuple):
    """A path that answers a list.

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
        self._asked: Counter[str] = Counter()
        self._asked_later: Counter[str] = Counter()
        self.forget()

    def forget(self) -> None:
        """Drop the JSON; what was asked stays counted."""
        self._cached: dict[tuple[object, ...], bytes] = {}
        self._cached_bytes = 0

    def reply(self, place: Place, query: PageQuery) -> Reply:
        """The answer to a request for a page.

        :raises Refused: 400, for a filter that is not understood.
        """
        ask = self._ask(place, query)
        for quirk in self._quirks:
            if quirk.asks:
                quirk.asks(ask)
        answer = self._answer(place, ask)
        reply = Reply(answer.status)
        if answer.status == 200:
            reply.body = self._body(place, answer) if answer.has_body else b""
            reply.headers = paging_headers(answer, query, place.url)
        for quirk in self._quirks:
            if quirk.damages:
                quirk.damages(ask, reply)
        return reply

    def _ask(self, place: Place, query: PageQuery) -> Ask:
        ask = Ask(
            resource=place.pattern,
            collection=RESOURCES[place.last].collection,
            limit=query.limit,
            offset=query.offset,
            filter=query.filter,
            sort=query.sort,
            descending=query.descending,
            fields=query.fields,
            asked_limit=query.limit,
            earlier=self._asked[place.url],
            later_pages=self._asked_later[place.url],
        )
        self._asked[place.url] += 1
        self._asked_later[place.url] += query.offset > 0
        return ask

    def _answer(self, place: Place, ask: Ask) -> Answer:
        rows = self._records.select(ask, place.parents)
        for quirk in self._quirks:
            if quirk.arranges:
                rows = quirk.arranges(ask, rows)
        start, stop = min(ask.offset, len(rows)), ask.offset + ask.limit
        answer = Answer(ask, rows, start, stop, len(rows), RESOURCES[place.last].wrapper)
        for quirk in self._quirks:
            if quirk.answers:
                quirk.answers(answer)
        return answer

    def _body(self, place: Place, answer: Answer) -> bytes:
        if answer.envelope is None:
            return b"{}"
        records = b"[" + self._joined(place, answer) + b"]"
        if not answer.envelope:
            return records
        extra = b"," + msgspec.json.encode(answer.extra_members)[1:-1] if answer.extra_members else b""
        return b'{"' + answer.envelope.encode() + b'":' + records + extra + b"}"

    def _joined(self, place: Place, answer: Answer) -> bytes:
        ask, shown = answer.ask, answer.rows[answer.start : answer.stop]
        if self._rearranged:
            return self._records.joined(ask.collection, shown, ask.fields)
        key = (place.url, ask.filter, ask.sort, ask.descending, ask.fields, answer.start, answer.stop)
        if key not in self._cached:
            body = self._records.joined(ask.collection, shown, ask.fields)
            if self._cached_bytes > _CACHED_BYTES:
                self.forget()
            self._cached[key] = body
            self._cached_bytes += len(body)
        return self._cached[key]


def paging_headers(answer: Answer, query: PageQuery, url: str) -> dict[str, str]:
    """`X-Total-Count` and `Link` with absolute URLs; `last` asks for no more than is left, as in the specification.

    :param url: the collection's absolute URL without a query.
    """
    headers = {"X-Total-Count": str(answer.total)} if answer.has_total else {}
    if not answer.has_links:
        return headers
    limit, total = answer.ask.limit, answer.total
    last = (total - 1) // limit * limit if total else 0
    links = {"first": (limit, 0), "last": (min(limit, total - last) or limit, last)}
    if query.offset + answer.received < total:
        links["next"] = (limit, query.offset + answer.received)
    if query.offset > 0:
        links["prev"] = (limit, max(0, query.offset - limit))
    others = "".join(f"&{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.others)
    headers["Link"] = ", ".join(
        f'<{url}?limit={limit}&offset={offset}{others}>; rel="{rel}"' for rel, (limit, offset) in links.items()
    )
    return headers
