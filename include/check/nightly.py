"""Every district's connection: what the DAG `roster_connections` does, with nothing of Airflow inside."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import IO

import sqlalchemy as sa

from include.check.pasted import Pasted
from include.check.record import Recorded, check_and_record
from include.check.table import print_checked
from include.errors import NeedsPerson, RollcallError, stage_edge
from include.settings import District, find_district, load_districts
from include.warehouse.connect import ConnectionFields, connect, url_of

log = logging.getLogger("rollcall.check")

#: Districts at once; of one host only as many requests as its budget has.
_AT_ONCE = 4


def check_connections(
    only: str | None, warehouse: ConnectionFields, find: Callable[[str], Pasted], file: IO[str] | None = None
) -> None:
    """Check all districts that are switched on, or one, and print each one's steps.

    :param only: a district's id; empty for all.
    :param find: gets the fields of a connection by its id.
    :raises NeedsPerson: `connections_failing`, when all were checked, naming those that failed and their steps.
    """
    districts = [find_district(only)] if only else [each for each in load_districts()[0] if each.enabled]
    engine = connect(url_of(warehouse))
    # Connections are got one after the other, before anything is asked: Airflow hands them out to one thread.
    finders = [_found(find, district.connection_id) for district in districts]
    failing = []
    try:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="check") as threads:
            outcomes = threads.map(_checked, districts, finders, [engine] * len(districts))
            for district, outcome in zip(districts, outcomes, strict=True):
                if failed := _told(district, outcome, file):
                    failing.append(f"{district.name} ({failed})")
    finally:
        engine.dispose()
    if failing:
        raise NeedsPerson(
            "connections_failing",
            f"{len(failing)} of {len(districts)} connections do not work: {', '.join(failing)}.",
            remedy="What is wrong with each and what to do stands above in this log; `rollcall check DISTRICT "
            "--letter` prints what to write to the district.",
        )


def _found(find: Callable[[str], Pasted], conn_id: str) -> Callable[[], Pasted]:
    """The fields, or their absence: one district's missing connection is a step of its own check."""
    try:
        pasted = find(conn_id)
    except RollcallError as error:
        missing = error

        def refuse() -> Pasted:
            raise missing

        return refuse
    return lambda: pasted


def _checked(district: District, find: Callable[[], Pasted], engine: sa.Engine) -> Recorded | RollcallError:
    """A check, or what kept it from being made: no district stands in another's way."""
    try:
        with stage_edge("check", district=district.district):
            return check_and_record(district, find, engine)
    except RollcallError as error:
        return error


def _told(district: District, outcome: Recorded | RollcallError, file: IO[str] | None) -> str:
    """Print it; the steps that failed, empty where none did."""
    if isinstance(outcome, RollcallError):
        log.error("%s: %s", district.name, outcome)
        return outcome.code
    print_checked(outcome.checked, file)
    if outcome.not_kept:
        log.warning("%s: %s", district.name, outcome.not_kept)
    return ", ".join(step.name for step in outcome.checked.failed)
