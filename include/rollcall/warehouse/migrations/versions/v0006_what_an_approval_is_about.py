"""An approval of a record that turned into another person is about that person and no other."""

import sqlalchemy as sa
from alembic import op

from rollcall.warehouse.schemas import OPS

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("hold_rows", sa.Column("about", sa.Text), schema=OPS)


def downgrade() -> None:
    raise NotImplementedError("There is nothing to go back for; restore a backup instead.")
