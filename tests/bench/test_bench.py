"""`make bench` on a district so small that only what it prints can be looked at."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from include.local.airflow_env import PROJECT

BENCH = [sys.executable, "-m", "bench", "--students", "200"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], dict]:
    """What the bench printed, without dlt, which wants an environment of its own; and the figures it wrote."""
    figures = tmp_path_factory.mktemp("bench") / "figures.json"
    only = [word for name in ("rollcall", "script", "floor") for word in ("--only", name)]
    done = subprocess.run(
        [*BENCH, *only, "--json", str(figures)], capture_output=True, text=True, cwd=PROJECT, check=False
    )
    return done, json.loads(figures.read_text()) if figures.exists() else {}


def test_everybody_has_a_turn_on_the_same_pages(ran):
    done, figures = ran
    assert [turn["name"] for turn in figures["turns"]] == [
        "Rollcall, full, first night",
        "Rollcall, full, nothing changed",
        "Rollcall, delta",
        "hand-made script",
        "floor: fetch, COPY",
    ], done.stderr
    first, unchanged, delta, script, floor = figures["turns"]
    assert first["rows"] == unchanged["rows"]
    assert first["parts"].keys() == {"extract", "validate", "map", "publish"}
    assert 0 < delta["rows"] < first["rows"]
    assert script["rows"] == floor["rows"]
    assert script["received"] == floor["received"]


def test_the_table_ends_with_the_bars_in_words_and_the_exit_code_says_whether_they_are_met(ran):
    done, _ = ran
    lines = done.stdout.splitlines()
    judged = [line for line in lines if line.startswith(("met ", "NOT met "))]
    assert len(judged) == 4
    assert lines[-1].startswith("Rollcall full night: ")
    assert lines[-1].endswith(" x the floor's time")
    assert done.returncode == int(any(line.startswith("NOT") for line in judged))
