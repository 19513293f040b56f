"""The roster's tables in the warehouse: `roster_staging` and `roster_history`, built from `rollcall.model.tables`.

Migrations create them; a test compares both. `rollcall.warehouse.ops_models` has the tables of operations, in
the same metadata.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from rollcall.model.tables import TABLES, Kind, Table
from rollcall.model.username_text import UNUSUAL
from rollcall.warehouse.schemas import HISTORY, STAGING
from rollcall.warehouse.session import JSON

metadata = sa.MetaData()

_TYPES: dict[Kind, type[sa.types.TypeEngine]] = {
    "text": sa.Text,
    "date": sa.Date,
    "boolean": sa.Boolean,
    "json": JSON,
    "integer": sa.BigInteger,
}

#: The run that wrote a staging row, and when. `_removed_at` is null while the row is live.
LINEAGE = ("_run_id", "_first_seen_at", "_changed_at", "_missing_since", "_removed_at", "_removed_reason")


def timestamp() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _roster_columns(table: Table) -> list[sa.Column]:
    return [
        sa.Column(
            column.name,
            timestamp() if column.kind == "timestamp" else _TYPES[column.kind](),
            nullable=column.name not in table.key,
        )
        for column in table.columns
    ]


def _lineage() -> list[sa.Column]:
    return [
        sa.Column("_digest", sa.BigInteger, nullable=False),
        sa.Column("_run_id", sa.Text, nullable=False),
        sa.Column("_first_seen_at", timestamp(), nullable=False),
        sa.Column("_changed_at", timestamp(), nullable=False),
        sa.Column("_missing_since", timestamp()),
        sa.Column("_removed_at", timestamp()),
        sa.Column("_removed_reason", sa.Text),
        sa.Column("_generation", sa.BigInteger, nullable=False, server_default="0"),
    ]


def _staging(table: Table) -> sa.Table:
    """The published roster with its removed rows."""
    built = sa.Table(
        table.name,
        metadata,
        sa.Column("district_id", sa.Text, nullable=False),
        *_roster_columns(table),
        *_lineage(),
        sa.PrimaryKeyConstraint("district_id", *table.key, name=f"pk_{table.name}"),
        schema=STAGING,
    )
    for name in ("user_sourced_id", "class_sourced_id"):
        if name in table.names and table.key[0] != name:
            sa.Index(f"ix_{table.name}_{name}", built.c.district_id, built.c[name])
    _index_of_few(built, "_removed_at")
    return built


def _index_of_few(built: sa.Table, column: str) -> None:
    """A partial index for a value that almost no row has; retention reads it every night."""
    sa.Index(
        f"ix_{built.name}{column}", built.c.district_id, built.c[column], postgresql_where=built.c[column].is_not(None)
    )


def _published(table: Table) -> sa.Table:
    """Earlier published rows: a staging row from one generation to the next.

    A row is copied here when it changes, so a night costs only what it changes. Staging is the newest generation.
    Together they give the exact tables of any generation.
    """
    return sa.Table(
        f"{table.name}_published",
        metadata,
        sa.Column("district_id", sa.Text, nullable=False),
        *_roster_columns(table),
        *_lineage(),
        sa.Column("_until_generation", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("district_id", *table.key, "_generation", name=f"pk_{table.name}_published"),
        schema=HISTORY,
    )


def _history(table: Table) -> sa.Table:
    """Type 2 history: a row's content from one `as_of` to the next."""
    built = sa.Table(
        table.name,
        metadata,
        sa.Column("district_id", sa.Text, nullable=False),
        *_roster_columns(table),
        sa.Column("_valid_from", timestamp(), nullable=False),
        sa.Column("_valid_to", timestamp()),
        sa.Column("_run_id", sa.Text, nullable=False),
        sa.Column("_closed_run_id", sa.Text),
        sa.Column("_digest", sa.BigInteger),
        sa.PrimaryKeyConstraint("district_id", *table.key, "_valid_from", name=f"pk_{table.name}_history"),
        schema=HISTORY,
    )
    _index_of_few(built, "_valid_to")
    return built


staging: dict[str, sa.Table] = {table.name: _staging(table) for table in TABLES.values()}
history: dict[str, sa.Table] = {table.name: _history(table) for table in TABLES.values()}
published: dict[str, sa.Table] = {table.name: _published(table) for table in TABLES.values()}

#: The characters that Python counts as white space.
_SPACES = (
    " \t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
#: An identifier without surrounding white space, as mapping compares it. An index on it finds people who share one.
IDENTIFIER = f"btrim({{}}, '{_SPACES}'::text)"
sa.Index("ix_users_identifier", staging["users"].c.district_id, sa.text(IDENTIFIER.format("identifier")))
#: An email address in printable ASCII, as two records are compared by it. Other addresses have an index of their own,
#: because PostgreSQL's lower case of them depends on the locale.
EMAIL = 'lower({} COLLATE "C")'
UNUSUAL_EMAIL = f"{{}} COLLATE \"C\" ~ '{UNUSUAL}'"
sa.Index("ix_users_email", staging["users"].c.district_id, sa.text(EMAIL.format("email")))
_unusual = sa.text(UNUSUAL_EMAIL.format("email"))
sa.Index("ix_users_unusual_email", staging["users"].c.district_id, postgresql_where=_unusual)
_ends = staging["user_roles"].c.end_date
sa.Index("ix_user_roles_end_date", staging["user_roles"].c.district_id, _ends, postgresql_where=_ends.is_not(None))
_begins = staging["user_roles"].c.begin_date
sa.Index(
    "ix_user_roles_begin_date", staging["user_roles"].c.district_id, _begins, postgresql_where=_begins.is_not(None)
)
_missing = staging["users"].c._missing_since
sa.Index("ix_users_missing", staging["users"].c.district_id, postgresql_where=_missing.is_not(None))
sa.Index("ix_accounts_username_key", staging["accounts"].c.district_id, staging["accounts"].c.username_key)

#: A username belongs to one account of a site, in any spelling. Checked at the commit, because two accounts may
#: exchange usernames in one transaction.
staging["accounts"].append_constraint(
    ExcludeConstraint(
        (staging["accounts"].c.district_id, "="),
        (staging["accounts"].c.site_id, "="),
        (staging["accounts"].c.username_key, "="),
        using="btree",
        name="ex_accounts_username",
        where=sa.text("_removed_at IS NULL"),
        deferrable=True,
        initially="DEFERRED",
    )
)
