"""The status of a district reads one row, `roster_ops.latest_runs`, and not every run of the past.

With 13,000 districts and a year of nights the earlier view took ten seconds. The row is written by a trigger on `runs`
when a transaction commits, so every way to write a run keeps it right.
"""

import sqlalchemy as sa
from alembic import op

from rollcall.warehouse.schemas import OPS

revision = "0013"
down_revision = "0012"

_REFRESH = f"""
    UPDATE {OPS}.latest_runs d SET (run_id, status, night, started_at, waits_for, error_code, error_message) = (
            SELECT r.run_id, r.status, r.night, r.started_at, r.waits_for, r.error_code, r.error_message
            FROM {OPS}.runs r
            WHERE r.district_id = d.district_id AND r.kind IN ('sync', 'remap') AND r.status <> 'dry_run'
            ORDER BY r.started_at DESC LIMIT 1),
        published_at = (
            SELECT max(r.finished_at) FROM {OPS}.runs r
            WHERE r.district_id = d.district_id AND r.status = 'published' AND r.kind IN ('sync', 'remap', 'rollback'))
    WHERE """

_REFRESH_FAILURES = f"""
    UPDATE {OPS}.latest_runs d SET (failing_since, failing_nights) = (
            SELECT min(r.started_at), count(DISTINCT r.night) FROM {OPS}.runs r
            WHERE r.district_id = d.district_id AND r.started_at > coalesce(d.published_at, '-infinity')
            AND r.status = 'failed'
            AND r.error_code = CASE WHEN d.status = 'running' THEN 'run_abandoned' ELSE d.error_code END)
    WHERE """


def upgrade() -> None:
    timestamp = sa.DateTime(timezone=True)
    op.create_table(
        "latest_runs",
        sa.Column("district_id", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text),
        sa.Column("status", sa.Text),
        sa.Column("night", sa.Date),
        sa.Column("started_at", timestamp),
        sa.Column("waits_for", sa.Text),
        sa.Column("error_code", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("published_at", timestamp),
        sa.Column("failing_since", timestamp),
        sa.Column("failing_nights", sa.BigInteger),
        schema=OPS,
    )
    op.create_index("ix_runs_started", "runs", ["district_id", sa.text("started_at DESC")], schema=OPS)
    op.create_index(
        "ix_runs_published",
        "runs",
        ["district_id", sa.text("finished_at DESC")],
        schema=OPS,
        postgresql_where=sa.text("status = 'published' AND kind IN ('sync', 'remap', 'rollback')"),
    )
    op.execute(f"INSERT INTO {OPS}.latest_runs (district_id) SELECT DISTINCT district_id FROM {OPS}.runs")
    op.execute(f"{_REFRESH} true")
    op.execute(f"{_REFRESH_FAILURES} true")
    # The first statement locks the district's row, so the next ones see what concurrent transactions committed.
    op.execute(f"""
        CREATE FUNCTION {OPS}.keep_latest_run() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO {OPS}.latest_runs (district_id) VALUES (NEW.district_id)
                ON CONFLICT (district_id) DO UPDATE SET district_id = excluded.district_id;
            {_REFRESH} d.district_id = NEW.district_id;
            {_REFRESH_FAILURES} d.district_id = NEW.district_id;
            RETURN NULL;
        END $$""")
    op.execute(f"""
        CREATE CONSTRAINT TRIGGER keep_latest_run AFTER INSERT OR UPDATE ON {OPS}.runs
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {OPS}.keep_latest_run()""")
    op.execute(f"DROP VIEW {OPS}.district_status")
    op.execute(f"""
        CREATE VIEW {OPS}.district_status AS
        WITH held AS (
            SELECT district_id, count(*) AS holds, sum(rows) AS held_rows, min(opened_at) AS since FROM {OPS}.holds
            WHERE closed_at IS NULL AND status IN ('open', 'announced') GROUP BY district_id
        ), fact AS (
            SELECT d.district_id, d.name, d.enabled, s.current_as_of AS published_as_of, s.generation, s.paused,
                s.late_from,
                ((s.current_as_of AT TIME ZONE d.timezone) + interval '6 hours')::date AS published_night,
                coalesce(s.current_as_of > now() + interval '10 minutes', false) AS is_in_future,
                n.run_id, n.started_at, n.waits_for, n.published_at, n.failing_since,
                n.failing_nights, n.is_left,
                CASE WHEN n.is_left THEN 'failed' ELSE n.status END AS run_status,
                CASE WHEN n.is_left THEN 'run_abandoned' ELSE n.error_code END AS error_code,
                CASE WHEN n.is_left THEN 'The run started over six hours ago and has not ended.'
                    ELSE n.error_message END AS error_message,
                coalesce(h.holds, 0) AS holds, coalesce(h.held_rows, 0) AS held_rows, h.since AS held_since
            FROM {OPS}.districts d
            LEFT JOIN {OPS}.state s USING (district_id)
            LEFT JOIN (SELECT *, status = 'running' AND started_at < now() - interval '6 hours' AS is_left
                FROM {OPS}.latest_runs) n USING (district_id)
            LEFT JOIN held h USING (district_id)
        ), judged AS (
            SELECT *, CASE
                    WHEN NOT enabled THEN 'disabled'
                    WHEN is_in_future THEN 'failed'
                    WHEN paused <> '' THEN 'paused'
                    WHEN run_status = 'failed' THEN 'failed'
                    WHEN published_as_of IS NULL AND run_status IS DISTINCT FROM 'running' THEN 'never'
                    WHEN coalesce(late_from, published_as_of + interval '30 hours') <= now() THEN 'late'
                    WHEN holds > 0 THEN 'held'
                    WHEN run_status = 'running' THEN 'running'
                    ELSE 'published'
                END AS state
            FROM fact
        )
        SELECT district_id, name, state,
            CASE state
                WHEN 'failed' THEN coalesce(failing_since, started_at)
                WHEN 'late' THEN coalesce(late_from, published_at)
                WHEN 'held' THEN held_since
                WHEN 'running' THEN started_at
                ELSE published_at
            END AS since,
            published_as_of, generation, published_night, run_id, run_status, started_at, waits_for,
            CASE WHEN is_in_future THEN 'state_in_future' ELSE error_code END AS error_code,
            CASE WHEN is_in_future THEN 'The published roster is dated in the future: a clock was ahead.'
                ELSE error_message END AS error_message,
            CASE WHEN run_status = 'failed' THEN failing_nights + is_left::int END AS nights,
            holds, held_rows, paused, late_from, held_since, published_at
        FROM judged""")


def downgrade() -> None:
    raise NotImplementedError("There is nothing to go back for; restore a backup instead.")
