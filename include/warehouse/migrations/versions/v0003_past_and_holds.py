"""What readers had at every generation, holds that live until somebody decides, and what a run was."""

import sqlalchemy as sa
from alembic import op

from include.warehouse.schemas import HISTORY, OPS, STAGING

revision = "0003"
down_revision = "0002"

#: table: its key
_ROSTER = {
    "orgs": "sourced_id",
    "academic_sessions": "sourced_id",
    "courses": "sourced_id",
    "classes": "sourced_id",
    "class_terms": "class_sourced_id term_sourced_id",
    "users": "sourced_id",
    "user_roles": "user_sourced_id role_key",
    "user_agents": "user_sourced_id agent_sourced_id",
    "enrollments": "sourced_id",
    "demographics": "sourced_id",
    "accounts": "user_sourced_id site_id",
}


def _text(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.Text, nullable=nullable, server_default=default)


def _at(name: str, *, nullable: bool = True) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _number(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.BigInteger, nullable=nullable, server_default=default)


def _roster_table(name: str, key: list[str]) -> None:
    op.add_column(name, _number("_generation", default="0"), schema=STAGING)
    op.execute(f"CREATE TABLE {HISTORY}.{name}_published (LIKE {STAGING}.{name})")
    op.add_column(f"{name}_published", _number("_until_generation"), schema=HISTORY)
    op.create_primary_key(
        f"pk_{name}_published", f"{name}_published", ["district_id", *key, "_generation"], schema=HISTORY
    )
    op.add_column(name, _number("_digest", nullable=True), schema=HISTORY)
    match = " AND ".join(f's."{column}" = h."{column}"' for column in ["district_id", *key])
    op.execute(
        f"UPDATE {HISTORY}.{name} h SET _digest = s._digest FROM {STAGING}.{name} s "
        f"WHERE {match} AND h._valid_to IS NULL"
    )


def _hold_tables() -> None:
    op.drop_table("holds", schema=OPS)
    op.create_table(
        "holds",
        sa.Column("hold_id", sa.Text, primary_key=True),
        _text("district_id"),
        _text("collection"),
        _text("kind"),
        _text("school"),
        _text("status"),
        _at("opened_at", nullable=False),
        _text("opened_run_id"),
        _at("last_seen_at", nullable=False),
        _text("last_run_id"),
        _number("rows"),
        _number("published"),
        _text("looks_like"),
        _text("looks_not_like", default=""),
        _at("decided_at"),
        _text("decided_by", nullable=True),
        _text("because", nullable=True),
        _at("expires_at"),
        _at("closed_at"),
        _text("closed_because", nullable=True),
        schema=OPS,
    )
    op.create_index(
        "ix_holds_living",
        "holds",
        ["district_id", "collection", "kind", "school"],
        unique=True,
        schema=OPS,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "hold_rows",
        _text("hold_id"),
        _text("district_id"),
        _text("table_name"),
        _text("row_key"),
        _text("change"),
        _text("because", nullable=True),
        _text("school", default=""),
        sa.Column("is_approved", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("hold_id", "table_name", "row_key", name="pk_hold_rows"),
        schema=OPS,
    )
    op.create_table(
        "run_holds",
        _text("district_id"),
        _text("run_id"),
        _text("hold_id"),
        _number("rows"),
        sa.PrimaryKeyConstraint("district_id", "run_id", "hold_id", name="pk_run_holds"),
        schema=OPS,
    )


def upgrade() -> None:
    for name, key in _ROSTER.items():
        _roster_table(name, key.split())
    _hold_tables()
    op.add_column("state", _text("paused", default=""), schema=OPS)
    op.add_column("pulls", sa.Column("is_complete", sa.Boolean, nullable=False, server_default=sa.false()), schema=OPS)
    op.add_column("runs", _text("kind", default="sync"), schema=OPS)
    op.add_column("runs", _text("waits_for", nullable=True), schema=OPS)
    op.add_column("runs", sa.Column("cpu_seconds", sa.Double), schema=OPS)
    op.add_column("runs", _number("rows_written", nullable=True), schema=OPS)


def downgrade() -> None:
    raise NotImplementedError("What readers had before would be lost; restore a backup instead.")
