"""Databases for tests: made from a migrated one, emptied after each test and handed to the next.

Making a database costs a third of a second, emptying one a twentieth of that. A test that changed its schema leaves its
database to nobody.
"""

from __future__ import annotations

import uuid

import sqlalchemy as sa

from rollcall.warehouse import migrate
from rollcall.warehouse.session import connect, warehouse_from_environment
from rollcall_local.postgres import EmbeddedPostgres

#: What stays the same unless a test changed the schema: columns, types, constraints, and the migration's number.
_SHAPE = sa.text("""
    SELECT md5(string_agg(part, ',' ORDER BY part)) FROM (
        SELECT format('%s %s %s', a.attrelid::regclass, a.attname, a.atttypid) AS part FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
        UNION ALL
        SELECT format('%s %s', conrelid::regclass, conname) FROM pg_constraint
        WHERE connamespace::regnamespace::text !~ '^(pg_|information_schema)'
    ) AS parts
    """)
_EMPTY = sa.text("""
    DO $$ DECLARE t record; BEGIN
        FOR t IN SELECT schemaname, tablename FROM pg_tables
            WHERE schemaname LIKE 'roster%' AND tablename <> 'alembic_version'
        LOOP EXECUTE format('DELETE FROM %I.%I', t.schemaname, t.tablename); END LOOP;
    END $$
    """)
_OTHERS = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid()"
)


class Warehouses:
    """Hands out migrated, empty warehouses.

    :param server: where they live.
    """

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._admin = sa.create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT")
        self._spare: list[sa.Engine] = []
        server.create_database("migrated")
        engine = self._engine("migrated")
        migrate.upgrade(engine)
        self._shape = self._shape_of(engine)
        engine.dispose()

    def take(self) -> sa.Engine:
        """A warehouse nobody else has."""
        if self._spare:
            return self._spare.pop()
        name = f"t{uuid.uuid4().hex[:12]}"
        self._run(f"CREATE DATABASE {name} TEMPLATE migrated")
        return self._engine(name)

    def give_back(self, engine: sa.Engine) -> None:
        """Empty it for the next one; drop it if its schema is no longer what migrations make."""
        engine.dispose()
        name = engine.url.database
        with engine.connect() as connection:
            connection.execute(_OTHERS)
            connection.rollback()
        if self._shape_of(engine) != self._shape:
            engine.dispose()
            self._run(f"DROP DATABASE {name} WITH (FORCE)")
            return
        with engine.begin() as connection:
            connection.execute(_EMPTY)
            connection.execute(sa.text("TRUNCATE roster_ops.rejects RESTART IDENTITY"))
            connection.execute(sa.text("SELECT pg_stat_reset()"))
        engine.dispose()
        self._spare.append(engine)

    def close(self) -> None:
        self._admin.dispose()

    def _shape_of(self, engine: sa.Engine) -> tuple[str, str | None]:
        with engine.connect() as connection:
            relations = connection.execute(_SHAPE).scalar_one()
            if not sa.inspect(connection).has_table("alembic_version", schema="roster_ops"):
                return relations, None
            version = sa.text("SELECT version_num FROM roster_ops.alembic_version")
            return relations, connection.execute(version).scalar_one_or_none()

    def _engine(self, name: str) -> sa.Engine:
        return connect(warehouse_from_environment(self._server.url(name)))

    def _run(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.exec_driver_sql(statement)
