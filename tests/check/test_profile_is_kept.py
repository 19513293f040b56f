"""The profile in the warehouse, the pinned org, the command line, and the certificates of hosts."""

from __future__ import annotations

import json
import re
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rollcall.check.connections import check_and_record
from rollcall.check.examination import check_certificates
from rollcall.cli.check import check as command
from rollcall.errors import RollcallError
from rollcall.oneroster import OneRosterConnection
from rollcall.settings import ExtractSettings
from tests.check.conftest import MAPLE, step


@pytest.fixture
def record(settings, paste, engine):
    """Checks maple and keeps what was found."""

    def run(pasted=None, *, replace_pin=False, **described):
        given = pasted or paste("maple")
        return check_and_record(settings("maple", **described), lambda: given, engine, replace_pin=replace_pin)

    return run


def _row(engine: sa.Engine):
    query = "SELECT passed, pinned_org, profile FROM roster_ops.provider_profiles WHERE district_id = 'maple'"
    with engine.connect() as connection:
        return connection.execute(sa.text(query)).one_or_none()


def test_the_first_passed_check_pins_the_district_and_keeps_the_profile(record, engine):
    recorded = record()
    row = _row(engine)
    assert recorded.not_kept == ""
    assert (row.passed, row.pinned_org) == (True, recorded.checked.district_org.sourced_id)
    profile = row.profile
    assert (profile["version"], profile["page_cap"], profile["totals"], profile["links"]) == ("1.2", 1000, True, True)
    assert (profile["filter_obeyed"], profile["tombstones"], profile["demographics"]) == (True, None, None)
    assert profile["envelopes"]["users"] == "users"
    assert sorted(profile["schools"].values())[0] == "Cesar Chavez High School"
    assert profile["district_org"]["name"] == "Maple Unified School District"
    assert [taken["name"] for taken in profile["steps"]][:2] == ["connection", "dns"]


def test_a_failed_check_pins_nothing_and_forgets_nothing(record, engine, paste):
    wrong = paste("maple", password="planted-wrong-secret")
    assert not record(wrong).checked.passed
    row = _row(engine)
    assert (row.passed, row.pinned_org, "base_url" in row.profile) == (False, None, False)
    pinned = record().checked.district_org.sourced_id
    record(wrong)
    row = _row(engine)
    assert (row.passed, row.pinned_org, row.profile["page_cap"]) == (False, pinned, 1000)
    assert "planted" not in json.dumps(row.profile)


def test_a_change_against_the_last_profile_is_said_once(record, engine, sandbox):
    record()
    sandbox.set_quirks("maple", ["clamp-500"])
    assert record().checked.changes == ("page cap 1,000 → 500",)
    assert _row(engine).profile["changes"] == ["page cap 1,000 → 500"]
    assert record().checked.changes == ()
    # what cannot be seen this time is still known the next
    record(extract=ExtractSettings(page_size=400))
    sandbox.set_quirks("maple", [])
    assert record().checked.changes == ("page cap 400 → 1,000",)


def test_another_districts_org_fails_with_both_names_until_somebody_pins_anew(record, engine):
    first = record().checked.district_org
    replaced = {"sourced_id": "0815", "name": "Oak School District"}
    change = """UPDATE roster_ops.provider_profiles SET pinned_org = '0815',
        profile = jsonb_set(profile, '{district_org}', CAST(:org AS jsonb))"""
    with engine.begin() as connection:
        connection.execute(sa.text(change), {"org": json.dumps(replaced)})
    found = record().checked
    said = step(found, "district").message
    assert "Maple Unified School District" in said
    assert "Oak School District (0815)" in said
    assert _row(engine).pinned_org == "0815"
    assert record(replace_pin=True).checked.passed
    assert _row(engine).pinned_org == first.sourced_id
    assert step(record().checked, "district").message.endswith("as before")


def test_a_check_holds_a_place_of_the_hosts_budget(record, sandbox):
    record()
    assert sandbox.seen("maple")["most_at_once_on_host"] == 1


def test_a_warehouse_that_is_down_is_a_line_and_not_a_failure(settings, paste):
    engine = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:9/wh", connect_args={"connect_timeout": 2})
    given = paste("maple")
    recorded = check_and_record(settings("maple"), lambda: given, engine)
    assert recorded.checked.passed
    assert recorded.not_kept == (
        "The warehouse 'wh' on 127.0.0.1 does not answer or rejects the login. The provider profile was not "
        "saved, and the pinned district was not compared."
    )


