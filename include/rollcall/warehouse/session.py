"""What a session of the warehouse is set to, whatever the server, the database or the user has as its default.

Rows travel as text (COPY), so a database with `DateStyle = 'SQL, DMY'` or another time zone would give other dates;
publication waits for its turn under a lock and then reads what is newest, which another isolation default would forbid;
and limits made for web applications end the long transactions of a night. What an administrator set to protect the data
(`default_transaction_read_only`) stays as it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB as JSON
from sqlalchemy.dialects.postgresql import insert as upsert

from rollcall.errors import ENCODING, ActionRequired, RollcallError, known_fault, redact_errors
from rollcall.warehouse.migrate import require_version

# What PostgreSQL says in words of its own; whoever brings another warehouse begins here.
#
# The models, the queries and the migrations are SQLAlchemy's business. Beside what stands here only the merges `UPDATE
# … FROM` and `DELETE … USING` (publish, history, rollback) are not every warehouse's. PostgreSQL 13 and newer is what
# is claimed; for others `ROLLCALL_EXPORT` writes the roster as Parquet.

__all__ = [
    "ACQUIRE_LOCK",
    "JSON",
    "TRY_ACQUIRE_LOCK",
    "copy_from_client",
    "copy_to_client",
    "temp_table",
    "temp_table_like",
    "update_statistics",
    "upsert",
]

#: A lock by name (`name`) that lasts as long as the transaction: wait for it, or say at once whether it could be had.
ACQUIRE_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
TRY_ACQUIRE_LOCK = sa.text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")


def temp_table(name: str, columns: str) -> str:
    """A table of the transaction's own.

    :param columns: as they stand between the parentheses of CREATE TABLE.
    """
    return f"CREATE TEMP TABLE IF NOT EXISTS {name} ({columns}) ON COMMIT DROP"


def temp_table_like(name: str, other: str) -> str:
    """A table of the transaction's own with another one's columns."""
    return f"CREATE TEMP TABLE {name} (LIKE {other}) ON COMMIT DROP"


def copy_from_client(target: str, columns: Sequence[str]) -> str:
    """Rows in bulk into a table, as CSV without a header."""
    listed = ", ".join(f'"{name}"' for name in columns)
    return f"COPY {target} ({listed}) FROM STDIN (FORMAT csv)"


def copy_to_client(query: str) -> str:
    """A query's rows in bulk, as CSV without a header."""
    return f"COPY ({query}) TO STDOUT (FORMAT csv)"


def update_statistics(table: str, columns: str = "") -> str:
    """Tell the planner what is in a table, or in some of its columns."""
    return f"ANALYZE {table} ({columns})" if columns else f"ANALYZE {table}"


#: The oldest PostgreSQL that works, as the driver counts it.
OLDEST = 130_000

#: Longer than any statement or transaction of a night; a task ends after four hours.
_LONGEST = "4h"

SETTINGS = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    # temporary tables come first of themselves, everything else is named with its schema
    "search_path": "public",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "statement_timeout": _LONGEST,
    "lock_timeout": _LONGEST,
    "idle_in_transaction_session_timeout": _LONGEST,
}
#: Settings that a later version brought, with that version.
_SINCE = {"idle_session_timeout": (140_000, "0"), "transaction_timeout": (170_000, _LONGEST)}

#: Arguments of the driver that go with it.
CONNECT_ARGS = {"client_encoding": "utf8"}


def set_up_sessions(engine: sa.Engine, *, require_fit: bool = True) -> None:
    """Set every new session of an engine up.

    :param require_fit: refuse a database that cannot hold a roster, `warehouse_encoding` or `warehouse_too_old`.
    """

    @sa.event.listens_for(engine, "connect")
    def _(driver: Any, _record: object) -> None:
        try:
            if require_fit:
                _require_fit(driver)
            _set_up(driver)
        except BaseException:
            driver.close()
            raise


def _set_up(driver: Any) -> None:
    version = driver.info.server_version
    later = {name: value for name, (since, value) in _SINCE.items() if version >= since}
    settings = {**SETTINGS, **later}
    # one statement, in a transaction of its own: what is set in one that is rolled back is forgotten
    calls = ", ".join(["set_config(%s, %s, false)"] * len(settings))
    driver.execute(f"SELECT {calls}", [text for setting in settings.items() for text in setting])
    driver.commit()


def _require_fit(driver: Any) -> None:
    """:raises ActionRequired: `warehouse_too_old`, `warehouse_encoding`."""
    version = driver.info.server_version
    if version < OLDEST:
        raise ActionRequired(
            "warehouse_too_old",
            f"The warehouse is PostgreSQL {version // 10_000}; Rollcall needs {OLDEST // 10_000} or newer.",
            remedy="Upgrade the server, or name another one in the connection `warehouse`.",
        )
    encoding = driver.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise ActionRequired(ENCODING.code, f"{ENCODING.message} It is {encoding}.", remedy=ENCODING.remedy)


# Where the warehouse is, and a connection to it.
#
# Airflow keeps it as connection `warehouse`; outside Airflow it comes from `AIRFLOW_CONN_WAREHOUSE` in Airflow's JSON
# form, or from `--warehouse` as a SQLAlchemy URL. Where neither has a password, libpq looks for one in PGPASSWORD and
# in the file PGPASSFILE names, so that none has to be an argument of a program.

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
        raise ActionRequired(
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
        raise ActionRequired(
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
        raise ActionRequired(
            "warehouse_setting",
            "The warehouse's URL cannot be read.",
            remedy="It looks like postgresql+psycopg://user@host:5432/database, with the password in PGPASSWORD.",
        ) from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ActionRequired(
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


def require_reachable(engine: sa.Engine) -> None:
    """Ask the warehouse for a sign of life.

    :raises RollcallError: `warehouse_unreachable` with host and database, never the password; `warehouse_connections`.
    :raises ActionRequired: `warehouse_encoding`, `warehouse_too_old`.
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


@contextmanager
def warehouse_transaction(engine: sa.Engine, stage: str, *, district: str = "") -> Iterator[sa.Connection]:
    """A transaction in a warehouse that answers and has the tables of this version. It commits at the end.

    :param stage: named in the error when something unexpected fails, see :func:`redact_errors`.
    :raises ActionRequired: `warehouse_version`, and what :func:`require_reachable` raises.
    :raises RollcallError: `warehouse_unreachable`.
    """
    require_reachable(engine)
    with redact_errors(stage, district=district), engine.begin() as connection:
        require_version(connection)
        yield connection


@contextmanager
def warehouse_snapshot(engine: sa.Engine, stage: str, *, district: str = "") -> Iterator[sa.Connection]:
    """The same with a :func:`snapshot`, for reading."""
    require_reachable(engine)
    with redact_errors(stage, district=district), snapshot(engine) as connection:
        require_version(connection)
        yield connection


@contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One fixed state of the warehouse. It is rolled back at the end, so only temporary tables can be written."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        yield connection
        connection.rollback()
