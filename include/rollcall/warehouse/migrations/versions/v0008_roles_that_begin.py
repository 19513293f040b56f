"""A delta looks at whose role begins, as it looks at whose role ends: by an index."""

import sqlalchemy as sa
from alembic import op

from rollcall.warehouse.schemas import STAGING

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    where = sa.text("begin_date IS NOT NULL")
    op.create_index(
        "ix_user_roles_begin_date", "user_roles", ["district_id", "begin_date"], schema=STAGING, postgresql_where=where
    )


def downgrade() -> None:
    raise NotImplementedError("There is nothing to go back for; restore a backup instead.")
