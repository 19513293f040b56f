"""The digest goes where the connection `rollcall_notify` says, and only urgent messages are sent before it."""

from __future__ import annotations

import json
import socketserver
import threading
from datetime import UTC, date, datetime, timedelta
from email import message_from_string
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import sqlalchemy as sa

from rollcall.errors import ActionRequired, RollcallError
from rollcall.status import webhooks
from rollcall.warehouse import ledger

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
            connection = {"conn_type": "webhook", "password": address, **fields}
            monkeypatch.setenv("AIRFLOW_CONN_ROLLCALL_NOTIFY", json.dumps(connection))
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
    assert lines[0].startswith("Published roster: ")
    assert lines[1] == "1 district: 1 published."
    assert "Planted-Okonkwo" not in body["text"]


def test_a_webhook_that_refuses_fails_without_showing_its_address(webhook, connected):
    from oneroster_provider.notifier import RollcallNotifier

    address, _, status = webhook
    connected(address)
    status[0] = 403
    with pytest.raises(RollcallError) as caught:
        RollcallNotifier("subject", "message").notify({})
    assert caught.value.code == "notification_failed"
    assert SECRET not in str(caught.value)
    connected(address.replace("127.0.0.1", "example.org"))
    with pytest.raises(ActionRequired) as refused:
        RollcallNotifier("subject", "message").notify({})
    assert SECRET not in str(refused.value)


def test_only_what_cannot_wait_for_the_morning_is_told_at_once(nights, roster, webhook, connected):
    from oneroster_provider.notifier import notify_if_urgent

    address, posted, _ = webhook
    connected(address)
    nights.publish(roster("ada"), as_of=datetime.now(UTC))
    notify_if_urgent({}, "elm")
    assert posted == []
    with nights.engine.begin() as connection:
        late = datetime.now(UTC) - timedelta(hours=50)
        connection.execute(sa.text("UPDATE roster_ops.state SET current_as_of = :late"), {"late": late})
    notify_if_urgent({}, "elm")
    ((_, body),) = posted
    assert body["text"].splitlines()[0].endswith("Elm (elm): late.")


@pytest.fixture
def urgent(connected, tmp_path):
    """Whether elm, with this schedule, sends an urgent message at an instant."""

    def ask(schedule, now, allowed=None):
        from airflow.sdk import Connection

        from rollcall.status import digest as tell

        connected()
        with (tmp_path / "elm.yaml").open("a") as described:
            described.write(f"schedule: {schedule}\n")
        return tell.urgent_alert(Connection.get("warehouse"), "elm", now=now, allowed=allowed) is not None

    return ask


def _failed(nights, night):
    with nights.engine.begin() as connection:
        ledger.start_run(connection, "elm", "tonight", night)
        ledger.fail_run(connection, "elm", "tonight", "extract", RollcallError("provider_busy", "It is busy."))


def test_a_night_that_failed_is_told_once_publish_by_has_passed_without_tonights_roster(nights, roster, urgent):
    nights.publish(roster("ada"), as_of=datetime(2026, 11, 24, 8, 16, tzinfo=UTC))
    _failed(nights, date(2026, 11, 25))
    six = datetime(2026, 11, 25, 12, tzinfo=UTC)
    nows = [six + timedelta(minutes=minutes) for minutes in (-1, 0, 1)]
    assert [urgent("{nightly: 15 2 * * *, publish_by: '06:00'}", now) for now in nows] == [False, True, True]


def test_a_night_that_failed_after_a_weekend_without_nights_can_wait(nights, roster, urgent):
    nights.publish(roster("ada"), as_of=datetime(2026, 11, 27, 8, 16, tzinfo=UTC))  # Friday
    _failed(nights, date(2026, 11, 30))
    nows = [datetime(2026, 11, day, 8, 20, tzinfo=UTC) for day in (30,)] + [datetime(2026, 12, 1, 8, 20, tzinfo=UTC)]
    assert [urgent("{nightly: 15 2 * * 1-5}", now) for now in nows] == [False, True]


def test_on_the_night_on_which_clocks_go_back_the_alert_of_the_longer_night_tells(nights, roster, urgent):
    nights.publish(roster("ada"), as_of=datetime(2026, 10, 31, 5, 16, tzinfo=UTC))
    began = datetime(2026, 11, 1, 5, 15, tzinfo=UTC)
    schedule = "{nightly: 15 0 * * *, publish_by: '06:00'}"
    lengths = [timedelta(hours=hours) for hours in (4.75, 5.75, 6.75)]
    assert [urgent(schedule, began + length, length) for length in lengths] == [False, False, True]


