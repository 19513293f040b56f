"""Reads a missing port of our connections as 0, in Airflow's API server only."""

from __future__ import annotations

from typing import Any

from airflow.models.connection import Connection
from sqlalchemy import event
from sqlalchemy.orm.attributes import set_committed_value

from oneroster_provider import get_provider_info

_TYPES = frozenset(each["connection-type"] for each in get_provider_info()["connection-types"])


def read_missing_port_as_zero() -> None:
    """Add the listener, once. What the database stores does not change."""
    for moment in ("load", "refresh"):
        if not event.contains(Connection, moment, _set_port):
            event.listen(Connection, moment, _set_port)


def _set_port(connection: Any, *_: object) -> None:
    if connection.conn_type in _TYPES and connection.port is None:
        set_committed_value(connection, "port", 0)
