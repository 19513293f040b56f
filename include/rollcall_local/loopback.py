"""The machine's own address: free TCP ports on it, and HTTP to it."""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import closing
from pathlib import Path
from typing import TextIO

from rollcall.errors import RollcallError

LOOPBACK = "127.0.0.1"
_TRIES = 50


def free_port(wished: int) -> int:
    """`wished`, or the first free port above it. Whoever asks has to use it at once: nothing reserves it.

    :raises RollcallError: `no_free_port` if the next fifty are taken too.
    """
    for port in range(wished, wished + _TRIES):
        if _is_free(port):
            return port
    raise RollcallError(
        "no_free_port",
        f"The ports {wished} to {wished + _TRIES - 1} of {LOOPBACK} are all taken.",
        remedy="Stop what uses one of them.",
    )


def _is_free(port: int) -> bool:
    """Nobody listens there on loopback, and neither on all addresses: both would answer in our place."""
    for address in (LOOPBACK, "0.0.0.0"):  # noqa: S104 - looked at, never listened on
        with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


# One user at a time for a folder: the lock dies with its holder, so nothing stale has to be cleaned up.


class FolderLock:
    """An exclusive lock on a folder's file `lock`, which names the process that holds it.

    :param what: what the folder belongs to, as a person knows it ("the demo").
    """

    def __init__(self, folder: Path, what: str) -> None:
        self._path = folder / "lock"
        self._what = what
        self._file: TextIO | None = None

    def acquire(self) -> None:
        """:raises RollcallError: `already_running` when another process, or this one, holds it."""
        file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise RollcallError(
                "already_running",
                f"{self._what} is already running, started by process {holder}.",
                remedy="Use that one, or stop it first (Ctrl-C where it runs).",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let the next one in; does nothing when not held."""
        if self._file is not None:
            self._file.close()
            self._file = None
