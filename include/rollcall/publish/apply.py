"""Apply a table's changes to staging: COPY into a temporary table, then set-based statements.

Only changed rows are touched. Their previous version is kept in `roster_history.<table>_published`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa
import sqlalchemy as sa

from rollcall.model.tables import Table
from rollcall.warehouse.bulk import copy_in
from rollcall.warehouse.models import LINEAGE, staging
from rollcall.warehouse.schemas import HISTORY, OPS, STAGING
from rollcall.warehouse.session import temp_table, update_statistics


def write_left_out(connection: sa.Connection, rows: pa.Table, *, district: str, run_id: str) -> None:
    """Set `roster_ops.left_out`. Only different rows are written, and their people go to the temporary table
    `touched_left_out`.

    :param rows: in `LEFT_OUT_SCHEMA`.
    """
    connection.exec_driver_sql(temp_table("touched_left_out", "user_sourced_id text"))
    connection.exec_driver_sql(temp_table("tonight_left_out", "user_sourced_id text, reason text, detail text"))
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
    """Set `roster_ops.person_findings`. Only different rows are written.

    :param rows: in `PERSON_FINDINGS_SCHEMA`.
    """
    connection.exec_driver_sql(temp_table("tonight_person_findings", "user_sourced_id text, rule text, detail text"))
    if rows.num_rows:
        copy_in(connection, "tonight_person_findings", rows)
    params = {"district": district, "run_id": run_id}
    connection.execute(
        sa.text(f"""
            DELETE FROM {OPS}.person_findings f WHERE f.district_id = :district AND NOT EXISTS (
                SELECT FROM tonight_person_findings t
                WHERE t.user_sourced_id = f.user_sourced_id AND t.rule = f.rule)"""),
        params,
    )
    connection.execute(
        sa.text(f"""
            INSERT INTO {OPS}.person_findings AS f (district_id, user_sourced_id, rule, detail, run_id)
            SELECT :district, user_sourced_id, rule, detail, :run_id FROM tonight_person_findings
            ON CONFLICT (district_id, user_sourced_id, rule)
            DO UPDATE SET detail = excluded.detail, run_id = excluded.run_id
            WHERE f.detail IS DISTINCT FROM excluded.detail"""),
        params,
    )
    connection.exec_driver_sql("DROP TABLE tonight_person_findings")


def apply_changes(
    connection: sa.Connection,
    table: Table,
    changes: pa.Table,
    *,
    district: str,
    run_id: str,
    as_of: datetime,
    generation: int,
) -> dict[str, int]:
    """Write one table's changes within the connection's transaction.

    :param changes: in `change_schema`.
    :param generation: the generation of this publication.
    :returns: rows written per kind of change.
    """
    tonight = f"tonight_{table.name}"
    shape = ", ".join(
        f'"{column.name}" {staging[table.name].c[column.name].type.compile(connection.dialect)}'
        for column in table.columns
    )
    connection.exec_driver_sql(temp_table(tonight, f"{shape}, _digest bigint, _change text, _reason text"))
    copy_in(connection, tonight, changes.drop_columns(["_changed_fields"]))
    params = {"district": district, "run_id": run_id, "as_of": as_of, "generation": generation}
    kinds = set(changes["_change"].unique().to_pylist())
    if kinds != {"added"}:  # added rows are not joined
        listed = ", ".join(f'"{name}"' for name in (*table.key, "_change"))
        connection.exec_driver_sql(update_statistics(tonight, listed))
    if kinds - {"added"}:
        connection.execute(sa.text(_archive_previous(table, tonight)), params)
    written = {
        kind: connection.execute(sa.text(statement), params).rowcount
        for kind, statement in _statements(table, tonight)
        if kind in kinds
    }
    connection.exec_driver_sql(f"ALTER TABLE {tonight} RENAME TO touched_{table.name}")  # for history
    return written


def renew_digests(connection: sa.Connection, table: Table, digests: pa.Table, *, district: str) -> None:
    """Set the digests of unchanged rows under the current encoding, in staging and in history.

    No published column changes, so there is no new generation.

    :param digests: in `digest_schema`, applied before the table's changes.
    """
    renewed = f"renewed_{table.name}"
    shape = ", ".join(f'"{name}" text' for name in table.key)
    connection.exec_driver_sql(temp_table(renewed, f"{shape}, _digest bigint"))
    copy_in(connection, renewed, digests)
    connection.exec_driver_sql(update_statistics(renewed))
    same = " AND ".join(f'r."{name}" = t."{name}"' for name in table.key)
    past = " AND ".join(f'h."{name}" = r."{name}"' for name in table.key)
    for statement in (
        f"""
        UPDATE {HISTORY}.{table.name} h SET _digest = t._digest FROM {STAGING}.{table.name} r JOIN {renewed} t ON {same}
        WHERE r.district_id = :district AND h.district_id = :district AND {past} AND h._valid_to IS NULL
            AND h._digest = r._digest""",
        f"""
        UPDATE {STAGING}.{table.name} r SET _digest = t._digest FROM {renewed} t
        WHERE r.district_id = :district AND {same}""",
    ):
        connection.execute(sa.text(statement), {"district": district})
    connection.exec_driver_sql(f"DROP TABLE {renewed}")


def _archive_previous(table: Table, tonight: str) -> str:
    """Copy the published version of changed rows before staging overwrites it."""
    columns, whole = (", ".join(f'{of}"{name}"' for name in table.names) for of in ("", "r."))
    lineage = ", ".join(f"r.{name}" for name in ("_digest", *LINEAGE))
    return f"""
        INSERT INTO {HISTORY}.{table.name}_published (district_id, {columns}, _digest, {", ".join(LINEAGE)},
            _generation, _until_generation)
        SELECT r.district_id, {whole}, {lineage}, r._generation, :generation
        FROM {STAGING}.{table.name} r JOIN {tonight} t ON {_match(table)}
        WHERE r.district_id = :district AND t._change <> 'added'"""


def _statements(table: Table, tonight: str) -> Iterator[tuple[str, str]]:
    """The statement for each kind of change. A row whose live or removed state does not fit its change is skipped."""
    target = f"{STAGING}.{table.name}"
    columns = ", ".join(f'"{name}"' for name in table.names)
    assignments = ", ".join(f'"{name}" = t."{name}"' for name in table.names if name not in table.key)
    assignments = f"{assignments}, " if assignments else ""
    yield (
        "added",
        f"""
        INSERT INTO {target} (district_id, {columns}, _digest, _run_id, _first_seen_at, _changed_at, _generation)
        SELECT :district, {columns}, _digest, :run_id, :as_of, :as_of, :generation FROM {tonight}
        WHERE _change = 'added'""",
    )
    restored = f"""{assignments}_digest = t._digest, _run_id = :run_id, _changed_at = :as_of, _missing_since = NULL,
        _removed_at = NULL, _removed_reason = NULL"""
    removed = "_removed_at = :as_of, _removed_reason = t._reason, _run_id = :run_id, _changed_at = :as_of"
    for kind, is_live, assigned in (
        ("changed", True, restored),
        ("returned", False, restored),
        ("missing", True, "_missing_since = :as_of"),
        ("found", True, "_missing_since = NULL"),
        ("confirmed", False, "_removed_reason = t._reason"),
        ("removed", True, removed),
    ):
        state = "IS NULL" if is_live else "IS NOT NULL"
        yield (
            kind,
            f"""
            UPDATE {target} r SET {assigned}, _generation = :generation FROM {tonight} t
            WHERE r.district_id = :district AND {_match(table)} AND r._removed_at {state} AND t._change = '{kind}'""",
        )


def _match(table: Table) -> str:
    return " AND ".join(f'r."{name}" = t."{name}"' for name in table.key)
