"""The steps of a response that a quirk can change: the request, the rows, their order, a record's members, the page.

Requests are counted per path from the moment the quirks are set, so "the first two times" means the same in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from rollcall_sandbox.rendering import Fields, Row
from rollcall_sandbox.roster import Roster

Version = Literal["1.1", "1.2"]
BOTH: frozenset[Version] = frozenset({"1.1", "1.2"})
V1P1: frozenset[Version] = frozenset({"1.1"})
V1P2: frozenset[Version] = frozenset({"1.2"})


@dataclass(slots=True)
class PageRequest:
    """The request for a page.

    :param resource: the path, such as `students`. `collection` is the kind of its records, such as `users`.
    :param requested_limit: the limit before a quirk lowered it.
    :param earlier: earlier requests for pages of this path. `later_pages` counts those after the first page.
    :param fields: the members to return. Empty: all.
    """

    resource: str
    collection: str
    limit: int
    offset: int
    filter: str | None = None
    sort: str | None = None
    descending: bool = False
    fields: tuple[str, ...] = ()
    requested_limit: int = 0
    earlier: int = 0
    later_pages: int = 0


@dataclass(slots=True)
class PageResponse:
    """The page in response.

    :param rows: all rows that match. The page has those from `start` to `stop`.
    :param envelope: the member that holds the list. Empty: a bare list. None: `{}`.
    :param extra_members: members in addition to the list.
    :param status: 200, or 204 and 404 if the provider has no such page.
    :param has_body: False: only the status and, if stated, the total.
    """

    request: PageRequest
    rows: list[Row]
    start: int
    stop: int
    total: int
    envelope: str | None
    has_total: bool = True
    has_links: bool = True
    extra_members: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    has_body: bool = True

    @property
    def received(self) -> int:
        return max(0, min(self.stop, len(self.rows)) - self.start)


@dataclass(slots=True)
class HttpResponse:
    """An HTTP response.

    :param seconds: delay before it is sent.
    :param cut: the connection closes after half of the body, although its full length was announced.
    :param stream: makes the pieces of the body, which may never end.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    seconds: float = 0.0
    cut: bool = False
    stream: Callable[[], Iterator[bytes]] | None = None


@dataclass(frozen=True)
class Flaw:
    """A defective record: the one at `position` (0 is the first by sourcedId) in each of these collections.

    :param encode: the record's JSON with the defect.
    """

    position: int
    collections: tuple[str, ...]
    encode: Callable[[str, Fields], bytes]


@dataclass(frozen=True)
class Quirk:
    """One known behavior of a provider.

    A quirk without a function is looked up by name, for example where tokens are checked.

    :param provider: a provider known for it.
    :param group: only one quirk of a group can be active.
    :param changes_request: changes the request before rows are selected.
    :param keeps: whether the provider has a row at all. A perfect client ends with these rows.
    :param arranges: the order of the rows for one page, with rows that appear and disappear.
    :param changes_record: changes a record's members; its arguments are the collection and the members.
    :param flaw: makes single records defective.
    :param changes_page: changes a page.
    :param changes_response: changes the HTTP response to a request for a page.
    """

    what: str
    provider: str
    group: str = ""
    versions: frozenset[Version] = BOTH
    changes_request: Callable[[PageRequest], None] | None = None
    keeps: Callable[[Roster, Row], bool] | None = None
    arranges: Callable[[PageRequest, list[Row]], list[Row]] | None = None
    changes_record: Callable[[str, Fields], None] | None = None
    flaw: Flaw | None = None
    changes_page: Callable[[PageResponse], None] | None = None
    changes_response: Callable[[PageRequest, HttpResponse], None] | None = None
