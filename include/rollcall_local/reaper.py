"""Stops everything a launcher started if the launcher itself ends, even by `kill -9`.

The launcher holds the write end of a pipe, and this process reads it. When the launcher ends, the pipe closes, and this
process stops the sessions still on its list. Unlike a parent-death signal, this works on every system, reaches the
programs' children, and does not depend on the thread that started them.
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

_pipe: tuple[int, subprocess.Popen[bytes]] | None = None  # the launcher's process ID and its reaper


def watch(ending: Ending) -> None:
    """Stop a session if this process dies before it calls :func:`forget`."""
    _send({"watch": asdict(ending)})


def forget(leader: int) -> None:
    """Remove an ended session from the list."""
    _send({"forget": leader})


def _send(message: dict[str, object]) -> None:
    reaper = _reaper()
    if reaper.stdin is None:
        raise RuntimeError("the reaper was started without a pipe")
    with suppress(BrokenPipeError):  # the reaper was killed: the next start finds leftovers in the ledger
        reaper.stdin.write(json.dumps(message).encode() + b"\n")
        reaper.stdin.flush()


def _reaper() -> subprocess.Popen[bytes]:
    """The reaper of this process. A fork gets its own."""
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
                start_new_session=True,  # otherwise Ctrl-C would end it before the launcher
            ),
        )
    return _pipe[1]


def main() -> None:
    """Read the list until the pipe closes, then stop the sessions still on it."""
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
