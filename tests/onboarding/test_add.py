"""From the text a district sent to its file, its connection and a first dry run, over real HTTP."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

import pytest
import sqlalchemy as sa

from rollcall.errors import ActionRequired
from rollcall.onboarding import duplicates
from rollcall.onboarding.district_file import write_new
from rollcall.settings import load_district, load_districts
from tests.onboarding.conftest import CEDAR, MAPLE

UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\uffff]")


def _code(result) -> str:
    assert isinstance(result.exception, ActionRequired), result.output
    return result.exception.code


def _in_a_shell(command: str, secret: str, variable: str) -> str:
    """The printed command in a real shell, the secret on standard input; what the shell has then."""
    rollcall = f'rollcall() {{ {shlex.quote(sys.executable)} -m rollcall.cli.main "$@"; }}'
    script = f"{rollcall}\n{command}\nprintenv {variable}"
    done = subprocess.run(
        ["bash", "-c", script], input=f"{secret}\n", capture_output=True, text=True, check=True, env=os.environ.copy()
    )
    return done.stdout.strip()


def test_a_classic_connection_is_written_with_the_signature_its_provider_takes(folder, mail, run, sandbox, monkeypatch):
    sandbox.set_quirks("cedar", ["sha1-only"])
    added = run("districts", "add", "cedar", "--json", text=mail("classic.txt"))
    assert added.exit_code == 0, added.output
    shown = json.loads(added.stdout)
    assert (shown["check"]["passed"], shown["written"]["signature"]) == (True, "HMAC-SHA1")
    stored = _in_a_shell(shown["written"]["command"], CEDAR.client_secret, "AIRFLOW_CONN_ONEROSTER_CEDAR")
    assert json.loads(stored)["extra"]["signature"] == "HMAC-SHA1"
    monkeypatch.setenv("AIRFLOW_CONN_ONEROSTER_CEDAR", stored)
    assert run("check", "cedar").exit_code == 0


def test_every_school_is_listed_undecided_with_the_head_counts_of_the_roster(
    warehouse, folder, mail, run, sandbox, monkeypatch
):
    assert run("districts", "add", "maple", text=mail("plain.txt")).exit_code == 0
    path = folder / "maple.yaml"
    settings = load_district(path)
    assert settings.sites is not None
    assert set(settings.sites.map.values()) == {"undecided"}
    written = {line.split(":")[0].strip(' "'): line for line in path.read_text().splitlines() if "undecided  #" in line}
    assert set(written) == set(settings.sites.map)
    fields = {"conn_type": "oneroster", "host": sandbox.base_url("maple"), "login": MAPLE.client_id}
    fields |= {"password": MAPLE.client_secret, "extra": {"auth_url": sandbox.token_url("maple")}}
    monkeypatch.setenv("AIRFLOW_CONN_ONEROSTER_MAPLE", json.dumps(fields))
    assert run("sync", "maple").exit_code == 0
    query = """SELECT o.sourced_id, o.name, count(DISTINCT user_sourced_id) FILTER (WHERE role = 'student') AS students,
            count(DISTINCT user_sourced_id) FILTER (WHERE role = 'teacher') AS teachers
        FROM roster.user_roles r JOIN roster.orgs o ON o.sourced_id = r.org_sourced_id AND o.type = 'school'
        GROUP BY 1, 2"""
    with warehouse.connect() as connection:
        schools = connection.execute(sa.text(query)).all()
    assert len(schools) == len(written)
    for school in schools:
        shown = f"undecided  # {school.name}: {school.students} students, {school.teachers} teachers"
        assert written[school.sourced_id].endswith(shown)


@pytest.mark.parametrize("own", [(), ("--site", "ME=Maple East")], ids=["names of schools", "own sites"])
def test_a_school_whose_name_has_control_characters_is_a_line_of_text(folder, mail, run, sandbox, own):
    sandbox.set_quirks("maple", ["control-in-name"])
    assert run("districts", "add", "maple", *own, text=mail("plain.txt")).exit_code == 0
    text = (folder / "maple.yaml").read_text()
    assert not UNPRINTABLE.search(text)
    assert text.count("␛[31m") == (1 if own else 2)
    assert len(load_district(folder / "maple.yaml").sites.map) > 2


def test_a_check_that_fails_writes_nothing_anywhere(warehouse, folder, mail, run):
    text = mail("plain.txt", **{"maple-sandbox-secret": "planted-wrong-secret"})
    result = run("districts", "add", "maple", text=text)
    assert result.exit_code == 1
    assert "Nothing was written" in result.stderr
    assert "did not accept the Client ID and Client Secret" in result.stdout
    assert list(folder.iterdir()) == []
    with warehouse.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM roster_ops.provider_profiles")).scalar() == 0


def test_a_failed_check_has_its_letter(folder, mail, run):
    text = mail("plain.txt", **{"maple-sandbox-secret": "planted-wrong-secret"})
    result = run("districts", "add", "maple", "--email", text=text)
    assert result.exit_code == 1
    assert "Copy" in result.stdout or "copy" in result.stdout
    assert "planted-wrong-secret" not in result.output


def test_what_is_missing_is_said_in_the_screens_words(folder, mail, run):
    result = run("districts", "add", "maple", text=mail("half.txt"))
    assert _code(result) == "credentials_incomplete"
    assert "Token URL and Client Secret" in result.exception.message
    assert list(folder.iterdir()) == []


def test_twice_is_refused_and_changes_nothing(folder, mail, run):
    assert run("districts", "add", "maple", text=mail("plain.txt")).exit_code == 0
    before = (folder / "maple.yaml").read_bytes()
    assert _code(run("districts", "add", "maple", text=mail("plain.txt"))) == "district_exists"
    assert (folder / "maple.yaml").read_bytes() == before


def test_replace_exchanges_the_connection_and_keeps_what_was_decided(folder, mail, run):
    path = folder / "cedar.yaml"
    decided = (
        '# ours since March\ndistrict: cedar\nname: Cedar  # as on the contract\nversion: "1.2"\n'
        "starts_on: 2026-11-21\nusernames: identifier\nsites:\n  targets: [One]\n  map: {}\n"
    )
    path.write_text(decided)
    result = run("districts", "add", "cedar", "--replace", "--json", text=mail("classic.txt"))
    assert result.exit_code == 0, result.output
    assert path.read_text() == decided.replace('"1.2"', '"1.1"')
    assert json.loads(result.stdout)["written"]["is_new"] is False
    usage = run("districts", "add", "cedar", "--replace", "--name", "X", text=mail("classic.txt"))
    assert usage.exit_code == 2


def test_the_version_that_answers_is_taken_where_nothing_says_which(folder, sandbox, run):
    base = sandbox.base_url("cedar")
    text = f"Consumer Key: {CEDAR.client_id}\nConsumer Secret: {CEDAR.client_secret}\nOneRoster URL: {base}\n"
    assert run("districts", "add", "cedar", text=text.encode()).exit_code == 0
    assert load_district(folder / "cedar.yaml").version == "1.1"


def test_another_version_than_the_addresses_say_is_found_by_asking(folder, mail, run):
    result = run("districts", "add", "maple", "--version", "1.1", text=mail("plain.txt"))
    assert result.exit_code == 1
    assert "this connection is OneRoster 1.2" in result.stdout


def test_sites_of_ones_own_and_schools_as_sites(folder, mail, run):
    given = run("districts", "add", "maple", "--site", "ME=Maple East", "--site", "West", text=mail("plain.txt"))
    assert given.exit_code == 0
    sites = load_district(folder / "maple.yaml").sites
    assert sites is not None
    assert sites.names() == {"ME": "Maple East", "West": "West"}
    (folder / "maple.yaml").unlink()
    assert run("districts", "add", "maple", "--own-sites", text=mail("plain.txt")).exit_code == 0
    assert load_district(folder / "maple.yaml").sites is None


@pytest.mark.parametrize("district", ["Maple", "1st", "holds", "../maple"])
def test_an_id_no_file_may_have_is_refused_before_anything_is_asked(folder, mail, run, sandbox, district):
    before = sandbox.seen("maple")
    assert _code(run("districts", "add", district, text=mail("plain.txt"))) == "district_setting"
    assert sandbox.seen("maple") == before


@pytest.mark.parametrize("wrong", [("Maple",), ("maple", "--timezone", "Mars/Base")], ids=["ID", "time zone"])
def test_a_setting_that_is_not_valid_is_one_sentence_without_a_path(folder, mail, run, wrong):
    result = run("districts", "add", *wrong, text=mail("plain.txt"))
    assert _code(result) == "district_setting"
    assert re.search(r"[^.]\.$", result.exception.message)
    assert "$" not in result.exception.message
    assert "`" not in result.exception.message


def test_the_other_districts_files_are_read_once(warehouse, folder, mail, run, monkeypatch):
    (folder / "elm.yaml").write_text('district: elm\nname: Elm\nversion: "1.2"\nusernames: email\n')
    reads = []
    monkeypatch.setattr(duplicates, "load_districts", lambda: reads.append(1) or load_districts())
    assert run("districts", "add", "maple", text=mail("plain.txt")).exit_code == 0
    assert len(reads) == 1


def test_a_folder_that_cannot_be_written_is_refused_before_any_request(folder, mail, run, sandbox, monkeypatch):
    (folder / "file").write_text("")
    before = sandbox.seen("maple")
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(folder / "file" / "districts"))
    assert _code(run("districts", "add", "maple", text=mail("plain.txt"))) == "district_file_readonly"
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(folder))
    monkeypatch.setenv("ROLLCALL_DISTRICTS_READ_ONLY", "true")
    assert _code(run("districts", "add", "maple", text=mail("plain.txt"))) == "district_file_readonly"
    assert sandbox.seen("maple") == before


@pytest.mark.parametrize("above", ["file", "file/districts"])
def test_an_error_of_the_disk_is_one_of_ours(tmp_path, above):
    (tmp_path / "file").write_text("")
    with pytest.raises(ActionRequired) as caught:
        write_new(tmp_path / above / "maple.yaml", "district: maple\n")
    assert caught.value.code == "district_file_readonly"


def test_where_files_are_deployed_new_credentials_need_no_change_of_the_file(folder, mail, run, monkeypatch):
    text = 'district: maple\r\nname: Maple\r\nversion: "1.2"\r\nusernames: email\r\n'
    (folder / "maple.yaml").write_bytes(text.encode())
    monkeypatch.setenv("ROLLCALL_DISTRICTS_READ_ONLY", "true")
    assert run("districts", "add", "maple", "--replace", text=mail("plain.txt")).exit_code == 0
    (folder / "maple.yaml").write_bytes(text.replace("1.2", "1.1").encode())
    assert _code(run("districts", "add", "maple", "--replace", text=mail("plain.txt"))) == "district_file_readonly"
    monkeypatch.delenv("ROLLCALL_DISTRICTS_READ_ONLY")
    assert run("districts", "add", "maple", "--replace", text=mail("plain.txt")).exit_code == 0
    assert (folder / "maple.yaml").read_bytes() == text.encode()


def test_options_end_up_in_the_file(folder, mail, run):
    options = ("--name", "Maple: U.S.D. #1", "--usernames", "userIds.LDAP", "--timezone", "America/Denver")
    assert run("districts", "add", "maple", *options, text=mail("plain.txt")).exit_code == 0
    settings = load_district(folder / "maple.yaml")
    assert (settings.name, settings.usernames) == ("Maple: U.S.D. #1", "userIds.LDAP")
    assert settings.schedule.timezone == "America/Denver"


def test_the_connections_org_is_pinned_when_it_is_taken_in(warehouse, folder, mail, run):
    assert run("districts", "add", "maple", text=mail("plain.txt")).exit_code == 0
    with warehouse.connect() as connection:
        row = connection.execute(sa.text("SELECT passed, pinned_org FROM roster_ops.provider_profiles")).one()
    assert row.passed
    assert row.pinned_org
