"""`make bench` on a tiny district: the tests check what it measures, not the speed."""

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
from bench.__main__ import CONTENDERS, EXTRAS, FLEET, GROWTH, PAGE, run
from bench.contender import run_contender, stages
from bench.district import describe
from rollcall.errors import RollcallError
from rollcall.settings import load_district
from rollcall_local.airflow_env import PROJECT

STUDENTS = 30


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, list[str], dict[str, Any]]:
    """The benchmark's exit code, its output, and its figures, without the parts that need their own environment.

    All contenders run in this process, because imports in separate processes take seconds.
    """

    def run_here(name: str, command: Sequence[str], config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        stdout, stderr = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
            for variable, value in config.get("environment", {}).items():
                patch.setenv(variable, value)
            patch.setattr(sys, "stdin", io.StringIO(json.dumps(config)))
            import_module(command[-1]).main()
        own = json.loads(stdout.getvalue().splitlines()[-1])
        seconds = own["done_at"] - own["imported_at"]
        parts = own.get("parts") or stages(stderr.getvalue())
        return {**own, "name": name, "seconds": seconds, "start": 0.0, "peak_mb": 300.0, "cpu": 1.0, "parts": parts}

    figures = tmp_path_factory.mktemp("bench") / "figures.json"
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setattr(measured, "run_contender", run_here)
        code = run(STUDENTS, ["rollcall", "script", "floor"], str(figures))
    return code, printed.getvalue().splitlines(), json.loads(figures.read_text())


def test_all_contenders_get_the_same_pages(ran):
    _, _, figures = ran
    assert [measurement["name"] for measurement in figures["measurements"]] == [
        "Rollcall, full, first night",
        "Rollcall, full, nothing changed",
        "Rollcall, delta",
        "hand-made script",
        "floor: fetch, COPY",
    ]
    first, unchanged, delta, script, floor = figures["measurements"]
    assert first["rows"] == unchanged["rows"]
    assert first["requests"] == unchanged["requests"]
    assert 0 < delta["rows"] < first["rows"]
    assert script["rows"] == floor["rows"]
    assert script["received"] == floor["received"]
    for night in (first, unchanged, delta):
        assert night["parts"].keys() == {"extract", "validate", "map", "publish"}
    assert floor["seconds"] == pytest.approx(sum(floor["parts"].values()))


def test_output_lists_the_targets_and_the_exit_code_reports_a_miss(ran):
    code, lines, figures = ran
    assert [line.split("  ")[0] for line in lines[1:6]] == [
        measurement["name"] for measurement in figures["measurements"]
    ]
    targets = [line for line in lines if line.startswith(("met ", "MISSED "))]
    assert len(targets) == 3
    assert code == int(any(line.startswith("MISSED") for line in targets))


def test_help_lists_every_part():
    done = subprocess.run([sys.executable, "-m", "bench", "--help"], capture_output=True, text=True, cwd=PROJECT)
    named = {line.split()[0] for line in done.stdout.splitlines() if re.match(r"  [a-z0-9-]+  ", line)}
    assert named >= {*CONTENDERS, *EXTRAS, GROWTH, FLEET, PAGE}


def test_a_measurement_combines_the_contenders_output_and_its_resources(tmp_path):
    program = (
        "import json, sys, time; config = json.load(sys.stdin); began = time.monotonic(); held = bytearray(200 << 20);"
        "print('  extract          0.4 s', '  publish (full)   1.5 s', sep=chr(10), file=sys.stderr);"
        "print(json.dumps({'imported_at': began, 'done_at': began + 2, 'rows': config['rows']}))"
    )
    result = run_contender("a contender", [sys.executable, "-c", program], {"rows": 7}, tmp_path)
    assert (result["name"], result["rows"]) == ("a contender", 7)
    assert result["seconds"] == pytest.approx(2)
    assert result["parts"] == {"extract": 0.4, "publish": 1.5}
    assert result["start"] > 0
    assert 200 < result["peak_mb"] < 300


def test_a_failing_contender_ends_the_benchmark_with_its_output(tmp_path):
    with pytest.raises(RollcallError, match="no such table") as raised:
        run_contender("a contender", [sys.executable, "-c", "raise SystemExit('no such table')"], {}, tmp_path)
    assert raised.value.code == "contender_failed"


def test_the_district_is_in_peak_hours_and_no_night_is_due(tmp_path):
    now = datetime.now(UTC)
    district = load_district(describe(tmp_path, "elm", peak_concurrency=1))
    assert district.requests_at_once(now) == 1
    assert district.starts_on == now.date()
    assert district.schedule.full_on != f"{now:%A}".lower()
