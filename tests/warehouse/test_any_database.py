"""A database with other defaults gives the same tables; one that cannot hold a roster is refused in words."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from rollcall.cli import main as cli
from rollcall.errors import ActionRequired, InternalError, RollcallError, redact_errors
from rollcall.landing.zone import Landing
from rollcall.model.tables import TABLES
from rollcall.pipeline import run
from rollcall.warehouse import migrate
from rollcall.warehouse.models import history, staging
from rollcall.warehouse.ops_models import state, watermarks
from rollcall.warehouse.session import SETTINGS, connect, require_reachable, warehouse_from_environment
from rollcall_local.postgres import EmbeddedPostgres
from tests.conftest import Nights

#: Defaults that administrators set, each of which changes what comes out of an unprepared session.
ODD = {
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "extra_float_digits": "-10",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "search_path": "elsewhere, pg_catalog, pg_temp",
    "client_encoding": "LATIN1",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "statement_timeout": "1h",
    "lock_timeout": "1s",
    "idle_in_transaction_session_timeout": "1s",
    "idle_session_timeout": "1s",
    "lc_messages": "C",
}


@pytest.fixture
def database(postgres: EmbeddedPostgres) -> Iterator[Callable[..., str]]:
    """Makes databases of the test's own; their URLs."""
    admin = sa.create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    made = []

    def make(options: str = "", **defaults: str) -> str:
        name = f"odd{uuid.uuid4().hex[:10]}"
        made.append(name)
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} {options}")
            for setting, value in defaults.items():
                values = ", ".join(f"'{one.strip()}'" for one in value.split(","))
                connection.exec_driver_sql(f"ALTER DATABASE {name} SET {setting} = {values}")
        return postgres.url(name)

    yield make
    with admin.connect() as connection:
        for name in made:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


class _Main:
    """The console script as CliRunner calls a command."""

    name = "rollcall"

    def main(self, *_: object, **__: object) -> None:
        cli.main()


_main = _Main()


def _engine(url: str) -> sa.Engine:
    return connect(warehouse_from_environment(url))


def _everything(engine: sa.Engine) -> dict[str, list[Any]]:
    tables = [state, watermarks, *(staging[name] for name in TABLES), *(history[name] for name in TABLES)]
    with engine.connect() as connection:
        return {str(table): sorted(map(repr, connection.execute(sa.select(table)))) for table in tables}


def test_a_database_with_other_defaults_gives_the_same_tables(engine, roster, tmp_path, database):
    odd = _engine(database(**ODD))
    migrate.upgrade(odd)
    found = []
    for one in (engine, odd):
        nights = Nights(one, Landing(str(tmp_path / one.url.database)))
        rows = roster("ada", "zoë", "łukasz", teacher=True)
        rows["academic_sessions"][0] |= {"start_date": nights.began.date(), "date_last_modified": nights.began}
        assert nights.publish(rows).counts["users"].added == 4
        rows["users"][0]["family_name"] = "O'Neil \\ d'Été"
        done = nights.publish({name: some[:-1] if name == "users" else some for name, some in rows.items()})
        assert (done.counts["users"].changed, done.counts["users"].missing) == (1, 1)
        assert all(count.changed == 0 for name, count in done.counts.items() if name not in ("users", "accounts"))
        found.append(_everything(one))
    odd.dispose()
    assert found[0] == found[1]


def test_every_session_is_set_whatever_the_database_says(database):
    odd = _engine(database(**ODD))
    with odd.connect() as connection:
        shown = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in (*SETTINGS, "client_encoding")
        }
        isolation = connection.exec_driver_sql("SHOW transaction_isolation").scalar_one()
        checked = connection.exec_driver_sql("SHOW client_connection_check_interval").scalar_one()
    odd.dispose()
    assert checked == ("10s" if sys.platform == "linux" else "0")  # a statement ends whose client is dead
    assert shown == {**SETTINGS, "client_encoding": "UTF8"}
    assert isolation == "read committed"


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_an_encoding_that_cannot_hold_every_name_is_refused_before_anything_is_made(database, encoding):
    url = database(f"ENCODING '{encoding}' TEMPLATE template0 LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'")
    engine = _engine(url)
    for doing in (require_reachable, migrate.upgrade):
        with pytest.raises(ActionRequired) as caught:
            doing(engine)
        assert (caught.value.code, encoding in caught.value.message) == ("warehouse_encoding", True)
        assert caught.value.remedy
    assert _error_code("db", "upgrade", "--warehouse", url) == "warehouse_encoding"


