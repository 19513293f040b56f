"""Accounts say how their username is compared, so that two spellings of one name are found by an index; what is found
about single people has a table, and who shares an e-mail address an index.
"""

import sqlalchemy as sa
from alembic import op

from rollcall.model.username_text import UNUSUAL, username_key
from rollcall.warehouse.schemas import HISTORY, LIVE, OPS, STAGING

revision = "0009"
down_revision = "0008"

_TABLES = ((STAGING, "accounts"), (HISTORY, "accounts"), (HISTORY, "accounts_published"))
_VIEW = (
    "district_id user_sourced_id site_id account_id site_name role source_roles school_sourced_ids is_primary_site "
    "username username_field given_name family_name preferred_first_name preferred_last_name email identifier grades "
    "is_enabled _run_id _first_seen_at _changed_at _missing_since username_key"
)

_FOUND = ("district_id", "user_sourced_id", "rule", "detail", "run_id")


def upgrade() -> None:
    connection = op.get_bind()
    for schema, name in _TABLES:
        op.add_column(name, sa.Column("username_key", sa.Text), schema=schema)
        where = f"username COLLATE \"C\" ~ '{UNUSUAL}'"
        op.execute(f'UPDATE {schema}.{name} SET username_key = lower(username COLLATE "C")')
        found = connection.execute(sa.text(f"SELECT DISTINCT username FROM {schema}.{name} WHERE {where}")).scalars()
        keys = [{"username": username, "key": username_key(username)} for username in found]
        if keys:
            update = sa.text(f"UPDATE {schema}.{name} SET username_key = :key WHERE username = :username AND {where}")
            connection.execute(update, keys)
    op.drop_index("ix_accounts_username", "accounts", schema=STAGING)
    # two spellings of one name at a site: the next night decides whose it is, until then only one of them has the key
    op.execute(f"""
        UPDATE {STAGING}.accounts a SET username_key = NULL WHERE a._removed_at IS NULL AND EXISTS (
            SELECT FROM {STAGING}.accounts o WHERE o._removed_at IS NULL AND o.district_id = a.district_id
                AND o.site_id = a.site_id AND o.username_key = a.username_key
                AND o.user_sourced_id < a.user_sourced_id)""")
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")  # no table is altered while a check of it waits
    op.execute(f"""
        ALTER TABLE {STAGING}.accounts DROP CONSTRAINT ex_accounts_username, ADD CONSTRAINT ex_accounts_username
            EXCLUDE USING btree (district_id WITH =, site_id WITH =, username_key WITH =)
            WHERE (_removed_at IS NULL) DEFERRABLE INITIALLY DEFERRED""")
    op.create_index("ix_accounts_username_key", "accounts", ["district_id", "username_key"], schema=STAGING)
    email, unusual = 'lower(email COLLATE "C")', sa.text(f"email COLLATE \"C\" ~ '{UNUSUAL}'")
    op.create_index("ix_users_email", "users", ["district_id", sa.text(email)], schema=STAGING)
    op.create_index("ix_users_unusual_email", "users", ["district_id"], schema=STAGING, postgresql_where=unusual)
    op.create_table(
        "person_findings",
        *(sa.Column(name, sa.Text, nullable=False) for name in _FOUND),
        sa.PrimaryKeyConstraint("district_id", "user_sourced_id", "rule", name="pk_person_findings"),
        schema=OPS,
    )
    listed = ", ".join(f'"{column}"' for column in _VIEW.split())
    op.execute(
        f"CREATE OR REPLACE VIEW {LIVE}.accounts AS SELECT {listed} FROM {STAGING}.accounts WHERE _removed_at IS NULL"
    )


def downgrade() -> None:
    raise NotImplementedError("There is nothing to go back for; restore a backup instead.")
