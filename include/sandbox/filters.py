"""The filters a provider understands: `status` and `dateLastModified`, one or two clauses joined by `AND` or `OR`.

The grammar is that of reference section 3.1, without the predicate `~`; anything else is `invalid_filter_field`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from include.sandbox.status_info import Refused


class Filterable(Protocol):
    """What a filter looks at."""

    @property
    def status(self) -> str: ...
    @property
    def modified(self) -> datetime: ...


Predicate = Callable[[Filterable], bool]

_CLAUSE = r"([A-Za-z.]+)(!=|>=|<=|=|>|<)'([^']*)'"
_FILTER = re.compile(rf"{_CLAUSE}(?: (AND|OR) {_CLAUSE})?")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def parse(text: str) -> Predicate:
    """The predicate a filter stands for.

    :raises Refused: 400 `invalid_filter_field`, for a field, a value or a shape that is not understood.
    """
    match = _FILTER.fullmatch(text)
    if match is None:
        raise _refused("The filter is not one or two clauses like status='active' joined by AND or OR.")
    first = _clause(*match.group(1, 2, 3))
    if match.group(4) is None:
        return first
    second = _clause(*match.group(5, 6, 7))
    if match.group(4) == "AND":
        return lambda record: first(record) and second(record)
    return lambda record: first(record) or second(record)


def _clause(field: str, predicate: str, value: str) -> Predicate:
    compare = _OPERATORS[predicate]
    if field == "status":
        return lambda record: compare(record.status, value)
    if field == "dateLastModified":
        moment = _moment(value)
        return lambda record: compare(record.modified, moment)
    raise _refused(f"Filtering on the field '{field}' is not supported; status and dateLastModified are.")


def _moment(value: str) -> datetime:
    """A date or dateTime; without an offset it is taken as UTC."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _refused("dateLastModified is compared with a date or dateTime, as 2026-08-01T00:00:00.000Z.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _refused(description: str) -> Refused:
    return Refused(400, "invalid_filter_field", description)
