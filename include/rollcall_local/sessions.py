"""Runs each program as leader of its own session, to stop it together with all its children.

A process group is not enough: Airflow gives each task its own group, and only the session finds it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil  # type: ignore[import-untyped]

#: The signals of Ctrl-C, `kill`, and a closed terminal window.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds between the signal to all members of a session and SIGKILL.
_LAST_PATIENCE = 3.0


@dataclass(frozen=True)
class Ending:
    """How to stop a session.

    :param leader: its process ID. It gets the signal first and alone, because a program stops its own children best.
    :param phase: lower phases stop first, the database last.
    :param patience: seconds until all members get the signal. An Airflow scheduler would wait for its running tasks
        forever.
    """

    leader: int
    signal: int = signal.SIGTERM
    phase: int = 0
    patience: float = 3.0


def start_session(
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    account: tuple[str, int] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in its own session, without standard input. Its output is appended to `log`.

    :param account: name and group ID of the account that runs it; only root can set it.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
            user=account[0] if account else None,
            group=account[1] if account else None,
            extra_groups=[] if account else None,
        )


def session_members(leader: int) -> list[int]:
    """The running processes of a session, without zombies."""
    return [pid for pid in psutil.pids() if _session_of(pid) == leader and not _is_zombie(pid)]


def end_sessions(endings: Sequence[Ending], *, reap: Callable[[], object] = lambda: None) -> None:
    """Stop sessions phase by phase: signal the leaders, then all members, then kill the rest.

    :param reap: called while waiting, for a caller that must reap its child processes.
    """
    for phase in sorted({ending.phase for ending in endings}):
        now = [ending for ending in endings if ending.phase == phase]
        for ending in now:
            _signal(ending.leader, ending.signal)
        if _gone(now, within=max(ending.patience for ending in now), reap=reap):
            continue
        for ending in now:
            _signal_members(ending.leader, ending.signal)
        if _gone(now, within=_LAST_PATIENCE, reap=reap):
            continue
        for ending in now:
            _signal_members(ending.leader, signal.SIGKILL)
        _gone(now, within=_LAST_PATIENCE, reap=reap)


def started_at(pid: int) -> float | None:
    """When a process started, in seconds since the epoch, or None if there is no such process."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def command_line(pid: int) -> list[str]:
    """A process's program and arguments; empty if there is no such process or another user owns it."""
    try:
        return [str(argument) for argument in psutil.Process(pid).cmdline()]
    except psutil.Error:
        return []


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Delay Ctrl-C and similar signals until the block ends, so every started program is recorded.

    Does nothing outside the main thread, because Python delivers signals only there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)

    before = {number: signal.signal(number, remember) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if arrived:
            signal.raise_signal(arrived[0])


def _gone(endings: Sequence[Ending], *, within: float, reap: Callable[[], object]) -> bool:
    deadline = time.monotonic() + within
    while True:
        reap()
        if not any(session_members(ending.leader) for ending in endings):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


def _signal_members(leader: int, number: int) -> None:
    for pid in session_members(leader):
        _signal(pid, number)


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
