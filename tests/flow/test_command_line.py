"""Whole nights from the command line: real HTTP, a real PostgreSQL, totals table by table."""

from __future__ import annotations

import io
import json
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from rollcall.cli.main import rollcall
from rollcall.display.dates import format_date
from rollcall.errors import ActionRequired, RollcallError
from rollcall.extract import pull
from rollcall.landing.zone import Landing, default_landing
from rollcall.pipeline import run as nights
from rollcall.reports.report import print_summary
from rollcall.status.digest import apply_retention
from tests.flow.conftest import CEDAR, MAPLE

COLLECTIONS = {
    "orgs": "orgs",
    "academicSessions": "academic_sessions",
    "courses": "courses",
    "classes": "classes",
    "users": "users",
    "enrollments": "enrollments",
    "demographics": "demographics",
}


def _rollcall(*arguments: str) -> Result:
    result = CliRunner().invoke(rollcall, list(arguments))
    if isinstance(result.exception, RollcallError):
        raise result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def _sync(district: str, *options: str) -> dict[str, Any]:
    result = _rollcall("sync", district, "--json", *options)
    assert result.exit_code == 0, result.output
    summary: dict[str, Any] = json.loads(result.stdout)
    return summary


def _counts(summary: dict[str, Any]) -> dict[str, dict[str, int]]:
    return {row["table_name"]: row for row in summary["counts"]}


def _live(engine: sa.Engine, district: str, table: str) -> int:
    query = f"SELECT count(*) FROM roster_staging.{table} WHERE district_id = :district AND _removed_at IS NULL"
    with engine.connect() as connection:
        return connection.execute(sa.text(query), {"district": district}).scalar_one()


@pytest.mark.parametrize("district", [MAPLE, CEDAR], ids=["1.2 with OAuth 2", "1.1 with OAuth 1"])
def test_staging_holds_exactly_what_the_provider_has_night_after_night(ready, sandbox, district):
    app = district.app
    for night in range(3):
        result = _sync(app, "--full")
        assert result["run"]["status"] == "published"
        _require_one_date(ready, app, result)
        counts = _counts(result)
        truth = sandbox.truth(app)["collections"]
        for collection, table in COLLECTIONS.items():
            if table == "demographics" and not district.demographics:
                continue
            assert counts[table]["received"] == truth[collection]["total"], (night, collection)
            assert counts[table]["rejected"] == 0
            missing = _missing(ready, app, table)
            # who vanished without a tombstone stays for one night more
            assert _live(ready, app, table) - missing == truth[collection]["active"], (night, collection)
        sandbox.pass_night(app)


def _require_one_date(engine: sa.Engine, app: str, summary: dict[str, Any]) -> None:
    """The run ID, the summary in JSON and in words, the view, and the status are about one night."""
    run_id, night = summary["run"]["run_id"], summary["run"]["night"]
    [status] = [one for one in json.loads(_rollcall("status", "--all", "--json").stdout) if one["district"] == app]
    view = sa.text("SELECT published_night FROM roster_ops.district_status WHERE district_id = :district")
    with engine.connect() as connection:
        found = str(connection.execute(view, {"district": app}).scalar_one())
    printed = io.StringIO()
    print_summary(engine, app, run_id, Landing(default_landing()), printed)
    assert (run_id[:17], status["night"], found) == (f"cli__{night}__", night, night)
    assert f"night of {format_date(date.fromisoformat(night))}" in " ".join(printed.getvalue().split())


def _missing(engine: sa.Engine, district: str, table: str) -> int:
    query = f"""SELECT count(*) FROM roster_staging.{table}
        WHERE district_id = :district AND _removed_at IS NULL AND _missing_since IS NOT NULL"""
    with engine.connect() as connection:
        return connection.execute(sa.text(query), {"district": district}).scalar_one()


def test_a_second_run_of_the_same_data_changes_nothing(ready):
    for app in ("maple", "cedar"):
        _sync(app)
        result = _sync(app)
        for row in result["counts"]:
            assert [row[name] for name in ("added", "changed", "returned", "missing", "removed", "rejected")] == [0] * 6
    with ready.connect() as connection:
        runs = connection.execute(sa.text("SELECT district_id, count(*) FROM roster_ops.runs GROUP BY 1")).all()
    assert sorted(tuple(row) for row in runs) == [("cedar", 2), ("maple", 2)]


def test_a_nights_changes_are_what_the_sandbox_did(ready, sandbox):
    _sync("maple")
    sandbox.pass_night("maple")
    done = sandbox.truth("maple")["last_night"]
    counts = _counts(_sync("maple", "--full"))
    came = sum(len(done[what]["sourced_ids"]) for what in ("joined",)) + len(done["joined"]["family"])
    left = len(done["left"]["sourced_ids"]) + len(done["left"]["family"])
    vanished = len(done["vanished"]["sourced_ids"]) + len(done["vanished"]["family"])
    assert counts["users"]["added"] == came
    assert counts["users"]["removed"] == left
    assert counts["users"]["missing"] == vanished
    renamed = set(done["renamed"]["sourced_ids"])
    query = "SELECT sourced_id FROM roster_history.users GROUP BY sourced_id HAVING count(*) = 2"
    with ready.connect() as connection:
        changed = set(connection.execute(sa.text(query)).scalars())
    assert renamed <= changed


