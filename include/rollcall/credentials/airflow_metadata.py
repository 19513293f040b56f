"""Reads a connection from Airflow's metadata database without importing Airflow.

Airflow's own command takes seconds to start, and its API returns no secrets. A tenth of a second is fast enough to
compare both copies of a connection in every command.
"""

from __future__ import annotations

import configparser
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from rollcall.check.raw_connection import RawConnection
from rollcall.errors import ActionRequired, RollcallError
from rollcall.warehouse.session import PRIVATE_LOGGER

#: Seconds until a server that does not answer counts as unreachable.
_TIMEOUT = 5

#: Airflow's options for its database and for the keys that encrypt connections.
_DATABASE = ("database", "sql_alchemy_conn")
_FERNET_KEYS = ("core", "fernet_key")
_SECRETS_BACKEND = ("secrets", "backend")

_BY_ID = sa.text(
    "SELECT host, login, password, extra, is_encrypted, is_extra_encrypted FROM connection WHERE conn_id = :conn_id"
)
_BY_LOGIN = sa.text("SELECT conn_id, host FROM connection WHERE conn_type = 'oneroster' AND login = :login")


@dataclass(frozen=True, repr=False)
class AirflowMetadata:
    """The metadata database that the environment names. It has no `repr`, because it contains secrets.

    :param url: SQLAlchemy URL.
    :param fernet_keys: newest first, separated by commas; empty if connections are not encrypted.
    """

    url: str
    fernet_keys: str

    @classmethod
    def of_environment(cls) -> AirflowMetadata | None:
        """The database, or None if the environment names none or if only Airflow itself can read its connections.

        Those are databases and keys from a command or a secrets backend, and connections in a secrets backend.
        """
        if not names_airflow():
            return None
        config = _config()
        url, keys = _option(config, *_DATABASE), _option(config, *_FERNET_KEYS)
        if not url or keys is None or _option(config, *_SECRETS_BACKEND):
            return None
        return cls(url, keys)

    def find(self, conn_id: str) -> RawConnection | None:
        """The connection, or None if there is none.

        :raises RollcallError: `airflow_metadata` if the database does not answer or is not Airflow's;
            `airflow_fernet_key` if the connection was encrypted with another key.
        """
        rows = self._read(_BY_ID, {"conn_id": conn_id})
        if not rows:
            return None
        [row] = rows
        password = self._plain(row.password, is_encrypted=row.is_encrypted, conn_id=conn_id)
        extra = self._plain(row.extra, is_encrypted=row.is_extra_encrypted, conn_id=conn_id)
        return RawConnection(conn_id, row.host or "", row.login or "", password, _as_object(extra))

    def of_client(self, login: str) -> list[tuple[str, str]]:
        """ID and Base URL of every OneRoster connection with a Client ID or Consumer Key.

        :raises RollcallError: `airflow_metadata`.
        """
        return [(row.conn_id, row.host or "") for row in self._read(_BY_LOGIN, {"login": login})]

    def _read(self, query: sa.TextClause, values: dict[str, str]) -> Sequence[sa.Row[Any]]:
        try:
            engine = sa.create_engine(
                self.url,
                poolclass=sa.pool.NullPool,
                connect_args=_timeout(self.url),
                hide_parameters=True,
                logging_name=PRIVATE_LOGGER,
            )
            with engine.connect() as connection:
                return connection.execute(query, values).all()
        except (sa.exc.SQLAlchemyError, ImportError, ValueError) as error:
            raise RollcallError(
                "airflow_metadata",
                f"Airflow's metadata database cannot be read ({type(error).__name__}).",
                remedy="Start it, or correct AIRFLOW__DATABASE__SQL_ALCHEMY_CONN, or unset it.",
            ) from None

    def _plain(self, value: str | None, *, is_encrypted: bool | None, conn_id: str) -> str:
        if not value or not is_encrypted:
            return value or ""
        from cryptography.fernet import Fernet, InvalidToken, MultiFernet

        try:
            keys = [Fernet(key.strip()) for key in self.fernet_keys.split(",") if key.strip()]
            return MultiFernet(keys).decrypt(value).decode()
        except (InvalidToken, ValueError):
            raise ActionRequired(
                "airflow_fernet_key",
                f"Airflow's connection {conn_id} cannot be decrypted here.",
                remedy="Set AIRFLOW__CORE__FERNET_KEY to the key of that Airflow.",
            ) from None


def names_airflow() -> bool:
    """Whether the environment names a metadata database, in any of Airflow's ways.

    Without one, Airflow's own command would create a database in the home folder.
    """
    section, key = _DATABASE
    if any(os.environ.get(_variable(section, key) + suffix) for suffix in ("", "_CMD", "_SECRET")):
        return True
    if not _home() or not Path(_home(), "airflow.cfg").is_file():
        return False
    # an import of Airflow writes airflow.cfg, before there is a database
    path = urlsplit(_option(_config(), section, key) or "")
    return not path.scheme.startswith("sqlite") or Path(path.path.removeprefix("/")).exists()


def _home() -> str:
    return os.environ.get("AIRFLOW_HOME", "")


def _config() -> configparser.ConfigParser:
    config = configparser.ConfigParser(interpolation=None, strict=False)
    if _home():
        config.read(Path(_home(), "airflow.cfg"), encoding="utf-8")
    return config


def _option(config: configparser.ConfigParser, section: str, key: str) -> str | None:
    """An option's value. None if it is not set, or set to a command or a secret that only Airflow resolves."""
    variable = _variable(section, key)
    if variable in os.environ:
        return os.environ[variable]
    if any(os.environ.get(variable + suffix) for suffix in ("_CMD", "_SECRET")):
        return None
    if any(config.has_option(section, key + suffix) for suffix in ("_cmd", "_secret")):
        return None
    return config.get(section, key, fallback=None)


def _variable(section: str, key: str) -> str:
    return f"AIRFLOW__{section.upper()}__{key.upper()}"


def _timeout(url: str) -> dict[str, Any]:
    return {"connect_timeout": _TIMEOUT} if urlsplit(url).scheme.startswith("postgres") else {}


def _as_object(extra: str) -> dict[str, Any]:
    try:
        found = json.loads(extra or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
