"""PostgreSQL's own log has no value of a roster in it: neither of a statement that fails nor of one that is logged.

By default PostgreSQL writes the whole row that breaks a constraint into its log, and with `log_statement` the
parameters of every statement. Administrators read that log, and it is shipped to other systems.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from rollcall.errors import RollcallError
from rollcall.explain import explain
from rollcall.pipeline import run as night
from rollcall.warehouse.session import connect
from rollcall_local.postgres import EmbeddedPostgres

NAME = "Planted-Okonkwo"
CANARY = "canary-of-the-server-log"


@pytest.fixture
def log(postgres: EmbeddedPostgres, engine: sa.Engine) -> Iterator[Callable[[], str]]:
    """What the server has logged since, with everything switched on that an administrator might."""
    name = engine.url.database
    settings = {"log_statement": "all", "log_min_duration_statement": "0", "log_error_verbosity": "verbose"}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for setting, value in settings.items():
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET {setting} = '{value}'")
    engine.dispose()  # new sessions have the settings
    began = postgres.log.stat().st_size
    yield lambda: postgres.log.read_bytes()[began:].decode()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} RESET ALL")


def planted(roster: Any) -> Any:
    rows = roster("ada", "ben")
    for user in rows["users"]:
        user |= {"family_name": NAME, "given_name": NAME, "email": f"{NAME}@example.org", "identifier": f"{NAME}-1"}
    return rows


def test_the_log_would_show_it(engine: sa.Engine, log: Callable[[], str]) -> None:
    """A session without our settings: the test below would otherwise prove nothing."""
    plain = sa.create_engine(engine.url)
    with plain.connect() as connection:
        connection.execute(sa.text("SELECT :name"), {"name": CANARY})
        connection.exec_driver_sql("CREATE TEMP TABLE t (name text CHECK (name <> 'x'))")
        with pytest.raises(sa.exc.IntegrityError):
            connection.exec_driver_sql("INSERT INTO t SELECT chr(120)")
    plain.dispose()

    assert CANARY in log()
    assert "Failing row contains (x)" in log()


def test_a_night_and_its_questions(nights: Any, roster: Any, log: Callable[[], str]) -> None:
    """Values go in by COPY, whose rows are not logged, and as parameters, which are left out."""
    nights.publish(planted(roster))
    nights.publish(planted(roster))
    for person in (NAME, f"{NAME}@example.org", "ada"):
        explain.explain(nights.engine, nights.district, person)

    assert "COPY" in log()  # it is logged what is done
    assert NAME not in log()


@pytest.mark.parametrize(
    "broken",
    [
        "ALTER TABLE roster_staging.users ADD CHECK (family_name !~ 'Planted')",
        "CREATE UNIQUE INDEX one_family ON roster_staging.users (family_name)",
        "ALTER TABLE roster_history.users ADD CHECK (email IS NULL)",
    ],
)
def test_a_statement_that_fails(nights: Any, roster: Any, log: Callable[[], str], broken: str) -> None:
    ref = nights.prepare(planted(roster))
    night.map_night(nights.engine, nights.district, ref, nights.landing)
    with nights.engine.begin() as connection:
        connection.exec_driver_sql(f"{broken}; CREATE TABLE roster_ops.spoiled ()")
    with pytest.raises(RollcallError):
        night.publish_night(nights.engine, nights.district, ref, nights.landing)

    assert "ALTER TABLE" in log() or "CREATE UNIQUE INDEX" in log()
    assert NAME not in log()


def test_sessions_of_users_who_may_not_set_it_work(engine: sa.Engine, postgres: EmbeddedPostgres) -> None:
    """Then an administrator sets it once for the role: docs/security.md."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CREATE ROLE plain_user LOGIN NOSUPERUSER")
        try:
            plain = connect(engine.url.set(username="plain_user"))
            with plain.connect() as session:
                shown = [session.exec_driver_sql(f"SHOW {name}").scalar_one() for name in SHOWN]
            plain.dispose()
            assert shown == ["default", "-1", "0"]
            connection.exec_driver_sql("GRANT SET ON PARAMETER log_error_verbosity TO plain_user")
            with connect(engine.url.set(username="plain_user")).connect() as session:
                assert session.exec_driver_sql(f"SHOW {SHOWN[0]}").scalar_one() == "terse"
        finally:
            connection.exec_driver_sql("REVOKE SET ON PARAMETER log_error_verbosity FROM plain_user")
            connection.exec_driver_sql("DROP ROLE plain_user")


SHOWN = ("log_error_verbosity", "log_parameter_max_length", "log_parameter_max_length_on_error")
