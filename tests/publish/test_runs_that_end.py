"""A run that is stopped, killed or left behind is a failed one, and nothing it did not publish is published."""

from __future__ import annotations

import multiprocessing
import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from rollcall.orchestration import tasks
from rollcall.pipeline import run
from rollcall.pipeline.plan import plan_night
from rollcall.pipeline.stage_record import recorded_stage
from rollcall.status.status import statuses
from rollcall.warehouse.clock import warehouse_now
from rollcall.warehouse.ops_models import runs
from rollcall.warehouse.worker import has_ended, this_process
from tests.publish import publishing
from tests.publish.gate import Gate


def _run(nights: Any, run_id: str) -> tuple[str, str | None]:
    query = sa.select(runs.c.status, runs.c.error_code).where(runs.c.run_id == run_id)
    with nights.engine.connect() as connection:
        return tuple(connection.execute(query).one())


class TimeIsUp(BaseException):
    """As Airflow raises where a task's time is up."""


@pytest.mark.parametrize("end", [TimeIsUp, KeyboardInterrupt, SystemExit])
def test_a_stage_that_is_stopped_marks_its_run_failed(nights, roster, end):
    ref = nights.prepare(roster("ada"))
    with pytest.raises(end), recorded_stage(nights.engine, "elm", ref.run_id, "map_roster"):
        raise end
    assert _run(nights, ref.run_id) == ("failed", "run_interrupted")


def _end_while_publishing(nights, ref, number):
    """Publish in another process, and end it in the middle; its exit code."""
    url = nights.engine.url.render_as_string(hide_password=False)
    context = multiprocessing.get_context("forkserver")
    with Gate(nights.engine, "roster_staging.accounts") as gate:
        child = context.Process(target=publishing.publish, args=(url, nights.district, ref, nights.landing.url))
        child.start()
        gate.waiting_process()
        os.kill(child.pid, number)
        child.join(60)
    return child.exitcode


def test_a_terminated_run_says_so_and_a_killed_one_is_found_by_the_next(nights, roster):
    nights.publish(roster("ada"))
    terminated = nights.prepare(roster("ada", "ben"))
    run.map_night(nights.engine, nights.district, terminated, nights.landing)
    assert _end_while_publishing(nights, terminated, signal.SIGTERM) == 128 + signal.SIGTERM
    assert _run(nights, terminated.run_id) == ("failed", "run_interrupted")

    killed = nights.prepare(roster("ada", "ben"))
    run.map_night(nights.engine, nights.district, killed, nights.landing)
    assert _end_while_publishing(nights, killed, signal.SIGKILL) == -signal.SIGKILL
    assert _run(nights, killed.run_id) == ("running", None)
    assert nights.live("users", "sourced_id") == ["ada"]
    done = nights.publish(roster("ada", "ben"))
    assert (done.status, done.counts["users"].added) == ("published", 1)
    assert _run(nights, killed.run_id) == ("failed", "run_killed")
    # the same run may still be repeated: it is older than what is published now, and nothing of it is
    assert nights.scalar("SELECT count(*) FROM roster_ops.runs WHERE status = 'running'") == 0


def test_a_run_of_this_machine_that_still_works_is_left_alone():
    assert not has_ended(this_process())
    machine, pid, started = this_process().rsplit(" ", 2)
    assert has_ended(f"{machine} {pid} {started}0")  # another process with its number
    assert not has_ended(f"elsewhere {pid} {started}0")  # nobody here can know


def test_a_run_left_running_for_over_six_hours_counts_as_failed(nights, roster):
    nights.publish(roster("ada"))
    ref = nights.prepare(roster("ada"))
    other = {"worker": "elsewhere 1 1"}

    def state() -> tuple[str, str, str]:
        with nights.engine.connect() as connection:
            (one,) = statuses(connection, [nights.district])
        return one.state, one.command, one.run_id

    with nights.engine.begin() as connection:
        for row in connection.execute(sa.select(runs.c.run_id)).scalars().all():
            hours = 5 if row == ref.run_id else 8
            started = sa.func.now() - sa.cast(f"{hours} hours", sa.Interval)
            connection.execute(sa.update(runs).where(runs.c.run_id == row).values(started_at=started, **other))
        connection.exec_driver_sql("UPDATE roster_ops.state SET current_as_of = now()")
    assert state()[0] == "running"
    with nights.engine.begin() as connection:
        started = sa.func.now() - sa.cast("7 hours", sa.Interval)
        connection.execute(sa.update(runs).where(runs.c.run_id == ref.run_id).values(started_at=started))
    assert state() == ("failed", "rollcall sync elm", ref.run_id)
    with nights.engine.connect() as connection:
        assert plan_night(connection, nights.district, "auto", warehouse_now(connection)).mode == "full"
    nights.prepare(roster("ada"))
    assert _run(nights, ref.run_id) == ("failed", "run_abandoned")


def test_a_run_that_airflow_ended_is_marked_and_what_it_said_stays(nights, roster):
    published, killed = nights.publish(roster("ada")), nights.prepare(roster("ada"))
    url = nights.engine.url
    warehouse = SimpleNamespace(
        host=url.query["host"], schema=url.database, login=url.username, password=None, port=None
    )
    for run_id in (published.run_id, killed.run_id):
        tasks.ended("elm", run_id, warehouse)
    assert _run(nights, published.run_id) == ("published", None)
    assert _run(nights, killed.run_id) == ("failed", "run_killed")
    down = SimpleNamespace(host="127.0.0.1", schema="none", login="u", password=None, port=1)
    tasks.ended("elm", killed.run_id, down)  # raises nothing
