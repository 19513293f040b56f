"""The query of a request, read and refused as both versions have it (reference section 3.3)."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl

from include.sandbox.status_info import Refused
from include.sandbox.vocabulary import Members, is_known

DEFAULT_LIMIT = 100


class PageQuery(NamedTuple):
    """The query of a collection request; `others` is all but limit and offset, as links repeat it."""

    limit: int
    offset: int
    filter: str | None
    sort: str | None
    descending: bool
    fields: tuple[str, ...]
    others: tuple[tuple[str, str], ...]


def page_query(query_string: str, members: Members, version: str) -> PageQuery:
    """Read a collection's query.

    A field to sort by that is none is ignored, as both versions allow: the order is then the provider's own.

    :raises Refused: 400 `invaliddata`, for a limit below 1, an offset below 0, one that is not a whole number, or an
        `orderBy` that is neither `asc` nor `desc`; or as :func:`selected` does.
    """
    pairs = parse_qsl(query_string, keep_blank_values=True)
    query = dict(pairs)
    if query.get("orderBy", "asc") not in ("asc", "desc"):
        raise Refused(400, "invaliddata", "orderBy is asc or desc.")
    sort = query.get("sort")
    return PageQuery(
        limit=_whole(query, "limit", default=DEFAULT_LIMIT, least=1),
        offset=_whole(query, "offset", default=0, least=0),
        filter=query.get("filter"),
        sort=sort if sort and is_known(members, sort) else None,
        descending=query.get("orderBy") == "desc",
        fields=_selected(query.get("fields"), members, version),
        others=tuple((name, value) for name, value in pairs if name not in ("limit", "offset")),
    )


def selected(query_string: str, members: Members, version: str) -> tuple[str, ...]:
    """The members a single record is asked for; none means all of them.

    :raises Refused: 400 `invalid_selection_field` for a blank list, and in 1.2 for a name that is none; 1.1 then gives
        all members.
    """
    query = dict(parse_qsl(query_string, keep_blank_values=True))
    return _selected(query.get("fields"), members, version)


def _selected(text: str | None, members: Members, version: str) -> tuple[str, ...]:
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if not any(names):
        code = "invalid_blank_selection_field" if version == "1.1" else "invalid_selection_field"
        raise Refused(400, code, "fields is blank.")
    if unknown := [name for name in names if name not in members]:
        if version == "1.2":
            raise Refused(400, "invalid_selection_field", f"Unknown field '{unknown[0]}' in fields.")
        return ()
    return names


def _whole(query: dict[str, str], name: str, *, default: int, least: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 19 and int(text) >= least):
        raise Refused(400, "invaliddata", f"{name} is a whole number of at least {least}.")
    return int(text)
