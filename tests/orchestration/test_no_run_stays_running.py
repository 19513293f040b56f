"""A command that is refused or interrupted leaves no running row in the ledger."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from rollcall.cli.main import rollcall
from rollcall.pipeline.stage_record import recorded_run
from rollcall.warehouse.ops_models import runs

ELM = 'district: elm\nname: Elm\nversion: "1.2"\nusernames: email\nstarts_on: 2026-11-01\nschedule: {timezone: UTC}\n'


@pytest.fixture
def command(engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command on a district without a connection."""
    (tmp_path / "elm.yaml").write_text(ELM, encoding="utf-8")
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(tmp_path))
    monkeypatch.delenv("AIRFLOW_CONN_ONEROSTER_ELM", raising=False)
    monkeypatch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", raising=False)
    at = ["--warehouse", engine.url.render_as_string(hide_password=False), "--landing", str(tmp_path / "landing")]
    return lambda *arguments: CliRunner().invoke(rollcall, [*arguments, *at])


def _ledger(engine: sa.Engine) -> list[tuple[str, str | None]]:
    with engine.connect() as connection:
        query = sa.select(runs.c.status, runs.c.error_code).order_by(runs.c.started_at)
        return [tuple(row) for row in connection.execute(query)]


def test_a_remap_of_nothing_is_a_failed_run(command, engine):
    result = command("sync", "elm", "--remap")
    assert result.exception.code == "not_published"
    assert _ledger(engine) == [("failed", "not_published")]


def test_a_backfill_that_cannot_ask_the_provider_is_a_failed_run(command, engine):
    result = command("backfill", "elm", "--from", "2026-11-03", "--to", "2026-11-03")
    assert result.exit_code == 1
    assert _ledger(engine) == [("failed", "connection_missing")]


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_a_run_that_is_stopped_between_two_stages_is_a_failed_one(nights, roster, end):
    ref = nights.prepare(roster("ada"))
    with pytest.raises(end), recorded_run(nights.engine, "elm", ref.run_id):
        raise end
    assert _ledger(nights.engine) == [("failed", "run_interrupted")]


def test_a_run_that_is_terminated_between_two_stages_is_a_failed_one(nights, roster):
    ref = nights.prepare(roster("ada"))
    with pytest.raises(SystemExit), recorded_run(nights.engine, "elm", ref.run_id):
        os.kill(os.getpid(), signal.SIGTERM)
    assert _ledger(nights.engine) == [("failed", "run_interrupted")]


def test_what_a_stage_recorded_stays_and_so_does_a_publication(nights, roster):
    nights.publish(roster("ada"))
    with pytest.raises(KeyboardInterrupt), recorded_run(nights.engine, "elm", "run1"):
        raise KeyboardInterrupt
    assert _ledger(nights.engine) == [("published", None)]
