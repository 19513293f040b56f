"""What a pull tells while it goes on, and in its log: counts, and nobody."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from rollcall.extract import progress
from rollcall.extract.progress import summary
from rollcall.extract.pull import extract
from rollcall.landing.pull import LandedCollection, Proof
from rollcall.model.tables import ROSTERING_COLLECTIONS
from rollcall.oneroster import Retry
from rollcall.orchestration.terminal import Terminal

Recorder = list[tuple[str, int, int | None, int, float | None, float | None]]


def test_progress_is_told_page_by_page(maple: Any) -> None:
    reported: Recorder = []
    maple.pull(page_size=50, progress=lambda *page: reported.append(page))
    there = maple.truth()
    for name in ROSTERING_COLLECTIONS:
        pages = [(received, total) for collection, received, total, *_ in reported if collection == name]
        assert pages == [(min(50 * (page + 1), there[name]), there[name]) for page in range(-(-there[name] // 50))]
    assert all(0 <= now <= 5 for *_, now, _, _ in reported)
    assert {waiting for *_, waiting in reported} == {None}
    left = [seconds for collection, *_, seconds, _ in reported if collection == "enrollments"]
    assert left[-1] == 0
    assert all(seconds > 0 for seconds in left[:-1])


def test_between_pages_it_is_told_and_logged_at_intervals(
    cedar: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "REPORT_SECONDS", 0.02)
    reported: Recorder = []
    with caplog.at_level(logging.INFO, "rollcall.extract"), cedar.quirks("slow-answers"):
        cedar.pull(progress=lambda *page: reported.append(page))
    there = cedar.truth()["enrollments"]
    logged = re.findall(r"enrollments: (\d+) of (\d+) rows, [0-5] requests in flight, about \d+ s left", caplog.text)
    assert logged
    assert {int(total) for _, total in logged} == {there}
    assert "time left unknown" in caplog.text  # before the first page nobody can tell
    assert len(reported) > sum(-(-total // 100) for total in cedar.truth().values())


def test_waiting_out_a_429_is_told_as_waiting_with_the_seconds_left(
    cedar: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "REPORT_SECONDS", 0.05)
    reported: Recorder = []
    with caplog.at_level(logging.INFO), cedar.quirks("http-429-seconds"), cedar.client(retry=Retry()) as client:
        extract(client, cedar.district(), cedar.landing, run_id="waits", progress=lambda *page: reported.append(page))
    waits = [seconds for *_, seconds in reported if seconds is not None]
    assert waits
    assert all(0 <= seconds <= 2 for seconds in waits)
    assert min(waits) < 0.5 < max(waits)  # it counts down
    assert {collection for collection, *_, seconds in reported if seconds is not None} >= {"orgs"}
    assert re.search(r"returned 429 Too Many Requests; waiting \d seconds", caplog.text)


def test_a_wait_that_begins_is_a_line_at_once_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal("maple") as terminal:
        for waiting in (None, 5.0, 4.0, 3.0, None, 9.0):
            terminal.progress("users", 10, 20, 3, 4.0, waiting)
    assert re.findall(r"waiting (\d) s", capsys.readouterr().err) == ["5", "9"]


@pytest.mark.parametrize(
    ("waiting", "shown"),
    [(None, "users: 10 of 20 (3 at once, 4 s left)"),
     (42.4, "users: 10 of 20 (waiting 42 s: the provider answered 429, too many requests)")],
)  # fmt: skip
def test_a_terminal_shows_the_wait(capsys: pytest.CaptureFixture[str], waiting: float | None, shown: str) -> None:
    with Terminal("maple") as terminal:
        terminal._last_line -= 60
        terminal.progress("users", 10, 20, 3, 4.0, waiting)
    assert shown in capsys.readouterr().err.replace("\n", " ")


def test_the_log_tells_counts_and_nobody(cedar: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), cedar.quirks("record-not-an-object"):
        pulled = cedar.pull(settings={"roles": {"guardian": "drop"}})
    users = pulled["users"]
    there = cedar.truth()["users"]
    pages = -(-there // 100)
    assert (
        f"users: all {there} rows in {pages} pages of up to 100; matches the provider's total; 1 unreadable; "
        f"{users.not_landed} people not landed"
    ) in caplog.text
    values = {row[field] for row in pulled.rows("users") for field in ("given_name", "email", "username") if row[field]}
    assert len(values) > 60
    assert [value for value in values if re.search(rf"\b{re.escape(value)}\b", caplog.text)] == []
    assert cedar.app.client_secret not in caplog.text


#: What the client says of it.
CUT_OFF = "exactly 5,000 of 9,871 rows in 1 full page of 5,000: truncated?"


def landed(*proof: Any, **rest: Any) -> LandedCollection:
    fields = ("kind", "expected", "received", "unique", "pages", "rows_per_page", "reason")
    made = Proof(**dict(zip(fields, proof, strict=False)))
    return LandedCollection(collection="users", parts={}, proof=made, **rest)


@pytest.mark.parametrize(
    ("reported", "collection"),
    [
        (
            "users: 5,000 of 9,871 rows in 1 page of up to 5,000; NOT proven complete: exactly 5,000 of 9,871 rows "
            "in 1 full page of 5,000: truncated?",
            landed("unproven", 9871, 5000, 5000, 1, 5000, CUT_OFF),
        ),
        (
            "users: all 9,871 rows in 2 pages of up to 5,000; matches the provider's total; 3 unreadable",
            landed("total", 9871, 9871, 9871, 2, 5000, unreadable=3),
        ),
        (
            "users: 12 rows in 1 page of up to 12; an empty page followed the last page; "
            "modified since November 20, 2026 at 8:15 AM UTC",
            landed("empty_page", None, 12, 12, 1, 12, since=datetime(2026, 11, 20, 8, 15, tzinfo=UTC)),
        ),
        (
            "users: 700 rows in 2 pages of up to 500; the last page had no next link; repeats; 9 people not landed",
            landed("link_end", None, 700, 690, 2, 500, "repeats", not_landed=9),
        ),
    ],
    ids=["truncated", "total", "delta", "links"],
)
def test_the_proof_is_told_in_one_line(reported: str, collection: LandedCollection) -> None:
    assert summary(collection) == reported


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "time left unknown"), (89, "about 89 s left"), (9000, "about 2 h 30 min left")]
)
def test_the_time_left_is_a_duration_as_in_every_line_about_waits(seconds: float | None, text: str) -> None:
    assert progress._time_left(seconds) == text
