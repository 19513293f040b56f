"""A district that a person is setting up on the page is a row until it is saved, for a day at most."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from rollcall.warehouse.schemas import OPS

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    timestamp = sa.DateTime(timezone=True)
    op.create_table(
        "drafts",
        sa.Column("draft_id", sa.Text, primary_key=True),
        sa.Column("district_id", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", timestamp, nullable=False),
        sa.Column("updated_at", timestamp, nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("state", JSONB, nullable=False),
        schema=OPS,
    )


def downgrade() -> None:
    raise NotImplementedError("There is nothing to go back for; restore a backup instead.")
