"""A warehouse's password need not be an argument of a program, where everyone on the machine reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from rollcall.cli.main import rollcall
from rollcall_local.postgres import EmbeddedPostgres

PASSWORD = "planted-7f3a"


@pytest.fixture(scope="module")
def locked(postgres: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    """The server, with a role that has to give its password and a database of its own."""
    admin = sa.create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE locked LOGIN PASSWORD '{PASSWORD}'")
        connection.exec_driver_sql("CREATE DATABASE locked OWNER locked")
        rules = Path(connection.exec_driver_sql("SHOW hba_file").scalar_one())
        before = rules.read_text()
        rules.write_text(f"local all locked scram-sha-256\n{before}")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
        yield postgres
        rules.write_text(before)
        connection.exec_driver_sql("SELECT pg_reload_conf()")
        connection.exec_driver_sql("DROP DATABASE locked WITH (FORCE)")
        connection.exec_driver_sql("DROP ROLE locked")
    admin.dispose()


@pytest.mark.parametrize("way", ["PGPASSWORD", "PGPASSFILE", "connection", "url", "query", "nothing"])
def test_a_password_of_the_environment_will_do_and_one_in_the_url_is_warned_of(locked, tmp_path, monkeypatch, way):
    for name in ("PGPASSWORD", "PGPASSFILE", "AIRFLOW_CONN_WAREHOUSE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    user, more = "locked", ""
    if way == "PGPASSWORD":
        monkeypatch.setenv(way, PASSWORD)
    elif way == "PGPASSFILE":
        (tmp_path / "passwords").write_text(f"*:*:locked:locked:{PASSWORD}\n")
        (tmp_path / "passwords").chmod(0o600)
        monkeypatch.setenv(way, str(tmp_path / "passwords"))
    elif way == "connection":
        fields = {"conn_type": "postgres", "host": str(locked.folder), "schema": "locked", "login": "locked"}
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({**fields, "password": PASSWORD}))
    elif way == "url":
        user = f"locked:{PASSWORD}"
    elif way == "query":
        more = f"&password={PASSWORD}"
    url = f"postgresql+psycopg://{user}@/locked?host={locked.folder}{more}"
    options = [] if way == "connection" else ["--warehouse", url]
    done = CliRunner().invoke(rollcall, ["db", "upgrade", *options])
    assert (done.exit_code, getattr(done.exception, "code", None)) == (
        (1, "warehouse_unreachable") if way == "nothing" else (0, None)
    )
    assert ("process list" in done.stderr) == (way in ("url", "query"))
    assert PASSWORD not in done.output


def _options(command: click.Command) -> Iterator[click.Parameter]:
    yield from command.params
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            if (found := command.get_command(context, name)) is not None:
                yield from _options(found)


def test_every_command_that_takes_a_warehouse_warns(capsys):
    taking = [option for option in _options(rollcall) if option.name == "warehouse"]
    assert len(taking) >= 20
    url = f"postgresql://u:{PASSWORD}@127.0.0.1/w"
    for option in taking:
        assert option.process_value(click.Context(rollcall), url) == url
        assert "process list" in capsys.readouterr().err
