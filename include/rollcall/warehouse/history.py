"""Writes an interval of time into `roster_history`: the exact content of a table on [since, until).

History outside the interval stays. A row that crosses its edge is cut there. Equal neighbors (same key, same digest)
become one row with the content of the first, so a provider's new timestamp on an unchanged record makes no row. The
result depends on the content of each interval, not on the order in which intervals are written. Only keys whose
history differs are touched, all of them by the same few statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import sqlalchemy as sa

from rollcall.model.tables import TABLES, Table
from rollcall.warehouse.models import staging
from rollcall.warehouse.schemas import HISTORY, STAGING
from rollcall.warehouse.session import temp_table, temp_table_like, update_statistics


@dataclass(frozen=True)
class Interval:
    """From one instant to the next.

    :param run_id: the run whose content begins at `since`.
    :param until: None: open; nothing later is known.
    :param next_run_id: the run whose content begins at `until`.
    """

    since: datetime
    run_id: str
    until: datetime | None = None
    next_run_id: str | None = None


def write_interval(
    connection: sa.Connection, district: str, table: Table, wanted: str, interval: Interval, *, among: str = ""
) -> int:
    """Write one interval of a table's history within the connection's transaction.

    :param wanted: the rows that were live then, each key once: a table's name or a query in parentheses, with the
        table's columns and `_digest`. It may use the parameter `district`.
    :param among: a table of keys. The history of all other keys is already correct.
    :returns: how many keys had a different history.
    """
    name = table.name
    typed = ", ".join(f'"{key}" text' for key in table.key)
    params = {
        "district": district,
        "since": interval.since,
        "until": interval.until.isoformat() if interval.until else "infinity",
        "run_id": interval.run_id,
        "next_run_id": interval.next_run_id,
    }
    connection.exec_driver_sql(temp_table(f"differing_{name}", typed))
    found = connection.execute(sa.text(_differing(table, wanted, among)), params).rowcount
    if found:
        connection.exec_driver_sql(update_statistics(f"differing_{name}"))
        if connection.execute(sa.text(_take_over_digests(table, wanted)), params).rowcount:
            found -= connection.execute(sa.text(_no_longer_differing(table, wanted)), params).rowcount
    if found:
        connection.exec_driver_sql(
            temp_table(
                f"joined_{name}",
                f"{typed}, left_from timestamptz, right_from timestamptz, right_to timestamptz, right_closed text",
            )
        )
        for statement in [
            *(_split_at_end(table) if interval.until else _truncate_at(table)),
            *_insert_interval(table, wanted),
        ]:
            connection.execute(sa.text(statement), params)
        connection.exec_driver_sql(f"DROP TABLE joined_{name}")
    connection.exec_driver_sql(f"DROP TABLE differing_{name}")
    return found


def live_rows(table: Table) -> str:
    """Staging as history records it: without removed and missing rows, and without their dependents.

    A missing row stays published until a second complete pull confirms it. History ends it at the first one. If the row
    is received again, history begins it again at that pull.
    """
    owners = (
        f' AND NOT EXISTS (SELECT FROM {STAGING}.{owner} o WHERE o.district_id = r.district_id AND o.sourced_id = r."'
        f'{column}" AND (o._removed_at IS NOT NULL OR o._missing_since IS NOT NULL))'
        for column, owner in table.owners.items()
    )
    return (
        f"(SELECT r.* FROM {STAGING}.{table.name} r WHERE r.district_id = :district AND r._removed_at IS NULL"
        f" AND r._missing_since IS NULL{''.join(owners)})"
    )


def write_published(connection: sa.Connection, district: str, interval: Interval) -> int:
    """Write what staging has now as the history of all tables from `since` on."""
    return sum(write_interval(connection, district, table, live_rows(table), interval) for table in TABLES.values())


def write_changed(connection: sa.Connection, district: str, interval: Interval) -> int:
    """The same after a publication, only for the keys it touched. A night without changes costs almost nothing.

    Reads the tables `touched_<table>` of the publication: the keys it wrote, and `_change`.
    """
    away = cache(lambda name: _some_are_away(connection, district, name))
    return sum(_write_touched(connection, district, table, interval, away) for table in TABLES.values())


def touched_table(table: Table) -> str:
    """The temporary table of the keys a publication wrote in this table; created if it wrote none."""
    typed = ", ".join(f'"{key}" text' for key in table.key)
    return temp_table(f"touched_{table.name}", f"{typed}, _change text")


def _write_touched(
    connection: sa.Connection, district: str, table: Table, interval: Interval, are_away: Callable[[str], bool]
) -> int:
    name = table.name
    params = {"district": district, "since": interval.since, "run_id": interval.run_id}
    connection.exec_driver_sql(touched_table(table))
    past = sa.text(f"SELECT EXISTS (SELECT FROM {HISTORY}.{name} WHERE district_id = :district)")
    if not connection.execute(past, params).scalar_one():
        is_whole = not any(map(are_away, [name, *table.owners.values()]))
        return connection.execute(sa.text(_first(table, is_whole=is_whole)), params).rowcount
    listed_keys = ", ".join(f'"{key}"' for key in table.key)
    for column, owner in table.owners.items():
        # A person or class that goes missing, is found, is removed, or returns takes its dependents along, whose own
        # rows did not change. One that changed and has no history up to this moment was missing until now.
        connection.execute(
            sa.text(f"""
                INSERT INTO touched_{name} ({listed_keys}, _change) SELECT {_columns(table.key, "r")}, 'owner'
                FROM touched_{owner} o JOIN {STAGING}.{name} r ON r."{column}" = o.sourced_id
                WHERE r.district_id = :district AND (o._change IN ('missing', 'found', 'removed', 'returned')
                    OR o._change = 'changed' AND NOT EXISTS (
                        SELECT FROM {HISTORY}.{owner} h WHERE h.district_id = :district
                        AND h.sourced_id = o.sourced_id AND h._valid_to = :since))"""),
            params,
        )
    if not connection.execute(sa.text(f"SELECT EXISTS (SELECT FROM touched_{name})")).scalar_one():
        return 0  # most tables on most nights; each of the ten statements below takes a millisecond
    connection.exec_driver_sql(update_statistics(f"touched_{name}", f"{listed_keys}, _change"))
    is_touched = f"EXISTS (SELECT FROM touched_{name} k WHERE {_same(table, 'k', 'w')})"
    listed = _columns(table.names, "w")
    connection.exec_driver_sql(temp_table(f"now_{name}", _shape(table, connection)))
    connection.execute(
        sa.text(f"""
            INSERT INTO now_{name} SELECT {listed}, w._digest FROM {live_rows(table)} w WHERE {is_touched}"""),
        params,
    )
    connection.exec_driver_sql(update_statistics(f"now_{name}"))
    found = write_interval(connection, district, table, f"now_{name}", interval, among=f"touched_{name}")
    connection.exec_driver_sql(f"DROP TABLE now_{name}")
    return found


def _shape(table: Table, connection: sa.Connection) -> str:
    """The table's own columns with their types, and the digest."""
    columns = [staging[table.name].c[name] for name in (*table.names, "_digest")]
    return ", ".join(f'"{column.name}" {column.type.compile(connection.dialect)}' for column in columns)


