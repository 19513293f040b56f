"""Engines, sessions, and transactions of the warehouse, and the SQL that only PostgreSQL has.

Every session has the same settings, whatever the defaults of server, database, or user. Rows travel as text
(COPY), so another `DateStyle` or time zone would change dates. Publish waits for a lock, then reads the newest state,
so it needs the isolation level *read committed*. Timeouts made for web applications would end a night's long
transactions. A setting that protects the data (`default_transaction_read_only`) stays.

To support another warehouse, start here: models, queries, and migrations go through SQLAlchemy. The merges
`UPDATE … FROM` and `DELETE … USING` (publish, history, rollback) are PostgreSQL's too. PostgreSQL 13 and newer is
supported. `ROLLCALL_EXPORT` writes Parquet for other warehouses.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB as JSON
from sqlalchemy.dialects.postgresql import insert as upsert

from rollcall.errors import ENCODING, ActionRequired, RollcallError, known_fault, redact_errors
from rollcall.warehouse.migrate import require_version

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

#: A lock by name (`name`) that lasts until the transaction ends. The second one does not wait and returns success.
ACQUIRE_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
TRY_ACQUIRE_LOCK = sa.text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")


def temp_table(name: str, columns: str) -> str:
    """A temporary table, dropped at the end of the transaction.

    :param columns: column definitions, as in CREATE TABLE.
    """
    return f"CREATE TEMP TABLE IF NOT EXISTS {name} ({columns}) ON COMMIT DROP"


def temp_table_like(name: str, other: str) -> str:
    """A temporary table with the columns of another table."""
    return f"CREATE TEMP TABLE {name} (LIKE {other}) ON COMMIT DROP"


def copy_from_client(target: str, columns: Sequence[str]) -> str:
    """COPY rows into a table, as CSV without a header."""
    listed = ", ".join(f'"{name}"' for name in columns)
    return f"COPY {target} ({listed}) FROM STDIN (FORMAT csv)"


def copy_to_client(query: str) -> str:
    """COPY the rows of a query out, as CSV without a header."""
    return f"COPY ({query}) TO STDOUT (FORMAT csv)"


def update_statistics(table: str, columns: str = "") -> str:
    """Update the planner's statistics of a table, or of some of its columns."""
    return f"ANALYZE {table} ({columns})" if columns else f"ANALYZE {table}"


#: The oldest supported PostgreSQL, as the driver numbers versions.
_OLDEST_VERSION = 130_000

#: Longer than any statement or transaction of a night. A task ends after four hours.
_TIMEOUT = "4h"

SETTINGS = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    # temporary tables come first anyway; all other names include the schema
    "search_path": "public",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "statement_timeout": _TIMEOUT,
    "lock_timeout": _TIMEOUT,
    "idle_in_transaction_session_timeout": _TIMEOUT,
    "log_parameter_max_length_on_error": "0",
}
#: Settings of newer versions: the first version that has each, and its value.
_VERSION_SETTINGS = {"idle_session_timeout": (140_000, "0"), "transaction_timeout": (170_000, _TIMEOUT)}

#: How soon the server ends the session of a machine that lost network or power, with its transaction and its locks. By
#: Linux's defaults, a retry on another machine would wait over two hours for the publish lock. A unix socket has no
#: keepalives and ignores them.
_KEEPALIVES = {"tcp_keepalives_idle": "60", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "6"}
#: The same for a client that ended while its statement waits or computes. Since PostgreSQL 14, reliably on Linux.
_CHECK_CLIENT = "'client_connection_check_interval', CASE WHEN version() ~ 'linux' THEN '10s' ELSE '0' END"
_CHECKS_CLIENT = 140_000

#: Settings that keep values out of the server's log. A failed constraint would write the whole row into it, and
#: `log_statement` every parameter. Statements may still be logged, but not errors, whose first line can quote a value:
#: Rollcall reports them itself, by SQLSTATE. Only some users may set these.
_PRIVATE_SETTINGS = {
    "log_error_verbosity": "terse",
    "log_min_messages": "log",
    "log_parameter_max_length": "0",
}

