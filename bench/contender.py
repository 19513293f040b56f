"""Runs a contender in its own process and measures it.

The programs `bench.sync`, `bench.floor`, `bench.hand_made`, and `dlt_rest_api.py` read their configuration from
standard input, import what they need, note the time, work, and print one line of JSON: `imported_at` and `done_at`
(this machine's monotonic clock) and their counts.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rollcall.errors import RollcallError
from rollcall_local import reaper
from rollcall_local.airflow_env import PROJECT, own_environment
from rollcall_local.sessions import Ending, end_sessions, interrupts_deferred

#: A stage and its seconds, as `rollcall sync` prints them without a terminal.
_STAGE = re.compile(r"^  (\w+)(?: \(\w+\))? +([\d.]+) s$", re.MULTILINE)

#: Lines of a contender's output to show when it fails.
_TAIL = 30

_METER = PROJECT / "bench" / "meter.py"


@dataclass(frozen=True)
class Measurement:
    """The result of one contender.

    :param start: seconds for imports, not included in `seconds`.
    :param peak_mb: peak resident memory of a single process.
    :param cpu: CPU seconds of all its processes, including imports, without PostgreSQL.
    :param rows: records that the provider served.
    :param parts: seconds of each part, if the contender reports them.
    """

    name: str
    seconds: float
    start: float
    peak_mb: float
    cpu: float
    rows: int
    requests: int
    received: int
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Records per second."""
        return self.rows / self.seconds

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "rows_per_second": self.rate}


def run_contender(name: str, command: Sequence[str], config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Run a contender to its end. It and its children stop with the benchmark, however that ends.

    :param config: its configuration, sent as JSON.
    :param folder: folder for its temporary files.
    :returns: the fields of a `Measurement` except rows, requests, and received, plus the contender's own output.
    :raises RollcallError: `contender_failed`, with the end of its output.
    """
    with (
        tempfile.TemporaryFile("w+") as stdin,
        tempfile.TemporaryFile("w+") as stdout,
        tempfile.TemporaryFile() as stderr,
    ):
        json.dump(config, stdin)
        stdin.seek(0)
        began = time.monotonic()
        with interrupts_deferred():
            process = subprocess.Popen(
                [sys.executable, "-S", str(_METER), *command],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=own_environment() | {"TMPDIR": str(folder)},
                start_new_session=True,
            )
            reaper.watch(Ending(process.pid))
        try:
            process.wait()
        except BaseException:
            end_sessions([Ending(process.pid)], reap=process.poll)
            raise
        finally:
            reaper.forget(process.pid)
        stderr.seek(0)
        text = stderr.read().decode(errors="replace")
        stdout.seek(0)
        lines = stdout.read().splitlines()
    if process.returncode:
        tail = "\n".join([*lines, *text.splitlines()][-_TAIL:])
        raise RollcallError("contender_failed", f"{name} ended with exit code {process.returncode}:\n{tail}")
    own: dict[str, Any] = json.loads(lines[-2])
    return {
        **own,
        **json.loads(lines[-1]),
        "name": name,
        "seconds": own["done_at"] - own["imported_at"],
        "start": own["imported_at"] - began,
        "parts": own.get("parts") or stages(text),
    }


def stages(text: str) -> dict[str, float]:
    """The seconds of each stage, from the output of `rollcall sync`."""
    return {stage: float(seconds) for stage, seconds in _STAGE.findall(text)}
