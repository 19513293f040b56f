"""Every version of PostgreSQL, every collation, and other defaults give the same rows.

The versions are those of the system, with one collation. `ROLLCALL_POSTGRES` names the `bin` folders of others (as in
PATH); then with every collation.
"""

from __future__ import annotations

import getpass
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from rollcall.history.rollback import resume, rollback
from rollcall.landing.zone import Landing
from rollcall.model.tables import TABLES
from rollcall.warehouse import migrate
from rollcall.warehouse.models import history, published, staging
from rollcall.warehouse.ops_models import left_out, watermarks
from rollcall.warehouse.session import SETTINGS, connect, warehouse_from_environment
from rollcall_local.postgres_install import UNPRIVILEGED
from tests.conftest import Nights
from tests.soak import clock

OTHERS = [Path(folder) for folder in os.environ.get("ROLLCALL_POSTGRES", "").split(os.pathsep) if folder]
SERVERS = sorted({*Path("/usr/lib/postgresql").glob("*/bin"), *OTHERS})

#: Names and IDs that collations order differently, or whose capitals are another letter elsewhere.
PEOPLE = ("ada", "Zoë", "łukasz", "İpek", "ıpek", "straße", "STRASSE", "o'neil", "a-b", "ab", "a_b", "Äb", "éd", "ed")

_DEFAULTS = {"DateStyle": "German, DMY", "TimeZone": "Asia/Kathmandu", "IntervalStyle": "sql_standard"}


@contextmanager
def serving(programs: Path, folder: Path) -> Iterator[sa.URL]:
    """A server of these programs, on a unix socket. Root runs it as another user, as PostgreSQL requires."""
    user = UNPRIVILEGED if os.geteuid() == 0 else getpass.getuser()
    if os.geteuid() == 0:
        subprocess.run(["chown", user, str(folder)], check=True)
    plain: dict[str, Any] = {"user": user, "extra_groups": []} if os.geteuid() == 0 else {}
    data, options = str(folder / "data"), ["--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
    command = [str(programs / "initdb"), "--auth=trust", "--pgdata", data, *options]
    subprocess.run(command, check=True, capture_output=True, cwd=folder, **plain)
    settings = ["-c", "listen_addresses=", "-c", "fsync=off", "-k", str(folder)]
    with (folder / "log").open("wb") as log:
        command = [str(programs / "postgres"), "-D", data, *settings]
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **plain)
    url = warehouse_from_environment(f"postgresql+psycopg://postgres@/postgres?host={folder}")
    try:
        _wait_for(url)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(url: sa.URL) -> None:
    engine = sa.create_engine(url)
    deadline = time.monotonic() + 30
    while True:
        try:
            engine.connect().close()
        except sa.exc.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            engine.dispose()
            return


def _collations(connection: sa.Connection) -> dict[str, str]:
    """What this server can order texts by: the options of a database with each."""
    version = connection.exec_driver_sql("SHOW server_version_num").scalar_one()
    known = set(connection.exec_driver_sql("SELECT collname FROM pg_collation").scalars())
    found = {"C": "LC_COLLATE 'C' LC_CTYPE 'C'"}
    if "en_US.utf8" in known:
        found["en_US"] = "LC_COLLATE 'en_US.UTF-8' LC_CTYPE 'en_US.UTF-8'"
    if "en-US-x-icu" in known and int(version) >= 150_000:
        found["ICU"] = "LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LC_COLLATE 'C' LC_CTYPE 'C'"
    return found


def core(engine: sa.Engine, roster: Any, landing: Path) -> dict[str, list[Any]]:
    """Nights, a delta, a rollback; every row of the roster and of its past after them."""
    nights = Nights(engine, Landing(str(landing)))
    clock.set_warehouse(engine, nights.began + timedelta(days=9), is_stopped=True)
    everyone = roster(*PEOPLE, teacher=True)
    everyone["academic_sessions"][0] |= {"start_date": nights.began.date(), "date_last_modified": nights.began}
    nights.publish(everyone)
    fewer = roster(*PEOPLE[2:], teacher=True)
    fewer["users"][3]["family_name"] = "O'Neil \\ d'Été"
    for _ in range(2):
        nights.publish(fewer)
    nights.publish(roster("new", "NEW"), delta=True, since=nights.began)
    rollback(engine, nights.district, nights.landing, "back", "run2")
    resume(engine, nights.district)
    nights.publish(everyone)
    tables = [left_out, watermarks, *(kind[name] for name in TABLES for kind in (staging, history, published))]
    with engine.connect() as connection:
        found = {}
        for table in tables:
            columns = [column for column in table.c if column.name != "account_id"]
            found[str(table)] = sorted(map(repr, connection.execute(sa.select(*columns))))
    return found


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SETTINGS, "search_path", f"{clock.SCHEMA}, pg_catalog, public")


@pytest.mark.skipif(not SERVERS, reason="no other PostgreSQL is installed")
@pytest.mark.parametrize("programs", SERVERS, ids=str)
def test_every_version_and_collation_holds_the_same_rows(
    programs: Path, engine: sa.Engine, roster: Any, tmp_path: Path, stopped_clock: None
) -> None:
    engine.dispose()
    clock.create(engine)
    expected = core(engine, roster, tmp_path / "ours")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {clock.SCHEMA} CASCADE")
    assert len(expected["roster_history.users"]) > len(PEOPLE)
    with (
        tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder,
        serving(programs, Path(folder)) as url,
    ):
        admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            collations = _collations(connection)
            if not OTHERS:
                collations = dict([collations.popitem()])
            for name, options in collations.items():
                connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE template0 {options}')
                for setting, value in _DEFAULTS.items():
                    connection.exec_driver_sql(f"ALTER DATABASE \"{name}\" SET {setting} = '{value}'")
        admin.dispose()
        for name in collations:
            other = connect(url.set(database=name))
            clock.create(other)
            migrate.upgrade(other)
            found = core(other, roster, tmp_path / name)
            other.dispose()
            for table, rows in expected.items():
                assert found[table] == rows, (name, table)
