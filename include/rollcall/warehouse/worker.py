"""Which process works for a run, so that the next run can tell whether it still does.

A process that was killed says nothing more. On its own machine it is known to be gone at once; of another machine
nothing is known, and a run left *running* counts as failed after six hours.
"""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path

#: No run takes longer: Airflow ends a district's run after as long.
LONGEST_RUN = timedelta(hours=6)


def this_process() -> str:
    """The machine, the process and when it started, for the processes of a machine take turns with their numbers."""
    return f"{_machine()} {os.getpid()} {_started(os.getpid())}"


def has_ended(worker: str) -> bool:
    """Whether a process of this machine is gone; False where it cannot be known."""
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
    """The host and, in containers, which of its process tables."""
    table = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()} {table.readlink() if table.is_symlink() else '-'}"


def _started(pid: int) -> str:
    """When a process started, in the kernel's ticks; `ended` for one that only waits to be buried."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return "-"
    return "ended" if fields[0] in "ZX" else fields[19]
