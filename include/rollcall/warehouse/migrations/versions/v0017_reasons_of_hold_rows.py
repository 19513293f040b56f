"""The reason of a hold's row is named as everywhere else."""

from alembic import op

from rollcall.warehouse.schemas import OPS

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.alter_column("hold_rows", "because", new_column_name="reason", schema=OPS)


def downgrade() -> None:
    raise NotImplementedError("There is nothing to go back for; restore a backup instead.")
