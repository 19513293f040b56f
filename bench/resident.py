"""Monitors the memory of Airflow's tasks while they run."""

from __future__ import annotations

import re
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil  # type: ignore[import-untyped]

#: Seconds between samples. Linux records each process's peak, so only the memory taken just before its end is missed.
#: Other systems also miss short peaks between samples.
_PAUSE = 0.2

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


class MemoryMonitor:
    """The peak resident memory of a single task process during the `with` block.

    The scheduler forks tasks, so memory they share with it counts in full.
    """

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._sampler.join()

    def _sample(self) -> None:
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
