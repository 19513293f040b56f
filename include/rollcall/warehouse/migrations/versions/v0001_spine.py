"""The published roster, its live views, its history and the ledger.

A snapshot: later changes of :mod:`rollcall.model.tables` come as migrations of their own and never alter this one.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from rollcall.warehouse.schemas import HISTORY, LIVE, OPS, STAGING

revision = "0001"
down_revision = None

_BASE = "sourced_id status date_last_modified:timestamp metadata:json"

#: table: (key columns, columns)
_ROSTER = {
    "orgs": ("sourced_id", f"{_BASE} name type identifier parent_sourced_id"),
    "academic_sessions": (
        "sourced_id",
        f"{_BASE} title type start_date:date end_date:date parent_sourced_id school_year",
    ),
    "courses": (
        "sourced_id",
        f"{_BASE} title course_code school_year_sourced_id org_sourced_id grades:json subjects:json subject_codes:json",
    ),
    "classes": (
        "sourced_id",
        f"{_BASE} title class_code class_type location grades:json subjects:json subject_codes:json periods:json "
        "course_sourced_id school_sourced_id",
    ),
    "class_terms": ("class_sourced_id term_sourced_id", "class_sourced_id term_sourced_id"),
    "users": (
        "sourced_id",
        f"{_BASE} user_master_identifier username user_ids:json user_profiles:json is_enabled:boolean given_name "
        "family_name middle_name preferred_first_name preferred_middle_name preferred_last_name pronouns identifier "
        "email sms phone grades:json primary_org_sourced_id",
    ),
    "user_roles": (
        "user_sourced_id role_key",
        "user_sourced_id role_key org_sourced_id role role_type user_profile begin_date:date end_date:date",
    ),
    "user_agents": ("user_sourced_id agent_sourced_id", "user_sourced_id agent_sourced_id"),
    "enrollments": (
        "sourced_id",
        f"{_BASE} user_sourced_id class_sourced_id school_sourced_id role is_primary:boolean begin_date:date "
        "end_date:date",
    ),
    "demographics": (
        "sourced_id",
        f"{_BASE} birth_date:date sex is_american_indian_or_alaska_native:boolean is_asian:boolean "
        "is_black_or_african_american:boolean is_native_hawaiian_or_other_pacific_islander:boolean is_white:boolean "
        "is_demographic_race_two_or_more_races:boolean is_hispanic_or_latino_ethnicity:boolean "
        "country_of_birth_code state_of_birth_abbreviation city_of_birth public_school_residence_status",
    ),
    "accounts": (
        "user_sourced_id site_id",
        "user_sourced_id site_id account_id site_name role source_roles:json school_sourced_ids:json "
        "is_primary_site:boolean username username_field given_name family_name preferred_first_name "
        "preferred_last_name email identifier grades:json is_enabled:boolean",
    ),
}

_TYPES = {"": sa.Text, "date": sa.Date, "boolean": sa.Boolean, "json": JSONB}

_LIVE_LINEAGE = ("_run_id", "_first_seen_at", "_changed_at", "_missing_since")


def _at(name: str, *, nullable: bool = True) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text, nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _columns(key: list[str], spec: str) -> list[sa.Column]:
    columns = []
    for word in spec.split():
        name, _, kind = word.partition(":")
        made = _at(name) if kind == "timestamp" else sa.Column(name, _TYPES[kind]())
        made.nullable = name not in key
        columns.append(made)
    return columns


def _roster_table(name: str, key: list[str], spec: str) -> None:
    op.create_table(
        name,
        _text("district_id"),
        *_columns(key, spec),
        _number("_digest"),
        _text("_run_id"),
        _at("_first_seen_at", nullable=False),
        _at("_changed_at", nullable=False),
        _at("_missing_since"),
        _at("_removed_at"),
        _text("_removed_because", nullable=True),
        sa.PrimaryKeyConstraint("district_id", *key, name=f"pk_{name}"),
        schema=STAGING,
    )
    op.create_table(
        name,
        _text("district_id"),
        *_columns(key, spec),
        _at("_valid_from", nullable=False),
        _at("_valid_to"),
        _text("_run_id"),
        _text("_closed_run_id", nullable=True),
        sa.PrimaryKeyConstraint("district_id", *key, "_valid_from", name=f"pk_{name}_history"),
        schema=HISTORY,
    )
    op.create_index(
        f"ix_{name}_open",
        name,
        ["district_id", *key],
        unique=True,
        schema=HISTORY,
        postgresql_where=sa.text("_valid_to IS NULL"),
    )


def _live_view(name: str, spec: str) -> None:
    columns = ["district_id", *(word.partition(":")[0] for word in spec.split()), *_LIVE_LINEAGE]
    listed = ", ".join(f'"{column}"' for column in columns)
    op.execute(f"CREATE VIEW {LIVE}.{name} AS SELECT {listed} FROM {STAGING}.{name} WHERE _removed_at IS NULL")


def _ops_tables() -> None:
    op.create_table(
        "districts",
        sa.Column("district_id", sa.Text, primary_key=True),
        _text("name"),
        _text("version"),
        _text("base_url"),
        schema=OPS,
    )
    op.create_table(
        "state",
        sa.Column("district_id", sa.Text, primary_key=True),
        _number("generation"),
        _at("current_as_of", nullable=False),
        _text("current_pull_id"),
        _text("current_run_id"),
        _text("rules_digest"),
        schema=OPS,
    )
    op.create_table(
        "pulls",
        _text("district_id"),
        _text("pull_id"),
        _at("as_of", nullable=False),
        _text("mode"),
        sa.Column("proofs", JSONB, nullable=False),
        sa.Column("usage", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("district_id", "pull_id", name="pk_pulls"),
        schema=OPS,
    )
    op.create_table(
        "left_out",
        _text("district_id"),
        _text("user_sourced_id"),
        _text("reason"),
        _text("detail"),
        _text("run_id"),
        sa.PrimaryKeyConstraint("district_id", "user_sourced_id", name="pk_left_out"),
        schema=OPS,
    )


def _run_tables() -> None:
    op.create_table(
        "runs",
        _text("district_id"),
        _text("run_id"),
        _text("status"),
        _at("started_at", nullable=False),
        _at("finished_at"),
        sa.Column("night", sa.Date, nullable=False),
        _text("pull_id", nullable=True),
        _at("as_of"),
        _number("generation", nullable=True),
        _number("accounts", nullable=True),
        _number("left_out", nullable=True),
        sa.Column("coverage", JSONB),
        _text("failed_stage", nullable=True),
        _text("error_code", nullable=True),
        _text("error_message", nullable=True),
        sa.PrimaryKeyConstraint("district_id", "run_id", name="pk_runs"),
        schema=OPS,
    )
    counts = ("received", "rejected", "added", "changed", "unchanged", "returned", "missing", "removed", "held")
    op.create_table(
        "run_counts",
        _text("district_id"),
        _text("run_id"),
        _text("table_name"),
        *(_number(name) for name in counts),
        sa.PrimaryKeyConstraint("district_id", "run_id", "table_name", name="pk_run_counts"),
        schema=OPS,
    )
    op.create_table(
        "findings",
        _text("district_id"),
        _text("run_id"),
        _text("collection"),
        _text("rule"),
        _text("severity"),
        _text("message"),
        _number("count"),
        sa.PrimaryKeyConstraint("district_id", "run_id", "collection", "rule", name="pk_findings"),
        schema=OPS,
    )
    op.create_table(
        "rejects",
        sa.Column("reject_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        _text("district_id"),
        _text("run_id"),
        _text("collection"),
        _text("sourced_id", nullable=True),
        _text("rule"),
        _text("reason"),
        _text("field", nullable=True),
        sa.Column("record", JSONB),
        schema=OPS,
    )
    op.create_index("ix_rejects_run", "rejects", ["district_id", "run_id"], schema=OPS)
    op.create_table(
        "holds",
        _text("district_id"),
        _text("run_id"),
        _text("collection"),
        _text("kind"),
        _text("school"),
        _number("rows"),
        _number("published"),
        _text("looks_like"),
        sa.PrimaryKeyConstraint("district_id", "run_id", "collection", "kind", "school", name="pk_holds"),
        schema=OPS,
    )


def upgrade() -> None:
    for name, (key, spec) in _ROSTER.items():
        _roster_table(name, key.split(), spec)
        if name != "demographics":  # downstream reads the live views, and they show no demographics
            _live_view(name, spec)
    for name, column in (
        ("enrollments", "user_sourced_id"),
        ("enrollments", "class_sourced_id"),
    ):
        op.create_index(f"ix_{name}_{column}", name, ["district_id", column], schema=STAGING)
    op.create_index("ix_accounts_username", "accounts", ["district_id", sa.text("lower(username)")], schema=STAGING)
    _ops_tables()
    _run_tables()


def downgrade() -> None:
    raise NotImplementedError("The first version has nothing below it; drop the schemas to start over.")
