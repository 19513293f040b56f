"""Free TCP ports on the loopback address, and locks on folders."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path

from filelock import FileLock, Timeout

from rollcall.errors import RollcallError

LOOPBACK = "127.0.0.1"
_TRIES = 50


def free_port(preferred: int) -> int:
    """The preferred port, or the first free port above it. Nothing reserves it, so use it at once.

    :raises RollcallError: `no_free_port` if it and the next 49 are taken.
    """
    for port in range(preferred, preferred + _TRIES):
        if _is_free(port):
            return port
    raise RollcallError(
        "no_free_port",
        f"Ports {preferred} to {preferred + _TRIES - 1} on {LOOPBACK} are all in use.",
        remedy="Stop a program that uses one of them.",
    )


def _is_free(port: int) -> bool:
    """No one listens on the port, neither on loopback nor on all addresses: both would answer in our place."""
    for address in (LOOPBACK, "0.0.0.0"):  # noqa: S104 - probed, never listened on
        with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


class FolderLock:
    """An exclusive lock on a folder. It ends with its process, so a stale lock needs no cleanup.

    :param owner: what the folder belongs to, in words for a person ("`make demo` of this checkout").
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self._lock = FileLock(
            folder / "lock", blocking=False, thread_local=False, fallback_to_soft=False, preserve_lock_file=True
        )
        self._holder = folder / "holder"
        self._owner = owner

    def acquire(self) -> None:
        """:raises RollcallError: `already_running` if another process, or this one, holds the lock."""
        try:
            self._lock.acquire()
        except Timeout:
            holder = self._holder.read_text(encoding="utf-8") if self._holder.exists() else "unknown"
            raise RollcallError(
                "already_running",
                f"{self._owner} is already running, started by process {holder}.",
                remedy="Use that one, or stop it first (Ctrl-C in its terminal).",
            ) from None
        self._holder.write_text(str(os.getpid()), encoding="utf-8")

    def release(self) -> None:
        """Release the lock. Does nothing if it is not held."""
        self._lock.release()
