"""The districts that exist: their files, read once and again only when one changes. 13,000 take 4 s to read."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from rollcall.errors import ActionRequired
from rollcall.settings import District, district_files, districts_folder, load_district

#: What changes when a file does.
_Stamp = tuple[int, int]


@dataclass
class _Folder:
    """What was read from one folder."""

    defaults: _Stamp | None = None
    read: dict[Path, tuple[_Stamp, District | ActionRequired]] = field(default_factory=dict)


_lock = threading.Lock()
_folders: dict[Path, _Folder] = {}


def current_districts() -> tuple[list[District], list[ActionRequired]]:
    """Every district as its file is now, and what is wrong with the files that cannot be read."""
    folder = districts_folder()
    with _lock:
        known = _folders.setdefault(folder, _Folder())
        defaults = _stamp(folder / "_defaults.yaml")
        if defaults != known.defaults:
            known.defaults, known.read = defaults, {}
        files = district_files(folder)
        for path in known.read.keys() - set(files):
            del known.read[path]
        for path in files:
            stamp = _stamp(path)
            if stamp is not None and known.read.get(path, (None,))[0] != stamp:
                known.read[path] = (stamp, _load(path))
        found = [known.read[path][1] for path in files if path in known.read]
    return [one for one in found if isinstance(one, District)], [
        one for one in found if isinstance(one, ActionRequired)
    ]


def _load(path: Path) -> District | ActionRequired:
    try:
        return load_district(path)
    except ActionRequired as error:
        return error


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
