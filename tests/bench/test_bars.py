"""What the figures of `make bench` have to come to, said of turns that never were."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench.bars import bars, show, summary
from bench.contender import Turn
from bench.parsing import Parsed
from bench.sync_now import SyncNow


def turn(name: str, seconds: float, *, rows: int = 700_000, peak_mb: float = 500.0, **parts: float) -> Turn:
    return Turn(name, seconds, start=2.0, peak_mb=peak_mb, cpu=9.0, rows=rows, requests=85, received=10**8, parts=parts)


FIRST = turn("Rollcall, full, first night", 10.0, extract=4.0, publish=5.0)
UNCHANGED = turn("Rollcall, full, nothing changed", 6.0)
DELTA = turn("Rollcall, delta", 2.0, rows=3_000)
SCHEDULED = turn("Airflow run, full, first night", 30.0, peak_mb=900.0)
BESIDE = [turn("dlt, csv", 100.0), turn("dlt, parquet", 80.0), turn("hand-made script", 40.0)]
FLOOR = turn("floor: fetch, COPY", 4.0)
ALL = [FIRST, UNCHANGED, DELTA, SCHEDULED, *BESIDE, FLOOR]


def test_bars_that_are_just_met():
    words = {bar.words: bar.met for bar in bars(ALL)}
    assert words == {
        "8.0 x dlt's rows per second, at least 8": True,  # against the better of its two formats
        "2.5 x the floor's time, at most 3": True,
        "500 MB of resident memory at most, below 700": True,  # what runs through a scheduler is not barred
        "an unchanged full night takes 60% of the first, at most 60%": True,
        "a delta night takes 20% of the first, at most 20%": True,
    }


@pytest.mark.parametrize(
    "missed",
    [
        turn("dlt, csv", 79.0),
        turn("floor: fetch, COPY", 3.3),
        turn("Rollcall, delta", 1.0, peak_mb=700.0),
        turn("Rollcall, full, nothing changed", 6.1),
        turn("Rollcall, delta", 2.1),
    ],
    ids=lambda turn: f"{turn.name}, {turn.seconds} s, {turn.peak_mb:.0f} MB",
)
def test_a_bar_is_missed_by_a_little_and_no_other_with_it(missed):
    turns = [missed if turn.name == missed.name else turn for turn in ALL]
    assert [bar.met for bar in bars(turns)].count(False) == 1


def test_only_what_had_a_turn_is_judged():
    assert len(list(bars([FIRST, FLOOR]))) == 2
    assert list(bars([*BESIDE, FLOOR])) == []


def test_the_line_that_matters():
    assert summary(ALL) == "Rollcall full night: 8.0 x dlt, 2.5 x the floor's time"
    assert summary([FIRST, FLOOR]) == "Rollcall full night: 2.5 x the floor's time"
    assert summary([FIRST, UNCHANGED]) == ""
    assert summary([SCHEDULED, *BESIDE, FLOOR]) == ""


def test_the_table_has_a_row_for_each_turn_and_its_parts_below():
    console = Console(file=io.StringIO(), width=120, highlight=False)
    show(console, ALL)
    heading, *rows = console.file.getvalue().splitlines()
    assert heading.split("  ")[-1].strip() == "MB"
    assert [row.split("  ")[0] for row in rows[: len(ALL)]] == [turn.name for turn in ALL]
    assert rows[0].split()[-8:] == ["700,000", "10.0", "70,000", "2.0", "500", "9.0", "85", "100"]
    assert rows[len(ALL) :] == ["  Rollcall, full, first night: extract 4.0 s, publish 5.0 s"]


def test_sync_now_is_judged_by_its_worst_press_and_by_its_politeness():
    def pressed(worst: float, most_at_once: int) -> SyncNow:
        return SyncNow(
            start=30.0,
            published=[9.0, 5.0, 4.5],
            seconds=[worst, 6.0, 5.0],
            parts=[],
            modes=["full", "delta", "delta"],
            requests=[16, 16, 16],
            most_at_once=most_at_once,
        )

    assert [bar.met for bar in pressed(59.9, 1).bars()] == [True]
    assert [bar.met for bar in pressed(60.0, 1).bars()] == [False]
    assert [bar.met for bar in pressed(10.0, 2).bars()] == [False]
    assert "full 9.0 s (16 requests), delta 5.0 s" in pressed(10.0, 1).words()
    assert "median 5.0 s" in pressed(10.0, 1).words()


def test_a_thousand_districts_are_judged_by_airflows_own_limit():
    assert [bar.met for bar in Parsed(29.0, 0.1, 30.0).bars()] == [True]
    assert [bar.met for bar in Parsed(31.0, 0.1, 30.0).bars()] == [False]
    assert "5.0 ms a district" in Parsed(5.0, 0.1, 30.0).words()
