"""The programs of a launcher: started, watched, and stopped together, and how the launcher itself ends."""

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

#: The exit code after Ctrl-C, as shells report it.
INTERRUPTED = 130


def run(action: Callable[[], int]) -> int:
    """Run `action` and return the exit code. Its `with` blocks stop what it started.

    :returns: the result of `action`; 1 after an error, printed as message and remedy; 130 after Ctrl-C.
    :raises SystemExit: with 128 plus the signal's number, after SIGTERM or SIGHUP.
    """
    signal.signal(signal.SIGTERM, _exit_on_signal)
    signal.signal(signal.SIGHUP, _exit_on_signal)
    try:
        return action()
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return INTERRUPTED
    except RollcallError as error:
        print(f"\n{error.message}\n{error.remedy}".rstrip(), file=sys.stderr)
        return 1


class Parent:
    """The `make` that started this process, if any. If it ends, this process ends too."""

    def __init__(self) -> None:
        self._pid = os.getppid() if "MAKELEVEL" in os.environ else None

    def check(self) -> None:
        """:raises SystemExit: 1, if `make` was killed. A kill reaches only `make`, not this process."""
        if self._pid is not None and os.getppid() != self._pid:
            raise SystemExit(1)


def _exit_on_signal(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


#: Lines of a dead program's log in the error.
_TAIL = 20
#: Tolerance in seconds when comparing a process's start time (the clock may be corrected).
_SAME_START = 2.0


@dataclass(frozen=True)
class _Running:
    process: subprocess.Popen[bytes]
    log: Path
    ending: Ending


class Programs:
    """Programs with their logs and ledger in one folder. One launcher at a time can use it.

    The ledger lists the running programs. If a launcher and its reaper are killed, the next start stops what they left.

    :param owner: who the programs belong to, in words for a person.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self.folder = folder
        self._lock = FolderLock(folder, owner)
        self._running: dict[str, _Running] = {}

    def open(self) -> None:
        """Lock the folder and stop what an earlier launcher left.

        :raises RollcallError: `already_running` while another launcher uses it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        self._stop_leftovers()

    def start(self, name: str, command: Sequence[str], *, env: Mapping[str, str], phase: int = 0) -> None:
        """Start a program as leader of its own session. Its output goes to a new `logs/<name>.log`.

        :param phase: programs of phase 0 stop before those of phase 1, which they may need to stop cleanly.
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
        """:raises RollcallError: `program_died`, with name and end of its log, if a program has ended."""
        for name, running in self._running.items():
            code = running.process.poll()
            if code is not None:
                raise program_died(name, code, running.log)

    def stop(self) -> None:
        """Stop all programs and their children, then unlock the folder."""
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

    def _stop_leftovers(self) -> None:
        """Compares the start times too, because another program may have the same process ID by now."""
        with suppress(FileNotFoundError, ValueError):
            entries = json.loads(self._ledger.read_text())
            end_sessions([Ending(entry["pid"]) for entry in _still_ours(entries)])
        self._ledger.unlink(missing_ok=True)


def program_died(name: str, code: int, log: Path) -> RollcallError:
    """The error for a program that ended by itself, with the last lines of its log."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    tail = "\n".join(f"  {line}" for line in lines[-_TAIL:])
    return RollcallError(
        "program_died", f"{name} ended unexpectedly with exit code {code}.", remedy=f"The end of {log}:\n{tail}"
    )


def _still_ours(entries: Iterable[dict[str, float]]) -> list[dict[str, int]]:
    return [
        {"pid": int(entry["pid"])}
        for entry in entries
        if (started := started_at(int(entry["pid"]))) is not None and abs(started - entry["started"]) < _SAME_START
    ]
