"""`rollcall sync` in a process that is prepared before timing starts, like Airflow's workers."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import time

#: Modules that a night imports.
_MODULES = (
    "rollcall.cli.main",
    "rollcall.cli.sync",
    "rollcall.pipeline.run",
    "rollcall.extract.pull",
    "rollcall.validate.validation",
    "rollcall.orchestration.terminal",
    "rollcall.pipeline.remap",
    "rollcall.reports.report",
    "rollcall.retention.sweep",
    "rollcall.oneroster.client",
    "sqlalchemy.dialects.postgresql.psycopg",
)


def main() -> None:
    """Read the connection and arguments, sync, and print the start and end times."""
    config = json.load(sys.stdin)
    os.environ |= config["environment"]
    for module in _MODULES:
        importlib.import_module(module)
    from rollcall.cli.main import rollcall
    from rollcall.expectations.usual import ask_about_usual_values

    ask_about_usual_values()
    imported_at = time.monotonic()
    with contextlib.redirect_stdout(sys.stderr):
        try:
            rollcall.main(["sync", *config["arguments"]], standalone_mode=False)
        except SystemExit as ended:
            if ended.code:
                raise
    sys.stdout.write(json.dumps({"imported_at": imported_at, "done_at": time.monotonic()}) + "\n")


if __name__ == "__main__":
    main()
