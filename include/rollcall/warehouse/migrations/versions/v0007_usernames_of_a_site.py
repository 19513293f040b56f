"""The database itself allows a username once per site, in any case, checked at every commit.

Accounts that approved removals left behind are deleted first: they have no owner, and another person may have received
their username since.
"""

from alembic import op

from rollcall.warehouse.schemas import STAGING

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(f"""
        UPDATE {STAGING}.accounts a SET _removed_at = now(), _removed_because = 'its person was removed'
        WHERE a._removed_at IS NULL AND NOT EXISTS (SELECT FROM {STAGING}.users u
            WHERE u.district_id = a.district_id AND u.sourced_id = a.user_sourced_id AND u._removed_at IS NULL)""")
    op.execute(f"""
        ALTER TABLE {STAGING}.accounts ADD CONSTRAINT ex_accounts_username EXCLUDE USING btree
            (district_id WITH =, site_id WITH =, lower(username COLLATE "C") WITH =)
            WHERE (_removed_at IS NULL) DEFERRABLE INITIALLY DEFERRED""")


def downgrade() -> None:
    raise NotImplementedError("There is nothing to go back for; restore a backup instead.")