def test_an_upgrade_without_the_right_to_create_is_an_error_in_words(postgres, database):
    url = database()
    role = f"reader{uuid.uuid4().hex[:8]}"
    owner = sa.create_engine(warehouse_from_environment(url), isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN")
    theirs = warehouse_from_environment(url).set(username=role).render_as_string(hide_password=False)
    try:
        assert _error_code("db", "upgrade", "--warehouse", theirs) == "warehouse_permission"
        # schemas an administrator made for the user are enough
        with owner.connect() as connection:
            for schema in ("roster", "roster_staging", "roster_history", "roster_ops"):
                connection.exec_driver_sql(f"CREATE SCHEMA {schema} AUTHORIZATION {role}")
        assert _error_code("db", "upgrade", "--warehouse", theirs) == ""
        # another user of the same warehouse may not read it
        with owner.connect() as connection:
            connection.exec_driver_sql(f"CREATE ROLE {role}2 LOGIN")
        other = warehouse_from_environment(url).set(username=f"{role}2").render_as_string(hide_password=False)
        assert _error_code("status", "--warehouse", other) == "warehouse_permission"
    finally:
        with owner.connect() as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {role}")
            connection.exec_driver_sql(f"DROP ROLE {role}")
            connection.exec_driver_sql(f"DROP ROLE IF EXISTS {role}2")
        owner.dispose()


def test_a_warehouse_that_became_read_only_keeps_yesterday_and_says_so(database, roster, landing):
    url = database()
    engine = _engine(url)
    migrate.upgrade(engine)
    nights = Nights(engine, landing)
    nights.publish(roster("ada"))
    ref = nights.prepare(roster("ada", "ben"))
    run.map_night(engine, nights.district, ref, landing)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {engine.url.database} SET default_transaction_read_only = on")
    engine.dispose()
    with pytest.raises(RollcallError) as caught:
        run.publish_night(engine, nights.district, ref, landing)
    assert caught.value.code == "warehouse_read_only"
    assert nights.live("users", "sourced_id") == ["ada"]
    assert _error_code("db", "upgrade", "--warehouse", url) == ""  # nothing to write
    engine.dispose()


def _error_code(*arguments: str) -> str:
    """The code of the error a person sees; empty where there is none. A traceback fails the test."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.argv", ["rollcall", *arguments])
        result = CliRunner().invoke(_main)
    assert isinstance(result.exception, SystemExit | None), repr(result.exception)
    if result.exit_code == 0:
        return ""
    output = result.stderr
    assert output.startswith("Error (")
    assert len(output.splitlines()) > 1  # with a remedy
    return output[len("Error (") : output.index(")")]


@pytest.mark.parametrize(
    ("sqlstate", "code"),
    [
        ("25006", "warehouse_read_only"),
        ("42501", "warehouse_permission"),
        ("22P05", "warehouse_encoding"),
        ("40001", "warehouse_conflict"),
        ("53100", "warehouse_full"),
        ("53300", "warehouse_connections"),
        ("55P03", "warehouse_timeout"),
        ("57014", "warehouse_timeout"),
        ("57P01", "warehouse_lost"),
        ("57P03", "warehouse_lost"),
        ("08006", "warehouse_lost"),
        ("22012", "publish_failed"),
    ],
)
def test_what_a_warehouse_refuses_has_a_code_and_no_value(engine, sqlstate, code):
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'Planted-Okonkwo' USING ERRCODE = '{sqlstate}'; END $$"
    with (
        pytest.raises(RollcallError) as caught,
        redact_errors("publish", district="elm"),
        engine.connect() as connection,
    ):
        connection.exec_driver_sql(raising)
    assert caught.value.code == code
    assert caught.value.remedy
    assert "Okonkwo" not in str(caught.value)
    assert isinstance(caught.value, InternalError) == (code == "publish_failed")
