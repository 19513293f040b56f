"""The roles of `rollcall db grants` on a real PostgreSQL: what each may do, and that no more is needed.

As on managed servers: only the administrator is a superuser, and the owner can create neither roles nor databases.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from rollcall.cli.main import rollcall
from rollcall.errors import RollcallError
from rollcall.warehouse.grants import OPS_TABLES, Roles, script
from rollcall_local.postgres import EmbeddedPostgres
from tests.flow.conftest import MAPLE

ROLES = Roles.named("least")
LOGINS = {"owner": "a_owner", "loader": "a_loader", "reader": "a_reader", "ops": "a_ops", "nobody": "a_nobody"}

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def server(postgres: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    """An empty database, and five users: one with each role, one with none."""
    admin = sa.create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for role in (ROLES.owner, ROLES.loader, ROLES.reader, ROLES.ops):
            connection.exec_driver_sql(f"CREATE ROLE {role} NOLOGIN")
        for name, login in LOGINS.items():
            connection.exec_driver_sql(f"CREATE ROLE {login} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB")
            if name != "nobody":
                connection.exec_driver_sql(f"GRANT {getattr(ROLES, name)} TO {login}")
        connection.exec_driver_sql("CREATE DATABASE least")
        connection.exec_driver_sql(f"GRANT CREATE ON DATABASE least TO {ROLES.owner}")
        yield postgres
        connection.exec_driver_sql("DROP DATABASE least WITH (FORCE)")
        for name, value in connection.exec_driver_sql(
            "SELECT parname, 1 FROM pg_parameter_acl WHERE paracl::text LIKE '%%least_%%'"
        ).all():
            assert value
            connection.exec_driver_sql(f"REVOKE SET ON PARAMETER {name} FROM {ROLES.owner}, {ROLES.loader}")
        for role in (*LOGINS.values(), ROLES.owner, ROLES.loader, ROLES.reader, ROLES.ops):
            connection.exec_driver_sql(f"DROP ROLE {role}")
    admin.dispose()


@pytest.fixture
def run(ready: sa.Engine, server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command as one of the users. `ready` has districts, connections, and a landing zone."""

    def command(user: str, *arguments: str) -> Result:
        fields = {"conn_type": "postgres", "host": str(server.folder), "login": LOGINS[user], "schema": "least"}
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(fields))
        return CliRunner().invoke(rollcall, list(arguments), catch_exceptions=True)

    return command


def engine_of(server: EmbeddedPostgres, user: str) -> sa.Engine:
    return sa.create_engine(sa.make_url(server.url("least")).set(username=LOGINS[user]))


def _state(connection: sa.Connection, statement: str) -> str:
    """The SQLSTATE of a statement's refusal. Empty: it was not refused."""
    try:
        connection.exec_driver_sql(statement)
    except sa.exc.DBAPIError as error:
        return error.orig.sqlstate  # type: ignore[union-attr]
    return ""


def readable(server: EmbeddedPostgres, user: str) -> set[str]:
    """Every table and view of the warehouse that a user can really read."""
    engine, found = engine_of(server, user), set()
    relations = sa.text(
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname LIKE 'roster%' AND c.relkind IN ('r', 'v', 'm', 'p')"
    )
    with engine.connect() as connection:
        names = connection.execute(relations).scalars().all()
        for name in names:
            with connection.begin_nested() as attempt:
                if _state(connection, f"SELECT * FROM {name} LIMIT 1") != "42501":
                    found.add(name)
                attempt.rollback()
    engine.dispose()
    return found


def test_each_role_can_do_its_part_and_nothing_else(server: EmbeddedPostgres, run: Run) -> None:
    assert run("owner", "db", "upgrade").exit_code == 0
    granted = run("owner", "db", "grants", "--apply", "--prefix", "least")
    assert (granted.exit_code, granted.exception) == (0, None)
    assert run("owner", "db", "grants", "--apply", "--prefix", "least").exit_code == 0  # again, after an upgrade

    night = run("loader", "sync", MAPLE.app)
    assert night.exit_code == 0, night.output
    again = run("loader", "sync", MAPLE.app, "--full")
    assert again.exit_code == 0, again.output
    for command in (["status"], ["holds", "list"], ["rollback", MAPLE.app, "--help"]):
        assert run("loader", *command).exit_code in (0, 3)
    assert run("ops", "status").exit_code in (0, 3)

    everything = readable(server, "owner")
    live = {name for name in everything if name.startswith("roster.")}
    assert len(live) > 8
    assert not {name for name in live if "demographics" in name}
    assert readable(server, "loader") == everything
    assert readable(server, "reader") == live
    assert readable(server, "ops") == {f"roster_ops.{table}" for table in OPS_TABLES} <= everything
    assert readable(server, "nobody") == set()


WRITES = [
    "DELETE FROM roster_staging.users",
    "UPDATE roster_ops.state SET paused = true",
    "DELETE FROM roster.users",
    "CREATE TABLE roster_ops.mine ()",
    "CREATE TABLE roster.mine ()",
    "DROP TABLE roster_ops.runs",
    "UPDATE roster_ops.alembic_version SET version_num = '9999'",
    "CREATE ROLE mine",
    "ALTER TABLE roster_staging.users ADD COLUMN mine text",
    "TRUNCATE roster_ops.runs",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('/etc/passwd')",
]


@pytest.mark.parametrize(
    ("user", "allowed"), [("reader", 0), ("ops", 0), ("nobody", 0), ("loader", 2)], ids=lambda value: str(value)
)
def test_what_no_role_may(server: EmbeddedPostgres, run: Run, user: str, allowed: int) -> None:
    """The loader writes rows of the staging tables and of `roster_ops`, and that is all."""
    run("owner", "db", "upgrade")
    run("owner", "db", "grants", "--apply", "--prefix", "least")
    engine = engine_of(server, user)
    refused = []
    with engine.connect() as connection:
        for statement in WRITES:
            with connection.begin_nested() as attempt:
                if _state(connection, statement) == "42501":
                    refused.append(statement)
                attempt.rollback()
        powers = "rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls"
        powerful = sa.text(f"SELECT count(*) FROM pg_roles WHERE rolname ~ '^(least|a)_' AND ({powers})")
        assert connection.execute(powerful).scalar_one() == 0
    engine.dispose()
    assert refused == WRITES[allowed:]


def test_the_script_is_what_is_applied(server: EmbeddedPostgres, run: Run) -> None:
    printed = run("owner", "db", "grants", "--prefix", "least")
    assert printed.exit_code == 0
    assert printed.output.strip() == script(ROLES, "least").strip()
    refused = run("owner", "db", "grants", "--prefix", "x; DROP")
    assert refused.exception is not None
    assert getattr(refused.exception, "code", "") == "role_prefix"


def test_a_command_that_may_not_says_which_role_it_needs(server: EmbeddedPostgres, run: Run) -> None:
    run("owner", "db", "upgrade")
    night = run("reader", "sync", MAPLE.app)
    assert night.exit_code == 1
    assert isinstance(night.exception, RollcallError)
    assert night.exception.code == "warehouse_permission"
    assert "rollcall db grants" in night.exception.remedy
