"""The guard: judges the change set before anything is written, and withholds what looks like a mistake.

It is asked twice, because the second question depends on the answer to the first: about the records a provider sends,
and, when accounts have been mapped again without what is withheld, about accounts. What it withholds stays as it is
published; everything else flows (rules 4 and 10).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd
import pyarrow as pa

from rollcall.errors import ActionRequired
from rollcall.guard.causes import UNEXPLAINED, Numbers, counts_by_kind, numbers_of, weighed
from rollcall.guard.drafts import HoldDraft, HoldDrafts
from rollcall.guard.evidence import KEY, Evidence
from rollcall.guard.identity import detect_identity_changes, judge_migration, same_people
from rollcall.guard.removals import judge_removals, judge_updates
from rollcall.guard.usernames import judge_lost_accounts, judge_names, moved_accounts
from rollcall.landing.change_set import ALL_NEW_ROWS, HELD_ROWS_SCHEMA, RESOLVED_HOLD_ROWS_SCHEMA, Hold
from rollcall.landing.mapping import MappingResult
from rollcall.landing.pull import LandedCollection
from rollcall.model.keys import join_series
from rollcall.model.tables import TABLES
from rollcall.settings import District

# A first roster, or a collection's first rows, of which it is not proven that all of it was received (rule 1).
#
# On later nights an unproven pull only adds and takes nothing away. On the first one a third of a district's people
# would be published as if they were all.


def judge_first(evidence: Evidence, claims: HoldDrafts) -> frozenset[str]:
    """Hold what would be published for the first time without proof.

    Where readers have no roster yet, nothing is published, for no part of a roster is of use without the others.
    Otherwise the collection waits, and what refers to its records; all else flows.

    :returns: the tables of which nothing may be published.
    """
    first = [one for one in evidence.landed if not one.proof.proven and not evidence.published(one.collection)]
    if not first:
        return frozenset()
    has_roster = evidence.roster.has_roster()
    if has_roster:
        first = [one for one in first if evidence.has(one.collection, "added", "returned")]
    waiting = [one for one in first if not _is_approved(one, evidence)]
    for one in waiting:
        row = {"table_name": one.collection, "row_key": ALL_NEW_ROWS, "change": "added", "about": str(one.proof.unique)}
        rows = pd.DataFrame([row | {"because": "not proven complete", "row_school": ""}]).astype("object")
        said = received_of(one) if has_roster else f"{received_of(one)}; nothing of the first roster is published"
        claims.add(one.collection, "additions", rows, said=said, is_real=True, count=one.proof.received)
    if waiting and not has_roster:
        return frozenset(evidence.changes)
    held = {one.collection for one in waiting}
    return frozenset(name for name in evidence.changes if TABLES[name].collection in held)


def received_of(landed: LandedCollection) -> str:
    """`1,000 of 2,888 users received, and no proof that these are all (…)`."""
    proof = landed.proof
    of = f" of {proof.expected:,}" if proof.expected is not None else ""
    what = landed.collection.replace("_", " ")
    why = f" ({proof.reason.rstrip('.')})" if proof.reason else ""
    return f"{proof.unique:,}{of} {what} received, and no proof that these are all{why}"


def _is_approved(landed: LandedCollection, evidence: Evidence) -> bool:
    """Whether a person agreed to publish as much as tonight brought; less than that is another question."""
    living = evidence.living.to_pandas()
    mine = (living["kind"] == "additions") & (living["table_name"] == landed.collection)
    agreed = living.loc[mine & living["is_approved"].astype(bool), "about"]
    return any(landed.proof.unique >= int(about) for about in agreed)


_ORDER = list(TABLES)

_NOTHING_YET = {
    "orgs": (
        "no_orgs",
        "schools",
        "On the district's side, check which schools the connection shares (school scope).",
    ),
    "users": (
        "no_people",
        "people",
        "On the district's side, check that the active school year is scheduled, that people have user accounts, and "
        "which schools the connection shares. Infinite Campus shows people of the active school year only.",
    ),
}


@dataclass(frozen=True)
class Judgement:
    """What is held.

    :param rows: what the holds name, in `HELD_ROWS_SCHEMA`.
    :param withheld: what is not published: `table_name`, `row_key`, `change`.
    """

    holds: list[Hold]
    rows: pa.Table
    withheld: pa.Table


def require_a_roster(district: District, evidence: Evidence) -> None:
    """An empty roster is not a first roster.

    :raises ActionRequired: `no_orgs` or `no_people` when a district that has never been published brings none.
    """
    for one in evidence.collections:
        if one.accepted - one.tombstones > 0 or one.collection not in _NOTHING_YET:
            continue
        if not evidence.published(one.collection):
            code, what, remedy = _NOTHING_YET[one.collection]
            raise ActionRequired(
                code,
                f"{district.name} has sent no {what}: {one.received} received, {one.rejected} rejected.",
                remedy=f"Nothing was published. {remedy}",
                district=district.district,
            )


def judge(district: District, evidence: Evidence) -> Judgement:
    """What has to be withheld of the records tonight brings and takes.

    :raises ActionRequired: see :func:`require_a_roster`.
    """
    require_a_roster(district, evidence)
    claims = HoldDrafts()
    pairs = same_people(evidence)
    judge_migration(district, evidence, claims, pairs)
    detect_identity_changes(evidence, claims)
    judge_removals(district, evidence, claims)
    judge_updates(district, evidence, claims)
    nothing_of = judge_first(evidence, claims)
    made = _judgement(claims, evidence, lambda claim: numbers_of(claim, evidence, pairs))
    more = [_whole(evidence, name) for name in sorted(nothing_of)]
    return replace(made, withheld=pa.concat_tables([made.withheld, *more]))


def judge_accounts(district: District, evidence: Evidence, mapped: MappingResult) -> Judgement:
    """What has to be withheld of the accounts that are mapped from what may be published."""
    claims = HoldDrafts()
    judge_names(district, evidence, claims, mapped.name_changes)
    judge_lost_accounts(district, evidence, claims, mapped)
    nobody = pd.DataFrame({"old": pd.Series(dtype="object")})
    moved = moved_accounts(evidence, mapped)
    return _judgement(claims, evidence, lambda claim: numbers_of(claim, evidence, nobody, moved))


def came_back(evidence: Evidence, name_changes: pa.Table) -> pa.Table:
    """Rows of living holds whose reason is gone, in `RESOLVED_HOLD_ROWS_SCHEMA`: a row to be removed was
    received; a row to be added is no longer received, or is published as received (only a complete pull proves that).
    """
    living = evidence.living.to_pandas()
    living = living[living["kind"] != "additions"]  # a publication tells that something was published at last
    is_received = evidence.is_received(living)
    is_leaving = living["change"].isin(["removed", "missing"])
    changes_still = pd.Series(False, index=living.index)
    for table, rows in living.groupby("table_name"):
        if table in evidence.changes:
            changes_still[rows.index] = rows["row_key"].isin(
                evidence.leaving(str(table), "added", "returned", "changed")
            )
    named = join_series(name_changes["user_sourced_id"].to_pandas(), name_changes["site_id"].to_pandas()).astype(
        "object"
    )
    about_names = living["kind"] == "usernames"
    is_complete = living["collection"].isin(evidence.complete)
    gone = (
        (is_leaving & is_received & (living["table_name"] != "accounts"))
        | (~is_leaving & ~about_names & is_complete & ~changes_still & (living["collection"] != "accounts"))
        | (about_names & ~living["row_key"].isin(named))
    )
    return pa.Table.from_pandas(
        living.loc[gone, RESOLVED_HOLD_ROWS_SCHEMA.names], RESOLVED_HOLD_ROWS_SCHEMA, preserve_index=False
    )


def _judgement(claims: HoldDrafts, evidence: Evidence, numbers: Callable[[HoldDraft], Numbers]) -> Judgement:
    holds, rows = [], []
    for claim in sorted(claims.made.values(), key=lambda one: (_ORDER.index(one.collection), one.kind, one.school)):
        found = numbers(claim)
        like, unlike = weighed(claim.collection, claim.kind, found)
        said = "; ".join(claim.said)
        # a rule that says itself what it found needs no cause beside it
        parts = [said, "" if said and like == UNEXPLAINED else like]
        if claim.kind in ("removals", "updates"):
            parts.append(counts_by_kind(claim.collection, found))
        looks_like = "; ".join(part for part in parts if part)
        holds.append(
            Hold(
                collection=claim.collection,
                kind=claim.kind,
                school=claim.school,
                rows=len(claim.rows) if claim.count is None else claim.count,
                published=found.published or evidence.published(claim.collection),
                looks_like=looks_like,
                looks_not_like=unlike,
                is_announced=claim.is_announced,
            )
        )
        rows.append(claim.rows.assign(collection=claim.collection, kind=claim.kind, school=claim.school))
    if not rows:
        return Judgement([], HELD_ROWS_SCHEMA.empty_table(), _withheld(HELD_ROWS_SCHEMA.empty_table(), evidence))
    named = pd.concat(rows)[HELD_ROWS_SCHEMA.names]
    table = pa.Table.from_pandas(named, HELD_ROWS_SCHEMA, preserve_index=False)
    return Judgement(holds, table, _withheld(table, evidence))


def _whole(evidence: Evidence, table: str) -> pa.Table:
    """All that happens to a table, as rows to withhold."""
    rows = evidence.changes[table]
    names = pa.array([table] * rows.num_rows, pa.string())
    return pa.table({"table_name": names, "row_key": rows[KEY], "change": rows["_change"]})


def _withheld(rows: pa.Table, evidence: Evidence) -> pa.Table:
    """What the holds name, and of people turned into others whatever else came for them."""
    made = rows.select(["table_name", "row_key", "change"])
    frame = rows.to_pandas()
    turned = frame.loc[(frame["kind"] == "identities") & (frame["change"] == "changed"), "row_key"]
    if turned.empty:
        return made
    more = []
    for table, owner in (("enrollments", "user_sourced_id"), ("demographics", "sourced_id")):
        theirs = evidence.rows(table, "added", "returned", "changed", "removed", columns=(owner,))
        theirs = theirs[theirs[owner].isin(turned)]
        more.append(pd.DataFrame({"table_name": table, "row_key": theirs["key"], "change": theirs["change"]}))
    extra = pa.Table.from_pandas(pd.concat(more).astype("object"), made.schema, preserve_index=False)
    return pa.concat_tables([made, extra])