#: The first version in which a user can be granted to set one.
_PARAMETER_PRIVILEGES = 150_000

#: `logging_name` of every engine. At DEBUG, SQLAlchemy logs each row that a query returns (rule 8).
PRIVATE_LOGGER = "rollcall"
logging.getLogger(f"sqlalchemy.engine.Engine.{PRIVATE_LOGGER}").addFilter(lambda record: record.levelno > logging.DEBUG)
#: When a connection is lost, a pool logs the driver's exceptions, with tracebacks and texts.
for _pool in ("QueuePool", "NullPool"):
    logging.getLogger(f"sqlalchemy.pool.impl.{_pool}.{PRIVATE_LOGGER}").setLevel(logging.CRITICAL + 1)

#: Driver arguments for every connection. A server that vanishes without a word (a failover, a firewall that forgets the
#: connection) is lost after a minute or two. By Linux's defaults, a run would wait for it for over two hours.
CONNECT_ARGS = {
    "client_encoding": "utf8",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 6,
    "tcp_user_timeout": 90_000,  # milliseconds
}


def set_up_sessions(engine: sa.Engine, *, require_supported: bool = True) -> None:
    """Apply the settings to every new session of an engine.

    Behind PgBouncer in transaction mode each transaction can get another session of the server, so there the settings
    are applied to every transaction, and nothing is prepared.

    :param require_supported: refuse a database that cannot hold a roster: `warehouse_encoding`, `warehouse_too_old`.
    """

    @sa.event.listens_for(engine, "connect")
    def _(driver: Any, record: Any) -> None:
        try:
            if require_supported:
                _require_supported(driver)
            if _is_pooled(driver):
                record.info["pooled"] = True
                driver.prepare_threshold = None
            # in its own transaction: a rollback would undo the settings
            _apply_settings(driver)
            driver.commit()
        except BaseException:
            driver.close()
            raise

    @sa.event.listens_for(engine, "begin")
    def _(connection: sa.Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if connection.info.get("pooled") and not driver.autocommit:
            _apply_settings(driver, is_local=True)


def _is_pooled(driver: Any) -> bool:
    """Whether a pooler is between this process and the server: it hands out its own number for a session."""
    found: int = driver.execute("SELECT pg_backend_pid()").fetchone()[0]
    return found != driver.info.backend_pid


def _apply_settings(driver: Any, *, is_local: bool = False) -> None:
    """:param is_local: until the end of the transaction."""
    version = driver.info.server_version
    later = {name: value for name, (since, value) in _VERSION_SETTINGS.items() if version >= since}
    settings = {**SETTINGS, **_KEEPALIVES, **later}
    local = str(is_local).lower()
    arguments = ["%s, %s"] * len(settings) + [_CHECK_CLIENT] * (version >= _CHECKS_CLIENT)
    calls = ", ".join(f"set_config({pair}, {local})" for pair in arguments)
    driver.execute(f"SELECT {calls}", [text for setting in settings.items() for text in setting])
    may_set = (
        "has_parameter_privilege(name, 'SET')"
        if version >= _PARAMETER_PRIVILEGES
        else "(SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"
    )
    values = ", ".join(["(%s, %s)"] * len(_PRIVATE_SETTINGS))
    driver.execute(
        f"SELECT set_config(name, value, {local}) FROM (VALUES {values}) AS private (name, value) WHERE {may_set}",
        [text for setting in _PRIVATE_SETTINGS.items() for text in setting],
    )


def _require_supported(driver: Any) -> None:
    """:raises ActionRequired: `warehouse_too_old`, `warehouse_encoding`."""
    version = driver.info.server_version
    if version < _OLDEST_VERSION:
        raise ActionRequired(
            "warehouse_too_old",
            f"The warehouse is PostgreSQL {version // 10_000}; Rollcall needs {_OLDEST_VERSION // 10_000} or newer.",
            remedy="Upgrade the server, or use another one in the connection `warehouse`.",
        )
    encoding = driver.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise ActionRequired(ENCODING.code, f"{ENCODING.message} It is {encoding}.", remedy=ENCODING.remedy)


# Airflow has the warehouse as connection `warehouse`. Outside Airflow it is `AIRFLOW_CONN_WAREHOUSE` in Airflow's JSON
# form, or `--warehouse` as a SQLAlchemy URL. Without a password there, libpq uses PGPASSWORD or the file in PGPASSFILE.

_VARIABLE = "AIRFLOW_CONN_WAREHOUSE"
_EXAMPLE = '{"conn_type": "postgres", "host": "db.example.org", "login": "rollcall", "password": "…", "schema": "wh"}'


def warehouse_url(
    host: str, *, database: str, login: str | None = None, password: str | None = None, port: int | None = None
) -> sa.URL:
    """A SQLAlchemy URL for psycopg 3. A host that starts with `/` is the folder of a unix socket."""
    if host.startswith("/"):
        query = {"host": host}
        return sa.URL.create("postgresql+psycopg", login, password, None, port or None, database, query)
    return sa.URL.create("postgresql+psycopg", login, password, host, port or None, database)


class ConnectionFields(Protocol):
    """The fields of a connection of type `postgres`. As everywhere in Airflow, `schema` is the database name."""

    host: Any
    schema: Any
    login: Any
    password: Any
    port: Any


def url_of(fields: ConnectionFields) -> sa.URL:
    """The warehouse URL of an Airflow connection."""
    return warehouse_url(
        fields.host, database=fields.schema, login=fields.login, password=fields.password, port=fields.port
    )


def warehouse_from_environment(given: str | None = None) -> sa.URL:
    """The warehouse of a command: `--warehouse` if given, else the environment.

    :raises RollcallError: `no_warehouse` or `warehouse_setting`, with the variable and an example.
    """
    if given:
        return _parsed(given)
    text = os.environ.get(_VARIABLE)
    if not text:
        raise ActionRequired(
            "no_warehouse",
            "No warehouse is configured.",
            remedy=f"Use --warehouse postgresql+psycopg://…, or set {_VARIABLE} to Airflow's JSON form: {_EXAMPLE}.",
        )
    if not text.lstrip().startswith("{"):
        return _parsed(text)
    try:
        fields: dict[str, Any] = json.loads(text)
        host, database = fields["host"], fields["schema"]
    except (ValueError, KeyError, TypeError):
        raise ActionRequired(
            "warehouse_setting",
            f"{_VARIABLE} is not JSON with host and schema (the database name).",
            remedy=f"Use this form: {_EXAMPLE}.",
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
            "The warehouse URL is not valid.",
            remedy="Use postgresql+psycopg://user@host:5432/database, with the password in PGPASSWORD.",
        ) from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ActionRequired(
            "warehouse_setting",
            f"The warehouse must be PostgreSQL 13 or newer, not {url.get_backend_name()}.",
            remedy="Use a PostgreSQL database.",
        )
    return url.set(drivername="postgresql+psycopg")


def connect(url: sa.URL, *, seconds: int = 10) -> sa.Engine:
    """An engine with these settings. Errors and logs never contain the values of a statement (rule 8).

    :param seconds: until a server that does not answer counts as unreachable.
    """
    args = {"connect_timeout": seconds, **CONNECT_ARGS}
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args=args,
        logging_name=PRIVATE_LOGGER,
        pool_logging_name=PRIVATE_LOGGER,
    )
    set_up_sessions(engine)
    return engine


def require_reachable(engine: sa.Engine) -> None:
    """Check that the warehouse answers.

    :raises RollcallError: `warehouse_unreachable` with host and database but no password; `warehouse_connections`.
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
            f"The warehouse {engine.url.database!r} on {where} does not answer or rejects the login.",
            remedy="Check the connection `warehouse`, and check that the database is running.",
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
