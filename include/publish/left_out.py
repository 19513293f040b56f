"""Who is left out now, each with one reason, and what is found about single people."""

from __future__ import annotations

import pyarrow as pa
import sqlalchemy as sa

from include.warehouse.bulk import copy_in
from include.warehouse.dialect import temporary
from include.warehouse.schemas import OPS


def write_left_out(connection: sa.Connection, rows: pa.Table, *, district: str, run_id: str) -> None:
    """Set `roster_ops.left_out`, touching only the rows that differ; whose they are stands in the temporary table
    `touched_left_out` then.

    :param rows: in `LEFT_OUT_SCHEMA`.
    """
    connection.exec_driver_sql(temporary("touched_left_out", "user_sourced_id text"))
    connection.exec_driver_sql(temporary("tonight_left_out", "user_sourced_id text, reason text, detail text"))
    if rows.num_rows:
        copy_in(connection, "tonight_left_out", rows)
    params = {"district": district, "run_id": run_id}
    connection.execute(
        sa.text(f"""
            WITH gone AS (
                DELETE FROM {OPS}.left_out l WHERE l.district_id = :district AND NOT EXISTS (
                    SELECT FROM tonight_left_out t WHERE t.user_sourced_id = l.user_sourced_id)
                RETURNING l.user_sourced_id)
            INSERT INTO touched_left_out SELECT user_sourced_id FROM gone"""),
        params,
    )
    connection.execute(
        sa.text(f"""
            WITH written AS (
                INSERT INTO {OPS}.left_out AS l (district_id, user_sourced_id, reason, detail, run_id)
                SELECT :district, user_sourced_id, reason, detail, :run_id FROM tonight_left_out
                ON CONFLICT (district_id, user_sourced_id)
                DO UPDATE SET reason = excluded.reason, detail = excluded.detail, run_id = excluded.run_id
                WHERE (l.reason, l.detail) IS DISTINCT FROM (excluded.reason, excluded.detail)
                RETURNING l.user_sourced_id)
            INSERT INTO touched_left_out SELECT user_sourced_id FROM written"""),
        params,
    )
    connection.exec_driver_sql("DROP TABLE tonight_left_out")


def write_person_findings(connection: sa.Connection, rows: pa.Table, *, district: str, run_id: str) -> None:
    """Set `roster_ops.person_findings`, touching only the rows that differ.

    :param rows: in `PERSON_FINDINGS_SCHEMA`.
    """
    connection.exec_driver_sql(temporary("tonight_found", "user_sourced_id text, rule text, detail text"))
    if rows.num_rows:
        copy_in(connection, "tonight_found", rows)
    params = {"district": district, "run_id": run_id}
    connection.execute(
        sa.text(f"""
            DELETE FROM {OPS}.person_findings f WHERE f.district_id = :district AND NOT EXISTS (
                SELECT FROM tonight_found t WHERE t.user_sourced_id = f.user_sourced_id AND t.rule = f.rule)"""),
        params,
    )
    connection.execute(
        sa.text(f"""
            INSERT INTO {OPS}.person_findings AS f (district_id, user_sourced_id, rule, detail, run_id)
            SELECT :district, user_sourced_id, rule, detail, :run_id FROM tonight_found
            ON CONFLICT (district_id, user_sourced_id, rule)
            DO UPDATE SET detail = excluded.detail, run_id = excluded.run_id
            WHERE f.detail IS DISTINCT FROM excluded.detail"""),
        params,
    )
    connection.exec_driver_sql("DROP TABLE tonight_found")
