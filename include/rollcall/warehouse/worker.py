"""The process of a run, so the next run can check whether it is still alive.

On the same machine, a killed process is detected at once. Other machines cannot be checked, so a run still *running*
after `LONGEST_RUN` counts as failed.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path


def this_process() -> str:
    """The machine, the process ID, and the start time, because process IDs are reused."""
    return f"{_machine()} {os.getpid()} {_started(os.getpid())}"


def has_ended(worker: str) -> bool:
    """Whether a process of this machine has ended. False if unknown."""
    machine, pid, started = worker.rsplit(" ", 2)
    if machine != _machine():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return _started(int(pid)) != started


def _machine() -> str:
    """The host and, in containers, the PID namespace."""
    table = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()} {table.readlink() if table.is_symlink() else '-'}"


def _started(pid: int) -> str:
    """The start time of a process in clock ticks. `ended` for a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return "-"
    return "ended" if fields[0] in "ZX" else fields[19]
