"""Many districts in one folder: how long Airflow takes to read a thousand district files, and a task its own."""

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
class Parsed:
    """Seconds to read the DAG file of all districts, and the same file in a task of one of them.

    :param limit: the shorter of Airflow's two default time-outs, in seconds.
    """

    by_the_processor: float
    by_a_task: float
    limit: float

    def words(self) -> str:
        each = 1000 * self.by_the_processor / DISTRICTS
        return (
            f"{DISTRICTS:,} district files: parsed in {self.by_the_processor:.1f} s, {each:.1f} ms a district; "
            f"by a task, which reads its own alone, in {self.by_a_task:.2f} s"
        )

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def bars(self) -> Iterator[Bar]:
        words = f"{DISTRICTS:,} districts parsed in {self.by_the_processor:.1f} s, Airflow allows {self.limit:.0f}"
        yield Bar(words, self.by_the_processor < self.limit)


def measure(say: Callable[[str], None]) -> Parsed:
    """Parse in processes of their own.

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
    return Parsed(everything["seconds"], own["seconds"], everything["limit"])


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
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}
    if told.get("dags") != dags:
        raise RollcallError("parse_failed", f"Not {dags} DAGs were parsed. What was said:\n{done.stderr[-2000:]}")
    return told
