"""The change set of a night: what is published, and what a person has to decide first.

The guard judges the changes that tonight's records propose. Accounts are mapped from the changes it allows. Then the
guard judges the accounts. So accounts are mapped once, and the second judgment sees what would be published.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from rollcall.accounts.mapping import map_accounts, required_user_columns
from rollcall.accounts.withholding import with_published_accounts, withhold_accounts
from rollcall.changes.proposal import propose_changes
from rollcall.changes.published_lookups import PublishedLookups
from rollcall.changes.roster_changes import RosterChanges, difference
from rollcall.guard.evidence import KEY, Evidence
from rollcall.guard.judgment import came_back, judge, judge_accounts
from rollcall.landing.change_set import COMPARED_ACCOUNT_COLUMNS, ChangeSet, Hold
from rollcall.landing.manifests import write_rows
from rollcall.landing.mapping import LEFT_OUT_SCHEMA
from rollcall.landing.pull import Pull
from rollcall.landing.rejects import REJECT_SCHEMA
from rollcall.landing.validated import Finding, Validated, ValidatedCollection
from rollcall.landing.zone import PullFolder
from rollcall.pipeline.affected_users import affected_users, with_unaffected_users
from rollcall.runtime.memory import release_free_memory
from rollcall.settings import District, night_of, rules_digest
from rollcall.settings.sections import EXCLUDE, UNDECIDED, measured_apart
from rollcall.warehouse.holds import active_hold_rows, decisions_digest

#: Kinds of holds whose content is published nowhere. A delta would not bring it again.
_NEEDS_FULL = ("updates", "identities", "additions")


def build_change_set(
    connection: sa.Connection,
    district: District,
    folder: PullFolder,
    pull: Pull,
    validated: Validated,
    *,
    run_id: str,
) -> ChangeSet:
    """Build the change set of a pull, and write it to the pull's folder.

    Each step makes a new value from the one before and changes nothing. The rows are large, so each step but the last
    frees what it no longer needs.

    :param connection: in a transaction with one stable snapshot (repeatable read).
    :param run_id: the run that publishes it. A replay is a different run than the one that pulled.
    """
    write = partial(write_rows, folder, ChangeSet.STAGE)
    living = active_hold_rows(connection, pull.district)
    night = _Night(
        district=district,
        date=night_of(pull.as_of, district.schedule.timezone),
        pull=pull,
        collections=validated.collections,
        living=living,
        roster=_published_roster(connection, district),
    )
    # proposed: tonight's records against the published roster
    proposed = propose_changes(
        connection,
        folder,
        pull,
        validated,
        district.rules,
        approved=approved_removals(living),
        with_enrollments=district.filters.require_class,
    )
    release_free_memory()

    # held, and allowed: the records the guard withholds stay as published
    held_records = judge(district, night.evidence(proposed))
    allowed = proposed.without(held_records.withheld)
    del proposed
    user_columns = required_user_columns(district)
    allowed = allowed.spill_to_landing(write, user_columns)
    release_free_memory()

    # accounts: mapped from the roster as it will be
    affected = affected_users(district, allowed, pull, living, night.date)
    mapped = map_accounts(district, allowed.mapping_input(user_columns, affected), night.date)
    if affected is not None:
        mapped = with_unaffected_users(allowed, mapped, affected)
    release_free_memory()
    with_accounts = allowed.with_accounts(mapped, affected)

    # held: the accounts the guard withholds stay as published
    evidence = night.evidence(with_accounts)
    held_accounts = judge_accounts(district, evidence, mapped)
    back = came_back(evidence, mapped.name_changes)
    final, published = withhold_accounts(with_accounts, mapped, held_accounts.withheld["row_key"])

    # change set: all of it, written to the landing zone
    holds = [*held_records.holds, *held_accounts.holds]
    expected = None
    if affected is None:
        withheld_accounts = difference(with_accounts.tables["accounts"].keys(), final.tables["accounts"].keys())
        expected = with_published_accounts(final, mapped.accounts.select(COMPARED_ACCOUNT_COLUMNS), withheld_accounts)
    return ChangeSet(
        district=pull.district,
        pull_id=pull.pull_id,
        run_id=run_id,
        as_of=pull.as_of,
        mode=pull.mode,
        generation=final.state.generation,
        rules_digest=rules_digest(district),
        parts={**final.parts, "accounts": write("accounts", final.tables["accounts"].rows)},
        counts={name: changes.counts for name, changes in final.tables.items()},
        digests={name: write(f"{name}_digests", pa.concat_tables(rows)) for name, rows in final.renewed.items()},
        rejects=write("rejects", pa.concat_tables([REJECT_SCHEMA.empty_table(), *final.rejects])),
        left_out=write("left_out", published.left_out.cast(LEFT_OUT_SCHEMA)),
        person_findings=write("person_findings", published.person_findings),
        findings=[*_unproven(pull), *final.findings, *published.findings],
        holds=holds,
        held_rows=write("held_rows", pa.concat_tables([held_records.rows, held_accounts.rows])),
        came_back=write("came_back", back),
        coverage=published.coverage,
        full_required=_full_required(pull, final, holds, living),
        decisions=decisions_digest(living),
        is_full_mapping=expected is not None,
        expected_accounts=[] if expected is None else write("expected_accounts", expected),
    )


@dataclass(frozen=True)
class _Night:
    """What both judgments of the guard share.

    :param living: rows of living holds, in `OPEN_HOLD_ROWS_SCHEMA`.
    """

    district: District
    date: date
    pull: Pull
    collections: list[ValidatedCollection]
    living: pa.Table
    roster: PublishedLookups

    def evidence(self, changes: RosterChanges) -> Evidence:
        before = changes.state.rules_digest
        return Evidence(
            night=self.date,
            collections=self.collections,
            changes={name: one.rows.append_column(KEY, one.keys()) for name, one in changes.tables.items()},
            received={name: one.received for name, one in changes.tables.items()},
            counts={name: one.counts for name, one in changes.tables.items()},
            roster=self.roster,
            living=self.living,
            landed=self.pull.collections,
            rules_changed=before is not None and before != rules_digest(self.district),
        )


def _published_roster(connection: sa.Connection, district: District) -> PublishedLookups:
    students, others = measured_apart(district.roles)
    decided = {} if district.sites is None else district.sites.map
    sites = {school: site for school, site in decided.items() if site not in (EXCLUDE, UNDECIDED)}
    return PublishedLookups(connection, district.district, students, others, sites)


def approved_removals(living: pa.Table) -> pa.Table:
    """The approved removals. They need no pull that repeats them.

    First absences are not included, because the second may never come. Old IDs are not included either: they are
    removed when the new ones are published.

    :param living: in `OPEN_HOLD_ROWS_SCHEMA`.
    """
    is_removal = pc.and_(pc.equal(living["kind"], "removals"), pc.equal(living["change"], "removed"))
    return living.filter(pc.and_(is_removal, living["is_approved"])).select(["table_name", "row_key", "reason"])


def _full_required(pull: Pull, changes: RosterChanges, holds: list[Hold], living: pa.Table) -> str:
    """Why the next pull has to be full; empty if it may be a delta.

    An absence needs a second full pull to confirm it, so that a leaver is gone within two nights.
    """
    kinds = {hold.kind for hold in holds} | set(living["kind"].unique().to_pylist())
    if kinds & set(_NEEDS_FULL):
        return "a hold waits for records that must be received again"
    if changes.lacks_targets:
        return "records refer to people or classes that were not pulled with them"
    if pull.mode != "full":
        return changes.state.full_required
    missing = any(one.counts.missing for one in changes.tables.values())
    return "the last full pull has absences that a second one must confirm" if missing else ""


def _unproven(pull: Pull) -> list[Finding]:
    """Findings for collections that are not proven complete. None of their records counts as missing tonight."""
    return [
        Finding(
            collection=landed.collection,
            rule="unproven",
            severity="warning",
            message=f"Not proven complete: {landed.proof.reason.rstrip('.')}. Nothing counts as missing tonight.",
            count=1,
        )
        for landed in pull.collections
        if not landed.proof.proven
    ]
