"""How long Airflow takes to parse 1,000 districts as one DAG file, 13,000 as shards, and a task to parse its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.bars import Bar
from rollcall.errors import RollcallError
from rollcall.settings.deployment import MOST_SHARDS, shard_of
from rollcall_local.airflow_env import PROJECT, own_environment

DISTRICTS = 1000
#: Every public school district of the United States.
MOST_DISTRICTS = 13_000

_NAME = "d{:05}"
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

    :param in_shard: seconds to parse and serialize the first of the DAG files that 13,000 districts are spread over.
    :param limit: the shorter of Airflow's two default timeouts, in seconds.
    """

    in_processor: float
    in_task: float
    in_shard: float
    limit: float

    def summary(self) -> str:
        each = 1000 * self.in_processor / DISTRICTS
        return (
            f"{DISTRICTS:,} district files: parsed in {self.in_processor:.1f} s, {each:.1f} ms per district; "
            f"in a task, which reads only its own, {self.in_task:.2f} s; {MOST_DISTRICTS:,} district files: "
            f"one of {MOST_SHARDS} DAG files parsed and serialized in {self.in_shard:.1f} s"
        )

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def bars(self) -> Iterator[Bar]:
        words = f"{DISTRICTS:,} districts parsed in {self.in_processor:.1f} s, Airflow's limit: {self.limit:.0f}"
        yield Bar(words, self.in_processor < self.limit)
        words = f"a shard of {MOST_DISTRICTS:,} districts in {self.in_shard:.1f} s, Airflow's limit: {self.limit:.0f}"
        yield Bar(words, self.in_shard < self.limit)


def measure(say: Callable[[str], None]) -> ParseResult:
    """Parse in separate processes.

    :raises RollcallError: `parse_failed`.
    """
    say(f"parsing {DISTRICTS:,} districts, and a shard of {MOST_DISTRICTS:,}")
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-") as folder:
        _describe(folder, range(DISTRICTS))
        everything = _parse(folder, {})
        task = {"_AIRFLOW_PARSING_CONTEXT_DAG_ID": "roster_d00050", "_AIRFLOW_PARSING_CONTEXT_TASK_ID": "extract"}
        own = _parse(folder, task)
        _describe(folder, range(DISTRICTS, MOST_DISTRICTS))
        shard = _parse(folder, {"ROLLCALL_DAG_SHARDS": str(MOST_SHARDS)})
    in_first = sum(shard_of(_NAME.format(number), MOST_SHARDS) == 0 for number in range(MOST_DISTRICTS))
    expected = {DISTRICTS: everything, 1: own, in_first: shard}
    if wrong := {count: parsed["dags"] for count, parsed in expected.items() if parsed["dags"] != count}:
        raise RollcallError("parse_failed", f"Expected and parsed numbers of DAGs: {wrong}")
    in_shard = shard["seconds"] + shard["serializing"]
    return ParseResult(everything["seconds"], own["seconds"], in_shard, everything["limit"])


def _describe(folder: str, numbers: Iterable[int]) -> None:
    districts = Path(folder) / "districts"
    districts.mkdir(exist_ok=True)
    for number in numbers:
        name = _NAME.format(number)
        (districts / f"{name}.yaml").write_text(_FILE.format(name=name), encoding="utf-8")


def _parse(folder: str, context: Mapping[str, str]) -> dict[str, Any]:
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
    if done.returncode != 0:
        raise RollcallError("parse_failed", f"Output:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
