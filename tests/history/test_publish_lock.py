"""Publications of a district wait for each other, and a waiting run records what it waits for."""

from __future__ import annotations

import threading

import sqlalchemy as sa

from rollcall.pipeline import run
from rollcall.warehouse.publish_lock import acquire_publish_lock


def _waiting(nights, run_id):
    """What a run waits for in the ledger, as soon as it waits."""
    query = f"SELECT waits_for FROM roster_ops.runs WHERE run_id = '{run_id}'"
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    pause = threading.Event()
    while not nights.scalar(waits):
        pause.wait(0.02)
    return nights.scalar(query)


def test_waiting_run_records_the_holder_and_publishes_afterwards(nights, roster, caplog):
    caplog.set_level("INFO", logger="rollcall.warehouse.publish_lock")
    ref = nights.prepare(roster("ada"), run_id="scheduled__2026-11-02T08:15:00+00:00")
    run.map_night(nights.engine, nights.district, ref, nights.landing)
    done = []
    with nights.engine.begin() as connection:
        acquire_publish_lock(connection, "elm", "cli__2026-11-02T08:20:00+00:00__1a2b3c")
        publishing = threading.Thread(
            target=lambda: done.append(run.publish_night(nights.engine, nights.district, ref, nights.landing))
        )
        publishing.start()
        waits_for = _waiting(nights, ref.run_id)
    publishing.join()
    assert waits_for == "run cli__2026-11-02T08:20:00+00:00__1a2b3c"
    assert "elm: waiting for run cli__2026-11-02T08:20:00+00:00__1a2b3c" in caplog.text
    assert done[0].status == "published"
    assert nights.scalar("SELECT waits_for FROM roster_ops.runs") is None


def test_unnamed_holder_is_identified_by_its_process(nights, roster):
    ref = nights.prepare(roster("ada"))
    run.map_night(nights.engine, nights.district, ref, nights.landing)
    with nights.engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended('publish elm', 0))"))
        process = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        publishing = threading.Thread(
            target=lambda: run.publish_night(nights.engine, nights.district, ref, nights.landing)
        )
        publishing.start()
        waits_for = _waiting(nights, ref.run_id)
    publishing.join()
    assert waits_for == f"another warehouse session (process {process})"


def test_districts_do_not_wait_for_each_other(nights):
    with nights.engine.begin() as one, nights.engine.begin() as other:
        acquire_publish_lock(one, "elm", "run1")
        acquire_publish_lock(other, "oak", "run2")


def test_concurrent_replays_equal_sequential_replays(nights, seven, replayed, whole_history):
    for one in seven[:4]:
        nights.publish(**one)
    expected = whole_history()
    nights.settings(usernames="identifier")
    together = [threading.Thread(target=replayed, args=(number,)) for number in (3, 1, 4, 2)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    written = whole_history()
    assert written["users"] == expected["users"]
    for number in (1, 2, 3, 4):
        assert "history is unchanged" in replayed(number).why
