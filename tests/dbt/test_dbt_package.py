"""The dbt package builds on what a night published, and its tests can fail."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from rollcall_local.dbt import dbt_target, run


@pytest.fixture
def dbt(engine, tmp_path):
    """Runs dbt on the test's warehouse; what became of each node, by name."""

    def build(*arguments):
        code = run(arguments, dbt_target(engine.url), tmp_path)
        results = json.loads((tmp_path / "target" / "run_results.json").read_text())["results"]
        return code, {result["unique_id"].split(".")[2]: result["status"] for result in results}

    return build


def test_it_builds_and_every_test_passes_on_a_published_night_and_fails_on_a_shared_username(nights, roster, dbt):
    nights.publish(roster("ada", "ben", teacher=True))
    code, results = dbt("build")
    assert code == 0
    assert sorted(set(results.values())) == ["pass", "success"]
    assert sum(status == "success" for status in results.values()) == 5
    with nights.engine.begin() as connection:
        read = connection.execute(sa.text("SELECT count(*) FROM roster_dbt.stg_rollcall__accounts")).scalar()
        assert read == 3
        # the warehouse itself refuses two at one site
        connection.execute(sa.text("ALTER TABLE roster_staging.accounts DROP CONSTRAINT ex_accounts_username"))
        connection.execute(sa.text("UPDATE roster_staging.accounts SET username = 'ADA@elm.example'"))
    code, results = dbt("test", "--select", "one_person_per_username")
    assert code == 1
    assert results == {"one_person_per_username": "fail"}


def test_freshness_comes_from_the_ledger(nights, roster, tmp_path):
    nights.publish(roster("ada"))
    with nights.engine.begin() as connection:
        connection.execute(sa.text("UPDATE roster_ops.runs SET finished_at = now() - interval '30 hours'"))
    run(["source", "freshness", "--select", "source:rollcall.users"], dbt_target(nights.engine.url), tmp_path)
    (freshness,) = json.loads((tmp_path / "target" / "sources.json").read_text())["results"]
    assert freshness["status"] == "warn"
