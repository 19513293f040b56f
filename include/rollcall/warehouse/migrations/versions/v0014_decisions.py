"""Every change that a person makes is kept: who, when, what, before, and after."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from rollcall.warehouse.schemas import OPS

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("district_id", sa.Text, nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False, server_default=""),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("before", JSONB),
        sa.Column("after", JSONB),
        schema=OPS,
    )
    op.create_index("ix_decisions_district", "decisions", ["district_id", "decided_at"], schema=OPS)


def downgrade() -> None:
    raise NotImplementedError("There is nothing to go back for; restore a backup instead.")
