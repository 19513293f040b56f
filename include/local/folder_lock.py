"""One user at a time for a folder: the lock dies with its holder, so nothing stale has to be cleaned up."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TextIO

from include.errors import RollcallError


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
