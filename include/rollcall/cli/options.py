"""Options shared by several commands."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rollcall.display.echo import echo
from rollcall.landing.zone import default_landing

if TYPE_CHECKING:
    import sqlalchemy as sa

#: Seconds until a warehouse that does not answer counts as unreachable.
_CONNECT_SECONDS = 4

F = TypeVar("F", bound=Callable[..., Any])


def warehouse_option(command: F) -> F:
    return click.option(
        "--warehouse",
        metavar="URL",
        callback=_warn_about_password,
        help="SQLAlchemy URL of the warehouse, with the password in PGPASSWORD or PGPASSFILE.  "
        "[default: AIRFLOW_CONN_WAREHOUSE]",
    )(command)


def _warn_about_password(_context: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    """Warn about a password in the URL: every user of the machine can read a program's arguments."""
    if given and _has_password(given):
        echo(
            "Warning: --warehouse contains a password. Everyone on this machine can read it in the process list. "
            "Remove it from the URL and set PGPASSWORD or PGPASSFILE, or set AIRFLOW_CONN_WAREHOUSE.",
            err=True,
        )
    return given


def _has_password(url: str) -> bool:
    import sqlalchemy as sa

    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        return False
    return bool(parsed.password) or any(name in parsed.query for name in ("password", "sslpassword"))


def retired_option(old: str, new: str, *, is_flag: bool = False) -> Callable[[F], F]:
    """An option of an older version: an error that names the new one."""

    def refuse(_context: click.Context, _parameter: click.Parameter, given: object) -> None:
        if given:
            raise click.UsageError(f"{old} is retired. Use {new}.")

    return click.option(old, hidden=True, expose_value=False, is_eager=True, is_flag=is_flag, callback=refuse)


def open_warehouse(given: str | None) -> sa.Engine:
    """The warehouse of a command. A person waits, so a server that does not answer is given up on sooner than at night.

    :raises RollcallError: `no_warehouse`, `warehouse_setting`.
    """
    from rollcall.warehouse.session import connect, warehouse_from_environment

    return connect(warehouse_from_environment(given), seconds=_CONNECT_SECONDS)


def open_optional_warehouse(given: str | None) -> sa.Engine | None:
    """The same for commands that work without one; None if neither the option nor the environment names one."""
    return open_warehouse(given) if given or os.environ.get("AIRFLOW_CONN_WAREHOUSE") else None


def open_ready_warehouse(given: str | None) -> sa.Engine:
    """The same, after a check that it answers and has the tables of this version. For commands that load the pipeline,
    which takes seconds.

    :raises RollcallError: also `warehouse_unreachable`, `warehouse_version`.
    """
    from rollcall.warehouse.session import warehouse_transaction

    engine = open_warehouse(given)
    with warehouse_transaction(engine, "command"):
        return engine


def landing_option(command: F) -> F:
    return click.option(
        "--landing", metavar="DIR", default=default_landing, help="Landing zone.  [default: ROLLCALL_LANDING]"
    )(command)


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
