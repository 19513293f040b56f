"""Checks an installation: Python, packages, district files, warehouse, landing zone, and Airflow.

Each check is independent of the others, and they run at the same time, so the slowest one decides how long it takes.
"""

from __future__ import annotations

import importlib.metadata
import os
import secrets
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import fsspec
import sqlalchemy as sa

from rollcall.credentials.storage import AIRFLOW_URL, airflow_api, api_name
from rollcall.district_edits.file import is_folder_writable
from rollcall.errors import RollcallError
from rollcall.settings import districts_folder, load_districts
from rollcall.warehouse.migrate import HEAD, require_version
from rollcall.warehouse.session import connect, require_reachable, warehouse_from_environment

Outcome = Literal["ok", "failed", "skipped"]

#: The Python versions that `pyproject.toml` and the tests cover.
_PYTHONS = ((3, 11), (3, 12), (3, 13))

#: Mistakes in district files that are shown; `rollcall status` shows all.
_MAX_MISTAKES = 5


@dataclass(frozen=True)
class Check:
    """The result of one check.

    :param outcome: `skipped` if the environment does not name the part.
    :param remedy: what to do; empty if it is ok.
    """

    name: str
    outcome: Outcome
    message: str
    remedy: str = ""


def examine(warehouse: str | None, landing: str) -> list[Check]:
    """All checks, in the order in which they should be fixed.

    :param warehouse: SQLAlchemy URL, or None for that of the environment.
    """
    checks: dict[str, Callable[[], Check]] = {
        "Python": _python,
        "packages": _packages,
        "districts folder": _districts_folder,
        "district files": _district_files,
        "warehouse": lambda: _warehouse(warehouse),
        "landing zone": lambda: _landing(landing),
        "Airflow": _airflow,
        "connection types": _connection_types,
    }
    with ThreadPoolExecutor(len(checks)) as pool:
        return list(pool.map(_guarded, checks, checks.values()))


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    """A check whose error is its result."""
    try:
        return check()
    except RollcallError as error:
        return Check(name, "failed", error.message, error.remedy)


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] in _PYTHONS:
        return Check("Python", "ok", found)
    return Check("Python", "failed", f"{found} is not supported.", "Use Python 3.11, 3.12, or 3.13.")


def _packages() -> Check:
    """Compare the installed packages with the exact versions in requirements.txt."""
    wrong = []
    always = [text for text in importlib.metadata.requires("rollcall") or [] if "extra ==" not in text]
    required = [text.partition("==") for text in always]
    for name, _, tested in ((name.partition("[")[0], sign, version) for name, sign, version in required):
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        if found != tested:
            wrong.append(f"{name} is {found}, tested with {tested}")
    if wrong:
        return Check("packages", "failed", f"{'; '.join(wrong)}.", "Install from requirements.txt, or run: make setup")
    version, airflow = (importlib.metadata.version(name) for name in ("rollcall", "apache-airflow"))
    return Check("packages", "ok", f"rollcall {version}, apache-airflow {airflow}, and {len(required) - 1} others")


def _districts_folder() -> Check:
    folder = districts_folder()
    if not folder.is_dir():
        remedy = "Create it, or set ROLLCALL_DISTRICTS to the folder of your districts."
        return Check("districts folder", "failed", f"{folder} does not exist.", remedy)
    if not os.access(folder, os.R_OK | os.X_OK):
        return Check("districts folder", "failed", f"{folder} is not readable.", "Give this user the right to read it.")
    note = "" if is_folder_writable(folder) else ", read-only: commands that edit a file will fail"
    return Check("districts folder", "ok", f"{folder}{note}")


def _district_files() -> Check:
    districts, broken = load_districts()
    if not broken:
        return Check("district files", "ok", f"{len(districts):,} valid")
    shown = " ".join(error.message for error in broken[:_MAX_MISTAKES])
    more = f" And {len(broken) - _MAX_MISTAKES:,} more." if len(broken) > _MAX_MISTAKES else ""
    message = f"{len(districts):,} valid, {len(broken):,} not. {shown}{more}"
    return Check("district files", "failed", message, broken[0].remedy or "Correct the line in the file.")


def _warehouse(given: str | None) -> Check:
    engine = connect(warehouse_from_environment(given))
    try:
        require_reachable(engine)
        with engine.connect() as connection:
            server = str(connection.execute(sa.text("SHOW server_version")).scalar_one()).split()[0]
            require_version(connection)
    finally:
        engine.dispose()
    return Check("warehouse", "ok", f"PostgreSQL {server}, schema version {HEAD}, database {engine.url.database}")


def _landing(url: str) -> Check:
    """Write a file, read it, and delete it."""
    content = secrets.token_bytes(16)
    try:
        files, root = fsspec.core.url_to_fs(url)
        path = f"{root.rstrip('/')}/doctor-{secrets.token_hex(6)}"
        files.makedirs(root, exist_ok=True)
        files.pipe_file(path, content)
        is_same = files.cat_file(path) == content
        files.rm_file(path)
    except Exception as error:  # noqa: BLE001 - each file system raises its own errors
        reason = f"{type(error).__name__}: {getattr(error, 'strerror', '') or 'not writable'}"
        remedy = "Give this user the right to write there, or set ROLLCALL_LANDING to another folder or URL."
        return Check("landing zone", "failed", f"{url} ({reason}).", remedy)
    if not is_same:
        return Check("landing zone", "failed", f"{url} returned other content.", "Check the storage behind the URL.")
    return Check("landing zone", "ok", f"{url}, writable")


def _airflow() -> Check:
    if not os.environ.get(AIRFLOW_URL):
        return Check("Airflow", "skipped", f"{AIRFLOW_URL} is not set.")
    api = airflow_api()
    version = api.version()
    ill = [f"{name} is {status}" for name, part in api.health().items() if (status := part["status"]) == "unhealthy"]
    if ill:
        remedy = "Start it. The scheduler runs the nights; the DAG processor reads new districts."
        return Check("Airflow", "failed", f"{version} at {api.url}, but the {', the '.join(ill)}.", remedy)
    return Check("Airflow", "ok", f"{version} at {api.url}")


def _connection_types() -> Check:
    """Whether the provider package is installed here and, if Airflow can be asked, there."""
    group = importlib.metadata.entry_points(group="apache_airflow_provider")
    if not any(entry.value.startswith("oneroster_provider:") for entry in group):
        remedy = "Install the project as a package, in Airflow's environment too: pip install -e ."
        return Check("connection types", "failed", "The type oneroster is not registered here.", remedy)
    if not os.environ.get(AIRFLOW_URL):
        return Check("connection types", "ok", "oneroster is registered here")
    try:
        api = airflow_api()
        is_registered = api.has_provider("rollcall")
    except RollcallError:
        return Check("connection types", "ok", "oneroster is registered here; Airflow could not be asked")
    if not is_registered:
        remedy = "Install the project as a package in Airflow's environment, then restart Airflow: pip install -e ."
        return Check("connection types", "failed", f"{api_name(api)} does not have the type oneroster.", remedy)
    return Check("connection types", "ok", "oneroster is registered here and in Airflow")
