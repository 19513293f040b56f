"""The disk of the landing zone, which can be full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_LARGE = 2 * 1024**3


def enter_private_mounts() -> None:
    """As root, run this program again where its mounts are its own: they end with its last process."""
    if os.geteuid() == 0 and "SOAK_MOUNTS" not in os.environ:
        command = ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.orig_argv[1:]]
        if subprocess.run([*command[:4], "true"], check=False, capture_output=True).returncode == 0:
            os.environ["SOAK_MOUNTS"] = "private"
            os.execvp(command[0], command)  # noqa: S606


class Disk:
    """A file system of its own where mounts are allowed; else the processes' files are limited in size."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700)
        self.is_own = os.environ.get("SOAK_MOUNTS") == "private" and self._mount(f"size={_LARGE},mode=0700")

    def leave(self, free: int) -> int | None:
        """Leave so many bytes free. Returns the limit of each file, where the disk itself cannot be full."""
        if not self.is_own:
            return free
        used = os.statvfs(self.folder)
        self._mount(f"remount,size={(used.f_blocks - used.f_bfree) * used.f_frsize + free}")
        return None

    def free(self) -> None:
        if self.is_own:
            self._mount(f"remount,size={_LARGE}")

    def close(self) -> None:
        if self.is_own:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False, capture_output=True)

    def _mount(self, options: str) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(self.folder)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
