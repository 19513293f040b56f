"""`make setup`: the checkout's `.venv`, complete or made anew. Runs before anything is installed, so stdlib only.

A stamp in the environment says what it was made from; one without a stamp was interrupted half-way and is made again.
uv does it in a tenth of pip's time; where uv cannot be had, or cannot reach the index pip is set up for, pip does it.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import signal
import subprocess
import sys
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
#: What the environment follows from, beside the path of the checkout: an environment does not survive a move.
_SOURCES = (LOCK, PROJECT / "requirements.txt", PROJECT / "pyproject.toml")


def main() -> int:
    """Make the environment if it is not there, not complete or not up to date."""
    wanted = [_version(), _fingerprint()]
    with _one_at_a_time() as lock:
        found = _STAMP.read_text().split() if _STAMP.exists() and _runs(lock) else []
        if found == wanted:
            return 0
        if found[:1] != wanted[:1]:
            _create()
        _STAMP.unlink(missing_ok=True)
        _say(f"installing {_locked_packages()} packages into .venv (a few minutes the first time)")
        if not (_install_with_uv(lock) or _install_with_pip(lock)):
            _say("the packages could not be installed; what failed stands above, and `make setup` tries again")
            return 1
        _STAMP.write_text("\n".join(wanted))
        _say(".venv is complete")
    return 0


def _version() -> str:
    """Of the Python this runs in, which `.venv` is to be made with."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def _fingerprint() -> str:
    content = b"\0".join(path.read_bytes() for path in _SOURCES)
    return hashlib.sha256(content + str(VENV).encode()).hexdigest()


def _create() -> None:
    if VENV.exists():
        _say("making .venv anew: it is not complete, or was made with another Python")
        shutil.rmtree(VENV)
    venv.create(VENV, with_pip=True, symlinks=True)


def _install_with_uv(lock: int) -> bool:
    """uv's own version is in the lock too."""
    if not _run(lock, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", _locked("uv")):
        return False
    return _run(lock, "-m", "uv", "pip", "sync", "--quiet", "--compile-bytecode", str(LOCK)) and _run(
        lock, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--editable", str(PROJECT)
    )


def _install_with_pip(lock: int) -> bool:
    pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    return _run(lock, *pip, "--requirement", str(LOCK)) and _run(lock, *pip, "--no-deps", "--editable", str(PROJECT))


def _runs(lock: int) -> bool:
    """A Python that was removed or upgraded since leaves a link to nothing behind."""
    return PYTHON.exists() and _run(lock, "-c", "")


def _run(lock: int, *arguments: str) -> bool:
    """An installer holds the lock too: should this process be killed, the next `make` waits until that has ended."""
    command = [str(PYTHON), *arguments]
    return subprocess.run(command, cwd=PROJECT, check=False, pass_fds=(lock,)).returncode == 0


def _locked(package: str) -> str:
    found = re.search(rf"^{package}==\S+", LOCK.read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{LOCK.name} does not name {package}; run `make lock`.")
    return found[0]


def _locked_packages() -> int:
    return len(re.findall(r"^\S+==", LOCK.read_text(), re.MULTILINE))


@contextmanager
def _one_at_a_time() -> Iterator[int]:
    """The lock's file descriptor; two `make` at once would each find the other's environment half-made."""
    path = PROJECT / ".rollcall" / "setup.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("waiting for another `make` that is setting up")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)  # an exception, so that a running installer is ended


if __name__ == "__main__":
    for stop in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, _leave)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
