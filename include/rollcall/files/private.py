"""Files with people's names: only the account that runs Rollcall can read them, whatever its umask.

The landing zone, exports, `rollcall roster --out`, and worksheets are written here. On a local disk a file gets mode
0600, and a folder created for it gets 0700. In an object store the store's own policy applies.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from rollcall.errors import ActionRequired

Content = bytes | memoryview


def write_private(where: str | Path, content: Content) -> None:
    """Write a file, or replace its content.

    :param where: a path, or any URL fsspec knows.
    :raises ActionRequired: `file_not_private` when the existing file belongs to another account.
    """
    filesystem, path = fsspec.core.url_to_fs(str(where))
    if isinstance(filesystem, LocalFileSystem):
        _write_local(Path(path), content)
    else:
        with fsspec.open(str(where), "wb") as file:
            file.write(content)


def replace_private(where: str | Path, content: Content) -> None:
    """Replace a file in one step: a reader sees the old content or the new content, never a part of it.

    A local file is renamed into place, also for a `file://…` URL. An upload to an object store is one step.

    :param where: a path, or any URL fsspec knows.
    """
    filesystem, path = fsspec.core.url_to_fs(str(where))
    if not isinstance(filesystem, LocalFileSystem):
        filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        write_private(where, content)
        return
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        write_private(temporary, content)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_if_exists(where: str | Path) -> bytes | None:
    """The content of a file; None if there is no such file."""
    try:
        with fsspec.open(str(where), "rb") as file:
            return bytes(file.read())
    except FileNotFoundError:
        return None


def private_folder(folder: Path) -> None:
    """Create a folder and its missing parents with mode 0700. Existing folders keep their mode."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for made in reversed(missing):
        made.mkdir(mode=0o700, exist_ok=True)  # `parents=True` would use the umask's mode


def _write_local(path: Path, content: Content) -> None:
    """Set the mode before the first byte is written: an existing file may be readable by everyone."""
    private_folder(path.parent)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):  # a pipe or terminal has no mode to set
            try:
                os.fchmod(descriptor, 0o600)
            except PermissionError:
                raise ActionRequired(
                    "file_not_private",
                    f"{path} belongs to another account, so it cannot be made private. Nothing was written.",
                    remedy="Choose a file name that does not exist yet.",
                ) from None
            file.truncate(0)
        file.write(content)
