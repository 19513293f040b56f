"""Whatever dies in the middle of a publication, the previous roster stays exactly, and the same run just runs again."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from rollcall.errors import RollcallError
from rollcall.landing.pull import PullRef
from rollcall.landing.zone import Landing
from rollcall.pipeline import run
from rollcall.pipeline.stage_record import recorded_stage
from rollcall.warehouse import migrate
from rollcall.warehouse.session import connect, warehouse_from_environment
from rollcall_local.postgres import EmbeddedPostgres
from tests.conftest import Nights
from tests.publish import publishing
from tests.publish.gate import Gate

#: From the first thing a publication writes to the last.
POINTS = (
    "roster_history.users_published",
    "roster_staging.accounts",
    "roster_history.enrollments",
    "roster_ops.state",
)


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.publish.publishing"])
    return context


@pytest.fixture
def mapped(roster: Any) -> Callable[[Nights], PullRef]:
    """A published night, and one mapped after it in which people come, change, are missed and are left out."""

    def make(nights: Nights) -> PullRef:
        nights.publish(roster("ada", "ben", "cid"))
        rows = roster("ada", "ben", "dot", "eve")
        rows["users"][0]["family_name"] = "Married"
        rows["users"][3]["email"] = None
        ref = nights.prepare(rows)
        run.map_night(nights.engine, nights.district, ref, nights.landing)
        return ref

    return make


@pytest.fixture
def durable(landing: Landing) -> Iterator[tuple[EmbeddedPostgres, Nights]]:
    """A server of the test's own, which survives being killed."""
    with tempfile.TemporaryDirectory(prefix="rollcall-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        server = EmbeddedPostgres(Path(folder) / "postgres", durable=True)
        server.start()
        server.create_database("warehouse")
        engine = connect(warehouse_from_environment(server.url("warehouse")))
        migrate.upgrade(engine)
        yield server, Nights(engine, landing)
        engine.dispose()
        server.stop()


def _publish(nights: Nights, ref: PullRef) -> str:
    return run.publish_night(nights.engine, nights.district, ref, nights.landing).status


def _in_a_thread(nights: Nights, ref: PullRef) -> tuple[threading.Thread, list[RollcallError]]:
    failed: list[RollcallError] = []

    def work() -> None:
        try:
            with recorded_stage(nights.engine, "elm", ref.run_id, "publish"):
                _publish(nights, ref)
        except RollcallError as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, failed


def _as_if_nothing_had_been(nights: Nights, ref: PullRef) -> None:
    """The run that did not finish, run again."""
    assert _publish(nights, ref) == "published"
    assert nights.live("users", "sourced_id", "family_name") == [
        ("ada", "Married"),
        ("ben", "Planted-Okonkwo"),
        ("cid", "Planted-Okonkwo"),
        ("dot", "Planted-Okonkwo"),
        ("eve", "Planted-Okonkwo"),
    ]
    assert nights.live("accounts", "user_sourced_id") == ["ada", "ben", "cid", "dot"]
    assert nights.scalar("SELECT generation FROM roster_ops.state") == 2
    assert nights.scalar("SELECT string_agg(status, ' ' ORDER BY run_id) FROM roster_ops.runs") == "published published"
    assert nights.scalar("SELECT count(*) FROM roster_history.users") == 6


@pytest.mark.parametrize("point", POINTS)
def test_a_process_killed_while_it_publishes(nights, mapped, glance, processes, point):
    ref = mapped(nights)
    before = glance(nights.engine)
    url = nights.engine.url.render_as_string(hide_password=False)
    with Gate(nights.engine, point) as gate:
        child = processes.Process(target=publishing.publish, args=(url, nights.district, ref, nights.landing.url))
        child.start()
        gate.waiting_process()
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        assert child.exitcode == -signal.SIGKILL
        assert glance(nights.engine) == before
    assert glance(nights.engine) == before
    _as_if_nothing_had_been(nights, ref)


@pytest.mark.parametrize("point", POINTS[1::2])
def test_a_connection_lost_while_it_publishes(nights, mapped, glance, point):
    ref = mapped(nights)
    before = glance(nights.engine)
    with Gate(nights.engine, point) as gate:
        thread, failed = _in_a_thread(nights, ref)
        waiting = gate.waiting_process()
        assert nights.scalar(f"SELECT pg_terminate_backend({waiting})")
        thread.join()
    assert [error.code for error in failed] == ["warehouse_lost"]
    assert glance(nights.engine) == before
    assert nights.scalar("SELECT status FROM roster_ops.runs WHERE run_id = 'run2'") == "failed"
    _as_if_nothing_had_been(nights, ref)


def test_a_server_killed_during_a_publication(durable, mapped, glance):
    server, nights = durable
    ref = mapped(nights)
    before = glance(nights.engine)
    gate = Gate(nights.engine, "roster_ops.state").__enter__()
    thread, failed = _in_a_thread(nights, ref)
    gate.waiting_process()
    with nights.engine.connect() as connection:
        workers = connection.execute(sa.text("SELECT pid FROM pg_stat_activity")).scalars().all()
    for pid in (server.pid, *workers):
        os.kill(pid, signal.SIGKILL)
    gate.open()
    thread.join()
    assert len(failed) == 1
    nights.engine.dispose()
    server.stop()
    server.start()
    assert glance(nights.engine) == before
    with nights.engine.begin() as connection:
        connection.exec_driver_sql("DROP FUNCTION pass_gate CASCADE")
    _as_if_nothing_had_been(nights, ref)