def _some_are_away(connection: sa.Connection, district: str, name: str) -> bool:
    away = sa.text(f"""
        SELECT EXISTS (SELECT FROM {STAGING}.{name}
            WHERE district_id = :district AND (_removed_at IS NOT NULL OR _missing_since IS NOT NULL))""")
    return bool(connection.execute(away, {"district": district}).scalar_one())


def _first(table: Table, *, is_whole: bool) -> str:
    """A district's first history of a table: everything is new.

    :param is_whole: whether all rows of the table and of its owners are live, so that owners need no check.
    """
    listed = ", ".join(f'"{name}"' for name in table.names)
    rows = f"{STAGING}.{table.name}" if is_whole else live_rows(table)
    return f"""
        INSERT INTO {HISTORY}.{table.name} (district_id, {listed}, _digest, _valid_from, _run_id)
        SELECT :district, {_columns(table.names, "w")}, w._digest, :since, :run_id FROM {rows} w
        WHERE w.district_id = :district"""


_UNTIL = "CAST(:until AS timestamptz)"
_ENDS = "coalesce(h._valid_to, 'infinity')"


def _same(table: Table, one: str, other: str) -> str:
    return " AND ".join(f'{one}."{name}" = {other}."{name}"' for name in table.key)


def _columns(names: list[str] | tuple[str, ...], of: str) -> str:
    return ", ".join(f'{of}."{name}"' for name in names)


def _differing(table: Table, wanted: str, among: str) -> str:
    past = f"{HISTORY}.{table.name}"
    of_keys = f"AND EXISTS (SELECT FROM {among} k WHERE {_same(table, 'k', 'h')})" if among else ""
    return f"""
        INSERT INTO differing_{table.name}
        SELECT {_columns(table.key, "w")} FROM {wanted} w WHERE NOT EXISTS (
            SELECT FROM {past} h WHERE h.district_id = :district AND {_same(table, "h", "w")}
                AND h._digest = w._digest AND h._valid_from <= :since AND {_ENDS} >= {_UNTIL})
        UNION
        SELECT {_columns(table.key, "h")} FROM {past} h
        WHERE h.district_id = :district AND h._valid_from < {_UNTIL} AND {_ENDS} > :since
            AND NOT EXISTS (SELECT FROM {wanted} w WHERE {_same(table, "h", "w")}) {of_keys}"""


