"""What a provider's quirk can act on: the question, the rows there are, their order, a record's members, the answer.

Counts are kept per path from the moment the quirks are set, so that "the first two times" means the same in every run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from rollcall_sandbox.rendering import Fields, Row
from rollcall_sandbox.roster import Roster

Version = Literal["1.1", "1.2"]
BOTH: frozenset[Version] = frozenset({"1.1", "1.2"})
V1P1: frozenset[Version] = frozenset({"1.1"})
V1P2: frozenset[Version] = frozenset({"1.2"})


@dataclass(slots=True)
class Ask:
    """A page as it was asked for.

    :param resource: the path, such as `students`; `collection` is the kind of record it shows, such as `users`.
    :param asked_limit: the limit before a quirk lowered it.
    :param earlier: pages of this path that were asked for before; `later_pages` are those of them after the first.
    :param fields: the members to show; none for all of them.
    """

    resource: str
    collection: str
    limit: int
    offset: int
    filter: str | None = None
    sort: str | None = None
    descending: bool = False
    fields: tuple[str, ...] = ()
    asked_limit: int = 0
    earlier: int = 0
    later_pages: int = 0


@dataclass(slots=True)
class Answer:
    """A page as it will be answered.

    :param rows: all that match; `start` and `stop` are the part shown.
    :param envelope: the name before the list; empty for a bare list, nothing for `{}`.
    :param extra_members: members in addition to the list.
    :param status: 200, or 204 and 404 where the provider has no such page.
    :param has_body: False for an answer of which nothing but the status comes, and a total if it is stated.
    """

    ask: Ask
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
class Reply:
    """An HTTP answer.

    :param seconds: to wait before it is sent.
    :param cut: the connection is closed after half of the body, whose whole length was announced.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    seconds: float = 0.0
    cut: bool = False


@dataclass(frozen=True)
class Flaw:
    """A spoiled record: the one at `position` (0 is the first by sourcedId) of each of these collections."""

    position: int
    collections: tuple[str, ...]
    spoil: Callable[[str, Fields], bytes]


@dataclass(frozen=True)
class Quirk:
    """What a provider does, and which provider is known for it.

    A quirk without a function is checked by name, for example where tokens are checked.

    :param group: quirks of one group cannot be combined.
    :param asks: changes what is asked of the roster.
    :param keeps: whether the provider has a row at all; what a perfect client ends with is those.
    :param arranges: the order in which rows stand while one page is read, with rows that come and go.
    :param writes: changes a record's members, given its collection.
    :param flaw: spoils single records.
    :param answers: changes a page.
    :param damages: changes the HTTP answer to a request for a page.
    """

    what: str
    provider: str
    group: str = ""
    versions: frozenset[Version] = BOTH
    asks: Callable[[Ask], None] | None = None
    keeps: Callable[[Roster, Row], bool] | None = None
    arranges: Callable[[Ask, list[Row]], list[Row]] | None = None
    writes: Callable[[str, Fields], None] | None = None
    flaw: Flaw | None = None
    answers: Callable[[Answer], None] | None = None
    damages: Callable[[Ask, Reply], None] | None = None
