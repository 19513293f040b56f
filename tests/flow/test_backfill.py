"""Past nights from the command line and as Airflow's tasks do them, with a real sandbox over HTTP."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from rollcall.cli.main import rollcall
from rollcall.errors import ActionRequired
from rollcall.oneroster.client import OneRosterClient
from rollcall.oneroster.connection import OneRosterConnection
from rollcall.orchestration import tasks
from rollcall.settings import night_of

ZONE = "America/Chicago"


class _Hook:
    """The hook as Airflow would make it, with the connection from the environment."""

    def __init__(self, conn_id: str) -> None:
        self._conn_id = conn_id

    def get_conn(self, **options: Any) -> OneRosterClient:
        return OneRosterClient(OneRosterConnection.from_environment(self._conn_id), **options)


def _no_hook(conn_id: str) -> Any:
    raise AssertionError(f"{conn_id} is asked for nothing")


@pytest.fixture
def run(ready):
    """Runs `rollcall` with the warehouse of the test; standard output, or that of an expected exit code."""

    def call(*args: str, code: int = 0) -> Any:
        url = ready.url.render_as_string(hide_password=False)
        result = CliRunner().invoke(rollcall, [*args, "--warehouse", url])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return call


@pytest.fixture
def ask(ready):
    def one(query: str) -> Any:
        with ready.connect() as connection:
            return connection.execute(sa.text(query)).scalar()

    return one


def _tonight() -> Any:
    return night_of(datetime.now(UTC), ZONE)


def test_from_a_terminal(run, ask, sandbox):
    run("sync", "maple")
    users = ask("SELECT count(*) FROM roster.users")
    tonight = _tonight()

    done = run("backfill", "maple", "--from", f"{tonight}", "--to", f"{tonight}", "--all", "--json")
    assert [row["result"] for row in json.loads(done.stdout)] == ["replayed"]
    assert ask("SELECT count(*) FROM roster_history.users WHERE _valid_to IS NULL") == users

    # two nights without a pull: fetched once, since the first of them
    first, second = tonight - timedelta(days=4), tonight - timedelta(days=3)
    marks = ask("SELECT string_agg(w::text, ';' ORDER BY collection) FROM roster_ops.watermarks w")
    done = run("backfill", "maple", "--from", f"{first}", "--to", f"{second}", "--json")
    rows = json.loads(done.stdout)
    assert [row["result"] for row in rows] == ["re-fetched", "skipped"]
    assert "Re-fetched, not replayed" in rows[0]["message"]
    assert ask("SELECT string_agg(w::text, ';' ORDER BY collection) FROM roster_ops.watermarks w") == marks
    assert ask("SELECT count(*) FROM roster_history.users") == users
    assert ask("SELECT (kind, mode, status)::text FROM roster_ops.runs WHERE kind = 'refetch'") == (
        "(refetch,delta,published)"
    )
    again = run("backfill", "maple", "--from", f"{first}", "--to", f"{second}", "--json")
    assert [row["result"] for row in json.loads(again.stdout)] == ["skipped", "skipped"]
    assert run("backfill", "maple", "--from", f"{second}", "--to", f"{first}", code=1).exception
    assert run("backfill", "maple", "--from", "yesterday", "--to", f"{tonight}", code=2)


def test_the_roster_of_a_night_rollback_and_resume(run, ask, sandbox, tmp_path):
    run("sync", "maple")
    accounts = ask("SELECT count(*) FROM roster.accounts")
    tonight = str(_tonight())
    csv = run("roster", "maple", "--as-of", tonight)
    assert len(csv.stdout.strip().splitlines()) == accounts + 1
    lines = run("roster", "maple", "--as-published", tonight, "--format", "json", "--table", "orgs").stdout
    assert {json.loads(line)["sourced_id"] for line in lines.splitlines()} == set(
        ask("SELECT array_agg(sourced_id) FROM roster.orgs")
    )
    out = tmp_path / "users.parquet"
    run("roster", "maple", "--as-published", tonight, "--table", "users", "--out", str(out))
    assert pq.read_table(io.BytesIO(out.read_bytes())).num_rows == ask("SELECT count(*) FROM roster.users")
    run("roster", "maple", code=2)
    run("roster", "maple", "--as-published", "2020-01-01", code=1)

    first = ask("SELECT current_run_id FROM roster_ops.state")
    sandbox.pass_night("maple")
    CliRunner().invoke(rollcall, ["sync", "maple", "--full"])
    result = run("rollback", "maple", "--to", first)
    assert "To resume: rollcall resume maple" in result.stdout
    assert ask("SELECT count(*) FROM roster.accounts") == accounts
    paused = run("sync", "maple", code=3)
    assert "is paused: rolled back on" in paused.stderr
    assert ask("SELECT count(*) FROM roster.accounts") == accounts
    assert "publishing resumes" in run("resume", "maple").stdout
    run("sync", "maple")
    assert ask("SELECT mode FROM roster_ops.runs ORDER BY started_at DESC LIMIT 1") == "full"


def test_a_remap_asks_no_provider(run, ask, sandbox):
    run("sync", "maple")
    asked = sandbox.seen("maple")["requests"]
    done = run("sync", "maple", "--remap", "--json")
    assert json.loads(done.stdout)["run"]["kind"] == "remap"
    assert sandbox.seen("maple")["requests"] == asked
    assert ask("SELECT generation FROM roster_ops.state") == 2
    run("sync", "maple", "--remap", "--full", code=2)


def test_a_backfill_of_airflow_replays_what_is_kept_and_fetches_what_is_not(ready, ask, sandbox):
    url = ready.url
    warehouse = SimpleNamespace(
        host=url.query["host"], schema=url.database, login=url.username, password=None, port=None
    )
    params = {"mode": "auto", "collections": [], "dry_run": False}

    def whole(run_id: str, run_type: str, hook: Any, interval_end: datetime | None, **changed: Any) -> Any:
        pull = tasks.extract("maple", run_id, run_type, warehouse, hook, {**params, **changed}, interval_end)
        pull = tasks.map_roster("maple", tasks.validate("maple", pull, run_id, warehouse), run_id, warehouse)
        published = tasks.publish("maple", pull, run_id, warehouse, dry_run=False)
        tasks.report("maple", run_id, warehouse)
        return published

    from airflow.sdk.api.datamodels._generated import DagRunType  # what a task is given

    now, backfill = datetime.now(UTC), DagRunType.BACKFILL
    assert whole("scheduled__1", DagRunType.SCHEDULED, _Hook, now)["status"] == "published"
    replayed = whole("backfill__1", backfill, _no_hook, now)
    assert (replayed["status"], "from 1 pull" in replayed["why"]) == ("replayed", True)
    fetched = whole("backfill__2", backfill, _Hook, now - timedelta(days=9))
    assert (fetched["status"], fetched["generation"]) == ("published", 2)
    assert ask("SELECT night FROM roster_ops.runs WHERE kind = 'refetch'") == night_of(now - timedelta(days=9), ZONE)
    remapped = whole("manual__1", DagRunType.MANUAL, _no_hook, None, mode="remap")
    assert (remapped["status"], remapped["generation"]) == ("published", 3)
    with pytest.raises(ActionRequired) as caught:
        whole("backfill__3", backfill, _no_hook, now, dry_run=True)
    assert caught.value.code == "dry_run_of_past"
