"""Migrate the warehouse with Alembic under a lock, and check its version."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from pkgutil import iter_modules

import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from rollcall.errors import ActionRequired, redact_errors
from rollcall.warehouse.schemas import HISTORY, LIVE, OPS, STAGING

# It writes two lines into the log of every task that compares versions.
logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)

#: The newest migration, by the names of the files. Stages compare it with the warehouse without loading Alembic.
HEAD = max(name[1:5] for _, name, _ in iter_modules([str(Path(__file__).parent / "migrations" / "versions")]))

#: Advisory lock of migrations. Two upgrades wait for each other.
_LOCK = 0x526F6C6C


def upgrade(engine: sa.Engine, to: str = HEAD) -> tuple[str | None, str]:
    """Migrate the warehouse to the newest version.

    :param to: an older version to stop at, for tests of one migration.
    :returns: the version before (None for a new warehouse) and after.
    :raises ActionRequired: `warehouse_permission` if the user cannot create schemas or tables.
    :raises RollcallError: `warehouse_read_only` and other refusals of the warehouse.
    """
    with redact_errors("upgrade"):
        return _upgrade(engine, to)


def _upgrade(engine: sa.Engine, to: str) -> tuple[str | None, str]:
    from alembic import command

    config = Config()
    config.set_main_option("script_location", "rollcall.warehouse:migrations")
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        try:
            # PostgreSQL requires the right to create a schema even if it exists, created by an administrator
            existing = set(sa.inspect(connection).get_schema_names())
            for schema in (STAGING, LIVE, HISTORY, OPS):
                if schema not in existing:
                    connection.execute(sa.schema.CreateSchema(schema))
            connection.commit()
            before = _version(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, to)
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(sa.text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            connection.commit()
    return before, to


def require_version(connection: sa.Connection) -> None:
    """Refuse to work on a warehouse of another version.

    :raises ActionRequired: `warehouse_version`, with the command to run.
    """
    found = _version(connection)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise ActionRequired(
            "warehouse_version",
            f"The warehouse is at version {found}, newer than this Rollcall ({HEAD}).",
            remedy="Use the Rollcall version that upgraded it, or a newer one.",
        )
    state = "has no Rollcall tables" if found is None else f"is at version {found}, this Rollcall needs {HEAD}"
    raise ActionRequired("warehouse_version", f"The warehouse {state}.", remedy="Run `rollcall db upgrade`.")


def _version(connection: sa.Connection) -> str | None:
    if connection.execute(sa.text(f"SELECT to_regclass('{OPS}.alembic_version')")).scalar_one() is None:
        return None
    return connection.execute(sa.text(f"SELECT version_num FROM {OPS}.alembic_version")).scalar_one_or_none()


def script_heads() -> list[str]:
    """The newest migrations on disk. A test compares them with :data:`HEAD`."""
    config = Config()
    config.set_main_option("script_location", "rollcall.warehouse:migrations")
    heads: Callable[[], list[str]] = ScriptDirectory.from_config(config).get_heads
    return heads()