@pytest.mark.parametrize("district", [MAPLE, CEDAR], ids=["1.2 with OAuth 2", "1.1 with OAuth 1"])
def test_delta_nights_bring_what_was_modified_and_a_full_one_finds_nothing_left_to_add(ready, sandbox, district):
    app = district.app
    everything = _counts(_sync(app))["users"]["received"]
    for _ in range(2):
        sandbox.pass_night(app)
        result = _sync(app)
        users = _counts(result)["users"]
        assert result["run"]["mode"] == "delta"
        assert 0 < users["received"] < everything / 2
        assert users["missing"] == 0
    counts = _counts(_sync(app, "--full"))
    for table, row in counts.items():
        assert [row[name] for name in ("added", "changed", "returned", "removed")] == [0] * 4, table
    assert counts["users"]["missing"] > 0  # who vanished without a tombstone, which no delta can find


def test_everybody_is_an_account_or_left_out_with_one_reason(ready):
    _sync("maple")
    query = """SELECT (SELECT count(*) FROM roster.users),
        (SELECT count(DISTINCT user_sourced_id) FROM roster.accounts), (SELECT count(*) FROM roster_ops.left_out)"""
    with ready.connect() as connection:
        people, with_account, left_out = connection.execute(sa.text(query)).one()
        overlap = connection.execute(
            sa.text(
                "SELECT count(*) FROM roster.accounts JOIN roster_ops.left_out USING (district_id, user_sourced_id)"
            )
        ).scalar_one()
    assert with_account + left_out == people
    assert overlap == 0


def test_a_dry_run_says_what_would_happen_and_writes_no_roster(ready, outdated):
    result = _sync("maple", "--dry-run")
    assert result["run"]["status"] == "dry_run"
    assert _counts(result)["users"]["added"] > 0
    assert _live(ready, "maple", "users") == 0
    assert _sync("maple")["run"]["generation"] == 1
    assert outdated.exists()


def test_pulls_are_ordered_by_the_warehouses_clock(ready, monkeypatch):
    class Ahead(datetime):
        """The clock of a machine that is a year ahead."""

        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=365)

    with monkeypatch.context() as patched:
        for module in (nights, pull):
            patched.setattr(module, "datetime", Ahead)
        assert _sync("maple")["run"]["generation"] == 1
    with ready.connect() as connection:
        query = sa.text("SELECT current_as_of <= clock_timestamp() FROM roster_ops.state")
        assert connection.execute(query).scalar_one()
    assert _sync("maple")["run"]["generation"] == 2


def test_only_the_morning_deletes(ready, outdated):
    url = ready.url
    apply_retention(
        SimpleNamespace(host=url.query["host"], schema=url.database, login=url.username, password=None, port=None)
    )
    assert not outdated.exists()


def test_a_dry_run_tells_accounts_and_who_is_left_out_as_the_publication_after_it_does(ready, sandbox):
    for _ in range(3):
        dry, published = _sync("maple", "--full", "--dry-run"), _sync("maple", "--full")
        assert dry["accounts_per_site"] == published["accounts_per_site"] != []
        assert dry["left_out"] == published["left_out"] != []
        assert sum(row["people"] for row in dry["left_out"]) == published["run"]["left_out"]
        sandbox.pass_night("maple")
    shown = _rollcall("sync", "maple", "--full", "--dry-run").stdout
    assert "Accounts per site, if published" in shown
    assert "People without an account, if published" in shown


def test_one_collection_alone_leaves_the_others_as_published(ready, sandbox):
    _sync("maple")
    before = _live(ready, "maple", "enrollments")
    result = _sync("maple", "--collection", "users")
    assert set(_counts(result)) >= {"users", "user_roles", "accounts"}
    assert "enrollments" not in _counts(result)
    assert _live(ready, "maple", "enrollments") == before


def test_zero_people_are_held_with_exit_code_3(ready, sandbox):
    _sync("maple")
    before = _live(ready, "maple", "users")
    sandbox.set_quirks("maple", ["empty-users"])
    result = _rollcall("sync", "maple", "--full")
    assert result.exit_code == 3
    assert "HELD: removals of users" in result.output
    assert _live(ready, "maple", "users") == before


@pytest.mark.parametrize(("quirk", "code"), [("empty-orgs", "no_orgs"), ("empty-users", "no_people")])
def test_a_first_pull_without_schools_or_people(ready, sandbox, quirk, code):
    sandbox.set_quirks("maple", [quirk])
    with pytest.raises(ActionRequired) as caught:
        _rollcall("sync", "maple")
    assert caught.value.code == code
    with ready.connect() as connection:
        row = connection.execute(sa.text("SELECT status, failed_stage, error_code FROM roster_ops.runs")).one()
    assert tuple(row) == ("failed", "map_roster", code)
    assert _live(ready, "maple", "classes") == 0


