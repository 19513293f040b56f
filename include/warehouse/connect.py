"""Where the warehouse is, and a connection to it.

Airflow keeps it as connection `warehouse`; outside Airflow it comes from `AIRFLOW_CONN_WAREHOUSE` in Airflow's JSON
form, or from `--warehouse` as a SQLAlchemy URL. Where neither has a password, libpq looks for one in PGPASSWORD and in
the file PGPASSFILE names, so that none has to be an argument of a program.
"""

from __future__ import annotations

import json
import os
from typing import Any, Protocol

import sqlalchemy as sa

from include.errors import NeedsPerson, RollcallError
from include.warehouse.session import CONNECT_ARGS, set_up_sessions
from include.warehouse_faults import known_fault

_VARIABLE = "AIRFLOW_CONN_WAREHOUSE"
_EXAMPLE = '{"conn_type": "postgres", "host": "db.example.org", "login": "rollcall", "password": "…", "schema": "wh"}'


def warehouse_url(
    host: str, *, database: str, login: str | None = None, password: str | None = None, port: int | None = None
) -> sa.URL:
    """A SQLAlchemy URL with psycopg 3 said outright; a host that begins with `/` is a unix socket's folder."""
    if host.startswith("/"):
        query = {"host": host}
        return sa.URL.create("postgresql+psycopg", login, password, None, port or None, database, query)
    return sa.URL.create("postgresql+psycopg", login, password, host, port or None, database)


class ConnectionFields(Protocol):
    """The fields of a connection of type `postgres`; `schema` is the database's name, as everywhere in Airflow."""

    host: Any
    schema: Any
    login: Any
    password: Any
    port: Any


def url_of(fields: ConnectionFields) -> sa.URL:
    """The warehouse of an Airflow connection."""
    return warehouse_url(
        fields.host, database=fields.schema, login=fields.login, password=fields.password, port=fields.port
    )


def warehouse_from_environment(given: str | None = None) -> sa.URL:
    """The warehouse of a command: `--warehouse` where given, else the environment.

    :raises RollcallError: `no_warehouse` or `warehouse_setting`, naming the variable with an example.
    """
    if given:
        return _parsed(given)
    text = os.environ.get(_VARIABLE)
    if not text:
        raise NeedsPerson(
            "no_warehouse",
            "No warehouse is named.",
            remedy=f"Give --warehouse postgresql+psycopg://…, or set {_VARIABLE} to Airflow's JSON form: {_EXAMPLE}.",
        )
    if not text.lstrip().startswith("{"):
        return _parsed(text)
    try:
        fields: dict[str, Any] = json.loads(text)
        host, database = fields["host"], fields["schema"]
    except (ValueError, KeyError, TypeError):
        raise NeedsPerson(
            "warehouse_setting",
            f"{_VARIABLE} is not a connection with host and schema (the database's name) in JSON.",
            remedy=f"It looks like {_EXAMPLE}.",
        ) from None
    return warehouse_url(
        host, database=database, login=fields.get("login"), password=fields.get("password"), port=fields.get("port")
    )


def _parsed(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError:
        raise NeedsPerson(
            "warehouse_setting",
            "The warehouse's URL cannot be read.",
            remedy="It looks like postgresql+psycopg://user@host:5432/database, with the password in PGPASSWORD.",
        ) from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise NeedsPerson(
            "warehouse_setting",
            f"The warehouse must be PostgreSQL 13 or newer, not {url.get_backend_name()}.",
            remedy="Name a PostgreSQL database.",
        )
    return url.set(drivername="postgresql+psycopg")


def connect(url: sa.URL) -> sa.Engine:
    """An engine whose errors do not quote the values of a statement (rule 8); parameters never reach a log.

    Its sessions are the same on every database.
    """
    args = {"connect_timeout": 10, **CONNECT_ARGS}
    engine = sa.create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=args)
    set_up_sessions(engine)
    return engine


def reached(engine: sa.Engine) -> None:
    """Ask the warehouse for a sign of life.

    :raises RollcallError: `warehouse_unreachable` with host and database, never the password; `warehouse_connections`.
    :raises NeedsPerson: `warehouse_encoding`, `warehouse_too_old`.
    """
    try:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
    except sa.exc.DBAPIError as error:
        fault = known_fault(error)
        if fault is not None and fault.code == "warehouse_connections":
            raise RollcallError(fault.code, fault.message, remedy=fault.remedy) from None
        where = engine.url.query.get("host") or engine.url.host
        raise RollcallError(
            "warehouse_unreachable",
            f"The warehouse {engine.url.database!r} on {where} does not answer or refuses the login.",
            remedy="Check the connection `warehouse` and that the database runs.",
        ) from None
