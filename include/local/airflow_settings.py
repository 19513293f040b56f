"""Applies `airflow_settings.yaml`, the Astro CLI's file of connections, pools and variables, to a running Airflow.

Without the Astro CLI this does what `astro dev start` does with the file, and more than once without harm.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from include.errors import RollcallError
from include.local.airflow_api import AirflowApi

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
    """What the file holds, in the shape of Airflow's API; connections hold secrets, so there is no repr."""

    connections: tuple[dict[str, Any], ...] = ()
    pools: tuple[dict[str, Any], ...] = ()
    variables: tuple[dict[str, Any], ...] = ()

    @classmethod
    def read(cls, path: Path) -> AirflowSettings:
        """The file's settings; entries without a name, as in Astro's template, are left out.

        :raises RollcallError: `airflow_settings_unreadable` for what is not YAML or has a key the Astro CLI has not.
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

    def at(self, written: str, actual: str) -> AirflowSettings:
        """The same with another address: `127.0.0.1:8480` replaced wherever a connection names it."""
        moved = [
            {**connection, **{key: str(connection[key] or "").replace(written, actual) for key in ("host", "extra")}}
            for connection in self.connections
        ]
        return replace(self, connections=tuple(moved))

    def apply(self, api: AirflowApi) -> None:
        """Create what is missing, overwrite what is there; what else Airflow holds is left alone.

        :raises RollcallError: `airflow_settings_refused`.
        """
        api.overwrite("connections", self.connections)
        api.overwrite("pools", self.pools)
        api.overwrite("variables", self.variables)


def _entries(path: Path, found: Mapping[str, Any], kind: str, known: tuple[str, ...]) -> Iterable[dict[str, Any]]:
    for entry in found.get(kind) or []:
        unknown = sorted(set(entry) - set(known) - {"conn_uri"})
        if unknown:
            raise _unreadable(path, f"has the key {unknown[0]!r} under `{kind}`, where {', '.join(known)} can stand")
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
