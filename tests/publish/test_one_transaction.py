"""All or nothing: readers see yesterday's roster or today's, runs may overlap and publications may not."""

from __future__ import annotations

import threading

import pyarrow as pa
import pytest
import sqlalchemy as sa

from rollcall.errors import InternalError, RollcallError
from rollcall.landing.change_set import ChangeSet
from rollcall.landing.manifests import load
from rollcall.pipeline import run
from rollcall.publish import transaction as publish_stage


def test_a_failure_in_the_last_table_leaves_yesterday_everywhere(nights, roster, monkeypatch):
    nights.publish(roster("ada"))
    before = {name: nights.rows(name) for name in ("users", "enrollments", "accounts")}
    real = publish_stage.apply_changes

    def failing(connection, table, *args, **kwargs):
        real(connection, table, *args, **kwargs)
        if table.name == "accounts":
            connection.exec_driver_sql("SELECT 1/0")

    monkeypatch.setattr(publish_stage, "apply_changes", failing)
    with pytest.raises(InternalError):
        nights.publish(roster("ada", "ben"))
    assert {name: nights.rows(name) for name in before} == before
    assert nights.scalar("SELECT generation FROM roster_ops.state") == 1
    monkeypatch.undo()
    assert nights.publish(roster("ada", "ben")).counts["users"].added == 1


def test_readers_never_see_half_of_a_night(nights, roster):
    names = [f"student{n}" for n in range(40)]
    nights.publish(roster(*names[:20]))
    seen, stop = set(), threading.Event()
    query = sa.text(
        "SELECT (SELECT count(*) FROM roster.users), (SELECT count(*) FROM roster.enrollments),"
        " (SELECT count(*) FROM roster.accounts)"
    )

    def read():
        with nights.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            while not stop.is_set():
                seen.add(tuple(connection.execute(query).one()))
                connection.rollback()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        nights.publish(roster(*names))
    finally:
        stop.set()
        reader.join()
    assert seen <= {(20, 20, 20), (40, 40, 40)}
    assert (20, 20, 20) in seen


def test_a_run_that_another_one_overtook_is_worked_out_anew(nights, roster):
    nights.publish(roster("ada"))
    slow = nights.prepare(roster("ada", "ben", "cid"))
    run.map_night(nights.engine, nights.district, slow, nights.landing)
    early = nights.began.replace(hour=9)
    nights.publish(roster("ada", "ben"), as_of=early.replace(day=2, hour=10))
    done = run.publish_night(nights.engine, nights.district, slow, nights.landing)
    assert (done.generation, done.counts["users"].added, done.counts["users"].unchanged) == (3, 1, 2)
    assert nights.live("users", "sourced_id") == ["ada", "ben", "cid"]


def test_a_newer_publication_in_the_meantime_wins(nights, roster):
    nights.publish(roster("ada"))
    old = nights.prepare(roster("ada", "ben"))
    run.map_night(nights.engine, nights.district, old, nights.landing)
    nights.publish(roster("ada", "cid"))
    with pytest.raises(RollcallError) as caught:
        run.publish_night(nights.engine, nights.district, old, nights.landing)
    assert caught.value.code == "pull_is_older"
    assert nights.live("users", "sourced_id") == ["ada", "cid"]


def test_a_retried_task_publishes_once(nights, roster):
    ref = nights.prepare(roster("ada"))
    run.map_night(nights.engine, nights.district, ref, nights.landing)
    first = run.publish_night(nights.engine, nights.district, ref, nights.landing)
    again = run.publish_night(nights.engine, nights.district, ref, nights.landing)
    assert (first.status, again.status) == ("published", "already_published")
    assert nights.scalar("SELECT generation FROM roster_ops.state") == 1
    assert nights.scalar("SELECT count(*) FROM roster_ops.run_counts WHERE table_name = 'users'") == 1


def test_map_can_be_run_again_alone_from_what_validate_left(nights, roster):
    ref = nights.prepare(roster("ada"))
    first = run.map_night(nights.engine, nights.district, ref, nights.landing)
    second = run.map_night(nights.engine, nights.district, ref, nights.landing)
    assert first.counts == second.counts
    assert load(ref.folder(nights.landing), ChangeSet).parts == second.parts
    run.publish_night(nights.engine, nights.district, ref, nights.landing)
    assert nights.live("users", "sourced_id") == ["ada"]


