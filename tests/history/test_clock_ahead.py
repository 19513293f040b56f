"""A clock that once was ahead: the warehouse's orders pulls, and what is dated in the future can be set back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from rollcall.cli.main import rollcall
from rollcall.errors import ActionRequired
from rollcall.landing.manifests import load, save
from rollcall.landing.pull import Pull
from rollcall.pipeline import run
from rollcall.status.status import statuses
from rollcall.warehouse import models, ops_models
from rollcall.warehouse.clock import warehouse_now


def _instants(nights):
    """Every instant of the district that must not be in the future. `late_from` is a deadline."""
    with nights.engine.connect() as connection:
        for table in models.metadata.tables.values():
            if "district_id" in table.c:
                for column in table.c:
                    if isinstance(column.type, sa.DateTime) and column.name != "late_from":
                        query = sa.select(column).where(table.c.district_id == "elm", column.is_not(None))
                        yield from connection.execute(query).scalars()


@pytest.fixture
def file(nights, tmp_path, monkeypatch):
    (tmp_path / "elm.yaml").write_text(
        'district: elm\nname: Elm\nversion: "1.2"\nusernames: email\nschedule: {timezone: UTC}\n'
    )
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(tmp_path))
    url = nights.engine.url.render_as_string(hide_password=False)

    def command(*arguments):
        result = CliRunner().invoke(rollcall, [*arguments, "--json", "--warehouse", url], catch_exceptions=False)
        return json.loads(result.stdout)

    return command


def test_a_roster_of_the_future_is_said_and_set_back_by_one_command(nights, roster, file):
    now = datetime.now(UTC)
    nights.publish(roster("ada", "ben", "cid"), as_of=now - timedelta(days=2))
    nights.publish(roster("ada", "ben", "dot"), as_of=now + timedelta(days=364))
    nights.publish(roster("ada", "ben", "eve"), as_of=now + timedelta(days=365))
    nights.publish({**roster("ada", "ben", "eve")}, as_of=now + timedelta(days=366))
    tonight = nights.prepare(roster("ada", "ben", "eve", "fay"), as_of=now)
    with pytest.raises(ActionRequired) as caught:
        run.map_night(nights.engine, nights.district, tonight, nights.landing)
    assert (caught.value.code, "rollcall resume elm --clock" in caught.value.remedy) == ("state_in_future", True)
    with pytest.raises(ActionRequired) as caught:  # before the provider is asked
        run.start_run(nights.engine, nights.district, "run-next", "auto")
    assert caught.value.code == "state_in_future"
    assert nights.scalar("SELECT error_code FROM roster_ops.runs WHERE run_id = 'run-next'") == "state_in_future"
    with nights.engine.connect() as connection:
        (one,) = statuses(connection, [nights.district])
    assert (one.state, one.command) == ("failed", "rollcall resume elm --clock")

    users = nights.live("users", "sourced_id")
    assert file("resume", "elm", "--clock")["in_future"]
    assert nights.live("users", "sourced_id") == users
    with nights.engine.connect() as connection:
        now = warehouse_now(connection)
    assert max(_instants(nights)) <= now
    assert nights.scalar("SELECT late_from FROM roster_ops.state") <= now + timedelta(days=3)
    assert file("resume", "elm", "--clock") == {"district": "elm", "in_future": {}}
    assert run.start_run(nights.engine, nights.district, "run-later", "auto").mode == "full"
    later = datetime.now(UTC)
    done = nights.publish(roster("ada", "ben", "eve", "fay"), as_of=later)
    assert done.counts["users"].added == 1
    assert done.counts["users"].unchanged == 3
    history = models.history["users"]
    with nights.engine.connect() as connection:
        open_rows = sa.select(history.c.sourced_id).where(history.c._valid_to.is_(None))
        assert sorted(connection.execute(open_rows).scalars()) == ["ada", "ben", "eve", "fay"]
        backwards = sa.select(sa.func.count()).where(history.c._valid_to < history.c._valid_from)
        assert connection.execute(backwards).scalar_one() == 0


def test_a_pull_without_the_warehouse_by_a_clock_that_is_ahead_is_of_now(nights, roster):
    nights.publish(roster("ada"))
    ref = nights.prepare(roster("ada", "ben"), as_of=datetime.now(UTC) + timedelta(days=365))
    folder = ref.folder(nights.landing)
    save(folder, msgspec.structs.replace(load(folder, Pull), is_by_own_clock=True))
    run.map_night(nights.engine, nights.district, ref, nights.landing)
    assert run.publish_night(nights.engine, nights.district, ref, nights.landing).status == "published"
    with nights.engine.connect() as connection:
        assert connection.execute(sa.select(ops_models.state.c.current_as_of)).scalar_one() <= warehouse_now(connection)
