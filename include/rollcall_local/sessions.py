"""Programs as leaders of their own session, so that a program and all it started can be ended together.

A process group would not do: Airflow gives each task a group of its own, a task is only found by its session.
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

#: What a terminal, `kill` and a closed window send to a launcher.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds between asking all members of a session and killing them.
_LAST_PATIENCE = 3.0


@dataclass(frozen=True)
class Ending:
    """How a session is ended.

    :param leader: its process id; asked first and alone, as a program ends its own children best.
    :param phase: lower phases end first, a database last.
    :param patience: seconds until everybody in the session is asked; an Airflow scheduler would wait for its running
        tasks without end.
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
    """Start a program in a session of its own, without a standard input, its output appended to `log`.

    :param account: name and group id of the account it runs as; only root can give one.
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
    """The living processes of a session; a zombie waits for its parent only and is not counted."""
    return [pid for pid in psutil.pids() if _session_of(pid) == leader and not _is_zombie(pid)]


def end_sessions(endings: Sequence[Ending], *, reap: Callable[[], object] = lambda: None) -> None:
    """End sessions phase by phase: leaders are asked, then all members, and who is left then is killed.

    :param reap: called while waiting, for a caller who is the parent and has to collect its children.
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
    """When a process started, in seconds of the epoch; None if there is none of that number."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def command_line(pid: int) -> list[str]:
    """A process's program and arguments; empty if there is none of that number or it belongs to somebody else."""
    try:
        return [str(argument) for argument in psutil.Process(pid).cmdline()]
    except psutil.Error:
        return []


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Hold back Ctrl-C and its like until the block is done: no program is started and then not written down.

    Does nothing outside the main thread, where Python delivers no signals.
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