def test_a_dry_run_touches_no_table_of_the_roster(nights, roster):
    nights.publish(roster("ada"))
    ref = nights.prepare(roster("ada", "ben"))
    run.map_night(nights.engine, nights.district, ref, nights.landing)
    summary = run.finish_dry_run(nights.engine, nights.district, ref, nights.landing)
    assert (summary.status, summary.counts["users"].added, summary.accounts) == ("dry_run", 1, 2)
    assert nights.live("users", "sourced_id") == ["ada"]
    assert nights.scalar("SELECT generation FROM roster_ops.state") == 1
    assert nights.scalar("SELECT status FROM roster_ops.runs WHERE run_id = 'run2'") == "dry_run"


def test_a_damaged_landing_file_is_refused(nights, roster):
    ref = nights.prepare(roster("ada"))
    changes = run.map_night(nights.engine, nights.district, ref, nights.landing)
    part = next(iter(changes.parts["users"]))
    folder = ref.folder(nights.landing)
    folder._write(part.name, b"not what was written")
    with pytest.raises(RollcallError) as caught:
        run.publish_night(nights.engine, nights.district, ref, nights.landing)
    assert caught.value.code == "landing_damaged"
    assert nights.scalar("SELECT count(*) FROM roster_staging.users") == 0


def test_only_rows_that_differ_are_written(nights, roster):
    rows = roster(*[f"student{n}" for n in range(30)])
    nights.publish(rows)
    rows["users"][3]["family_name"] = "Married"
    nights.publish(rows)
    assert nights.scalar("SELECT count(*) FROM roster_staging.users WHERE _run_id = 'run2'") == 1
    assert nights.scalar("SELECT count(*) FROM roster_history.users") == 31
    assert nights.scalar("SELECT count(*) FROM roster_history.enrollments") == 30


def test_the_live_views_show_no_removed_row_and_no_demographics(nights, roster):
    rows = {**roster("ada", "ben"), "demographics": [{"sourced_id": "ada"}]}
    nights.publish(rows)
    for _ in range(2):
        nights.publish(roster("ada"))
    assert nights.scalar("SELECT count(*) FROM roster.users") == 1
    assert nights.scalar("SELECT count(*) FROM roster_staging.users") == 2
    views = nights.scalar("SELECT count(*) FROM information_schema.views WHERE table_schema = 'roster'")
    assert views == 10
    assert nights.scalar("SELECT to_regclass('roster.demographics')") is None


def test_no_exception_of_the_warehouse_carries_a_value(nights, roster, caplog):
    """A column too narrow for a name makes PostgreSQL quote it; what leaves the stage does not."""
    rows = roster("ada")
    with nights.engine.begin() as connection:
        check = "CHECK (family_name <> 'Planted-Okonkwo')"
        connection.exec_driver_sql(f"ALTER TABLE roster_staging.users ADD CONSTRAINT planted {check}")
    caplog.set_level("DEBUG")
    with pytest.raises(InternalError) as caught:
        nights.publish(rows)
    assert "CheckViolation 23514 on roster_staging.users" in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "Okonkwo" not in str(caught.value) + caplog.text
    assert "Okonkwo" not in repr(caught.value)


def test_left_out_people_are_written_with_one_reason_each(nights, roster):
    rows = roster("ada", "ben", "cid")
    rows["users"][1]["email"] = None
    rows["users"][2]["email"] = "ADA@elm.example"
    nights.publish(rows)
    with nights.engine.connect() as connection:
        found = connection.execute(
            sa.text("SELECT user_sourced_id, reason, detail FROM roster_ops.left_out ORDER BY 1")
        ).all()
    assert [tuple(row) for row in found] == [
        ("ada", "username_collision", "cid"),
        ("ben", "no_username", ""),
        ("cid", "username_collision", "ada"),
    ]


def test_change_sets_carry_the_causes(nights, roster):
    nights.publish(roster("ada", "ben"))
    nights.publish(roster("ada"))
    ref = nights.prepare(roster("ada"))
    changes = run.map_night(nights.engine, nights.district, ref, nights.landing)
    folder = ref.folder(nights.landing)
    withheld = {}
    for name, parts in changes.parts.items():
        tables = [folder.read_part(part.name, part.sha256, ["_change", "_reason"]) for part in parts]
        withheld.update({name: pa.concat_tables(tables).to_pylist()} if tables else {})
    assert withheld == {
        "users": [{"_change": "removed", "_reason": "absent from two complete full pulls"}],
        "user_roles": [{"_change": "removed", "_reason": "its person was removed"}],
        "enrollments": [{"_change": "removed", "_reason": "its person was removed"}],
        "accounts": [{"_change": "removed", "_reason": "its person was removed"}],
    }
