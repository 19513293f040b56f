"""`make clean`: stops leftover processes and deletes this checkout's data outside the clone."""

from __future__ import annotations

import shutil
import sys

from rollcall_local import processes
from rollcall_local.airflow_env import PROJECT
from rollcall_local.postgres import EmbeddedPostgres
from rollcall_local.postgres_install import checkout_folder
from rollcall_local.processes import Programs

_PURPOSES = ("demo", "up")


def main() -> int:
    """Clean up, or report what is still running."""
    return processes.run(_clean)


def _clean() -> int:
    for purpose in _PURPOSES:
        state = PROJECT / ".rollcall" / purpose
        for folder in (state, state / "airflow"):
            if folder.exists():
                programs = Programs(folder, f"`make {purpose}` of this checkout")
                programs.open()
                programs.stop()
        EmbeddedPostgres(checkout_folder(purpose)).discard()
    shutil.rmtree(checkout_folder(_PURPOSES[0]).parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
