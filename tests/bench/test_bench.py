"""`make bench` on a district so small that only what it measures can be looked at, not how fast it is."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from bench import measured
from bench.__main__ import BESIDES, GROWTH, TURNS, run
from bench.contender import acquire_publish_lock, stages
from bench.district import describe
from rollcall.errors import RollcallError
from rollcall.settings import load_district
from rollcall_local.airflow_env import PROJECT

STUDENTS = 30


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, list[str], dict[str, Any]]:
    """The bench's exit code, what it printed and the figures it wrote, without what wants an environment of its own.

    Everybody's turn is taken in this process: each in its own would import for seconds.
    """

    def here(name: str, command: Sequence[str], told: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        said, words = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(words):
            for variable, value in told.get("environment", {}).items():
                patch.setenv(variable, value)
            patch.setattr(sys, "stdin", io.StringIO(json.dumps(told)))
            import_module(command[-1]).main()
        own = json.loads(said.getvalue().splitlines()[-1])
        seconds = own["done_at"] - own["imported_at"]
        parts = own.get("parts") or stages(words.getvalue())
        return {**own, "name": name, "seconds": seconds, "start": 0.0, "peak_mb": 300.0, "cpu": 1.0, "parts": parts}

    figures = tmp_path_factory.mktemp("bench") / "figures.json"
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setattr(measured, "acquire_publish_lock", here)
        code = run(STUDENTS, ["rollcall", "script", "floor"], str(figures))
    return code, printed.getvalue().splitlines(), json.loads(figures.read_text())


def test_everybody_has_a_turn_on_the_same_pages(ran):
    _, _, figures = ran
    assert [turn["name"] for turn in figures["turns"]] == [
        "Rollcall, full, first night",
        "Rollcall, full, nothing changed",
        "Rollcall, delta",
        "hand-made script",
        "floor: fetch, COPY",
    ]
    first, unchanged, delta, script, floor = figures["turns"]
    assert first["rows"] == unchanged["rows"]
    assert first["requests"] == unchanged["requests"]
    assert 0 < delta["rows"] < first["rows"]
    assert script["rows"] == floor["rows"]
    assert script["received"] == floor["received"]
    for night in (first, unchanged, delta):
        assert night["parts"].keys() == {"extract", "validate", "map", "publish"}
    assert floor["seconds"] == pytest.approx(sum(floor["parts"].values()))


def test_the_table_ends_with_the_bars_in_words_and_the_exit_code_says_whether_they_are_met(ran):
    code, lines, figures = ran
    assert [line.split("  ")[0] for line in lines[1:6]] == [turn["name"] for turn in figures["turns"]]
    judged = [line for line in lines if line.startswith(("met ", "NOT met "))]
    assert len(judged) == 4
    assert lines[-1].startswith("Rollcall full night: ")
    assert lines[-1].endswith(" x the floor's time")
    assert code == int(any(line.startswith("NOT") for line in judged))


def test_the_help_names_every_part():
    done = subprocess.run([sys.executable, "-m", "bench", "--help"], capture_output=True, text=True, cwd=PROJECT)
    named = {line.split()[0] for line in done.stdout.splitlines() if re.match(r"  [a-z-]+  ", line)}
    assert named >= {*TURNS, *BESIDES, GROWTH}


def test_a_turn_is_what_its_process_says_and_what_it_took(tmp_path):
    program = (
        "import json, sys, time; told = json.load(sys.stdin); began = time.monotonic(); held = bytearray(200 << 20);"
        "print('  extract          0.4 s', '  publish (full)   1.5 s', sep=chr(10), file=sys.stderr);"
        "print(json.dumps({'imported_at': began, 'done_at': began + 2, 'rows': told['rows']}))"
    )
    took = acquire_publish_lock("somebody", [sys.executable, "-c", program], {"rows": 7}, tmp_path)
    assert (took["name"], took["rows"]) == ("somebody", 7)
    assert took["seconds"] == pytest.approx(2)
    assert took["parts"] == {"extract": 0.4, "publish": 1.5}
    assert took["start"] > 0
    assert 200 < took["peak_mb"] < 300


def test_a_contender_that_fails_ends_the_bench_with_its_words(tmp_path):
    with pytest.raises(RollcallError, match="no such table") as raised:
        acquire_publish_lock("somebody", [sys.executable, "-c", "raise SystemExit('no such table')"], {}, tmp_path)
    assert raised.value.code == "contender_failed"


def test_a_measured_district_is_in_its_peak_hours_and_nothing_of_it_is_due(tmp_path):
    now = datetime.now(UTC)
    district = load_district(describe(tmp_path, "elm", peak_concurrency=1))
    assert district.requests_at_once(now) == 1
    assert district.starts_on == now.date()
    assert district.schedule.full_on != f"{now:%A}".lower()
