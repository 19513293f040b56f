"""The districts that exist: their files, read once and again only when one changes. 13,000 take 4 s to read."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rollcall.errors import ActionRequired
from rollcall.settings import District, districts_folder, load_district

#: What changes when a file does.
_Stamp = tuple[int, int]

_DEFAULTS = "_defaults.yaml"


@dataclass
class _Folder:
    """What was read from one folder, by file name."""

    defaults: _Stamp | None = None
    read: dict[str, tuple[_Stamp, District | ActionRequired]] = field(default_factory=dict)


_lock = threading.Lock()
_folders: dict[Path, _Folder] = {}


def current_districts() -> tuple[list[District], list[ActionRequired]]:
    """Every district as its file is now, and what is wrong with the files that cannot be read.

    A district that did not change is the same object as before.
    """
    folder = districts_folder()
    with _lock:
        known = _folders.setdefault(folder, _Folder())
        stamps = _stamps(folder)
        defaults = stamps.pop(_DEFAULTS, None)
        if defaults != known.defaults:
            known.defaults, known.read = defaults, {}
        for name in known.read.keys() - stamps.keys():
            del known.read[name]
        for name, stamp in stamps.items():
            if name not in known.read or known.read[name][0] != stamp:
                known.read[name] = (stamp, _load(folder / name))
        found = [known.read[name][1] for name in sorted(stamps)]
    broken = [one for one in found if isinstance(one, ActionRequired)]
    return [one for one in found if isinstance(one, District)], broken


def _load(path: Path) -> District | ActionRequired:
    try:
        return load_district(path)
    except ActionRequired as error:
        return error


def _stamps(folder: Path) -> dict[str, _Stamp]:
    """The district files and the defaults, with what changes when they do. `os.scandir` takes half as long as Path."""
    found: dict[str, _Stamp] = {}
    if not folder.is_dir():
        return found
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".yaml") and (entry.name[0] not in "_." or entry.name == _DEFAULTS):
                with suppress(FileNotFoundError):  # replaced at this moment
                    stat = entry.stat()
                    found[entry.name] = (stat.st_mtime_ns, stat.st_size)
    return found
