"""A rollback restores the exact tables of a run, and nothing is published until publishing resumes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from rollcall.errors import ActionRequired
from rollcall.history.published import rows_at
from rollcall.history.rollback import resume, rollback
from rollcall.model.tables import TABLES
from rollcall.pipeline.plan import plan_night
from rollcall.warehouse.models import staging
from rollcall.warehouse.ops_models import left_out
from tests.history.conftest import delta_of


@pytest.fixture
def tables(nights):
    """Every staging table with its lineage, removed rows included, but for the generation that wrote a row."""

    def read():
        with nights.engine.connect() as connection:
            made = {}
            for name, table in staging.items():
                columns = [column for column in table.c if column.name != "_generation"]
                rows = connection.execute(sa.select(*columns).where(table.c.district_id == "elm"))
                made[name] = sorted((tuple(row) for row in rows), key=repr)
            columns = (left_out.c.user_sourced_id, left_out.c.reason, left_out.c.detail)
            made["left_out"] = sorted(tuple(row) for row in connection.execute(sa.select(*columns)))
        return made

    return read


def _three_nights(nights, roster):
    first = roster("ada", "ben", "cid")
    first["users"][1]["email"] = None
    nights.publish(first)
    nights.publish(roster("ada", "cid"))
    third = roster("ada", "dot")
    third["users"][0]["family_name"] = "Married"
    return third


def test_the_exact_tables_of_a_run_come_back(nights, roster, tables):
    third = _three_nights(nights, roster)
    then = tables()
    nights.publish(third)
    nights.publish(roster("eve"))
    now = tables()
    assert now != then
    done = rollback(nights.engine, nights.district, nights.landing, "back", "run2")
    assert tables() == then
    assert (done.generation, done.left_out) == (5, True)
    assert done.as_of == nights.began.replace(day=3)
    again = rollback(nights.engine, nights.district, nights.landing, "forth", "run4")
    assert tables() == now
    assert (again.generation, again.as_of) == (6, nights.began.replace(day=5))


def test_what_readers_had_in_between_is_still_known(nights, roster):
    nights.publish(_three_nights(nights, roster))
    seen = {}
    with nights.engine.connect() as connection:
        before = {g: rows_at(connection, "elm", TABLES["users"], g).sort_by("sourced_id") for g in (1, 2, 3)}
    rollback(nights.engine, nights.district, nights.landing, "back", "run1")
    with nights.engine.connect() as connection:
        seen = {g: rows_at(connection, "elm", TABLES["users"], g).sort_by("sourced_id") for g in (1, 2, 3, 4)}
    assert {g: seen[g] for g in before} == before
    assert seen[4] == seen[1]
    assert seen[2]["sourced_id"].to_pylist() == ["ada", "ben", "cid"]


def test_a_paused_district_publishes_nothing_until_it_is_resumed_and_then_pulls_everything(nights, roster, tables):
    third = _three_nights(nights, roster)
    nights.publish(third)
    rollback(nights.engine, nights.district, nights.landing, "back", "run1")
    paused = tables()
    done = nights.publish(third)
    assert (done.status, done.exit_code, done.generation) == ("paused", 3, 4)
    assert "rollcall resume elm" in done.why
    assert nights.scalar("SELECT status FROM roster_ops.runs WHERE run_id = 'run4'") == "paused"
    assert tables() == paused

    with nights.engine.connect() as connection:
        plan = plan_night(connection, nights.district, "delta", datetime.now(UTC))
    assert plan.mode == "full"
    assert resume(nights.engine, nights.district).startswith("rolled back on ")
    assert resume(nights.engine, nights.district) == ""
    assert nights.publish(third).status == "published"
    assert nights.live("users", "family_name", "sourced_id")[0] == ("Married", "ada")


def test_a_delta_pulled_before_a_rollback_is_not_laid_on_the_older_roster(nights, roster):
    from rollcall.pipeline import run

    nights.publish(roster("ada"))
    nights.publish(roster("ada", "ben"))
    delta = nights.prepare(delta_of(roster("ada", "ben", "cid"), "cid"), delta=True)
    rollback(nights.engine, nights.district, nights.landing, "back", "run1")
    resume(nights.engine, nights.district)
    run.map_night(nights.engine, nights.district, delta, nights.landing)
    with pytest.raises(ActionRequired) as caught:
        run.publish_night(nights.engine, nights.district, delta, nights.landing)
    assert caught.value.code == "delta_without_base"
    assert nights.live("users", "sourced_id") == ["ada"]


def test_nor_on_an_older_full_pull_that_was_published_after_the_rollback(nights, roster):
    """What was modified between that pull and the beginning of the delta would be in neither."""
    from rollcall.pipeline import run

    nights.publish(roster("ada"))
    older = nights.prepare(roster("ada", "ben"))
    nights.publish(roster("ada", "ben", "cid"))
    delta = nights.prepare(delta_of(roster("ada", "dot"), "dot"), delta=True, since=nights.began + timedelta(days=3))
    rollback(nights.engine, nights.district, nights.landing, "back", "run1")
    resume(nights.engine, nights.district)
    for ref in (delta, older):
        run.map_night(nights.engine, nights.district, ref, nights.landing)
    assert run.publish_night(nights.engine, nights.district, older, nights.landing).status == "published"
    with pytest.raises(ActionRequired) as caught:
        run.publish_night(nights.engine, nights.district, delta, nights.landing)
    assert caught.value.code == "delta_without_base"
    assert nights.live("users", "sourced_id") == ["ada", "ben"]


def test_history_has_an_entry_of_the_rollback(nights, roster):
    nights.publish(roster("ada", "ben"))
    nights.publish(roster("ada"))
    rollback(nights.engine, nights.district, nights.landing, "back", "run1")
    with nights.engine.connect() as connection:
        query = "SELECT _run_id, _closed_run_id, _valid_to IS NULL FROM roster_history.users WHERE sourced_id = 'ben'"
        rows = connection.execute(sa.text(f"{query} ORDER BY _valid_from")).all()
    assert [tuple(row) for row in rows] == [("run1", "run2", False), ("back", None, True)]


def test_a_run_that_published_nothing_is_refused_with_those_that_did(nights, roster):
    nights.publish(roster("ada"))
    with pytest.raises(ActionRequired) as caught:
        rollback(nights.engine, nights.district, nights.landing, "back", "run7")
    assert caught.value.code == "run_not_published"
    assert "run1 (night of " in caught.value.remedy
    assert nights.scalar("SELECT paused FROM roster_ops.state") == ""
