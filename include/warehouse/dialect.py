"""What PostgreSQL says in words of its own; whoever brings another warehouse begins here.

The models, the queries and the migrations are SQLAlchemy's business. Beside what stands here only the merges
`UPDATE … FROM` and `DELETE … USING` (publish, history, rollback) are not every warehouse's. PostgreSQL 13 and newer is
what is claimed; for others `ROLLCALL_EXPORT` writes the roster as Parquet.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB as JSON
from sqlalchemy.dialects.postgresql import insert as upsert

__all__ = [
    "JSON",
    "TAKE_LOCK",
    "TRY_LOCK",
    "copy_from_client",
    "copy_to_client",
    "temporary",
    "temporary_like",
    "update_statistics",
    "upsert",
]

#: A lock by name (`name`) that lasts as long as the transaction: wait for it, or say at once whether it could be had.
TAKE_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
TRY_LOCK = sa.text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")


def temporary(name: str, columns: str) -> str:
    """A table of the transaction's own.

    :param columns: as they stand between the parentheses of CREATE TABLE.
    """
    return f"CREATE TEMP TABLE IF NOT EXISTS {name} ({columns}) ON COMMIT DROP"


def temporary_like(name: str, other: str) -> str:
    """A table of the transaction's own with another one's columns."""
    return f"CREATE TEMP TABLE {name} (LIKE {other}) ON COMMIT DROP"


def copy_from_client(target: str, columns: Sequence[str]) -> str:
    """Rows in bulk into a table, as CSV without a header."""
    listed = ", ".join(f'"{name}"' for name in columns)
    return f"COPY {target} ({listed}) FROM STDIN (FORMAT csv)"


def copy_to_client(query: str) -> str:
    """A query's rows in bulk, as CSV without a header."""
    return f"COPY ({query}) TO STDOUT (FORMAT csv)"


def update_statistics(table: str, columns: str = "") -> str:
    """Tell the planner what is in a table, or in some of its columns."""
    return f"ANALYZE {table} ({columns})" if columns else f"ANALYZE {table}"
