"""The columns that say why are called reason: `_removed_reason`, and a hold's `reason` and `closed_reason`."""

import sqlalchemy as sa
from alembic import op

from rollcall.warehouse.schemas import HISTORY, OPS, STAGING

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    for table in sa.inspect(op.get_bind()).get_table_names(schema=STAGING):
        for schema, name in ((STAGING, table), (HISTORY, f"{table}_published")):
            op.alter_column(name, "_removed_because", new_column_name="_removed_reason", schema=schema)
    op.alter_column("holds", "because", new_column_name="reason", schema=OPS)
    op.alter_column("holds", "closed_because", new_column_name="closed_reason", schema=OPS)


def downgrade() -> None:
    raise NotImplementedError("There is nothing to go back for; restore a backup instead.")
