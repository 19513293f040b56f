"""`make dbt`: builds and tests the dbt package on the last demo's warehouse, or on the one in the environment.

dbt runs in its own virtual environment, with telemetry off.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import sqlalchemy as sa

from rollcall.errors import RollcallError
from rollcall_local import processes
from rollcall_local.airflow_env import PROJECT
from rollcall_local.postgres import EmbeddedPostgres
from rollcall_local.postgres_install import checkout_folder
from rollcall_local.side_venv import side_venv
from rollcall_local.stack import WAREHOUSE

FOLDER = PROJECT / "dbt"


def main() -> int:
    """Build on the demo's warehouse, or on the one in `ROLLCALL_DBT_HOST`."""
    return processes.run(_build)


def run(arguments: Sequence[str], target: Mapping[str, str], state: Path) -> int:
    """Run dbt and return its exit code.

    :param target: the variables of `dbt/profiles.yml`.
    :param state: the folder for dbt's output.
    """
    dbt = side_venv("dbt", FOLDER / "requirements.txt") / "dbt"
    paths = ["--project-dir", str(FOLDER), "--profiles-dir", str(FOLDER), "--target-path", str(state / "target")]
    environment = {**os.environ, **target, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_LOG_PATH": str(state)}
    return subprocess.run([str(dbt), *arguments, *paths], env=environment, check=False).returncode


def dbt_target(url: sa.URL) -> dict[str, str]:
    """The variables of `dbt/profiles.yml` for a warehouse. A socket's folder is in the URL's query."""
    host = url.query.get("host") or url.host or "localhost"
    return {
        "ROLLCALL_DBT_HOST": str(host),
        "ROLLCALL_DBT_PORT": str(url.port or 5432),
        "ROLLCALL_DBT_USER": url.username or "postgres",
        "ROLLCALL_DBT_PASSWORD": url.password or "",
        "ROLLCALL_DBT_DATABASE": url.database or WAREHOUSE,
    }


def _build() -> int:
    state = PROJECT / ".rollcall" / "dbt"
    state.mkdir(parents=True, exist_ok=True)
    if os.environ.get("ROLLCALL_DBT_HOST"):
        return run(["build"], {}, state)
    folder = checkout_folder("demo")
    if not folder.exists():
        raise RollcallError("no_demo", "No demo warehouse found.", remedy="Run `make demo` first.")
    postgres = EmbeddedPostgres(folder)
    target = dbt_target(sa.make_url(postgres.url(WAREHOUSE)))
    with ExitStack() as started:
        try:
            started.enter_context(postgres)
        except RollcallError as error:
            if error.code != "already_running":  # the demo is running: use its server
                raise
        return run(["build"], target, state)


if __name__ == "__main__":
    sys.exit(main())