def test_a_record_that_is_no_object_is_rejected_by_itself(ready, sandbox):
    _sync("maple")
    sandbox.set_quirks("maple", ["record-not-an-object"])
    result = _sync("maple", "--full")
    users = _counts(result)["users"]
    assert (users["rejected"], users["missing"], users["removed"]) == (1, 0, 0)
    assert [row["rule"] for row in result["rejected"]] == ["not_an_object"]


@pytest.mark.parametrize("ending", ["", "/", "/rostering/v1p2", "/rostering/v1p2/"])
def test_a_base_url_as_people_paste_it(ready, sandbox, connect_as, ending):
    connect_as(MAPLE, host=sandbox.base_url("maple") + ending)
    assert _sync("maple", "--collection", "orgs", "--dry-run")["run"]["status"] == "dry_run"


def _wrong(sandbox: Any) -> dict[str, tuple[dict[str, Any], str]]:
    token_url = sandbox.token_url("maple")
    return {
        "secret": ({"password": "planted-wrong-secret"}, "Client Secret"),
        "token url without appName": ({"extra": {"auth_url": token_url.split("?")[0]}}, "appName"),
        "host": ({"host": "http://127.0.0.1:9/campus", "extra": {"auth": "oauth1"}}, "127.0.0.1"),
        "path": ({"host": sandbox.base_url("maple").replace("v1p2", "v9p9")}, "Base URL"),
    }


@pytest.mark.parametrize("mistake", ["secret", "token url without appName", "host", "path"])
def test_a_mistake_in_the_connection_is_said_in_words_and_loses_nothing(
    ready, sandbox, connect_as, mistake, monkeypatch
):
    from rollcall.oneroster import client as client_module
    from rollcall.oneroster.requester import Retry

    monkeypatch.setattr(client_module, "Retry", lambda: Retry(attempts=1))
    _sync("maple")
    before = _live(ready, "maple", "users")
    changed, message = _wrong(sandbox)[mistake]
    connect_as(MAPLE, **changed)
    with pytest.raises(RollcallError) as caught:
        _rollcall("sync", "maple")
    assert message in str(caught.value)
    assert caught.value.remedy
    assert "planted-wrong-secret" not in str(caught.value)
    assert _live(ready, "maple", "users") == before


def test_a_disabled_district_refuses_in_words(ready, district_file):
    district_file(MAPLE, "enabled: false\n")
    with pytest.raises(ActionRequired, match="is disabled"):
        _rollcall("sync", "maple")


def test_no_person_and_no_secret_reaches_output_log_or_ledger(ready, caplog, capfd: pytest.CaptureFixture[str]):
    caplog.set_level("DEBUG")
    texts = []
    for app in ("maple", "cedar"):
        result = _rollcall("sync", app)
        texts += [result.stdout, result.stderr]
    texts += [caplog.text, *capfd.readouterr()]
    with ready.connect() as connection:
        for table in ("runs", "run_counts", "findings", "pulls", "districts", "state"):
            texts += [str(tuple(row)) for row in connection.execute(sa.text(f"SELECT * FROM roster_ops.{table}"))]
        emails = connection.execute(sa.text("SELECT email FROM roster.users WHERE email IS NOT NULL")).scalars().all()
        names = connection.execute(
            sa.text(
                "SELECT given_name || ' ' || family_name FROM roster.users UNION SELECT username FROM roster.accounts"
            )
        ).scalars()
        planted = [*emails, *names]
    everything = "\n".join(texts)
    assert len(planted) > 300
    assert [value for value in planted if value in everything] == []
    assert "sandbox-secret" not in everything


def test_help_is_there_for_every_command():
    for arguments in (
        ["--help"],
        ["sync", "--help"],
        ["db", "--help"],
        ["db", "upgrade", "--help"],
        ["districts", "--help"],
    ):
        result = CliRunner().invoke(rollcall, arguments)
        assert result.exit_code == 0
        assert "Usage:" in result.output


def test_an_unknown_option_is_a_usage_error():
    assert CliRunner().invoke(rollcall, ["sync", "maple", "--everything"]).exit_code == 2


def test_a_first_roster_that_is_cut_off_is_held_and_says_received_of_total(ready, sandbox):
    """160 students and their teachers are counted, 100 people delivered."""
    sandbox.set_quirks("maple", ["cut-off"])
    first = _rollcall("sync", "maple")
    assert first.exit_code == 3
    assert "100 of " in first.stdout
    assert [_live(ready, "maple", table) for table in ("orgs", "users", "enrollments", "accounts")] == [0] * 4
    _rollcall("holds", "approve", "maple", "users", "--reason", "their total is wrong")
    assert _sync("maple")["run"]["status"] == "published"
    assert _live(ready, "maple", "users") > 90
    sandbox.set_quirks("maple", [])
    _sync("maple")
    assert _live(ready, "maple", "users") == sandbox.truth("maple")["collections"]["users"]["active"]
