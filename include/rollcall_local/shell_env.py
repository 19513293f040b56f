"""`.rollcall/env`: a file to source in a shell, so that commands use the services of `make up` or `make demo`.

It contains credentials, so only its owner can read it. It is deleted when the services stop.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from rollcall.files.private import write_private


class ShellEnv:
    """The file with the environment variables.

    :param path: the file's path.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written = ""

    def write(self, values: Mapping[str, str], *, first: Iterable[Path] = (), last: Iterable[Path] = ()) -> None:
        """Write it for bash, zsh, and sh.

        :param values: value by variable.
        :param first: folders to put before PATH; `last` goes after it.
        """
        path = [*(shlex.quote(str(folder)) for folder in first), '"$PATH"', *(shlex.quote(str(each)) for each in last)]
        exports = {name: shlex.quote(value) for name, value in values.items()} | {"PATH": ":".join(path)}
        self._written = "".join(f"export {name}={value}\n" for name, value in exports.items())
        write_private(self.path, self._written.encode())

    def remove(self) -> None:
        """Delete it, unless another launcher of this checkout has written its own since."""
        with suppress(OSError):
            if self._written and self.path.read_text(encoding="utf-8") == self._written:
                self.path.unlink()
