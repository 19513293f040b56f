"""Indexes for a delta's affected people (shared identifiers, ending roles, missing people) and for retention."""

import sqlalchemy as sa
from alembic import op

from rollcall.warehouse.schemas import HISTORY, STAGING

revision = "0005"
down_revision = "0004"

_SPACES = (
    " \t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_ROSTER = (
    "orgs",
    "academic_sessions",
    "courses",
    "classes",
    "class_terms",
    "users",
    "user_roles",
    "user_agents",
    "enrollments",
    "demographics",
    "accounts",
)


def upgrade() -> None:
    op.create_index(
        "ix_users_identifier",
        "users",
        ["district_id", sa.text(f"btrim(identifier, '{_SPACES}'::text)")],
        schema=STAGING,
    )
    where = sa.text("end_date IS NOT NULL")
    op.create_index(
        "ix_user_roles_end_date", "user_roles", ["district_id", "end_date"], schema=STAGING, postgresql_where=where
    )
    missing = sa.text("_missing_since IS NOT NULL")
    op.create_index("ix_users_missing", "users", ["district_id"], schema=STAGING, postgresql_where=missing)
    for name in _ROSTER:
        for schema, column in ((STAGING, "_removed_at"), (HISTORY, "_valid_to")):
            where = sa.text(f"{column} IS NOT NULL")
            op.create_index(f"ix_{name}{column}", name, ["district_id", column], schema=schema, postgresql_where=where)


def downgrade() -> None:
    raise NotImplementedError("There is nothing to go back for; restore a backup instead.")
