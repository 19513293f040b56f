"""Airflow's tasks, the command line and a backfill run the same stages: one pull gives the same rows."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from click.testing import CliRunner

from rollcall.cli.main import rollcall
from rollcall.landing.zone import Landing
from rollcall.model.tables import TABLES
from rollcall.oneroster.client import OneRosterClient
from rollcall.oneroster.connection import OneRosterConnection
from rollcall.orchestration import tasks
from rollcall.orchestration.backfill import backfill_night
from rollcall.settings import District, find_district, night_of


class _Hook:
    """The hook as Airflow makes it, with the connection from the environment."""

    def __init__(self, connection_id: str) -> None:
        self._connection_id = connection_id

    def get_conn(self, **options: Any) -> OneRosterClient:
        return OneRosterClient(OneRosterConnection.from_environment(self._connection_id), **options)


def _digests(engine: sa.Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Per table of `roster_staging`, the key and the digest of each live row."""
    found = {}
    with engine.connect() as connection:
        for table in TABLES.values():
            columns = ", ".join([*table.key, "_digest"])
            query = f"SELECT {columns} FROM roster_staging.{table.name} WHERE _removed_at IS NULL ORDER BY {columns}"
            found[table.name] = [tuple(row) for row in connection.execute(sa.text(query))]
    return found


def _sync(engine: sa.Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    result = CliRunner().invoke(rollcall, ["sync", "maple", "--full", "--warehouse", url])
    assert result.exit_code == 0, (result.output, result.exception)


def _run_tasks(engine: sa.Engine, mode: str) -> None:
    url, run_id = engine.url, f"run-{mode}"
    warehouse = SimpleNamespace(
        host=url.query["host"], schema=url.database, login=url.username, password=None, port=None
    )
    params = {"mode": mode, "collections": [], "dry_run": False}
    ref = tasks.extract("maple", run_id, "manual", warehouse, _Hook, params)
    tasks.validate("maple", ref, run_id, warehouse)
    tasks.map_roster("maple", ref, run_id, warehouse)
    assert tasks.publish("maple", ref, run_id, warehouse, dry_run=False)["status"] == "published"


def _backfill(engine: sa.Engine, district: District, landing: Landing) -> None:
    tonight = night_of(datetime.now(UTC), district.schedule.timezone)
    outcome = backfill_night(engine, district, landing, tonight, every=True)
    assert outcome.result == "published", outcome


def test_tasks_command_line_and_backfill_give_the_same_rows(ready, sandbox, warehouses, tmp_path, monkeypatch):
    from_command_line, from_tasks, from_backfill = ready, warehouses.take(), warehouses.take()
    district = find_district("maple")

    _sync(from_command_line)
    expected = _digests(from_command_line)
    assert all(expected[name] for name in ("orgs", "users", "user_roles", "classes", "enrollments", "accounts"))

    # the same pull, replayed into an empty warehouse
    _backfill(from_backfill, district, Landing(str(tmp_path / "landing")))
    assert _digests(from_backfill) == expected

    # the same records, pulled by Airflow's tasks into a landing zone of their own
    monkeypatch.setenv("ROLLCALL_LANDING", str(tmp_path / "landing of tasks"))
    _run_tasks(from_tasks, "full")
    assert _digests(from_tasks) == expected

    # a remap of the same roster changes no row
    _run_tasks(from_tasks, "remap")
    assert _digests(from_tasks) == expected

    for engine in (from_tasks, from_backfill):
        warehouses.give_back(engine)
