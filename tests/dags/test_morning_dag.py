"""The digest goes where the connection `rollcall_notify` says, and only what cannot wait is told before it."""

from __future__ import annotations

import json
import socketserver
import threading
from datetime import UTC, datetime, timedelta
from email import message_from_string
from http.server import BaseHTTPRequestHandler, HTTPServer
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from include.errors import NeedsPerson, RollcallError
from include.settings import Schedule
from include.warehouse import ledger

SECRET = "planted-webhook-secret"


@pytest.fixture
def webhook():
    """An incoming webhook over HTTP; what was posted to it."""
    posted: list[tuple[str, dict]] = []
    status = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append((self.path, json.loads(body)))
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/{SECRET}", posted, status
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def connected(nights, tmp_path, monkeypatch):
    """The warehouse and, where given, the webhook as Airflow's connections; elm as the only district."""

    def connect(address=None, **fields):
        url = nights.engine.url
        warehouse = {"conn_type": "postgres", "host": url.query["host"], "login": url.username, "schema": url.database}
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(warehouse))
        if address or fields:
            told = {"conn_type": "webhook", "password": address, **fields}
            monkeypatch.setenv("AIRFLOW_CONN_ROLLCALL_NOTIFY", json.dumps(told))
        (tmp_path / "elm.yaml").write_text('district: elm\nname: Elm\nversion: "1.2"\nusernames: email\n')
        monkeypatch.setenv("ROLLCALL_DISTRICTS", str(tmp_path))

    return connect


@pytest.fixture
def digest(airflow_database, monkeypatch):
    """Runs the DAG as the scheduler would."""

    def run():
        import airflow.dag_processing.dagbag as dagbag

        bag = dagbag.DagBag(dag_folder=str(_dags() / "roster_morning.py"), bundle_name="dags-folder")
        dag = bag.dags["roster_morning"]
        return dag.test(logical_date=datetime.now(UTC))

    return run


def _dags():
    from tests.dags.conftest import ROOT

    return ROOT / "dags"


def test_the_digest_is_posted_and_its_first_line_says_which_roster_readers_have(
    nights, roster, webhook, connected, digest
):
    address, posted, _ = webhook
    connected(address)
    now = datetime.now(UTC)
    nights.publish(roster("ada"), as_of=now)
    assert digest().state == "success"
    ((path, body),) = posted
    assert path == f"/{SECRET}"
    lines = body["text"].splitlines()
    assert lines[0].startswith("Readers have the roster of ")
    assert lines[1] == "1 district: 1 published."
    assert "Planted-Okonkwo" not in body["text"]


def test_a_webhook_that_refuses_fails_without_showing_its_address(webhook, connected):
    from oneroster_provider.notifier import RollcallNotifier

    address, _, status = webhook
    connected(address)
    status[0] = 403
    with pytest.raises(RollcallError) as caught:
        RollcallNotifier("subject", "message").notify({})
    assert caught.value.code == "not_told"
    assert SECRET not in str(caught.value)
    connected(address.replace("127.0.0.1", "example.org"))
    with pytest.raises(NeedsPerson) as refused:
        RollcallNotifier("subject", "message").notify({})
    assert SECRET not in str(refused.value)


def test_only_what_cannot_wait_for_the_morning_is_told_at_once(nights, roster, webhook, connected):
    from oneroster_provider.notifier import tell_if_urgent

    address, posted, _ = webhook
    connected(address)
    nights.publish(roster("ada"), as_of=datetime.now(UTC))
    tell_if_urgent({}, "elm")
    assert posted == []
    with nights.engine.begin() as connection:
        late = datetime.now(UTC) - timedelta(hours=50)
        connection.execute(sa.text("UPDATE roster_ops.state SET current_as_of = :late"), {"late": late})
    tell_if_urgent({}, "elm")
    ((_, body),) = posted
    assert body["text"].splitlines()[0].endswith("Elm (elm) is late.")


def test_a_night_that_failed_is_told_once_publish_by_has_passed_without_tonights_roster(
    nights, roster, webhook, connected, tmp_path
):
    from oneroster_provider.notifier import tell_if_urgent

    address, posted, _ = webhook
    connected(address)
    now = datetime.now(UTC)
    zone = "UTC" if 1 <= now.hour < 23 else "Asia/Tokyo"  # where it is not about midnight
    nights.publish(roster("ada"), as_of=now - timedelta(hours=26))
    with nights.engine.begin() as connection:
        ledger.start_run(connection, "elm", "tonight", now.date())
        ledger.fail_run(connection, "elm", "tonight", "extract", RollcallError("provider_busy", "It is busy."))
    described = (tmp_path / "elm.yaml").read_text()
    for minutes, told in ((30, 0), (-30, 1)):
        by = (now.astimezone(ZoneInfo(zone)) + timedelta(minutes=minutes)).strftime("%H:%M")
        (tmp_path / "elm.yaml").write_text(f"{described}schedule: {{timezone: {zone}, publish_by: '{by}'}}\n")
        tell_if_urgent({}, "elm")
        assert len(posted) == told


@pytest.mark.parametrize(
    ("nightly", "publish_by", "allowed"),
    [
        ("15 2 * * *", "06:00", timedelta(hours=3, minutes=45)),
        ("30 23 * * *", "05:30", timedelta(hours=6)),
        ("15 2 * * *", "", None),
        ("*/20 2 * * *", "06:00", None),
    ],
)
def test_a_deadline_counts_from_the_start_of_the_night(nightly, publish_by, allowed):
    assert Schedule(nightly=nightly, publish_by=publish_by).time_to_publish("elm") == allowed


@pytest.fixture
def mail_server():
    """A mail server that takes what it is given; the letters that came, whole."""
    letters: list[str] = []

    class Session(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                word = line.split()[0].upper() if line.split() else b""
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    letter = b"".join(iter(self.rfile.readline, b".\r\n"))
                    letters.append(letter.decode())
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 yes\r\n")
                if word == b"QUIT":
                    return

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1], letters
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_digest_goes_out_by_e_mail_to_whom_the_connection_names(nights, roster, connected, digest, mail_server):
    port, letters = mail_server
    to = {"to": "team@example.org", "from_email": "rollcall@example.org", "disable_tls": True, "disable_ssl": True}
    connected(conn_type="smtp", host="127.0.0.1", port=port, extra=to)
    nights.publish(roster("ada"), as_of=datetime.now(UTC))
    assert digest().state == "success"
    [letter] = letters
    told = message_from_string(letter)
    assert (told["To"], told["From"]) == ("team@example.org", "rollcall@example.org")
    assert told["Subject"] == "Rollcall: 1 district: 1 published."
    (body,) = told.get_payload()
    text = body.get_payload(decode=True).decode()
    assert "Readers have the roster of " in text
    assert "Planted-Okonkwo" not in text


def test_an_e_mail_without_an_address_says_where_it_belongs(connected):
    from oneroster_provider.notifier import RollcallNotifier

    connected(conn_type="smtp", host="127.0.0.1")
    with pytest.raises(NeedsPerson, match="does not say to whom") as caught:
        RollcallNotifier("subject", "message").notify({})
    assert "to its extra" in caught.value.remedy
