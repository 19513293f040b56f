"""The programs a launcher keeps running side by side: started together, watched, ended together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rollcall.errors import RollcallError
from rollcall_local import reaper
from rollcall_local.loopback import FolderLock
from rollcall_local.sessions import Ending, end_sessions, interrupts_deferred, start_session, started_at

# How a launcher ends: by itself, by Ctrl-C, by a signal or a closed window, and always with everything stopped.

#: What a shell reports for a program that Ctrl-C ended.
INTERRUPTED = 130


def run(action: Callable[[], int]) -> int:
    """Run `action`, whose `with` blocks stop what it started, and turn how it ended into an exit code.

    :returns: what `action` returns; 1 after an error, shown as message and remedy; 130 after Ctrl-C.
    :raises SystemExit: with 128 and the signal's number after SIGTERM or SIGHUP.
    """
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, _leave)
    try:
        return action()
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return INTERRUPTED
    except RollcallError as error:
        print(f"\n{error.message}\n{error.remedy}".rstrip(), file=sys.stderr)
        return 1


class Parent:
    """The `make` that started this process, if one did: without it nobody waits for us any more."""

    def __init__(self) -> None:
        self._pid = os.getppid() if "MAKELEVEL" in os.environ else None

    def check(self) -> None:
        """:raises SystemExit: 1, if `make` was killed; a kill reaches make alone and would leave us running."""
        if self._pid is not None and os.getppid() != self._pid:
            raise SystemExit(1)


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


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
