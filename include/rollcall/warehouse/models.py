"""The warehouse's tables as SQLAlchemy knows them; migrations make them, a test holds both against each other.

`roster_staging` and `roster_history` follow :data:`rollcall.model.tables.TABLES`; `roster_ops` is what runs leave
behind.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from rollcall.model.tables import TABLES, Kind, Table
from rollcall.model.username_text import UNUSUAL
from rollcall.warehouse.schemas import HISTORY, OPS, STAGING
from rollcall.warehouse.session import JSON

metadata = sa.MetaData()

_TYPES: dict[Kind, type[sa.types.TypeEngine]] = {
    "text": sa.Text,
    "date": sa.Date,
    "boolean": sa.Boolean,
    "json": JSON,
    "integer": sa.BigInteger,
}

#: Who wrote a staging row and when; `_missing_since` and `_removed_at` are null while it is live.
LINEAGE = ("_run_id", "_first_seen_at", "_changed_at", "_missing_since", "_removed_at", "_removed_reason")


def timestamp() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _roster_columns(table: Table) -> list[sa.Column]:
    return [
        sa.Column(
            column.name,
            timestamp() if column.kind == "timestamp" else _TYPES[column.kind](),
            nullable=column.name not in table.key,
        )
        for column in table.columns
    ]


def _lineage() -> list[sa.Column]:
    return [
        sa.Column("_digest", sa.BigInteger, nullable=False),
        sa.Column("_run_id", sa.Text, nullable=False),
        sa.Column("_first_seen_at", timestamp(), nullable=False),
        sa.Column("_changed_at", timestamp(), nullable=False),
        sa.Column("_missing_since", timestamp()),
        sa.Column("_removed_at", timestamp()),
        sa.Column("_removed_reason", sa.Text),
        sa.Column("_generation", sa.BigInteger, nullable=False, server_default="0"),
    ]


def _staging(table: Table) -> sa.Table:
    """The published roster with its removed rows."""
    built = sa.Table(
        table.name,
        metadata,
        sa.Column("district_id", sa.Text, nullable=False),
        *_roster_columns(table),
        *_lineage(),
        sa.PrimaryKeyConstraint("district_id", *table.key, name=f"pk_{table.name}"),
        schema=STAGING,
    )
    for name in ("user_sourced_id", "class_sourced_id"):
        if name in table.names and table.key[0] != name:
            sa.Index(f"ix_{table.name}_{name}", built.c.district_id, built.c[name])
    _index_of_few(built, "_removed_at")
    return built


def _index_of_few(built: sa.Table, column: str) -> None:
    """What retention looks for every night: a value that nearly all rows lack."""
    sa.Index(
        f"ix_{built.name}{column}", built.c.district_id, built.c[column], postgresql_where=built.c[column].is_not(None)
    )


def _published(table: Table) -> sa.Table:
    """What readers had before: a staging row as it was from one generation to the next.

    A row is copied here when it changes, so that a night costs only what it changes; staging itself is the newest
    generation. Together they give the exact tables of any generation.
    """
    return sa.Table(
        f"{table.name}_published",
        metadata,
        sa.Column("district_id", sa.Text, nullable=False),
        *_roster_columns(table),
        *_lineage(),
        sa.Column("_until_generation", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("district_id", *table.key, "_generation", name=f"pk_{table.name}_published"),
        schema=HISTORY,
    )


def _history(table: Table) -> sa.Table:
    """Type 2 history: a row's content from one as_of instant to the next."""
    built = sa.Table(
        table.name,
        metadata,
        sa.Column("district_id", sa.Text, nullable=False),
        *_roster_columns(table),
        sa.Column("_valid_from", timestamp(), nullable=False),
        sa.Column("_valid_to", timestamp()),
        sa.Column("_run_id", sa.Text, nullable=False),
        sa.Column("_closed_run_id", sa.Text),
        sa.Column("_digest", sa.BigInteger),
        sa.PrimaryKeyConstraint("district_id", *table.key, "_valid_from", name=f"pk_{table.name}_history"),
        schema=HISTORY,
    )
    _index_of_few(built, "_valid_to")
    return built


