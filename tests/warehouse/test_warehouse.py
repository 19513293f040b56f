"""The warehouse's schemas, COPY in and out, and how it is reached."""

from __future__ import annotations

import datetime as dt
import json

import pyarrow as pa
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from rollcall.errors import ActionRequired, RollcallError
from rollcall.landing.change_set import change_schema
from rollcall.model.tables import TABLES
from rollcall.warehouse import migrate
from rollcall.warehouse.bulk import copy_in, copy_out
from rollcall.warehouse.models import staging
from rollcall.warehouse.ops_models import metadata
from rollcall.warehouse.session import connect, require_reachable, warehouse_from_environment, warehouse_url


def test_migrations_make_exactly_what_the_models_say(engine):
    options = {
        "version_table_schema": "roster_ops",
        "include_schemas": True,
        "compare_type": True,
        "include_name": lambda name, kind, _parents: kind != "schema" or (name or "").startswith("roster"),
    }
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_the_number_stages_compare_is_the_newest_migration():
    assert migrate.script_heads() == [migrate.HEAD]


def test_upgrading_twice_changes_nothing(engine):
    assert migrate.upgrade(engine) == (migrate.HEAD, migrate.HEAD)


def test_migration_0012_renames_the_reasons_and_keeps_them(postgres):
    """From 0011 with rows in every renamed column (issue 12)."""
    postgres.create_database("at_0011")
    engine = connect(warehouse_from_environment(postgres.url("at_0011")))
    migrate.upgrade(engine, "0011")
    with engine.begin() as connection:
        connection.exec_driver_sql("""
            INSERT INTO roster_staging.orgs (district_id, sourced_id, _digest, _run_id, _first_seen_at, _changed_at,
                _removed_at, _removed_because) VALUES ('elm', 'north', 1, 'r', now(), now(), now(), 'gone')""")
        connection.exec_driver_sql("""
            INSERT INTO roster_history.orgs_published (district_id, sourced_id, _digest, _run_id, _first_seen_at,
                _changed_at, _removed_at, _removed_because, _generation, _until_generation)
            VALUES ('elm', 'north', 1, 'r', now(), now(), now(), 'gone before', 1, 2)""")
        connection.exec_driver_sql("""
            INSERT INTO roster_ops.holds (hold_id, district_id, collection, kind, school, status, opened_at,
                opened_run_id, last_seen_at, last_run_id, rows, published, looks_like, question_at, because,
                closed_because)
            VALUES ('h', 'elm', 'users', 'removals', '', 'closed', now(), 'r', now(), 'r', 1, 1, '', now(), 'moved',
                'published')""")
        with pytest.raises(ActionRequired, match="at version 0011"):
            migrate.require_version(connection)
    assert migrate.upgrade(engine) == ("0011", migrate.HEAD)
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT _removed_reason FROM roster_staging.orgs").scalar_one() == "gone"
        kept = connection.exec_driver_sql("SELECT _removed_reason FROM roster_history.orgs_published").scalar_one()
        assert kept == "gone before"
        found = connection.exec_driver_sql("SELECT reason, closed_reason FROM roster_ops.holds").one()
        assert tuple(found) == ("moved", "published")
    engine.dispose()


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("0000", "is at version 0000, this Rollcall needs"),
        ("9999", "is at version 9999, newer than this Rollcall"),
        (None, "no Rollcall tables"),
    ],
)
def test_another_version_is_refused_with_the_command_that_fixes_it(engine, version, message):
    with engine.begin() as connection:
        if version is None:
            connection.exec_driver_sql("DROP TABLE roster_ops.alembic_version")
        else:
            connection.execute(sa.text("UPDATE roster_ops.alembic_version SET version_num = :v"), {"v": version})
        with pytest.raises(ActionRequired, match=message) as caught:
            migrate.require_version(connection)
    assert caught.value.remedy


def test_every_kind_of_value_survives_copy(engine):
    rows = pa.table(
        {
            "a": ["x", "", None, 'quo"te,\n\\N', "O'Neil José 李"],
            "b": ['{"a": 1}', "[]", None, '"x"', "{}"],
            "c": pa.array(
                [dt.datetime(2026, 1, 1, 2, 3, 4, 5678, tzinfo=dt.UTC)] * 3 + [None] * 2, pa.timestamp("us", "UTC")
            ),
            "d": pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31), None, dt.date(2026, 2, 28), None]),
            "e": [True, False, None, True, None],
            "f": [1, -(2**63) + 1, None, 2**63 - 1, 0],
        }
    )
    with engine.connect() as connection:
        shape = "a text, b jsonb, c timestamptz, d date, e boolean, f bigint"
        connection.exec_driver_sql(f"CREATE TEMP TABLE t (n serial, {shape})")
        copy_in(connection, "t", rows)
        back = copy_out(
            connection, "SELECT a,b,c,d,e,f FROM t WHERE %(x)s::text = 'y' ORDER BY n", {"x": "y"}, rows.schema
        )
        none = copy_out(connection, "SELECT a,b,c,d,e,f FROM t WHERE %(x)s::text = 'y'", {"x": "n"}, rows.schema)
    assert back.to_pylist() == rows.to_pylist()
    assert none.num_rows == 0


def test_staging_has_the_columns_the_change_set_brings():
    for name, table in TABLES.items():
        brought = {field for field in change_schema(table).names if not field.startswith("_")}
        assert brought < set(staging[name].c.keys())


def test_a_socket_and_a_host_are_both_reached_through_psycopg():
    socket = warehouse_url("/run/pg", database="wh", login="rollcall")
    assert socket.render_as_string() == "postgresql+psycopg://rollcall@/wh?host=%2Frun%2Fpg"
    host = warehouse_url("db.example.org", database="wh", login="rollcall", password="secret", port=5433)
    assert host.render_as_string() == "postgresql+psycopg://rollcall:***@db.example.org:5433/wh"


@pytest.mark.parametrize(
    "given",
    [
        json.dumps(
            {"conn_type": "postgres", "host": "db", "login": "u", "password": "p", "schema": "wh", "port": 5433}
        ),
        "postgres://u:p@db:5433/wh",
        "postgresql://u:p@db:5433/wh",
    ],
)
def test_the_environment_takes_airflows_json_and_urls(monkeypatch, given):
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", given)
    url = warehouse_from_environment()
    assert url.render_as_string(hide_password=False) == "postgresql+psycopg://u:p@db:5433/wh"


@pytest.mark.parametrize(
    ("given", "code"), [(None, "no_warehouse"), ("{}", "warehouse_setting"), ("mysql://db/wh", "warehouse_setting")]
)
def test_a_missing_or_wrong_warehouse_is_said_with_an_example(monkeypatch, given, code):
    monkeypatch.delenv("AIRFLOW_CONN_WAREHOUSE", raising=False)
    if given is not None:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", given)
    with pytest.raises(ActionRequired) as caught:
        warehouse_from_environment()
    assert caught.value.code == code
    assert caught.value.remedy


def test_an_unreachable_warehouse_is_said_without_its_password():
    engine = connect(warehouse_url("127.0.0.1", database="wh", login="u", password="planted-secret", port=1))
    with pytest.raises(RollcallError) as caught:
        require_reachable(engine)
    assert caught.value.code == "warehouse_unreachable"
    assert "planted-secret" not in str(caught.value)
