"""The environment of Airflow's components on one machine: all settings explicit, everything on loopback.

Settings of another Airflow or Rollcall in the caller's environment are removed.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from rollcall.credentials.airflow_api import AirflowApi
from rollcall.errors import RollcallError
from rollcall.files.private import write_private
from rollcall_local.loopback import LOOPBACK

#: The checkout's folder, with `dags/`, `plugins/`, `config/`, and `include/`.
PROJECT = Path(__file__).resolve().parents[2]
USER = "admin"

_TELEMETRY_OFF = {"GX_ANALYTICS_ENABLED": "false", "SCARF_ANALYTICS": "false", "DO_NOT_TRACK": "1"}


@dataclass(frozen=True, repr=False)
class Secrets:
    """The secrets of one Airflow home. Generated once and kept in `secrets.json`, readable by the owner only."""

    password: str
    fernet_key: str
    jwt_secret: str
    api_secret: str

    @classmethod
    def of(cls, home: Path) -> Secrets:
        """The home's secrets, generated if there are none."""
        path = home / "secrets.json"
        if not path.exists():
            generated = {
                "password": secrets.token_urlsafe(9),
                "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
                "jwt_secret": secrets.token_urlsafe(48),
                "api_secret": secrets.token_urlsafe(32),
            }
            write_private(path, json.dumps(generated).encode())
        return cls(**json.loads(path.read_text()))


def airflow_env(
    home: Path,
    *,
    metadata_url: str,
    port: int,
    dags: Path,
    plugins: Path,
    extra: Mapping[str, str],
) -> dict[str, str]:
    """The full environment of the components; `extra` overrides the rest.

    :param metadata_url: SQLAlchemy URL of an empty database, or one that an earlier start migrated.
    """
    keys = Secrets.of(home)
    passwords = home / "passwords.json"
    write_private(passwords, json.dumps({USER: keys.password}).encode())
    url = f"http://{LOOPBACK}:{port}"
    settings = {
        "CORE__DAGS_FOLDER": str(dags),
        "CORE__PLUGINS_FOLDER": str(plugins),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "4",
        "CORE__TEST_CONNECTION": "Enabled",
        "CORE__FERNET_KEY": keys.fernet_key,
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__HOSTNAME_CALLABLE": "socket.gethostname",  # the default queries DNS, which takes seconds without one
        "CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "DATABASE__SQL_ALCHEMY_CONN": metadata_url,
        "API__HOST": LOOPBACK,
        "API__PORT": str(port),
        "API__BASE_URL": url,
        "API__SECRET_KEY": keys.api_secret,
        "API_AUTH__JWT_SECRET": keys.jwt_secret,
        "LOGGING__BASE_LOG_FOLDER": str(home / "logs" / "tasks"),
        "DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "120",  # the first parse is slow on two busy cores
        "DAG_PROCESSOR__REFRESH_INTERVAL": "30",  # seconds until a new DAG file is noticed
    }
    env = own_environment() | {f"AIRFLOW__{name}": value for name, value in settings.items()}
    env |= {
        "AIRFLOW_HOME": str(home),
        # config/airflow_local_settings.py must be importable. Without plugins/, or the provider has two import names.
        "PYTHONPATH": os.pathsep.join((str(PROJECT), str(PROJECT / "config"))),
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": _no_proxy(),
        "no_proxy": _no_proxy(),
    }
    return env | _TELEMETRY_OFF | dict(extra)


def own_environment() -> dict[str, str]:
    """The caller's environment without the settings of another Airflow or Rollcall."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ROLLCALL"))}


def _no_proxy() -> str:
    given = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    return ",".join(filter(None, (given, LOOPBACK, "localhost")))


_CONNECTION = (
    "conn_id",
    "conn_type",
    "conn_host",
    "conn_schema",
    "conn_login",
    "conn_password",
    "conn_port",
    "conn_extra",
)
_POOL = ("pool_name", "pool_slot", "pool_description")
_VARIABLE = ("variable_name", "variable_value")


@dataclass(frozen=True, repr=False)
class AirflowSettings:
    """The content of `airflow_settings.yaml` (connections, pools, variables) in the format of Airflow's API.

    The Astro CLI reads the same file in `astro dev start`. Connections contain secrets, so there is no repr.
    """

    connections: tuple[dict[str, Any], ...] = ()
    pools: tuple[dict[str, Any], ...] = ()
    variables: tuple[dict[str, Any], ...] = ()

    @classmethod
    def read(cls, path: Path) -> AirflowSettings:
        """The file's settings. Entries without a name, as in Astro's template, are ignored.

        :raises RollcallError: `airflow_settings_unreadable` if it is not YAML or has a key unknown to the Astro CLI.
        """
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError:
            raise _unreadable(path, "is not YAML") from None
        found = content.get("airflow") if isinstance(content, dict) else None
        if not isinstance(found, dict):
            raise _unreadable(path, "has no section `airflow`")
        return cls(
            connections=tuple(map(_connection, _entries(path, found, "connections", _CONNECTION))),
            pools=tuple(map(_pool, _entries(path, found, "pools", _POOL))),
            variables=tuple(map(_variable, _entries(path, found, "variables", _VARIABLE))),
        )

    def with_address(self, written: str, actual: str) -> AirflowSettings:
        """A copy with an address such as `127.0.0.1:8480` replaced in every connection."""
        moved = [
            {**connection, **{key: str(connection[key] or "").replace(written, actual) for key in ("host", "extra")}}
            for connection in self.connections
        ]
        return replace(self, connections=tuple(moved))

    def apply(self, api: AirflowApi) -> None:
        """Create or overwrite these settings in Airflow. Other settings do not change. Safe to repeat.

        :raises RollcallError: `airflow_settings_refused`.
        """
        api.overwrite("connections", self.connections)
        api.overwrite("pools", self.pools)
        api.overwrite("variables", self.variables)


def _entries(path: Path, found: Mapping[str, Any], kind: str, known: tuple[str, ...]) -> Iterable[dict[str, Any]]:
    for entry in found.get(kind) or []:
        unknown = sorted(set(entry) - set(known) - {"conn_uri"})
        if unknown:
            raise _unreadable(
                path, f"has the unknown key {unknown[0]!r} under `{kind}`. Known keys: {', '.join(known)}"
            )
        if entry.get(known[0]):
            yield entry


def _connection(entry: Mapping[str, Any]) -> dict[str, Any]:
    extra = entry.get("conn_extra") or {}
    return {
        "connection_id": entry["conn_id"],
        "conn_type": entry["conn_type"],
        "host": entry.get("conn_host"),
        "schema": entry.get("conn_schema"),
        "login": entry.get("conn_login"),
        "password": entry.get("conn_password"),
        "port": entry.get("conn_port"),
        "extra": extra if isinstance(extra, str) else json.dumps(extra),
    }


def _pool(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": entry["pool_name"],
        "slots": entry["pool_slot"],
        "description": entry.get("pool_description") or "",
    }


def _variable(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"key": entry["variable_name"], "value": entry["variable_value"]}


def _unreadable(path: Path, why: str) -> RollcallError:
    return RollcallError("airflow_settings_unreadable", f"{path.name} {why}.")
