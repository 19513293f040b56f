"""A night whose warehouse is down pulls all the same, politely, and is published when the warehouse is back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from rollcall.cli import main
from rollcall.errors import RollcallError
from rollcall.oneroster.client import OneRosterClient
from rollcall.oneroster.connection import OneRosterConnection
from rollcall.orchestration import tasks
from rollcall.pipeline import run as night
from rollcall.warehouse.ops_models import state

DOWN = SimpleNamespace(host="127.0.0.1", schema="warehouse", login="u", password="planted-secret", port=1)


class _Hook:
    """The hook as Airflow would make it, with the connection from the environment."""

    def __init__(self, conn_id: str) -> None:
        self._conn_id = conn_id

    def get_conn(self, **options: Any) -> OneRosterClient:
        return OneRosterClient(OneRosterConnection.from_environment(self._conn_id), **options)


def test_extract_and_validate_work_and_the_rest_follows(ready, sandbox, caplog):
    url = ready.url
    up = SimpleNamespace(host=url.query["host"], schema=url.database, login=url.username, password=None, port=None)
    params = {"mode": "auto", "collections": []}
    sandbox.set_quirks("maple", ["slow-answers"])

    pull = tasks.extract("maple", "night-1", "scheduled", DOWN, _Hook, params)
    tasks.validate("maple", pull, "night-1", DOWN)
    assert sandbox.seen("maple")["most_at_once"] == 1  # no lease: one by one
    with pytest.raises(RollcallError) as caught:
        tasks.map_roster("maple", pull, "night-1", DOWN)
    assert caught.value.code == "warehouse_unreachable"
    assert "planted-secret" not in caplog.text + str(caught.value)

    tasks.map_roster("maple", pull, "night-1", up)
    published = tasks.publish("maple", pull, "night-1", up, dry_run=False)
    assert published["status"] == "published"
    truth = sandbox.truth("maple")["collections"]
    with ready.connect() as connection:
        users = connection.execute(sa.text("SELECT count(*) FROM roster.users")).scalar_one()
        run = connection.execute(sa.text("SELECT status, mode FROM roster_ops.runs")).one()
    assert users == truth["users"]["active"]
    assert tuple(run) == ("published", "full")


def test_a_warehouse_that_dies_after_publishing_is_said_as_published(ready, monkeypatch, capsys):
    engine = ready
    admin = sa.create_engine(engine.url.set(database="postgres"), isolation_level="AUTOCOMMIT")

    def dies(*_: object) -> None:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"ALTER DATABASE {engine.url.database} ALLOW_CONNECTIONS false")
            connection.exec_driver_sql(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{engine.url.database}'"
            )

    monkeypatch.setattr(night, "refresh_statistics", dies)
    monkeypatch.setattr("sys.argv", ["rollcall", "sync", "maple"])
    try:
        with pytest.raises(SystemExit) as ended:
            main.main()
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"ALTER DATABASE {engine.url.database} ALLOW_CONNECTIONS true")
        admin.dispose()
    assert ended.value.code == 1
    result = capsys.readouterr().err
    assert "Error (warehouse_lost): " in result or "Error (warehouse_unreachable): " in result
    assert ("generation 1" in result, "Traceback" in result) == (True, False)
    with engine.connect() as connection:
        assert connection.execute(sa.select(state.c.generation)).scalar_one() == 1
