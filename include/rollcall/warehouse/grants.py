"""The roles of a warehouse and their privileges: owner, loader, reader, ops.

- owner: runs `rollcall db upgrade` and owns the schemas. Needs CREATE on the database.
- loader: what nights and commands need. Reads and writes rows, never tables.
- reader: the views of `roster`. They have no demographics, no removed rows, no rejects, and no history.
- ops: status, runs, and counts. No names and no sourcedIds.

No role is a superuser, and none may create roles or databases. They are group roles without a login: grant them to the
users of your applications. Views run with the privileges of their owner, so readers need nothing on the staging tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa

from rollcall.errors import ActionRequired, redact_errors
from rollcall.warehouse.schemas import HISTORY, LIVE, OPS, STAGING

#: Tables of `roster_ops` that name no person: not `rejects`, `left_out`, `person_findings`, `hold_rows`, `decisions`,
#: `drafts`; not `findings`, whose messages have sourcedIds as examples; nor `holds`, whose reasons are free text.
OPS_TABLES = (
    "alembic_version", "district_status", "districts", "latest_runs", "provider_profiles", "pulls",
    "purges", "run_counts", "run_holds", "run_progress", "runs", "state", "watermarks",
)  # fmt: skip

#: Settings that keep values out of the server's log. Only a superuser may set them, or who was granted to (PostgreSQL
#: 15 and newer).
PRIVATE_LOG_SETTINGS = ("log_error_verbosity", "log_min_messages", "log_parameter_max_length")


@dataclass(frozen=True)
class Roles:
    """The names of the roles."""

    owner: str
    loader: str
    reader: str
    ops: str

    @classmethod
    def named(cls, prefix: str) -> Roles:
        """:raises ActionRequired: `role_prefix`."""
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,50}", prefix):
            raise ActionRequired(
                "role_prefix",
                "A role prefix must start with a letter and contain only lowercase letters, digits, and _.",
                remedy="Use a prefix such as rollcall.",
            )
        return cls(*(f"{prefix}_{name}" for name in ("owner", "loader", "reader", "ops")))


def statements(roles: Roles, database: str) -> list[str]:
    """The SQL, in order. It can be repeated, and is to be repeated after `rollcall db upgrade`.

    :param database: the warehouse's database.
    """
    quoted = '"' + database.replace('"', '""') + '"'
    data = (STAGING, HISTORY, OPS)
    return [
        *(_create(role) for role in (roles.owner, roles.loader, roles.reader, roles.ops)),
        _if_allowed(f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {quoted} TO {roles.owner}"),
        _if_allowed(f"GRANT CONNECT, TEMPORARY ON DATABASE {quoted} TO {roles.loader}"),
        _if_allowed(f"GRANT CONNECT ON DATABASE {quoted} TO {roles.reader}, {roles.ops}"),
        f"GRANT USAGE ON SCHEMA {', '.join((*data, LIVE))} TO {roles.loader}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {', '.join(data)} TO {roles.loader}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {', '.join(data)} TO {roles.loader}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {LIVE} TO {roles.loader}, {roles.reader}",
        f"REVOKE INSERT, UPDATE, DELETE ON {OPS}.alembic_version FROM {roles.loader}",
        _from_version(170_000, f"GRANT MAINTAIN ON ALL TABLES IN SCHEMA {', '.join(data)} TO {roles.loader}"),
        f"GRANT USAGE ON SCHEMA {LIVE} TO {roles.reader}",
        f"GRANT USAGE ON SCHEMA {OPS} TO {roles.ops}",
        f"GRANT SELECT ON {', '.join(f'{OPS}.{table}' for table in OPS_TABLES)} TO {roles.ops}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {', '.join(data)} "
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {roles.loader}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {', '.join(data)} GRANT USAGE ON SEQUENCES TO {roles.loader}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {LIVE} GRANT SELECT ON TABLES TO {roles.loader}, {roles.reader}",
        *(
            _from_version(150_000, f"GRANT SET ON PARAMETER {name} TO {roles.owner}, {roles.loader}")
            for name in PRIVATE_LOG_SETTINGS
        ),
    ]


def script(roles: Roles, database: str) -> str:
    """The same for psql."""
    head = (
        f"-- Roles of Rollcall's warehouse. Run as the owner of its schemas, or as an administrator,\n"
        f"-- after each `rollcall db upgrade`. Then grant them to users: GRANT {roles.loader} TO airflow;\n"
    )
    return head + "".join(f"{statement};\n" for statement in statements(roles, database))


def apply(engine: sa.Engine, roles: Roles) -> None:
    """Create missing roles and grant the privileges.

    :raises ActionRequired: `warehouse_permission` if the user does not own the schemas, or a role is missing and the
        user may not create roles.
    """
    with redact_errors("grants"), engine.begin() as connection:
        for statement in statements(roles, engine.url.database or ""):
            connection.exec_driver_sql(statement)


def _create(role: str) -> str:
    return (
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
        f"THEN CREATE ROLE {role} NOLOGIN; END IF; END $$"
    )


def _if_allowed(statement: str) -> str:
    """What only an administrator may do. An owner who applies the rest does not fail for it."""
    body = statement.replace("'", "''")
    return (
        f"DO $$ BEGIN EXECUTE '{body}'; EXCEPTION WHEN insufficient_privilege THEN "
        f"RAISE NOTICE USING MESSAGE = 'An administrator must run: {body}'; END $$"
    )


def _from_version(version: int, statement: str) -> str:
    body = statement.replace("'", "''")
    return (
        f"DO $$ BEGIN IF current_setting('server_version_num')::int >= {version} THEN EXECUTE '{body}'; END IF; "
        "EXCEPTION WHEN insufficient_privilege THEN "
        f"RAISE NOTICE USING MESSAGE = 'An administrator must run: {body}'; END $$"
    )
