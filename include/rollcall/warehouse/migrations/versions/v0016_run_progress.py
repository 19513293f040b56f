"""How far the newest pull of a district is, for people who watch it."""

import sqlalchemy as sa
from alembic import op

from rollcall.warehouse.schemas import OPS

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "run_progress",
        sa.Column("district_id", sa.Text, nullable=False),
        sa.Column("collection", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger),
        sa.Column("seconds_left", sa.Double),
        sa.Column("waiting", sa.Double),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("district_id", "collection", name="pk_run_progress"),
        schema=OPS,
    )


def downgrade() -> None:
    raise NotImplementedError("There is nothing to go back for; restore a backup instead.")
