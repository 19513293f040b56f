"""A contender's turn: a process of its own, told what to do on standard input, measured until it says that it is done.

The programs `bench.sync`, `bench.floor`, `bench.hand_made` and `dlt_rest_api.py` import what they need, note the time,
work, and print one line of JSON: `imported_at` and `done_at` (this machine's monotonic clock), and what they counted.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from include.errors import RollcallError

#: A stage and its seconds, as `rollcall sync` tells them where nobody watches a bar.
_STAGE = re.compile(r"^  (\w+)(?: \(\w+\))? +([\d.]+) s$", re.MULTILINE)

#: Lines of a contender's own words that are shown when it fails.
_TAIL = 30


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


def take_turn(name: str, command: Sequence[str], told: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    """Run a contender to its end.

    :param told: what it reads, as JSON.
    :returns: the fields of a `Turn` but rows, requests and `received`, and all that the contender said itself.
    :raises RollcallError: `contender_failed`, with the end of what it wrote.
    """
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile() as words:
        json.dump(told, given)
        given.seek(0)
        began = time.monotonic()
        process = subprocess.Popen(command, stdin=given, stdout=said, stderr=words, env={**os.environ, **env})
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        words.seek(0)
        text = words.read().decode(errors="replace")
        said.seek(0)
        lines = said.read().splitlines()
    if process.returncode:
        tail = "\n".join([*lines, *text.splitlines()][-_TAIL:])
        raise RollcallError("contender_failed", f"{name} ended with code {process.returncode}:\n{tail}")
    own: dict[str, Any] = json.loads(lines[-1])
    per_mb = 1024 if sys.platform == "linux" else 1024**2
    return {
        **own,
        "name": name,
        "seconds": own["done_at"] - own["imported_at"],
        "start": own["imported_at"] - began,
        "peak_mb": used.ru_maxrss / per_mb,
        "cpu": used.ru_utime + used.ru_stime,
        "parts": own.get("parts") or {stage: float(seconds) for stage, seconds in _STAGE.findall(text)},
    }
