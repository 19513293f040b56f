"""References, resolved against the roster as it will be (DESIGN, rule 2).

A reference resolves if its target was accepted tonight, or is live and not removed tonight; a rejected target counts by
its published version, and targets of collections that were not pulled are not checked. What comes out are boolean
columns, for all rows at once; the suites judge them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from include.tables import Table


@dataclass(frozen=True)
class Reference:
    """One reference that has to lead somewhere.

    :param column: of the table `table`; an empty one has nothing to resolve.
    :param target: the table it leads to.
    :param is_needed: whether the row cannot be used without it; then it is told apart why the target is not there.
    """

    table: str
    column: str
    target: str
    is_needed: bool = False


REFERENCES: tuple[Reference, ...] = (
    Reference("orgs", "parent_sourced_id", "orgs"),
    Reference("academic_sessions", "parent_sourced_id", "academic_sessions"),
    Reference("courses", "org_sourced_id", "orgs"),
    Reference("courses", "school_year_sourced_id", "academic_sessions"),
    Reference("classes", "school_sourced_id", "orgs"),
    Reference("classes", "course_sourced_id", "courses"),
    Reference("class_terms", "term_sourced_id", "academic_sessions"),
    Reference("user_roles", "org_sourced_id", "orgs"),
    Reference("user_agents", "agent_sourced_id", "users"),
    Reference("enrollments", "user_sourced_id", "users", is_needed=True),
    Reference("enrollments", "class_sourced_id", "classes", is_needed=True),
    Reference("enrollments", "school_sourced_id", "orgs"),
    Reference("demographics", "sourced_id", "users", is_needed=True),
)


@dataclass(frozen=True)
class Targets:
    """What references may lead to, sourcedIds per table; a table that was not pulled is not among them.

    :param live: of the roster as it will be.
    :param refused: of records refused tonight.
    :param removed: of records removed tonight or earlier.
    """

    live: Mapping[str, pa.ChunkedArray]
    refused: Mapping[str, pa.ChunkedArray]
    removed: Mapping[str, pa.ChunkedArray]


def resolved(rows: pa.Table, table: Table, targets: Targets) -> dict[str, pa.ChunkedArray]:
    """The columns the suites ask for: `<column>_resolves`, and for needed ones which of three causes it is not."""
    facts: dict[str, pa.ChunkedArray] = {}
    for reference in REFERENCES:
        if reference.table != table.name or reference.target not in targets.live:
            continue
        values = rows[reference.column]
        resolves = pc.or_(pc.is_null(values), pc.is_in(values, value_set=targets.live[reference.target]))
        facts |= _why_not(values, resolves, reference, targets) if reference.is_needed else _only(reference, resolves)
    return facts


def _only(reference: Reference, resolves: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
    return {f"{reference.column}_resolves": resolves}


def _why_not(
    values: pa.ChunkedArray, resolves: pa.ChunkedArray, reference: Reference, targets: Targets
) -> dict[str, pa.ChunkedArray]:
    """Exactly one of the three is false where the reference does not resolve."""
    is_refused = _in(values, targets.refused.get(reference.target))
    is_removed = pc.and_(pc.invert(is_refused), _in(values, targets.removed.get(reference.target)))
    is_known = pc.or_(is_refused, is_removed)
    return {
        f"{reference.column}_arrived": pc.or_(resolves, is_known),
        f"{reference.column}_is_not_refused": pc.or_(resolves, pc.invert(is_refused)),
        f"{reference.column}_is_not_removed": pc.or_(resolves, pc.invert(is_removed)),
    }


def _in(values: pa.ChunkedArray, keys: pa.ChunkedArray | None) -> pa.ChunkedArray:
    return pc.is_in(values, value_set=pa.chunked_array([], pa.string()) if keys is None else keys)
