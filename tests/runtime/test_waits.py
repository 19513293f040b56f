"""A wait says every ten seconds what it waits for, for how long, and when it ends."""

from __future__ import annotations

import threading
import time

import pytest

from rollcall.runtime.waits import Waits, duration


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def waits(clock: Clock) -> Waits:
    made = Waits(clock=clock, say=lambda _: None)
    made._reporter = threading.current_thread()  # the test asks what is due
    return made


def _after(waits: Waits, clock: Clock, seconds: float) -> list[str]:
    clock.now += seconds
    return waits.due()


def test_a_line_every_ten_seconds_with_the_attempt_and_the_end(waits, clock):
    attempt = 1
    with waits.waiting("users: no answer", lambda: f"attempt {attempt}"):
        assert _after(waits, clock, 9.9) == []
        assert _after(waits, clock, 0.1) == ["users: no answer for 10 s (attempt 1)"]
        assert _after(waits, clock, 5) == []
        attempt = 2
        assert _after(waits, clock, 5) == ["users: no answer for 20 s (attempt 2)"]
        assert _after(waits, clock, 100) == ["users: no answer for 2 min (attempt 2)"]
    assert _after(waits, clock, 100) == []


def test_only_the_innermost_wait_of_a_thread_is_said_and_the_outer_one_goes_on(waits, clock):
    with waits.waiting("outer"):
        with waits.waiting("inner"):
            assert _after(waits, clock, 10) == ["inner for 10 s"]
        assert waits.due() == ["outer for 10 s"]


def test_threads_that_wait_for_the_same_have_one_line(waits, clock):
    opened, done = threading.Barrier(4), threading.Event()

    def wait(what: str) -> None:
        with waits.waiting(what):
            opened.wait()
            done.wait()

    threads = [threading.Thread(target=wait, args=(what,)) for what in ("users", "users", "orgs")]
    for thread in threads:
        thread.start()
    opened.wait()
    assert sorted(_after(waits, clock, 10)) == ["orgs for 10 s", "users for 10 s"]
    done.set()
    for thread in threads:
        thread.join()
    assert _after(waits, clock, 10) == []


def test_the_thread_that_reports_ends_with_the_last_wait_and_begins_again():
    said: list[str] = []
    waits = Waits(interval=0.02, say=said.append)
    for number in (1, 2):
        with waits.waiting(f"wait {number}"):
            time.sleep(0.2)
        deadline = time.monotonic() + 5
        while waits._reporter is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert waits._reporter is None
        assert f"wait {number} for 0 s" in said


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_line_that_fails_does_not_silence_later_waits():
    said: list[str] = []
    waits = Waits(interval=0.02, say=said.append)

    def fails() -> str:
        raise ValueError

    with waits.waiting("broken", fails):
        assert waits._reporter is not None
        waits._reporter.join(5)
    with waits.waiting("whole"):
        deadline = time.monotonic() + 5
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)
    assert said[0] == "whole for 0 s"


def test_a_child_that_is_forked_during_a_wait_has_none(waits, clock):
    with waits.waiting("users: no answer"):
        waits.reset()  # as the child does
        assert _after(waits, clock, 60) == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (300, "5 min"), (4200, "1 h 10 min"), (3600, "1 h")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
