"""The provider's process: a sandbox whose nights pass at the instants in a file, so it can be killed and restarted."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from rollcall_sandbox import Sandbox, SandboxDistrict


class Diary:
    """The instants at which the district's nights passed; the first is when it opened."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[datetime]:
        return [datetime.fromisoformat(text) for text in json.loads(self._path.read_text())]

    def write(self, instants: list[datetime]) -> None:
        self._path.write_text(json.dumps([instant.isoformat() for instant in instants]))


def serve(district: SandboxDistrict, port: int, diary: Path) -> None:
    """Serve until killed."""
    opened, *nights = Diary(diary).read()
    present = [opened]
    with Sandbox([district], port=port, clock=lambda: present[-1]) as sandbox:
        for night in nights:
            present.append(night)
            sandbox.pass_night(district.app)
        assert sandbox._thread is not None
        sandbox._thread.join()
