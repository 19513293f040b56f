"""Extra virtual environments for programs whose libraries conflict with Airflow's (dbt, dlt)."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from filelock import FileLock

from rollcall.errors import RollcallError
from rollcall_local.airflow_env import PROJECT


def side_venv(name: str, requirements: Path) -> Path:
    """The programs' folder of an environment with the pinned packages. Creates the environment on first use.

    :raises RollcallError: `side_venv_failed`.
    """
    folder = PROJECT / ".rollcall" / f"venv-{name}"
    stamp = folder / "made-from"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    wanted = hashlib.sha256(f"{folder} {version} ".encode() + requirements.read_bytes()).hexdigest()
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.parent / f"{folder.name}.lock"):  # another process may be creating it
        if not stamp.exists() or stamp.read_text() != wanted:
            _make(folder, requirements)
            stamp.write_text(wanted)
    return folder / "bin"


def _make(folder: Path, requirements: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True, symlinks=True)
    python = str(folder / "bin" / "python")
    uv = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "--requirement",
        str(requirements),
    ]
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", str(requirements)]
    # pip may be configured for an index that uv cannot reach.
    if subprocess.run(uv, check=False).returncode and subprocess.run(pip, check=False).returncode:
        raise RollcallError(
            "side_venv_failed",
            f"The packages of {requirements.name} could not be installed into {folder.name}. See the error above.",
            remedy="Run it again when the package index is reachable.",
        )
