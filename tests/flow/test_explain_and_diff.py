"""`rollcall explain` and `rollcall diff` as they are typed, over a district that is served and synced for real."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import sqlalchemy as sa
from click.testing import CliRunner

from rollcall.cli.main import rollcall


def _rollcall(*arguments: str) -> str:
    result = CliRunner().invoke(rollcall, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def _explain(who: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(_rollcall("explain", "maple", who, "--json"))
    return result


def test_from_a_dry_run_to_a_reply_for_the_school(ready, sandbox):
    assert _explain("Nobody Known")["answer"]["code"] == "never_synced"
    _rollcall("sync", "maple", "--dry-run")
    with ready.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM roster_staging.users")).scalar() == 0
    first = json.loads(_rollcall("diff", "maple", "--json"))
    assert first["published_at"] is None
    people = sandbox.truth("maple")["collections"]["users"]["active"]
    assert {row["people"] for row in first["totals"] if row["change"] == "person added"} == {people}
    _rollcall("sync", "maple")

    sandbox.pass_night("maple")
    done = sandbox.truth("maple")["last_night"]
    _rollcall("sync", "maple", "--full", "--dry-run")
    lines = list(csv.DictReader(io.StringIO(_rollcall("diff", "maple", "--csv"))))
    people_by_change = {
        change: {row["sourced_id"] for row in lines if row["change"] == change}
        for change in {row["change"] for row in lines}
    }
    for change, group in (("person added", "joined"), ("person removed", "left"), ("person missing", "vanished")):
        assert people_by_change[change] == {*done[group]["sourced_ids"], *done[group]["family"]}
    assert {row["reason"] for row in lines if row["change"] == "person removed"} == {"SIS tombstone"}
    assert _explain(done["left"]["sourced_ids"][0])["answer"]["code"] != "removed_by_provider"
    assert "Not published: " in _rollcall("diff", "maple", "--limit", "5")

    _rollcall("sync", "maple", "--full")
    assert "Published " in _rollcall("diff", "maple", "--limit", "5")
    left = _explain(done["left"]["sourced_ids"][0])
    assert left["answer"]["code"] == "removed_by_provider"
    assert left["answer"]["where"][0][0] == "Infinite Campus"
    assert _explain(done["vanished"]["sourced_ids"][0])["answer"]["code"] == "missing"
    assert _explain(done["joined"]["sourced_ids"][0])["answer"]["code"] in ("has_account", "no_class_yet")
    reply = _rollcall("explain", "maple", done["left"]["sourced_ids"][0], "--forward")
    assert left["subject"] in reply
    assert done["left"]["sourced_ids"][0] not in reply
    screen = _rollcall("explain", "maple", *left["subject"].split())
    assert "Answer (removed_by_provider)" in screen


def test_several_who_fit_are_listed_and_never_forwarded(ready):
    _rollcall("sync", "maple")
    with ready.connect() as connection:
        query = "SELECT family_name FROM roster.users GROUP BY 1 HAVING count(*) BETWEEN 2 AND 20 LIMIT 1"
        name = connection.execute(sa.text(query)).scalar_one()
    assert f'Several people match "{name}"' in _rollcall("explain", "maple", name)
    refused = CliRunner().invoke(rollcall, ["explain", "maple", name, "--forward"])
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert name in refused.stderr
