"""The first day: from the email to published accounts, with one school excluded and usernames chosen before that."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from rollcall.errors import ActionRequired
from rollcall.settings import Nights, load_district
from tests.onboarding.conftest import CEDAR, MAPLE


def _stored_in_shell(command: str, secret: str, variable: str) -> str:
    """The value of the variable after the printed command, in a real shell."""
    rollcall = f'rollcall() {{ {shlex.quote(sys.executable)} -m rollcall.cli.main "$@"; }}'
    done = subprocess.run(
        ["bash", "-c", f"{rollcall}\n{command}\nprintenv {variable}"],
        input=f"{secret}\n",
        capture_output=True,
        text=True,
        check=True,
        env=os.environ.copy(),
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("district", "email"),
    [(MAPLE, "forwarded.txt"), (CEDAR, "classic.txt")],
    ids=["1.2 with OAuth 2", "1.1 with a Consumer Key"],
)
def test_from_the_email_to_published_accounts_without_a_hold(
    warehouse, folder, mail, run, tmp_path, monkeypatch, district, email
):
    def command(*arguments: str) -> dict | list:
        done = run(*arguments, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    key = district.app
    saved = tmp_path / "mail.txt"
    saved.write_bytes(mail(email))
    written = command("districts", "add", key, str(saved))["written"]
    assert (written["people"] > 0, written["not_pulled"]) == (True, "")
    variable = f"AIRFLOW_CONN_ONEROSTER_{key.upper()}"
    monkeypatch.setenv(variable, _stored_in_shell(written["command"], district.client_secret, variable))
    with warehouse.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM roster_ops.runs")).scalar() == 0

    command("sites", "suggest", key, "--apply", "--yes")
    schools = command("sites", "list", key)["schools"]
    mapped = [school for school in schools if school["state"] == "mapped"]
    assert len(mapped) == written["undecided"]
    excluded = max(mapped, key=lambda school: school["students"])
    impact = command("sites", "exclude", key, excluded["sourced_id"], "--yes")["moves"]
    assert impact["lose"] > 0
    fields = {(fact["role"], fact["field"]): fact for fact in command("usernames", "compare", key)}
    assert fields["student", "username"]["filled"] == fields["student", "username"]["people"] > 0
    command("usernames", "set", key, "username", "--yes")

    summary = command("sync", key)
    assert summary["run"]["status"] == "published"
    with warehouse.connect() as connection:
        holds = connection.execute(sa.text("SELECT count(*) FROM roster_ops.holds")).scalar()
        query = "SELECT DISTINCT username_field, site_name FROM roster.accounts WHERE district_id = :key"
        accounts = connection.execute(sa.text(query), {"key": key}).all()
    assert holds == 0
    assert {row.username_field for row in accounts} == {"username"}
    names = {school["name"] for school in mapped} - {excluded["name"]}
    assert {row.site_name for row in accounts} == names


def test_undecided_schools_publish_without_accounts_and_deciding_later_is_no_hold(
    warehouse, folder, mail, run, sandbox, monkeypatch
):
    """What the first night does if nobody decides before it."""
    assert run("districts", "add", "maple", text=mail("plain.txt")).exit_code == 0
    fields = {"conn_type": "oneroster", "host": sandbox.base_url("maple"), "login": MAPLE.client_id}
    fields |= {"password": MAPLE.client_secret, "extra": {"auth_url": sandbox.token_url("maple")}}
    monkeypatch.setenv("AIRFLOW_CONN_ONEROSTER_MAPLE", json.dumps(fields))
    first = json.loads(run("sync", "maple", "--json").stdout)
    assert (first["run"]["status"], first["run"]["accounts"]) == ("published", 0)
    assert run("sites", "suggest", "maple", "--apply", "--yes").exit_code == 0
    remapped = run("sync", "maple", "--remap", "--json")
    assert remapped.exit_code == 0
    assert json.loads(remapped.stdout)["run"]["accounts"] > 0


def test_the_promised_first_night_is_the_next_one(folder, mail, run):
    added = run("districts", "add", "maple", "--json", text=mail("plain.txt"))
    promised = datetime.fromisoformat(json.loads(added.stdout)["written"]["first_night"])
    settings = load_district(folder / "maple.yaml")
    now = datetime.now(UTC)
    assert promised == Nights(settings).next_night(now).begins == Nights(settings).first_night().begins
    shown = json.loads(run("districts", "show", "maple", "--json").stdout)
    assert datetime.fromisoformat(shown["next_night"]) == promised


def test_a_pull_that_fails_leaves_the_district_and_the_command(folder, mail, run, monkeypatch, tmp_path):
    (tmp_path / "landing").write_text("a file where the landing zone should be")
    added = run("districts", "add", "maple", "--json", text=mail("plain.txt"))
    written = json.loads(added.stdout)["written"]
    assert (added.exit_code, written["people"]) == (0, None)
    assert written["not_pulled"]
    assert load_district(folder / "maple.yaml").sites is not None


def test_the_same_org_and_address_is_another_districts(warehouse, folder, mail, run):
    assert run("districts", "add", "maple", text=mail("plain.txt")).exit_code == 0
    again = run("districts", "add", "oak", text=mail("plain.txt"))
    assert isinstance(again.exception, ActionRequired)
    assert again.exception.code == "district_duplicate"
    assert load_district(folder / "maple.yaml").name in again.exception.message
    assert [path.name for path in folder.iterdir()] == ["maple.yaml"]
    with warehouse.connect() as connection:
        known = connection.execute(sa.text("SELECT district_id FROM roster_ops.provider_profiles")).scalars().all()
    assert known == ["maple"]


def test_the_same_address_and_id_is_refused_before_any_request(folder, mail, run, sandbox, monkeypatch):
    """Without a warehouse, from the connections that are known here."""
    added = json.loads(run("districts", "add", "maple", "--json", text=mail("plain.txt")).stdout)
    variable = "AIRFLOW_CONN_ONEROSTER_MAPLE"
    command = added["written"]["command"]
    monkeypatch.setenv(variable, _stored_in_shell(command, MAPLE.client_secret, variable))
    seen = sandbox.seen("maple")
    again = run("districts", "add", "oak", text=mail("plain.txt"))
    assert isinstance(again.exception, ActionRequired)
    assert again.exception.code == "district_duplicate"
    assert sandbox.seen("maple") == seen
    assert run("districts", "add", "maple", "--replace", text=mail("plain.txt")).exit_code == 0


def test_the_same_name_twice_is_a_warning(folder, mail, run):
    assert run("districts", "add", "maple", "--name", "Unified", text=mail("plain.txt")).exit_code == 0
    added = run("districts", "add", "cedar", "--name", "UNIFIED", "--json", text=mail("classic.txt"))
    assert added.exit_code == 0
    [warning] = json.loads(added.stdout)["written"]["warnings"]
    assert "maple" in warning


def test_the_same_id_names_the_district_that_has_it(folder, mail, run):
    assert run("districts", "add", "maple", "--name", "Unified", text=mail("plain.txt")).exit_code == 0
    again = run("districts", "add", "maple", text=mail("plain.txt"))
    assert isinstance(again.exception, ActionRequired)
    assert again.exception.code == "district_exists"
    assert "Unified" in again.exception.message