staging: dict[str, sa.Table] = {table.name: _staging(table) for table in TABLES.values()}
history: dict[str, sa.Table] = {table.name: _history(table) for table in TABLES.values()}
published: dict[str, sa.Table] = {table.name: _published(table) for table in TABLES.values()}

#: What Python takes for white space.
_SPACES = (
    " \t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
#: An identifier without the white space around it, as mapping compares it: what an index is made of, so that who shares
#: one is found without reading everybody.
IDENTIFIER = f"btrim({{}}, '{_SPACES}'::text)"
sa.Index("ix_users_identifier", staging["users"].c.district_id, sa.text(IDENTIFIER.format("identifier")))
#: An e-mail address as two records are compared by it, as far as it is printable ASCII; the others have an index of
#: their own, for of those PostgreSQL does not know the lower case.
EMAIL = 'lower({} COLLATE "C")'
UNUSUAL_EMAIL = f"{{}} COLLATE \"C\" ~ '{UNUSUAL}'"
sa.Index("ix_users_email", staging["users"].c.district_id, sa.text(EMAIL.format("email")))
_unusual = sa.text(UNUSUAL_EMAIL.format("email"))
sa.Index("ix_users_unusual_email", staging["users"].c.district_id, postgresql_where=_unusual)
_ends = staging["user_roles"].c.end_date
sa.Index("ix_user_roles_end_date", staging["user_roles"].c.district_id, _ends, postgresql_where=_ends.is_not(None))
_begins = staging["user_roles"].c.begin_date
sa.Index(
    "ix_user_roles_begin_date", staging["user_roles"].c.district_id, _begins, postgresql_where=_begins.is_not(None)
)
_missing = staging["users"].c._missing_since
sa.Index("ix_users_missing", staging["users"].c.district_id, postgresql_where=_missing.is_not(None))
sa.Index("ix_accounts_username_key", staging["accounts"].c.district_id, staging["accounts"].c.username_key)

#: Within a site a username is one account's, however it is spelled. Asked at the commit: two accounts may exchange
#: theirs within a transaction.
staging["accounts"].append_constraint(
    ExcludeConstraint(
        (staging["accounts"].c.district_id, "="),
        (staging["accounts"].c.site_id, "="),
        (staging["accounts"].c.username_key, "="),
        using="btree",
        name="ex_accounts_username",
        where=sa.text("_removed_at IS NULL"),
        deferrable=True,
        initially="DEFERRED",
    )
)


def _district() -> sa.Column:
    return sa.Column("district_id", sa.Text, nullable=False)


#: What a district is called, how it is reached and when its readers expect a roster; refreshed by every run.
districts = sa.Table(
    "districts",
    metadata,
    sa.Column("district_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("base_url", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("timezone", sa.Text, nullable=False, server_default="UTC"),
    sa.Column("publish_by", sa.Text, nullable=False, server_default=""),
    schema=OPS,
)

#: Which roster readers have; it is late from `late_from` on, if no newer one comes. The generation counts publications;
#: publish refuses if it moved since merge.
state = sa.Table(
    "state",
    metadata,
    sa.Column("district_id", sa.Text, primary_key=True),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("current_as_of", timestamp(), nullable=False),
    sa.Column("current_pull_id", sa.Text, nullable=False),
    sa.Column("current_run_id", sa.Text, nullable=False),
    sa.Column("rules_digest", sa.Text, nullable=False),
    sa.Column("full_required", sa.Text, nullable=False, server_default=""),
    sa.Column("last_full_as_of", timestamp()),
    sa.Column("paused", sa.Text, nullable=False, server_default=""),
    sa.Column("late_from", timestamp()),
    schema=OPS,
)

#: Per collection, the instant since which the next delta asks; moved only forwards, only by proven collections.
watermarks = sa.Table(
    "watermarks",
    metadata,
    _district(),
    sa.Column("collection", sa.Text, nullable=False),
    sa.Column("watermark", timestamp(), nullable=False),
    sa.PrimaryKeyConstraint("district_id", "collection", name="pk_watermarks"),
    schema=OPS,
)

#: What the last check of a connection found: what the provider can do, and which district it belongs to; and the
#: largest limit that pulls found, where the provider refuses more.
provider_profiles = sa.Table(
    "provider_profiles",
    metadata,
    sa.Column("district_id", sa.Text, primary_key=True),
    sa.Column("checked_at", timestamp(), nullable=False),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("pinned_org", sa.Text),
    sa.Column("profile", JSON, nullable=False),
    schema=OPS,
)

#: What lies in the landing zone and was published: proofs of completeness and what the provider was asked.
pulls = sa.Table(
    "pulls",
    metadata,
    _district(),
    sa.Column("pull_id", sa.Text, nullable=False),
    sa.Column("as_of", timestamp(), nullable=False),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("proofs", JSON, nullable=False),
    sa.Column("usage", JSON, nullable=False),
    sa.Column("is_complete", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.PrimaryKeyConstraint("district_id", "pull_id", name="pk_pulls"),
    schema=OPS,
)

#: The ledger: inserted when a run starts, finished in the publishing transaction or marked failed.
runs = sa.Table(
    "runs",
    metadata,
    _district(),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("started_at", timestamp(), nullable=False),
    sa.Column("finished_at", timestamp()),
    sa.Column("night", sa.Date, nullable=False),
    sa.Column("pull_id", sa.Text),
    sa.Column("as_of", timestamp()),
    sa.Column("generation", sa.BigInteger),
    sa.Column("accounts", sa.BigInteger),
    sa.Column("left_out", sa.BigInteger),
    sa.Column("coverage", JSON),
    sa.Column("mode", sa.Text),
    sa.Column("requests", sa.BigInteger),
    sa.Column("requests_in_peak", sa.BigInteger),
    sa.Column("bytes_received", sa.BigInteger),
    sa.Column("most_at_once", sa.BigInteger),
    sa.Column("seconds_waited", sa.Double),
    sa.Column("failed_stage", sa.Text),
    sa.Column("error_code", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("kind", sa.Text, nullable=False, server_default="sync"),
    sa.Column("waits_for", sa.Text),
    sa.Column("cpu_seconds", sa.Double),
    sa.Column("rows_written", sa.BigInteger),
    sa.Column("worker", sa.Text),
    sa.PrimaryKeyConstraint("district_id", "run_id", name="pk_runs"),
    schema=OPS,
)
sa.Index("ix_runs_started", runs.c.district_id, runs.c.started_at.desc())
sa.Index(
    "ix_runs_published",
    runs.c.district_id,
    runs.c.finished_at.desc(),
    postgresql_where=sa.text("status = 'published' AND kind IN ('sync', 'remap', 'rollback')"),
)

#: Per district, its newest sync or remap, its newest publication, and the start of the current failures. A trigger on
#: `runs` writes it at commit; the view `district_status` reads it.
latest_runs = sa.Table(
    "latest_runs",
    metadata,
    sa.Column("district_id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("night", sa.Date),
    sa.Column("started_at", timestamp()),
    sa.Column("waits_for", sa.Text),
    sa.Column("error_code", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("published_at", timestamp()),
    sa.Column("failing_since", timestamp()),
    sa.Column("failing_nights", sa.BigInteger),
    schema=OPS,
)

COUNTS = ("received", "rejected", "added", "changed", "unchanged", "returned", "missing", "removed", "held")

run_counts = sa.Table(
    "run_counts",
    metadata,
    _district(),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("table_name", sa.Text, nullable=False),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in COUNTS),
    sa.PrimaryKeyConstraint("district_id", "run_id", "table_name", name="pk_run_counts"),
    schema=OPS,
)

findings = sa.Table(
    "findings",
    metadata,
    _district(),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("collection", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("district_id", "run_id", "collection", "rule", name="pk_findings"),
    schema=OPS,
)

#: Refused records with their reasons; the record without password and, for demographics, not at all.
rejects = sa.Table(
    "rejects",
    metadata,
    sa.Column("reject_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _district(),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("collection", sa.Text, nullable=False),
    sa.Column("sourced_id", sa.Text),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("field", sa.Text),
    sa.Column("record", JSON),
    schema=OPS,
)
sa.Index("ix_rejects_run", rejects.c.district_id, rejects.c.run_id)

#: Who has no account now, each with the one first reason.
left_out = sa.Table(
    "left_out",
    metadata,
    _district(),
    sa.Column("user_sourced_id", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("district_id", "user_sourced_id", name="pk_left_out"),
    schema=OPS,
)

#: What the newest publication found about single people, such as two records that share a number and contradict each
#: other.
person_findings = sa.Table(
    "person_findings",
    metadata,
    _district(),
    sa.Column("user_sourced_id", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("district_id", "user_sourced_id", "rule", name="pk_person_findings"),
    schema=OPS,
)

#: What is withheld until somebody decides (rule 4); at most one living hold per collection, kind and school.
#: Status: announced (first absences: nothing is withheld yet), open, approved, rejected (its rows stay withheld), and
#: closed with why: published, came_back, gone, or dry_run for what a dry run would have held. `question_at` is since
#: when the decision asked for has been the same one: it moves when rows join or a decision ends.
holds = sa.Table(
    "holds",
    metadata,
    sa.Column("hold_id", sa.Text, primary_key=True),
    _district(),
    sa.Column("collection", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("school", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("opened_at", timestamp(), nullable=False),
    sa.Column("opened_run_id", sa.Text, nullable=False),
    sa.Column("last_seen_at", timestamp(), nullable=False),
    sa.Column("last_run_id", sa.Text, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("published", sa.BigInteger, nullable=False),
    sa.Column("looks_like", sa.Text, nullable=False),
    sa.Column("looks_not_like", sa.Text, nullable=False, server_default=""),
    sa.Column("decided_at", timestamp()),
    sa.Column("decided_by", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("expires_at", timestamp()),
    sa.Column("closed_at", timestamp()),
    sa.Column("closed_reason", sa.Text),
    sa.Column("question_at", timestamp(), nullable=False),
    schema=OPS,
)
sa.Index(
    "ix_holds_living",
    holds.c.district_id,
    holds.c.collection,
    holds.c.kind,
    holds.c.school,
    unique=True,
    postgresql_where=sa.text("closed_at IS NULL"),
)

#: The rows a hold names: what would happen to each, and because of what.
hold_rows = sa.Table(
    "hold_rows",
    metadata,
    sa.Column("hold_id", sa.Text, nullable=False),
    _district(),
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("row_key", sa.Text, nullable=False),
    sa.Column("change", sa.Text, nullable=False),
    sa.Column("because", sa.Text),
    sa.Column("school", sa.Text, nullable=False, server_default=""),
    sa.Column("is_approved", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("about", sa.Text),
    sa.PrimaryKeyConstraint("hold_id", "table_name", "row_key", name="pk_hold_rows"),
    schema=OPS,
)

#: Which holds a run met, and how many rows it withheld for each.
run_holds = sa.Table(
    "run_holds",
    metadata,
    _district(),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("hold_id", sa.Text, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("district_id", "run_id", "hold_id", name="pk_run_holds"),
    schema=OPS,
)

#: Each change that a person made: who, when, what, before, and after. Settings only, never a secret.
decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("decision_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _district(),
    sa.Column("decided_at", timestamp(), nullable=False),
    sa.Column("decided_by", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, server_default=""),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("before", JSON),
    sa.Column("after", JSON),
    schema=OPS,
)
sa.Index("ix_decisions_district", decisions.c.district_id, decisions.c.decided_at)

#: Districts and connections that a person is setting up on the page. `sealed` has the credentials, encrypted.
drafts = sa.Table(
    "drafts",
    metadata,
    sa.Column("draft_id", sa.Text, primary_key=True),
    _district(),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", timestamp(), nullable=False),
    sa.Column("updated_at", timestamp(), nullable=False),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("state", JSON, nullable=False),
    schema=OPS,
)

#: Receipts for districts that were deleted. The id stands under another name than everywhere else, for this row stays.
purges = sa.Table(
    "purges",
    metadata,
    sa.Column("district", sa.Text, nullable=False),
    sa.Column("purged_at", timestamp(), nullable=False),
    sa.Column("purged_by", sa.Text, nullable=False),
    sa.Column("rows", JSON, nullable=False),
    sa.Column("files", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("district", "purged_at", name="pk_purges"),
    schema=OPS,
)