@pytest.mark.parametrize(
    ("given", "form"),
    [
        ("https://prod-07.westus.logic.azure.com:443/workflows/a/triggers/manual/paths/invoke?sig=b", "teams"),
        ("https://default1.0a.environment.api.powerplatform.com:443/powerautomate/automations/direct/a", "teams"),
        ("https://hooks.slack.com/services/T/B/x", "slack"),
        ("https://chat.example.org/hooks/abc", "mattermost"),
        ("https://example.org/in", "text"),
        ("https://logic.azure.com.example.org/in", "text"),
    ],
)
def test_each_chat_program_is_known_by_its_address(given, form):
    assert webhooks.format_of(given) == form


def test_each_chat_program_gets_its_own_form(webhook, connected):
    from oneroster_provider.notifier import RollcallNotifier

    address, posted, _ = webhook
    text = "Readers & <!channel>\n\n  [a](https://x.example) ``` @all"
    for form in ("teams", "slack", "mattermost", ""):
        connected(address, extra={"format": form})
        RollcallNotifier("Rollcall: 1 district", text).notify({})
    teams, slack, mattermost, plain = (body for _, body in posted)
    (attachment,) = teams["attachments"]
    assert (teams["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    card = attachment["content"]
    assert (card["type"], [block["type"] for block in card["body"]]) == ("AdaptiveCard", ["TextBlock"] * 3)
    assert [block["text"] for block in card["body"]] == [
        "Rollcall: 1 district",
        "Readers & <!channel>",
        "[a] (https://x.example) ``` @all",
    ]
    assert all(block["wrap"] for block in card["body"])
    assert slack["text"].splitlines()[0] == "Readers &amp; &lt;!channel&gt;"
    assert (mattermost["text"].count("```"), mattermost["text"].splitlines()[0]) == (2, "```text")
    assert plain == {"text": text}
    connected(address, extra={"format": "carrier pigeon"})
    with pytest.raises(ActionRequired, match="format"):
        RollcallNotifier("subject", text).notify({})


@pytest.mark.parametrize("form", webhooks.FORMATS)
def test_a_message_longer_than_a_program_takes_is_cut_at_a_line(form):
    text = "\n".join(f"The district number {number} is late" for number in range(5_000))
    body = json.dumps(webhooks.content(form, "subject", text))
    assert len(body) < {"teams": 28_000, "slack": 40_000}.get(form, 16_383)
    assert "more lines: rollcall status" in body


@pytest.mark.parametrize(("is_paused", "said"), [(True, "is paused"), (False, None)])
def test_a_dag_of_holds_that_does_not_run_is_said_in_the_digest(
    nights, roster, webhook, connected, digest, is_paused, said
):
    from airflow.models import DagModel
    from airflow.utils.session import create_session

    address, posted, _ = webhook
    connected(address)
    nights.publish(roster("ada"), as_of=datetime.now(UTC))
    with create_session() as session:
        session.query(DagModel).filter(DagModel.dag_id == "roster_holds").delete()
        session.add(DagModel(dag_id="roster_holds", is_paused=is_paused, bundle_name="dags-folder"))
    assert digest().state == "success"
    ((_, body),) = posted
    note, address = body["text"].splitlines()[-2:]
    assert address.endswith("/rosters/")
    assert (f"The DAG roster_holds {said}" in note) if said else ("roster_holds" not in body["text"])


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
    message = message_from_string(letter)
    assert (message["To"], message["From"]) == ("team@example.org", "rollcall@example.org")
    assert message["Subject"] == "Rollcall: 1 district: 1 published."
    (body,) = message.get_payload()
    text = body.get_payload(decode=True).decode()
    assert "Published roster: " in text
    assert "Planted-Okonkwo" not in text


def test_an_e_mail_without_an_address_says_where_it_belongs(connected):
    from oneroster_provider.notifier import RollcallNotifier

    connected(conn_type="smtp", host="127.0.0.1")
    with pytest.raises(ActionRequired, match="has no email recipient") as caught:
        RollcallNotifier("subject", "message").notify({})
    assert "to its extra" in caught.value.remedy
