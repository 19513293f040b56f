"""Files with people's names in them: for the account that runs Rollcall and nobody else, whatever its umask.

Everything Rollcall writes with such data goes through here: the landing zone, exports, `rollcall roster --out`,
worksheets. On a local disk a file has mode 0600 and a folder made for it 0700. In an object store its own policy rules.
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
    """Write a file, or replace what is in it.

    :param where: a path, or any URL fsspec knows.
    :raises ActionRequired: `file_not_private` when the file there belongs to another account.
    """
    filesystem, path = fsspec.core.url_to_fs(str(where))
    if isinstance(filesystem, LocalFileSystem):
        _write_local(Path(path), content)
    else:
        with fsspec.open(str(where), "wb") as file:
            file.write(content)


def replace_private(where: str | Path, content: Content) -> None:
    """Put a file in the place of another in one step: a reader sees the one before or this one, never a part.

    On a local disk by renaming, also where the folder is given as `file://…`; an object store's upload is one step.

    :param where: a path, or any URL fsspec knows.
    """
    filesystem, path = fsspec.core.url_to_fs(str(where))
    if not isinstance(filesystem, LocalFileSystem):
        filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        write_private(where, content)
        return
    whole = Path(path)
    unfinished = whole.with_name(f".{whole.name}.{secrets.token_hex(4)}")
    try:
        write_private(unfinished, content)
        unfinished.replace(whole)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def read_if_there(where: str | Path) -> bytes | None:
    """What is in a file; None where there is none."""
    try:
        with fsspec.open(str(where), "rb") as file:
            return bytes(file.read())
    except FileNotFoundError:
        return None


def private_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, each with mode 0700; what is there already stays as it is."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for made in reversed(missing):
        made.mkdir(mode=0o700, exist_ok=True)  # the mode of `parents=True` would be the umask's


def _write_local(path: Path, content: Content) -> None:
    """The mode is set before the first byte is written: a file that was there may be open to all."""
    private_folder(path.parent)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):  # not of a pipe or a terminal
            try:
                os.fchmod(descriptor, 0o600)
            except PermissionError:
                raise ActionRequired(
                    "file_not_private",
                    f"{path} belongs to another account, so it cannot be closed to others.",
                    remedy="Name a file that is not there yet. Nothing was written.",
                ) from None
            file.truncate(0)
        file.write(content)
