"""A district's folders in the landing zone and in the exports, for deletion."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import fsspec

from rollcall.errors import RollcallError

#: The URL of Parquet exports, if set.
_EXPORT = "ROLLCALL_EXPORT"

#: What deleting raises. Where files are of no use any more, it must not hide an error before it, or undo what is saved.
NOT_DELETED = (OSError, RollcallError)

#: How often a deletion is tried while a run writes into the folder, and the seconds between.
_TRIES, _PAUSE = 5, 0.2


@dataclass(frozen=True)
class FileTotals:
    """Number and size of files, deleted or to delete."""

    files: int = 0
    bytes: int = 0

    def __add__(self, other: FileTotals) -> FileTotals:
        return FileTotals(self.files + other.files, self.bytes + other.bytes)


def export_folder(district: str) -> DistrictFolder | None:
    """The folder of the district's exports. None if exports are off."""
    url = os.environ.get(_EXPORT)
    return DistrictFolder(url, district) if url else None


class DistrictFolder:
    """`district=<id>` below a URL. It may not exist."""

    def __init__(self, url: str, district: str) -> None:
        self._files, self._path = fsspec.core.url_to_fs(f"{url.rstrip('/')}/district={district}")

    def delete_pull(self, pull_id: str) -> FileTotals:
        return self._delete(f"{self._path}/pull={pull_id}")

    def delete_notes(self, before: datetime) -> FileTotals:
        """Delete notes of unfinished pulls that were written before an instant."""
        deleted = FileTotals()
        for name in self._names(f"{self._path}/runs"):
            folder = f"{self._path}/runs/{name}"
            written = [self._files.modified(path) for path in self._files.find(folder)]
            if all(when < before for when in written):
                deleted += self._delete(folder)
        return deleted

    def delete_generations(self, before: datetime) -> FileTotals:
        """Delete exported generations that were written before an instant, except the newest."""
        names = (name for name in self._names(self._path) if re.fullmatch(r"generation=\d+", name))
        numbers = sorted(int(name.partition("=")[2]) for name in names)
        deleted = FileTotals()
        for number in numbers[:-1]:
            folder = f"{self._path}/generation={number}"
            if all(self._files.modified(path) < before for path in self._files.find(folder)):
                deleted += self._delete(folder)
        return deleted

    def size(self) -> FileTotals:
        """Number and size of all files."""
        return self._size(self._path)

    def delete(self) -> FileTotals:
        """Delete all files."""
        return self._delete(self._path)

    def _names(self, path: str) -> Iterator[str]:
        if not self._files.isdir(path):
            return
        for entry in self._files.ls(path, detail=False):
            yield str(entry).rstrip("/").rsplit("/", 1)[-1]

    def _size(self, path: str) -> FileTotals:
        if not self._files.isdir(path):
            return FileTotals()
        found: dict[str, Any] = self._files.find(path, detail=True)
        return FileTotals(len(found), sum(int(info.get("size") or 0) for info in found.values()))

    def _delete(self, path: str) -> FileTotals:
        """:raises RollcallError: `files_in_use` if a run goes on writing."""
        size = self._size(path)
        for left in reversed(range(_TRIES)):
            if not self._files.isdir(path):
                break
            try:
                self._files.rm(path, recursive=True)
            except OSError as error:
                # a run wrote or renamed a file after the folder was listed
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                    raise
                if not left:
                    raise _in_use() from None
                time.sleep(_PAUSE)
        return size


def _in_use() -> RollcallError:
    return RollcallError(
        "files_in_use",
        "A run writes files of this district right now, so they cannot be deleted.",
        remedy="Wait for the run to end. Then run it again.",
    )
