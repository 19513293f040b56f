"""While a provider does not answer, the log and the terminal say so at intervals: what, how long, and which attempt."""

from __future__ import annotations

import logging
import re
import threading
from typing import Any

import pytest

from rollcall.oneroster import Retry
from rollcall.orchestration.terminal import Terminal
from rollcall.runtime.waits import WAITS
from rollcall.warehouse.publish_lock import acquire_publish_lock


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    if (reporter := WAITS._reporter) is not None:  # of an earlier test: it sleeps a second, and then ends
        reporter.join(5)
    monkeypatch.setattr(WAITS, "interval", 0.1)


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "rollcall.runtime.waits"]


@pytest.mark.parametrize(
    ("quirk", "line"),
    [
        (
            "hang-once",
            r"orgs: no complete answer from the provider for \d+ s \(attempt 1, gives up in about \d+ (s|min)\)",
        ),
        (
            "http-429-seconds",
            r"orgs: waiting, because .* returned 429 Too Many Requests, for \d+ s "
            r"\(next in \d+ s; attempt 1, gives up in about \d+ (s|min)\)",
        ),
    ],
)
def test_a_provider_that_does_not_answer_is_said_at_intervals(cedar: Any, caplog: Any, capsys: Any, quirk, line):
    retry = Retry(first_wait=0.1, longest_wait=0.1)
    with cedar.quirks(quirk), cedar.client(retry=retry, timeout=(5, 0.6)) as client:
        list(client.pages("orgs"))
    assert [said for said in _lines(caplog) if re.fullmatch(line, said)]
    shown = {record.levelno for record in caplog.records if record.name == "rollcall.runtime.waits"}
    assert shown == {logging.WARNING}  # which every command prints

    with Terminal("Cedar"), cedar.quirks(quirk), cedar.client(retry=retry, timeout=(5, 0.6)) as client:
        list(client.pages("orgs"))
    assert re.search(line, " ".join(capsys.readouterr().err.split()))


def test_a_busy_host_is_said_at_intervals(maple: Any, caplog: Any):
    free, taken = threading.Event(), threading.Event()

    def hold() -> None:
        with client.budget.slot("127.0.0.1"):
            taken.set()
            free.wait(0.5)

    with maple.client(concurrency=1) as client:
        holder = threading.Thread(target=hold)
        holder.start()
        taken.wait()
        client.sign_in()
        holder.join()
    assert [said for said in _lines(caplog) if said.startswith("waiting for other requests to 127.0.0.1 to end for")]


def test_a_publication_that_waits_for_another_run_is_said_at_intervals(engine: Any, caplog: Any):
    def publish() -> None:
        with engine.begin() as connection:
            acquire_publish_lock(connection, "elm", "second")

    with engine.begin() as connection:
        acquire_publish_lock(connection, "elm", "first")
        second = threading.Thread(target=publish)
        second.start()
        second.join(0.6)
    second.join()
    line = r"elm: waiting to publish, because run first publishes it now, for \d+ s"
    assert [said for said in _lines(caplog) if re.fullmatch(line, said)]
