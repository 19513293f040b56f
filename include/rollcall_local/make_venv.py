"""`make setup`: creates or updates the checkout's `.venv`. Runs before any installation, so standard library only.

Every package is installed from the lock and only if its file has a hash that the lock names.

A stamp file records the sources of the environment. Without it, an earlier setup was interrupted and is repeated. uv
takes a tenth of pip's time. If uv cannot be installed, or cannot reach pip's index, pip does the work.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

PROJECT = Path(__file__).resolve().parents[2]
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = PROJECT / "requirements.lock"
_STAMP = VENV / "made-from"
_PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
#: The checkout, built with the locked setuptools: an isolated build would download another one.
_ITSELF = ("--no-deps", "--no-build-isolation", "--editable", str(PROJECT))
#: The environment depends on these files and on the checkout's path, because it does not survive a move.
_SOURCES = (LOCK, PROJECT / "requirements.txt", PROJECT / "pyproject.toml")


def main() -> int:
    """Create the environment if it is missing, incomplete, or outdated."""
    wanted = [_version(), _fingerprint()]
    with _setup_lock() as lock:
        found = _STAMP.read_text().split() if _STAMP.exists() and _runs(lock) else []
        if found == wanted:
            return 0
        if found[:1] != wanted[:1]:
            _create()
        _STAMP.unlink(missing_ok=True)
        _say(f"installing {_locked_packages()} packages into .venv (a few minutes the first time)")
        if not (_install_with_uv(lock) or _install_with_pip(lock)):
            _say("the packages could not be installed. See the error above, then run `make setup` again")
            return 1
        _STAMP.write_text("\n".join(wanted))
        _say(".venv is complete")
    return 0


def _version() -> str:
    """The version of this Python, which `.venv` will use."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def _fingerprint() -> str:
    content = b"\0".join(path.read_bytes() for path in _SOURCES)
    return hashlib.sha256(content + str(VENV).encode()).hexdigest()


def _create() -> None:
    if VENV.exists():
        _say("recreating .venv: it is incomplete or uses another Python")
        shutil.rmtree(VENV)
    venv.create(VENV, with_pip=True, symlinks=True)


def _install_with_uv(lock: int) -> bool:
    """uv's own version and hashes are in the lock file too."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as only_uv:
        only_uv.write(_locked("uv"))
        only_uv.flush()
        if not _run(lock, *_PIP, "--require-hashes", "--requirement", only_uv.name):
            return False
    sync = ("-m", "uv", "pip", "sync", "--quiet", "--compile-bytecode", "--require-hashes", str(LOCK))
    return _run(lock, *sync) and _run(lock, "-m", "uv", "pip", "install", "--quiet", *_ITSELF)


def _install_with_pip(lock: int) -> bool:
    return _run(lock, *_PIP, "--require-hashes", "--requirement", str(LOCK)) and _run(lock, *_PIP, *_ITSELF)


def _runs(lock: int) -> bool:
    """A Python that was removed or upgraded leaves a dangling link."""
    return PYTHON.exists() and _run(lock, "-c", "")


def _run(lock: int, *arguments: str) -> bool:
    """The installer also holds the lock. If this process is killed, the next `make` waits for the installer."""
    command = [str(PYTHON), *arguments]
    return subprocess.run(command, cwd=PROJECT, check=False, pass_fds=(lock,)).returncode == 0


def _locked(package: str) -> str:
    """A package's lines in the lock: version and hashes."""
    found = re.search(rf"^{package}==[^\n]*(?:\n    --hash[^\n]*)+", LOCK.read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{LOCK.name} does not list {package}. Run `make lock`.")
    return found[0]


def _locked_packages() -> int:
    return len(re.findall(r"^\S+==", LOCK.read_text(), re.MULTILINE))


@contextmanager
def _setup_lock() -> Iterator[int]:
    """The lock's file descriptor. Two `make` at once would disturb each other's half-built environment."""
    path = PROJECT / ".rollcall" / "setup.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("waiting for another `make setup` to finish")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def _exit_on_signal(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)  # an exception, so a running installer is stopped


if __name__ == "__main__":
    for stop in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, _exit_on_signal)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
