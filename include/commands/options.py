"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from include.landing import default_landing

F = TypeVar("F", bound=Callable[..., Any])


def warehouse_option(command: F) -> F:
    return click.option(
        "--warehouse",
        metavar="URL",
        help="SQLAlchemy URL of the warehouse; else the connection in AIRFLOW_CONN_WAREHOUSE.",
    )(command)


def landing_option(command: F) -> F:
    return click.option(
        "--landing", metavar="DIR", default=default_landing, help="Landing zone; else ROLLCALL_LANDING."
    )(command)


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="The result as JSON.")(command)
