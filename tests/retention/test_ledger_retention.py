"""The ledger does not grow for ever: details of old runs are deleted, what the next run and history need stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
import sqlalchemy as sa

from rollcall.landing.rejects import REJECT_SCHEMA
from rollcall.retention.sweep import sweep
from rollcall.settings import Retention
from rollcall.warehouse import ledger

NOW = datetime(2026, 12, 31, tzinfo=UTC)
DETAILS = ("run_counts", "findings", "run_holds", "pulls")


@pytest.fixture
def aged(nights, roster):
    """Elm with three publications, one failed run, and a closed hold, 58 to 70 days old."""
    for names in (["ada"], ["ada", "ben"], ["ada", "ben", "cy"]):
        nights.publish(roster(*names))
    with nights.engine.begin() as connection:
        run_ids = connection.execute(sa.text("SELECT run_id FROM roster_ops.runs ORDER BY generation")).scalars().all()
        for number, run_id in enumerate(run_ids):
            age = {"at": NOW - timedelta(days=60 - number), "run": run_id}
            connection.execute(
                sa.text("UPDATE roster_ops.runs SET started_at = :at, finished_at = :at WHERE run_id = :run"), age
            )
            connection.execute(
                sa.text(
                    "UPDATE roster_ops.pulls p SET as_of = :at FROM roster_ops.runs r "
                    "WHERE r.run_id = :run AND p.pull_id = r.pull_id"
                ),
                age,
            )
            connection.execute(sa.text("INSERT INTO roster_ops.run_holds VALUES ('elm', :run, 'h', 1)"), age)
            connection.execute(
                sa.text("INSERT INTO roster_ops.findings VALUES ('elm', :run, 'users', 'x', 'info', '', 1)"), age
            )
        old = {"at": NOW - timedelta(days=70)}
        connection.execute(
            sa.text(
                "INSERT INTO roster_ops.runs (district_id, run_id, status, started_at, finished_at, night) "
                "VALUES ('elm', 'failed', 'failed', :at, :at, date '2026-10-20')"
            ),
            old,
        )
        for hold, closed in (("h", "NULL"), ("closed", ":at")):
            connection.execute(
                sa.text(
                    f"INSERT INTO roster_ops.holds (hold_id, district_id, collection, kind, school, status, opened_at,"
                    " opened_run_id, last_seen_at, last_run_id, rows, published, looks_like, question_at, closed_at)"
                    f" VALUES ('{hold}', 'elm', 'users', 'removals', '', 'open', :at, 'r', :at, 'r', 1, 1, '', :at,"
                    f" {closed})"
                ),
                old,
            )
            connection.execute(
                sa.text(
                    "INSERT INTO roster_ops.hold_rows (hold_id, district_id, table_name, row_key, change) "
                    "VALUES (:hold, 'elm', 'users', 'k', 'remove')"
                ),
                {"hold": hold},
            )
    return nights


def _sweep(nights, **days):
    nights.settings(retention=Retention(**days))
    return sweep(nights.engine, nights.district, nights.landing, NOW).rows


def _runs(nights, table="runs"):
    return nights.scalar(f"SELECT count(DISTINCT run_id) FROM roster_ops.{table}")


def test_details_go_and_those_of_the_published_roster_stay(aged):
    swept = _sweep(aged, runs_days=50)
    assert [swept[f"roster_ops.{name}"] for name in ("pulls", "hold_rows", "holds", "runs")] == [2, 1, 1, 1]
    assert [_runs(aged, name) for name in ("run_counts", "findings", "run_holds")] == [1, 1, 1]
    assert aged.scalar("SELECT array_agg(hold_id) FROM roster_ops.holds") == ["h"]
    assert aged.scalar("SELECT array_agg(hold_id) FROM roster_ops.hold_rows") == ["h"]
    current = "SELECT run_id = (SELECT current_run_id FROM roster_ops.state) FROM roster_ops.findings"
    assert aged.scalar(current) is True


def test_published_runs_go_with_their_history(aged):
    assert _sweep(aged, runs_days=50)["roster_ops.runs"] == 1  # the failed one
    assert _runs(aged) == 3
    assert _sweep(aged, runs_days=50, history_days=59).get("roster_ops.runs") is None
    assert _sweep(aged, runs_days=50, history_days=50)["roster_ops.runs"] == 2
    assert aged.scalar("SELECT array_agg(generation) FROM roster_ops.runs") == [3]


def test_a_run_stays_as_long_as_its_rejects(aged):
    with aged.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO roster_ops.rejects (district_id, run_id, collection, rule, reason) "
                "VALUES ('elm', 'failed', 'users', 'x', '')"
            )
        )
    assert "roster_ops.runs" not in _sweep(aged, runs_days=50, rejects_days=80)
    assert _sweep(aged, runs_days=50, rejects_days=60)["roster_ops.runs"] == 1


def test_young_runs_stay(aged):
    assert not any(name.startswith("roster_ops.") for name in _sweep(aged, runs_days=75))


def _rejects(*groups: tuple[str, str, int]) -> pa.Table:
    rows = [
        {
            "collection": collection,
            "rule": rule,
            "sourced_id": f"{rule}{number}",
            "reason": "",
            "field": "",
            "record": None,
        }
        for collection, rule, count in groups
        for number in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=REJECT_SCHEMA)


def test_rejects_of_one_rule_do_not_displace_those_of_another(monkeypatch):
    monkeypatch.setattr(ledger, "MAX_STORED_REJECTS", 6)
    stored = ledger.limit_rejects(_rejects(("users", "many", 50), ("users", "few", 2), ("orgs", "few", 1)))
    assert stored["sourced_id"].to_pylist() == ["many0", "many1", "many2", "few0", "few1", "few0"]
    assert ledger.limit_rejects(_rejects(("users", "many", 6))).num_rows == 6


def test_a_run_says_how_many_rejects_are_not_stored(nights, roster, monkeypatch):
    monkeypatch.setattr(ledger, "MAX_STORED_REJECTS", 2)
    nights.publish(roster("ada"), rejected={"courses": ["c1", "c2", "c3", "c4", "c5"]})
    assert nights.scalar("SELECT count(*) FROM roster_ops.rejects") == 2
    assert nights.scalar("SELECT count FROM roster_ops.findings WHERE rule = 'rejects_not_stored'") == 3
    assert nights.scalar("SELECT rejected FROM roster_ops.run_counts WHERE table_name = 'courses'") == 5
