"""The query of a request, read and refused as both versions have it (reference section 3.3)."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from rollcall_sandbox.rendering import Fields, Row
from rollcall_sandbox.status_info import Refused
from rollcall_sandbox.versions import Members, is_known

# Filters: one clause, or two joined by `AND` or `OR`, over any member of a record (reference section 3.1).
#
# Texts compare in Unicode order and in their case, `~` means "contains" and ignores case, and `dateLastModified`
# compares as an instant. Of a list of texts `=` means all of it, as a comma list, and `~` any of the values named; of a
# member of objects in a list (`roles.role`) `=` and `~` mean any of them. An absent member is equal to nothing.
#
# The specification does not say how a value holds an apostrophe. What providers and clients write is understood:
# `'O''Neil'`, `'O\'Neil'`, and an apostrophe between letters as it is or as `%27` (encoded once or twice in the URL).

Predicate = Callable[[Row], bool]
Render = Callable[[Row], Fields]

_VALUE = r"((?:[^'\\]|''|\\'|\\(?!')|(?<=\w)'(?=\w))*)"
_CLAUSE = rf"([A-Za-z][A-Za-z0-9_.\-]*)(!=|>=|<=|=|>|<|~)'{_VALUE}'"
_APOSTROPHE = re.compile(r"''|\\'|%27")
_FILTER = re.compile(rf"{_CLAUSE}(?: (AND|OR) {_CLAUSE})?")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "~": lambda value, part: part.lower() in value.lower(),
}
_OF_LISTS = ("=", "!=", "~")


def parse(text: str, members: Members, render: Render) -> Predicate:
    """The predicate of a filter.

    :param members: of the collection, in the provider's version.
    :param render: makes a row's members, for filters on others than `status` and `dateLastModified`.
    :raises Refused: 400 `invalid_filter_field`, for a field, a value or a shape that is not understood.
    """
    match = _FILTER.fullmatch(text)
    if match is None:
        raise _refused("The filter is not one or two clauses like status='active' joined by AND or OR.")
    first = _clause(members, render, *match.group(1, 2, 3))
    if match.group(4) is None:
        return first
    second = _clause(members, render, *match.group(5, 6, 7))
    if match.group(4) == "AND":
        return lambda row: first(row) and second(row)
    return lambda row: first(row) or second(row)


def _clause(members: Members, render: Render, field: str, predicate: str, value: str) -> Predicate:
    compare, value = _OPERATORS[predicate], _APOSTROPHE.sub("'", value)
    if field == "status":
        return lambda row: compare(row.status, value)
    if field == "dateLastModified" and predicate != "~":
        moment = _moment(value)
        return lambda row: compare(row.modified, moment)
    if not is_known(members, field):
        raise _refused(f"Unknown field '{field}' in filter.")
    if members[field.partition(".")[0]].many:
        return _list_clause(render, field, predicate, value)
    return lambda row: _compared(compare, one(render(row), field), value, absent=predicate == "!=")


def _list_clause(render: Render, field: str, predicate: str, value: str) -> Predicate:
    if predicate not in _OF_LISTS:
        raise _refused(f"The field '{field}' is a list, which is compared with =, != and ~.")
    listed = value.split(",")
    if "." in field:

        def matches(row: Row) -> bool:
            return any(_OPERATORS["~" if predicate == "~" else "="](found, value) for found in many(render(row), field))
    elif predicate == "~":

        def matches(row: Row) -> bool:
            return any(found in listed for found in many(render(row), field))
    else:

        def matches(row: Row) -> bool:
            return many(render(row), field) == listed

    return matches if predicate != "!=" else lambda row: not matches(row)


def _compared(compare: Callable[[Any, Any], bool], found: str | None, value: str, *, absent: bool) -> bool:
    return absent if found is None else compare(found, value)


def one(fields: Fields, dotted: str) -> str | None:
    """A record's text under a name, if it has one; a dotted name may also be a whole key of `metadata`."""
    name, _, rest = dotted.partition(".")
    value = fields.get(name)
    if rest and isinstance(value, dict):
        return value[rest] if rest in value else one(value, rest)
    return value if isinstance(value, str) and not rest else None


def many(fields: Fields, dotted: str) -> list[str]:
    """The texts of a list, or of a member of its objects."""
    name, _, rest = dotted.partition(".")
    values = fields.get(name) or []
    if not rest:
        return list(values)
    return [text for value in values if (text := one(value, rest)) is not None]


def _moment(value: str) -> datetime:
    """A date or dateTime; without an offset it is taken as UTC."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _refused("dateLastModified is compared with a date or dateTime, as 2026-08-01T00:00:00.000Z.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _refused(description: str) -> Refused:
    return Refused(400, "invalid_filter_field", description)


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

    An unknown sort field is ignored, as both versions allow: the order is then the provider's own.

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
    """The requested members of a single record. Empty: all.

    :raises Refused: 400 `invalid_selection_field` for a blank list, and in 1.2 for an unknown name; 1.1 then gives
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
