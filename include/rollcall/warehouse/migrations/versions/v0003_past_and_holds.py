"""The published roster of every generation, holds that live until a decision, and the kind of each run."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from rollcall.warehouse.schemas import HISTORY, OPS, STAGING

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
        _at("question_at", nullable=False),
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


def _purges() -> None:
    op.create_table(
        "purges",
        _text("district"),
        _at("purged_at", nullable=False),
        _text("purged_by"),
        sa.Column("rows", JSONB, nullable=False),
        _number("files"),
        _number("bytes"),
        sa.PrimaryKeyConstraint("district", "purged_at", name="pk_purges"),
        schema=OPS,
    )


def _districts_status() -> None:
    op.add_column("districts", sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()), schema=OPS)
    op.add_column("districts", _text("timezone", default="UTC"), schema=OPS)
    op.add_column("districts", _text("publish_by", default=""), schema=OPS)
    op.execute(f"""
        CREATE VIEW {OPS}.district_status AS
        WITH newest AS (
            SELECT DISTINCT ON (district_id) * FROM {OPS}.runs
            WHERE kind IN ('sync', 'remap') AND status <> 'dry_run' ORDER BY district_id, started_at DESC
        ), good AS (
            SELECT district_id, max(finished_at) AS published_at FROM {OPS}.runs
            WHERE status = 'published' AND kind IN ('sync', 'remap', 'rollback') GROUP BY district_id
        ), failures AS (
            SELECT r.district_id, r.error_code, min(r.started_at) AS first_seen, count(DISTINCT r.night) AS nights
            FROM {OPS}.runs r LEFT JOIN good USING (district_id)
            WHERE r.status = 'failed' AND (good.published_at IS NULL OR r.started_at > good.published_at)
            GROUP BY r.district_id, r.error_code
        ), held AS (
            SELECT district_id, count(*) AS holds, sum(rows) AS held_rows, min(opened_at) AS since FROM {OPS}.holds
            WHERE closed_at IS NULL AND status IN ('open', 'announced') GROUP BY district_id
        ), clock AS (
            SELECT d.district_id, (now() AT TIME ZONE d.timezone) AS local,
                ((s.current_as_of AT TIME ZONE d.timezone) + interval '6 hours')::date AS night_readers_have
            FROM {OPS}.districts d LEFT JOIN {OPS}.state s USING (district_id)
        ), said AS (
            SELECT d.district_id, d.name, s.current_as_of AS readers_have, s.generation,
                clock.night_readers_have, n.run_id, n.status AS run_status, n.started_at, n.waits_for,
                n.error_code, n.error_message, f.first_seen, f.nights, h.holds, h.held_rows, h.since AS held_since,
                good.published_at, s.paused,
                CASE
                    WHEN NOT d.enabled THEN 'disabled'
                    WHEN s.paused <> '' THEN 'paused'
                    WHEN n.status = 'failed' THEN 'failed'
                    WHEN s.current_as_of IS NULL AND n.status IS DISTINCT FROM 'running' THEN 'never'
                    WHEN d.publish_by <> '' AND clock.local::time >= d.publish_by::time
                        AND clock.night_readers_have IS DISTINCT FROM clock.local::date THEN 'late'
                    WHEN s.current_as_of < now() - interval '30 hours' THEN 'late'
                    WHEN h.holds > 0 THEN 'held'
                    WHEN n.status = 'running' THEN 'running'
                    ELSE 'published'
                END AS state
            FROM {OPS}.districts d
            LEFT JOIN {OPS}.state s USING (district_id)
            LEFT JOIN clock USING (district_id)
            LEFT JOIN newest n USING (district_id)
            LEFT JOIN good USING (district_id)
            LEFT JOIN failures f ON f.district_id = d.district_id AND f.error_code = n.error_code
            LEFT JOIN held h ON h.district_id = d.district_id
        )
        SELECT district_id, name, state,
            CASE state
                WHEN 'failed' THEN coalesce(first_seen, started_at)
                WHEN 'late' THEN published_at
                WHEN 'held' THEN held_since
                WHEN 'running' THEN started_at
                ELSE published_at
            END AS since,
            readers_have, generation, night_readers_have, run_id, run_status, started_at, waits_for, error_code,
            error_message, nights, coalesce(holds, 0) AS holds, coalesce(held_rows, 0) AS held_rows, paused
        FROM said""")


def upgrade() -> None:
    for name, key in _ROSTER.items():
        _roster_table(name, key.split())
    _hold_tables()
    _purges()
    op.add_column("state", _text("paused", default=""), schema=OPS)
    op.add_column("pulls", sa.Column("is_complete", sa.Boolean, nullable=False, server_default=sa.false()), schema=OPS)
    op.add_column("runs", _text("kind", default="sync"), schema=OPS)
    op.add_column("runs", _text("waits_for", nullable=True), schema=OPS)
    op.add_column("runs", sa.Column("cpu_seconds", sa.Double), schema=OPS)
    op.add_column("runs", _number("rows_written", nullable=True), schema=OPS)
    _districts_status()


def downgrade() -> None:
    raise NotImplementedError("What readers had before would be lost; restore a backup instead.")
