"""The programs a launcher keeps running side by side: started together, watched, ended together."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from include.errors import RollcallError
from include.local import reaper
from include.local.folder_lock import FolderLock
from include.local.sessions import Ending, end_sessions, interrupts_deferred, start_session, started_at

#: How many lines of a dead program's log an error shows.
_TAIL = 20
#: Seconds within which two readings of one process's start time may differ (the clock is corrected meanwhile).
_SAME_START = 2.0


@dataclass(frozen=True)
class _Running:
    process: subprocess.Popen[bytes]
    log: Path
    ending: Ending


class Programs:
    """Programs with their logs and their ledger in one folder, which one launcher at a time may use.

    The ledger names what runs, so that the next start can end what a killed launcher and its killed reaper left.

    :param what: whose programs they are, as a person knows it.
    """

    def __init__(self, folder: Path, what: str) -> None:
        self.folder = folder
        self._what = what
        self._lock = FolderLock(folder, what)
        self._running: dict[str, _Running] = {}

    def open(self) -> None:
        """Take the folder, and end what an earlier launcher left behind.

        :raises RollcallError: `already_running` while another launcher has it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        self._end_left_over()

    def start(self, name: str, command: Sequence[str], *, env: Mapping[str, str], phase: int = 0) -> None:
        """Start a program as leader of its own session; its output goes to `logs/<name>.log`, begun anew.

        :param phase: programs of phase 0 are ended before those of phase 1, which they may need for that.
        """
        log = self.folder / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        with interrupts_deferred():
            process = start_session(command, log=log, env=env)
            ending = Ending(process.pid, phase=phase)
            reaper.watch(ending)
            self._running[name] = _Running(process, log, ending)
            self._write_ledger()

    def check(self) -> None:
        """:raises RollcallError: `program_died`, with name and end of its log, if one is not running any more."""
        for name, running in self._running.items():
            code = running.process.poll()
            if code is not None:
                raise program_died(name, code, running.log)

    def stop(self) -> None:
        """End all of them, and all they started, and give the folder back."""
        endings = [running.ending for running in self._running.values()]
        end_sessions(endings, reap=lambda: [running.process.poll() for running in self._running.values()])
        for running in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                running.process.wait(1)
            reaper.forget(running.process.pid)
        self._running.clear()
        self._ledger.unlink(missing_ok=True)
        self._lock.release()

    @property
    def _ledger(self) -> Path:
        return self.folder / "processes.json"

    def _write_ledger(self) -> None:
        entries = [
            {"name": name, "pid": running.process.pid, "started": started_at(running.process.pid)}
            for name, running in self._running.items()
        ]
        self._ledger.write_text(json.dumps(entries))

    def _end_left_over(self) -> None:
        """A number alone proves nothing, it may belong to another program by now: the start time has to agree too."""
        with suppress(FileNotFoundError, ValueError):
            entries = json.loads(self._ledger.read_text())
            end_sessions([Ending(entry["pid"]) for entry in _still_ours(entries)])
        self._ledger.unlink(missing_ok=True)


def program_died(name: str, code: int, log: Path) -> RollcallError:
    """The error for a program that ended by itself, with the last lines it wrote."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    tail = "\n".join(f"  {line}" for line in lines[-_TAIL:])
    return RollcallError(
        "program_died", f"{name} ended by itself with code {code}.", remedy=f"The end of {log}:\n{tail}"
    )


def _still_ours(entries: Iterable[dict[str, float]]) -> list[dict[str, int]]:
    return [
        {"pid": int(entry["pid"])}
        for entry in entries
        if (started := started_at(int(entry["pid"]))) is not None and abs(started - entry["started"]) < _SAME_START
    ]
