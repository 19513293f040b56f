"""A contender's turn: a process of its own, told what to do on standard input, measured until it says that it is done.

The programs `bench.sync`, `bench.floor`, `bench.hand_made` and `dlt_rest_api.py` import what they need, note the time,
work, and print one line of JSON: `imported_at` and `done_at` (this machine's monotonic clock), and what they counted.
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

#: A stage and its seconds, as `rollcall sync` tells them where nobody watches a bar.
_STAGE = re.compile(r"^  (\w+)(?: \(\w+\))? +([\d.]+) s$", re.MULTILINE)

#: Lines of a contender's own words that are shown when it fails.
_TAIL = 30

_METER = PROJECT / "bench" / "meter.py"


@dataclass(frozen=True)
class Turn:
    """What one turn came to.

    :param start: seconds until everything was imported; they are not in `seconds`.
    :param peak_mb: the most resident memory that one of its processes had.
    :param cpu: seconds of processor time of all its processes, imports included; PostgreSQL's are not.
    :param rows: records the provider served.
    :param stages: seconds of each stage, where it has any.
    :param parts: seconds of each part, where it tells them.
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
        """Records a second."""
        return self.rows / self.seconds

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "rows_per_second": self.rate}


def acquire_publish_lock(name: str, command: Sequence[str], told: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Run a contender to its end; it and all it started end with the bench, however that ends.

    :param told: what it reads, as JSON.
    :param folder: for its temporary files.
    :returns: the fields of a `Turn` but rows, requests and `received`, and all that the contender said itself.
    :raises RollcallError: `contender_failed`, with the end of what it wrote.
    """
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile() as words:
        json.dump(told, given)
        given.seek(0)
        began = time.monotonic()
        with interrupts_deferred():
            process = subprocess.Popen(
                [sys.executable, "-S", str(_METER), *command],
                stdin=given,
                stdout=said,
                stderr=words,
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
        words.seek(0)
        text = words.read().decode(errors="replace")
        said.seek(0)
        lines = said.read().splitlines()
    if process.returncode:
        tail = "\n".join([*lines, *text.splitlines()][-_TAIL:])
        raise RollcallError("contender_failed", f"{name} ended with code {process.returncode}:\n{tail}")
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
    """The seconds of each stage, out of what `rollcall sync` wrote."""
    return {stage: float(seconds) for stage, seconds in _STAGE.findall(text)}
