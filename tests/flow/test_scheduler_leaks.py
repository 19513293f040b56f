"""A real Airflow during a night: no person and no secret in its database, its processes, and its environments, and no
connection but to provider, warehouse, and itself.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests
import sqlalchemy as sa

from rollcall_local.stack import _METADATA, Stack
from rollcall_sandbox.settings import CEDAR, MAPLE
from tests.conftest import component_leaders

pytestmark = [pytest.mark.scheduler, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def planted(stack: Stack) -> list[bytes]:
    """Values of people, and the secrets of connections."""
    columns = (
        "email",
        "phone",
        "sms",
        "username",
        "given_name || ' ' || family_name",
        "family_name || ', ' || given_name",
    )
    query = " UNION ".join(f"SELECT {column} FROM roster_staging.users" for column in columns)
    engine = sa.create_engine(stack.warehouse_url)
    with engine.connect() as connection:
        values = {value for value in connection.execute(sa.text(query)).scalars() if value and len(value) > 6}
    engine.dispose()
    assert len(values) > 3000
    return [value.encode() for value in values] + [MAPLE.client_secret.encode(), CEDAR.client_secret.encode()]


@pytest.fixture(scope="module")
def night(stack: Stack) -> dict[str, set[str]]:
    """What a look at all of Airflow's processes, again and again during a night, has seen of them."""
    seen: dict[str, set[str]] = {"arguments": set(), "environment": set(), "connected": set()}
    requests.post(f"{stack.sandbox_url}/sandbox/cedar/nights", json={"nights": 1}, timeout=30)
    api = stack.airflow.api
    run = api.trigger("roster_cedar", {"mode": "full"})
    deadline = time.monotonic() + 240
    while api.run_state("roster_cedar", run) not in ("success", "failed"):
        assert time.monotonic() < deadline
        for _ in range(10):
            _look(stack, seen)
            time.sleep(0.05)
    assert api.run_state("roster_cedar", run) == "success"
    return seen


def _look(stack: Stack, seen: dict[str, set[str]]) -> None:
    for leader in component_leaders(stack.airflow.home).values():
        parent = psutil.Process(leader)
        for process in (parent, *parent.children(recursive=True)):
            try:
                seen["arguments"].add(" ".join(process.cmdline()))
                seen["environment"].add("\n".join(f"{name}={value}" for name, value in process.environ().items()))
                seen["connected"] |= {str(one.raddr.ip) for one in process.net_connections("inet") if one.raddr}
            except psutil.Error:
                continue


def test_no_process_and_no_environment_names_a_person_or_a_secret(
    night: dict[str, set[str]], planted: list[bytes]
) -> None:
    assert len(night["arguments"]) > 4
    everything = "\n".join(night["arguments"] | night["environment"]).encode()
    assert b"ROLLCALL_LANDING" in everything
    assert [value for value in planted if value in everything] == []


def test_airflows_database_names_no_person_and_no_secret(
    stack: Stack, night: dict[str, set[str]], planted: list[bytes]
) -> None:
    """XCom, rendered fields, notes, conf, serialized DAGs, events, the audit log: every row of every table."""
    engine = sa.create_engine(stack.postgres.url(_METADATA))
    rows = {table: b"\n".join(_rows(engine, table)) for table in sa.inspect(engine).get_table_names()}
    engine.dispose()
    filled = {table for table, text in rows.items() if text}
    assert filled >= {"xcom", "rendered_task_instance_fields", "dag_run", "serialized_dag", "log", "asset_event"}
    found = {(table, value) for table, text in rows.items() for value in planted if value in text}
    assert found == set()


def _rows(engine: sa.Engine, table: str) -> Iterator[bytes]:
    with engine.connect() as connection:
        for row in connection.execute(sa.text(f'SELECT t::text, t.* FROM "{table}" t')):
            yield str(row[0]).encode()
            for value in row[1:]:
                if isinstance(value, bytes | memoryview):
                    yield _plain(bytes(value))


def _plain(value: bytes) -> bytes:
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value


def test_airflow_connects_to_provider_warehouse_and_itself_only(
    stack: Stack, night: dict[str, set[str]], watched: Path
) -> None:
    """By Python's own events, and by the sockets of all processes, which show libpq's as well."""
    lines = set(watched.read_text().splitlines())
    api_port = stack.airflow.api_url.rpartition(":")[2]
    expected = re.compile(
        rf"socket\.connect \(\('127\.0\.0\.1', ({stack.sandbox_port}|{api_port})\),\)"
        rf"|socket\.getaddrinfo \('127\.0\.0\.1', ({stack.sandbox_port}|{api_port})\)"
    )
    assert [line for line in sorted(lines) if not expected.fullmatch(line)] == []
    assert sum(f"', {stack.sandbox_port})" in line for line in lines) > 0
    assert night["connected"] <= {"127.0.0.1"}
