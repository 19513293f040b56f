"""What deltas need (watermarks, when a full is due), what pulls cost, and what checks of connections found."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from rollcall.warehouse.schemas import OPS

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("state", sa.Column("full_required", sa.Text, nullable=False, server_default=""), schema=OPS)
    op.add_column("state", sa.Column("last_full_as_of", sa.DateTime(timezone=True)), schema=OPS)
    op.create_table(
        "watermarks",
        sa.Column("district_id", sa.Text, nullable=False),
        sa.Column("collection", sa.Text, nullable=False),
        sa.Column("watermark", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("district_id", "collection", name="pk_watermarks"),
        schema=OPS,
    )
    op.create_table(
        "provider_profiles",
        sa.Column("district_id", sa.Text, primary_key=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("passed", sa.Boolean, nullable=False),
        sa.Column("pinned_org", sa.Text),
        sa.Column("profile", JSONB, nullable=False),
        schema=OPS,
    )
    op.add_column("runs", sa.Column("mode", sa.Text), schema=OPS)
    for name in ("requests", "requests_in_peak", "bytes_received", "most_at_once"):
        op.add_column("runs", sa.Column(name, sa.BigInteger), schema=OPS)
    op.add_column("runs", sa.Column("seconds_waited", sa.Double), schema=OPS)


def downgrade() -> None:
    for name in ("seconds_waited", "most_at_once", "bytes_received", "requests_in_peak", "requests", "mode"):
        op.drop_column("runs", name, schema=OPS)
    op.drop_table("provider_profiles", schema=OPS)
    op.drop_table("watermarks", schema=OPS)
    for name in ("last_full_as_of", "full_required"):
        op.drop_column("state", name, schema=OPS)
