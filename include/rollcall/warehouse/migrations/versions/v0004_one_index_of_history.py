"""History has one index. Its primary key begins with the columns that the index of open rows had, so that this one only
made every night write more.
"""

from alembic import op

from rollcall.warehouse.schemas import HISTORY

revision = "0004"
down_revision = "0003"

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
    for name in _ROSTER:
        op.drop_index(f"ix_{name}_open", name, schema=HISTORY)


def downgrade() -> None:
    raise NotImplementedError("There is nothing to go back for; restore a backup instead.")
