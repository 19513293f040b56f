"""Ends what a launcher started when the launcher itself is gone, even by `kill -9`.

The launcher keeps the writing end of a pipe; this process reads it. A launcher that ends, however it ends, closes the
pipe, and the sessions it had not taken off the list are ended then. Unlike a parent-death signal this works on every
system, reaches what the programs started themselves, and does not depend on which thread started them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from rollcall_local.sessions import STOP_SIGNALS, Ending, end_sessions

_pipe: tuple[int, subprocess.Popen[bytes]] | None = None  # the launcher's process id and its reaper


def watch(ending: Ending) -> None:
    """Have a session ended should this process die before :func:`forget` is called."""
    _tell({"watch": asdict(ending)})


def forget(leader: int) -> None:
    """Take a session off the list; it has ended."""
    _tell({"forget": leader})


def _tell(message: dict[str, object]) -> None:
    reaper = _reaper()
    if reaper.stdin is None:
        raise RuntimeError("the reaper was started without a pipe")
    with suppress(BrokenPipeError):  # somebody killed it: the next start still finds leftovers by their ledger
        reaper.stdin.write(json.dumps(message).encode() + b"\n")
        reaper.stdin.flush()


def _reaper() -> subprocess.Popen[bytes]:
    """One for each launching process; a fork does not inherit its parent's."""
    global _pipe
    if _pipe is None or _pipe[0] != os.getpid():
        root = Path(__file__).resolve().parents[2]
        _pipe = (
            os.getpid(),
            subprocess.Popen(
                [sys.executable, "-m", "rollcall_local.reaper"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=root,
                start_new_session=True,  # or the Ctrl-C meant for the launcher would end it first
            ),
        )
    return _pipe[1]


def main() -> None:
    """Read the list until the pipe closes, then end what is left on it."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    watched: dict[int, Ending] = {}
    for line in sys.stdin:
        message = json.loads(line)
        if "watch" in message:
            ending = Ending(**message["watch"])
            watched[ending.leader] = ending
        else:
            watched.pop(message["forget"], None)
    end_sessions(list(watched.values()))


if __name__ == "__main__":
    main()