# -- the command


@pytest.fixture
def run(sandbox, monkeypatch, tmp_path: Path):
    """`rollcall check`, with maple described and connected."""
    folder = tmp_path / "districts"
    folder.mkdir()
    text = f'district: maple\nname: {MAPLE.name}\nversion: "1.2"\nusernames: email\n'
    (folder / "maple.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(folder))
    monkeypatch.delenv("AIRFLOW_CONN_WAREHOUSE", raising=False)

    def invoke(*options: str, password: str = MAPLE.client_secret):
        fields = {
            "conn_type": "oneroster",
            "host": sandbox.base_url("maple"),
            "login": MAPLE.client_id,
            "password": password,
            "extra": {"auth_url": sandbox.token_url("maple")},
        }
        monkeypatch.setenv("AIRFLOW_CONN_ONEROSTER_MAPLE", json.dumps(fields))
        return CliRunner().invoke(command, ["maple", *options])

    return invoke


NOT_KEPT = "No warehouse is configured. The provider profile was not saved, and the pinned district was not compared.\n"


def test_plain_lines_where_there_is_no_terminal(run):
    done = run()
    assert (done.exit_code, done.stderr) == (0, NOT_KEPT)
    lines = done.stdout.splitlines()
    assert lines[0] == "Maple Unified School District (oneroster_maple, AIRFLOW_CONN_ONEROSTER_MAPLE)"
    assert re.fullmatch(r"  pass     connection +\d+ ms  Client ID and Client Secret, OneRoster 1\.2", lines[1])
    assert lines[-1] == "  passed"


def test_a_failure_is_exit_code_1_and_says_what_to_do(run):
    done = run(password="planted-wrong-secret")
    assert done.exit_code == 1
    assert "  → Compare the connection oneroster_maple with the district's screen." in done.stdout
    assert done.stdout.splitlines()[-1] == "  failed: token"
    assert "planted" not in done.output


def test_json(run, engine):
    url = engine.url.render_as_string(hide_password=False)
    done = run("--json", "--warehouse", url)
    shown = json.loads(done.stdout)
    assert (done.exit_code, shown["passed"], shown["kept"]) == (0, True, True)
    assert shown["profile"]["page_cap"] is None
    assert shown["rows"]["enrollments"] == 1084
    assert [taken["outcome"] for taken in shown["steps"] if taken["name"] == "tls"] == ["skipped"]
    assert _row(engine).passed


def test_only_the_email(run):
    assert run("--email").stdout.startswith("OneRoster connection of Maple Unified School District: working\n")


def test_two_ways_to_print_are_a_usage_error(run):
    assert run("--email", "--json").exit_code == 2


def test_a_connection_that_is_not_there_is_a_failed_step(run, monkeypatch):
    run()
    monkeypatch.delenv("AIRFLOW_CONN_ONEROSTER_MAPLE")
    done = CliRunner().invoke(command, ["maple"])
    assert done.exit_code == 1
    assert "There is no connection oneroster_maple: AIRFLOW_CONN_ONEROSTER_MAPLE is not set" in done.stdout


def test_a_district_that_is_not_there(run):
    run()
    with pytest.raises(RollcallError, match="There is no district 'mapel'"):
        CliRunner().invoke(command, ["mapel"], catch_exceptions=False)


# -- certificates


def _certificate(folder: Path, days: int) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "host.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("days", "trusted", "outcome", "said"),
    [
        (90, True, "pass", "certificate of localhost until "),
        (5, True, "warning", "The certificate of localhost expires in 5 days, on "),
        (90, False, "fail", "The TLS certificate of localhost is not valid for localhost."),
    ],
)
def test_certificates(tmp_path, monkeypatch, days, trusted, outcome, said):
    path = _certificate(tmp_path, days)
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    if trusted:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    try:
        connection = OneRosterConnection(f"https://localhost:{server.server_port}", "id", "secret")
        found = check_certificates(connection, datetime.now(UTC))
    finally:
        server.shutdown()
        server.server_close()
    assert (found.outcome, found.message.startswith(said)) == (outcome, True)
