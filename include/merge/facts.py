"""The boolean columns about one table's rows that are computed against the roster as it will be."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from include.merge.loops import parent_ends
from include.merge.primary_roles import is_only_primary
from include.merge.references import Targets, resolved
from include.merge.sessions import is_inside_session
from include.tables import Table

#: Live rows of a table as they will be, these columns.
After = Callable[[str, list[str]], pa.Table]


def facts(
    table: Table, rows: pa.Table, targets: Targets, staying: pa.Table, after: After
) -> dict[str, pa.Array | pa.ChunkedArray]:
    """Everything the suite asks about this table, by the names of its columns.

    :param rows: accepted tonight, without tombstones.
    :param staying: published rows of this table that stay without having been received; sourced_id and parent.
    """
    made: dict[str, pa.Array | pa.ChunkedArray] = dict(resolved(rows, table, targets))
    if "parent_sourced_id" in table.names:
        made["parent_ends"] = parent_ends(rows, staying)
    if table.name == "user_roles":
        made["is_only_primary"] = is_only_primary(rows)
    if table.name == "enrollments":
        terms = after("class_terms", ["class_sourced_id", "term_sourced_id"])
        sessions = after("academic_sessions", ["sourced_id", "start_date", "end_date"])
        made["is_inside_session"] = is_inside_session(rows, terms, sessions)
    return made
