"""A run that was killed is known as failed, and a roster dated in the future is said."""

import sqlalchemy as sa
from alembic import op

from rollcall.warehouse.schemas import OPS

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("runs", sa.Column("worker", sa.Text), schema=OPS)
    op.execute(f"DROP VIEW {OPS}.district_status")
    op.execute(f"""
        CREATE VIEW {OPS}.district_status AS
        WITH run AS (
            SELECT district_id, run_id, kind, night, started_at, finished_at, waits_for,
                CASE WHEN is_left THEN 'failed' ELSE status END AS status,
                CASE WHEN is_left THEN 'run_abandoned' ELSE error_code END AS error_code,
                CASE WHEN is_left THEN 'It has been under way for over six hours without an end.' ELSE error_message END
                    AS error_message
            FROM (SELECT *, status = 'running' AND started_at < now() - interval '6 hours' AS is_left
                FROM {OPS}.runs) r
        ), newest AS (
            SELECT DISTINCT ON (district_id) * FROM run
            WHERE kind IN ('sync', 'remap') AND status <> 'dry_run' ORDER BY district_id, started_at DESC
        ), good AS (
            SELECT district_id, max(finished_at) AS published_at FROM run
            WHERE status = 'published' AND kind IN ('sync', 'remap', 'rollback') GROUP BY district_id
        ), failures AS (
            SELECT r.district_id, r.error_code, min(r.started_at) AS first_seen, count(DISTINCT r.night) AS nights
            FROM run r LEFT JOIN good USING (district_id)
            WHERE r.status = 'failed' AND (good.published_at IS NULL OR r.started_at > good.published_at)
            GROUP BY r.district_id, r.error_code
        ), held AS (
            SELECT district_id, count(*) AS holds, sum(rows) AS held_rows, min(opened_at) AS since FROM {OPS}.holds
            WHERE closed_at IS NULL AND status IN ('open', 'announced') GROUP BY district_id
        ), clock AS (
            SELECT d.district_id, (now() AT TIME ZONE d.timezone) AS local,
                ((s.current_as_of AT TIME ZONE d.timezone) + interval '6 hours')::date AS night_readers_have,
                coalesce(s.current_as_of > now() + interval '10 minutes', false) AS is_in_future
            FROM {OPS}.districts d LEFT JOIN {OPS}.state s USING (district_id)
        ), said AS (
            SELECT d.district_id, d.name, s.current_as_of AS readers_have, s.generation,
                clock.night_readers_have, n.run_id, n.status AS run_status, n.started_at, n.waits_for,
                CASE WHEN clock.is_in_future THEN 'state_in_future' ELSE n.error_code END AS error_code,
                CASE WHEN clock.is_in_future THEN 'The published roster is dated in the future: a clock was ahead.'
                    ELSE n.error_message END AS error_message,
                f.first_seen, f.nights, h.holds, h.held_rows, h.since AS held_since,
                good.published_at, s.paused,
                CASE
                    WHEN NOT d.enabled THEN 'disabled'
                    WHEN clock.is_in_future THEN 'failed'
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


def downgrade() -> None:
    raise NotImplementedError("There is nothing to go back for; restore a backup instead.")
