"""The tables of `roster_ops`: districts, runs, and what runs, holds, and decisions leave behind.

Migrations create them; a test compares both.
"""

from __future__ import annotations

import sqlalchemy as sa

from rollcall.warehouse.models import metadata, timestamp
from rollcall.warehouse.schemas import OPS
from rollcall.warehouse.session import JSON


def _district() -> sa.Column:
    return sa.Column("district_id", sa.Text, nullable=False)


#: A district's name, connection, and the time by which its roster is due. Updated by every run.
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

#: The published roster. It is late from `late_from` on. The generation counts publications; publish refuses to apply a
#: change set that was computed for another generation.
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

#: Per collection, the time from which the next delta asks for changes. It only moves forward, and only by proven pulls.
watermarks = sa.Table(
    "watermarks",
    metadata,
    _district(),
    sa.Column("collection", sa.Text, nullable=False),
    sa.Column("watermark", timestamp(), nullable=False),
    sa.PrimaryKeyConstraint("district_id", "collection", name="pk_watermarks"),
    schema=OPS,
)

#: The last check of a connection: the provider's capabilities and the district's org. Also the largest page limit that
#: the provider accepts, if it refused a larger one.
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

#: Published pulls: their proofs of completeness and the load on the provider.
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

#: The ledger: inserted when a run starts, finished in the publishing transaction, or marked failed.
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

#: Rejected records with their reasons. Passwords are removed; of demographics the record itself is not stored.
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

#: People without an account, each with the first reason.
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

#: Findings of the newest publication about individual people, such as two records with one number that contradict each
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

#: Changes that wait for a decision (rule 4). At most one living hold per collection, kind, and school.
#: Status: announced (first absences, nothing is withheld yet), open, approved, rejected (its rows stay withheld), or
#: closed with a reason: published, came_back, gone, or dry_run (a dry run would have held it). `question_at` is since
#: when the same decision is asked for: it changes when rows join or a decision ends.
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

#: The rows a hold names: the change of each, and its cause.
hold_rows = sa.Table(
    "hold_rows",
    metadata,
    sa.Column("hold_id", sa.Text, nullable=False),
    _district(),
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("row_key", sa.Text, nullable=False),
    sa.Column("change", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("school", sa.Text, nullable=False, server_default=""),
    sa.Column("is_approved", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("about", sa.Text),
    sa.PrimaryKeyConstraint("hold_id", "table_name", "row_key", name="pk_hold_rows"),
    schema=OPS,
)

#: The holds of each run, and how many rows it withheld for each.
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

#: How far the newest pull of a district is: rows per collection, for people who watch it.
run_progress = sa.Table(
    "run_progress",
    metadata,
    _district(),
    sa.Column("collection", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("total", sa.BigInteger),
    sa.Column("seconds_left", sa.Double),
    sa.Column("waiting", sa.Double),
    sa.Column("updated_at", timestamp(), nullable=False),
    sa.PrimaryKeyConstraint("district_id", "collection", name="pk_run_progress"),
    schema=OPS,
)

#: Receipts of deleted districts. The ID column has another name than elsewhere, so that a purge keeps this row.
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