def _take_over_digests(table: Table, wanted: str) -> str:
    """If only the digest differs, it is of an older version, and the row did not change: store the current digest."""
    content = table.content
    return f"""
        UPDATE {HISTORY}.{table.name} h SET _digest = w._digest
        FROM differing_{table.name} d JOIN {wanted} w ON {_same(table, "w", "d")}
        WHERE h.district_id = :district AND {_same(table, "h", "d")} AND h._digest IS DISTINCT FROM w._digest
            AND ({_columns(content, "h")}) IS NOT DISTINCT FROM ({_columns(content, "w")})"""


def _no_longer_differing(table: Table, wanted: str) -> str:
    return f"""
        DELETE FROM differing_{table.name} d USING {wanted} w, {HISTORY}.{table.name} h
        WHERE {_same(table, "w", "d")} AND h.district_id = :district AND {_same(table, "h", "d")}
            AND h._digest = w._digest AND h._valid_from <= :since AND {_ENDS} >= {_UNTIL}"""


def _truncate_at(table: Table) -> Iterator[str]:
    """Delete everything from `since` on."""
    past, match = f"{HISTORY}.{table.name}", _same(table, "h", "d")
    yield f"""
        UPDATE {past} h SET _valid_to = :since, _closed_run_id = :run_id FROM differing_{table.name} d
        WHERE h.district_id = :district AND {match} AND h._valid_from < :since AND {_ENDS} > :since"""
    yield f"""
        DELETE FROM {past} h USING differing_{table.name} d
        WHERE h.district_id = :district AND {match} AND h._valid_from >= :since AND h._valid_from < {_UNTIL}"""


def _split_at_end(table: Table) -> Iterator[str]:
    """Delete what is between `since` and `until`. A row that continues after `until` begins again there."""
    past, match = f"{HISTORY}.{table.name}", _same(table, "h", "d")
    reaches_over = f"h.district_id = :district AND {match} AND h._valid_from < {_UNTIL} AND {_ENDS} > {_UNTIL}"
    yield temp_table_like(f"continuing_{table.name}", past)
    yield f"""
        INSERT INTO continuing_{table.name} SELECT h.* FROM {past} h, differing_{table.name} d WHERE {reaches_over}"""
    yield f"UPDATE continuing_{table.name} SET _valid_from = {_UNTIL}, _run_id = :next_run_id"
    yield from _truncate_at(table)
    yield f"INSERT INTO {past} SELECT * FROM continuing_{table.name}"
    yield f"DROP TABLE continuing_{table.name}"


def _insert_interval(table: Table, wanted: str) -> Iterator[str]:
    """Fill the gap, joined to equal neighbors."""
    past, joined = f"{HISTORY}.{table.name}", f"joined_{table.name}"
    yield f"""
        INSERT INTO {joined}
        SELECT {_columns(table.key, "w")}, l._valid_from, n._valid_from, n._valid_to, n._closed_run_id
        FROM differing_{table.name} d JOIN {wanted} w ON {_same(table, "w", "d")}
        LEFT JOIN {past} l ON l.district_id = :district AND {_same(table, "l", "w")}
            AND l._valid_to = :since AND l._digest = w._digest
        LEFT JOIN {past} n ON n.district_id = :district AND {_same(table, "n", "w")}
            AND n._valid_from = {_UNTIL} AND n._digest = w._digest"""
    yield f"""
        DELETE FROM {past} h USING {joined} b
        WHERE h.district_id = :district AND {_same(table, "h", "b")} AND h._valid_from = b.right_from"""
    ends = f"CASE WHEN b.right_from IS NULL THEN nullif({_UNTIL}, 'infinity') ELSE b.right_to END"
    closed = "CASE WHEN b.right_from IS NULL THEN CAST(:next_run_id AS text) ELSE b.right_closed END"
    yield f"""
        UPDATE {past} h SET _valid_to = {ends}, _closed_run_id = {closed} FROM {joined} b
        WHERE h.district_id = :district AND {_same(table, "h", "b")} AND h._valid_from = b.left_from"""
    listed = ", ".join(f'"{name}"' for name in table.names)
    yield f"""
        INSERT INTO {past} (district_id, {listed}, _digest, _valid_from, _valid_to, _run_id, _closed_run_id)
        SELECT :district, {_columns(table.names, "w")}, w._digest, :since, {ends}, :run_id, {closed}
        FROM {joined} b JOIN {wanted} w ON {_same(table, "w", "b")} WHERE b.left_from IS NULL"""
