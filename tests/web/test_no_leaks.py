"""Pages that fail, at DEBUG: no person and no secret in a log, on the standard streams, or in an address."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from rollcall.web.engines import engine_of
from tests.web.conftest import PEOPLE, url_in_airflow
from tests.web.test_access import PATHS, routes_of

SECRET = "planted-client-secret-of-elm"
#: What only a person with the right may see, and never a log.
PLANTED = ("Planted-Okonkwo", *(f"{name}@elm.example" for name in PEOPLE), SECRET)


@contextmanager
def _whole(_: Any) -> Iterator[None]:
    yield


@contextmanager
def _without_tables(nights: Any) -> Iterator[None]:
    """Every read of the roster fails in the middle of a page."""
    with nights.engine.begin() as connection:
        for table in ("users", "accounts", "orgs"):
            connection.exec_driver_sql(f"ALTER TABLE roster_staging.{table} RENAME TO {table}_elsewhere")
    yield
    with nights.engine.begin() as connection:
        for table in ("users", "accounts", "orgs"):
            connection.exec_driver_sql(f"ALTER TABLE roster_staging.{table}_elsewhere RENAME TO {table}")


@contextmanager
def _without_warehouse(nights: Any) -> Iterator[None]:
    name = nights.engine.url.database
    admin = sa.create_engine(nights.engine.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        terminate = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        connection.execute(terminate, {"name": name})
        yield
        connection.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    admin.dispose()


@contextmanager
def _without_landing_zone(nights: Any) -> Iterator[None]:
    folder = Path(nights.landing.url)
    away = folder.with_name("away")
    folder.rename(away)
    yield
    away.rename(folder)


BROKEN: tuple[Callable[[Any], AbstractContextManager[None]], ...] = (
    _whole,
    _without_tables,
    _without_warehouse,
    _without_landing_zone,
)


def test_failing_pages_leave_nothing_in_logs_and_addresses(
    browse: Any, api_server: Any, nights: Any, held: str, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    client = browse("admin")
    values = {**PATHS, "hold": held, "run_id": "run3"}
    form = dict.fromkeys(("client_secret", "text", "password"), f"Client Secret: {SECRET}")
    form |= {"who": "Planted-Okonkwo p01@elm.example", "base_url": "http://127.0.0.1:1/", "reason": "asked"}
    logging.getLogger().setLevel(logging.DEBUG)
    capfd.readouterr()
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    addresses, statuses = [], set()
    for breakage in BROKEN:
        with breakage(nights):
            for route in routes_of(api_server):
                (method,) = route.methods
                path = "/rosters" + route.path.format_map(values)
                data = form if method == "POST" else None
                answer = client.request(method, path, data=data, headers={"accept": "text/html"})
                statuses.add(answer.status_code)
                addresses.append(answer.headers.get("location", ""))
                assert SECRET not in answer.text, path
            engine_of(url_in_airflow()).dispose()
    printed = capfd.readouterr()
    everything = caplog.text + printed.out + printed.err + "\n".join(addresses)
    assert len(everything) > 10_000
    assert statuses & {500, 503}
    assert [value for value in PLANTED if value in everything] == []
