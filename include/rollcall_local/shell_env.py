"""`.rollcall/env`: what a shell sources so that every command works with what `make up` or `make demo` has started.

It holds credentials, so it is for its owner alone, and it is gone when what it names has been stopped.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rollcall.files.private import write_private


class ShellEnv:
    """The file, written once everything is up.

    :param path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written = ""

    def write(self, values: Mapping[str, str], *, first: Iterable[Path] = (), last: Iterable[Path] = ()) -> None:
        """Write it for bash, zsh and sh.

        :param values: variable to value.
        :param first: folders to look for programs in before all others, `last` after them.
        """
        path = [*(shlex.quote(str(folder)) for folder in first), '"$PATH"', *(shlex.quote(str(each)) for each in last)]
        exports = {name: shlex.quote(value) for name, value in values.items()} | {"PATH": ":".join(path)}
        self._written = "".join(f"export {name}={value}\n" for name, value in exports.items())
        write_private(self.path, self._written.encode())

    def remove(self) -> None:
        """Take it away, unless another launcher of this checkout has written its own meanwhile."""
        with suppress(OSError):
            if self._written and self.path.read_text(encoding="utf-8") == self._written:
                self.path.unlink()


def connection_variables(connections: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """OneRoster connections in the shape of Airflow's API as `AIRFLOW_CONN_<ID>`, in Airflow's JSON form."""
    return {
        f"AIRFLOW_CONN_{connection['connection_id'].upper()}": json.dumps(
            {
                "conn_type": connection["conn_type"],
                "host": connection["host"],
                "login": connection["login"],
                "password": connection["password"],
                "port": connection["port"],
                "extra": json.loads(connection["extra"] or "{}"),
            }
        )
        for connection in connections
        if connection["conn_type"] == "oneroster"
    }
