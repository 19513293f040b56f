"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from rollcall.landing.zone import default_landing

F = TypeVar("F", bound=Callable[..., Any])


def warehouse_option(command: F) -> F:
    return click.option(
        "--warehouse",
        metavar="URL",
        callback=_without_password,
        help="SQLAlchemy URL of the warehouse, its password in PGPASSWORD or PGPASSFILE; else the connection in "
        "AIRFLOW_CONN_WAREHOUSE.",
    )(command)


def _without_password(_context: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    """Every account of the machine can read the arguments of a program, so a password there is warned of."""
    if given and _has_password(given):
        click.echo(
            "Warning: --warehouse has a password in it, which everyone on this machine can read in the process list. "
            "Leave it out of the URL and set PGPASSWORD or PGPASSFILE, or set AIRFLOW_CONN_WAREHOUSE.",
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


def landing_option(command: F) -> F:
    return click.option(
        "--landing", metavar="DIR", default=default_landing, help="Landing zone; else ROLLCALL_LANDING."
    )(command)


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="The result as JSON.")(command)
