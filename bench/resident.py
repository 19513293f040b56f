"""How much memory the tasks of an Airflow have, looked up while they run."""

from __future__ import annotations

import re
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil  # type: ignore[import-untyped]

#: Seconds between two looks. Linux keeps each process's peak, so that only what a process takes just before it ends is
#: missed; elsewhere a short peak between two looks is.
_PAUSE = 0.2

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


class Resident:
    """From `with` to the end of the block: the most resident memory that one process of the scheduler's tasks had.

    Tasks are forked by the scheduler: what they share with it counts in full.
    """

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._ended = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._looking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._looking.join()

    def _look(self) -> None:
        [scheduler] = [child for child in psutil.Process().children() if "scheduler" in " ".join(child.cmdline())]
        while not self._ended.wait(_PAUSE):
            for process in scheduler.children(recursive=True):
                with suppress(psutil.Error, OSError):
                    self.peak_mb = max(self.peak_mb, _resident_mb(process))


def _resident_mb(process: psutil.Process) -> float:
    if sys.platform == "linux":
        found = _PEAK.search(Path(f"/proc/{process.pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0
    return process.memory_info().rss / 1024**2
