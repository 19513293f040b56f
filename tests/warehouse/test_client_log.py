"""With SQLAlchemy's log at DEBUG, no row of a roster or of Airflow's connections is in it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import sqlalchemy as sa

from rollcall.credentials.airflow_metadata import AirflowMetadata

CANARY = "canary-of-the-client-log"


def _plain(engine: sa.Engine) -> None:
    """An engine without our settings: the other two would otherwise prove nothing."""
    plain = sa.create_engine(engine.url)
    with plain.connect() as connection:
        connection.execute(sa.text(f"SELECT 'canary' || '{CANARY[6:]}'")).all()
    plain.dispose()


def _warehouse(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT :name"), {"name": CANARY}).all()
        connection.execute(sa.text("SELECT 'canary' || :name"), {"name": CANARY[6:]}).all()


def _airflow(engine: sa.Engine) -> None:
    names = ("conn_id", "conn_type", "host", "login", "password", "extra")
    columns = ", ".join(f"'canary' || '{CANARY[6:]}' AS {name}" for name in names)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TABLE connection AS SELECT {columns}, false AS is_encrypted, false AS is_extra_encrypted"
        )
    found = AirflowMetadata(engine.url.render_as_string(hide_password=False), "").find(CANARY)
    assert found is not None
    assert found.login == CANARY


@pytest.mark.parametrize(("read", "is_logged"), [(_plain, True), (_warehouse, False), (_airflow, False)])
def test_rows_are_not_in_the_log(engine: sa.Engine, caplog: Any, read: Any, is_logged: bool) -> None:
    caplog.set_level(logging.DEBUG, logger="sqlalchemy")
    caplog.set_level(logging.DEBUG, logger="sqlalchemy.engine")
    read(engine)
    assert "SELECT" in caplog.text
    assert (CANARY in caplog.text) == is_logged
