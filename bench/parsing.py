"""How long Airflow takes to parse 1,000 district files, and a task to parse its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.bars import Bar
from rollcall.errors import RollcallError
from rollcall_local.airflow_env import PROJECT, own_environment

DISTRICTS = 1000

_FILE = """
district: {name}
name: District {name}
version: "1.2"
starts_on: 2026-11-21
usernames: email
"""


@dataclass(frozen=True)
class ParseResult:
    """Seconds to parse the DAG file for all districts, and in a task of one district.

    :param limit: the shorter of Airflow's two default timeouts, in seconds.
    """

    in_processor: float
    in_task: float
    limit: float

    def summary(self) -> str:
        each = 1000 * self.in_processor / DISTRICTS
        return (
            f"{DISTRICTS:,} district files: parsed in {self.in_processor:.1f} s, {each:.1f} ms per district; "
            f"in a task, which reads only its own, {self.in_task:.2f} s"
        )

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def bars(self) -> Iterator[Bar]:
        words = f"{DISTRICTS:,} districts parsed in {self.in_processor:.1f} s, Airflow's limit: {self.limit:.0f}"
        yield Bar(words, self.in_processor < self.limit)


def measure(say: Callable[[str], None]) -> ParseResult:
    """Parse in separate processes.

    :raises RollcallError: `parse_failed`.
    """
    say(f"parsing {DISTRICTS:,} districts")
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-") as folder:
        districts = Path(folder) / "districts"
        districts.mkdir()
        for number in range(DISTRICTS):
            name = f"d{number:04}"
            (districts / f"{name}.yaml").write_text(_FILE.format(name=name), encoding="utf-8")
        everything = _parse(folder, DISTRICTS, {})
        task = {"_AIRFLOW_PARSING_CONTEXT_DAG_ID": "roster_d0500", "_AIRFLOW_PARSING_CONTEXT_TASK_ID": "extract"}
        own = _parse(folder, 1, task)
    return ParseResult(everything["seconds"], own["seconds"], everything["limit"])


def _parse(folder: str, dags: int, context: Mapping[str, str]) -> dict[str, Any]:
    environment = own_environment() | {
        "AIRFLOW_HOME": folder,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "PYTHONPATH": os.pathsep.join((str(PROJECT), str(PROJECT / "config"))),
        "ROLLCALL_DISTRICTS": f"{folder}/districts",
        **context,
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.parse_file"], env=environment, capture_output=True, text=True, check=False
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}
    if result.get("dags") != dags:
        raise RollcallError("parse_failed", f"Expected {dags} DAGs. Output:\n{done.stderr[-2000:]}")
    return result
