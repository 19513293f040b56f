"""The guard: judges the change set before anything is written, and withholds what looks like a mistake.

It judges twice. First it judges the records a provider sends. Then accounts are mapped without what was withheld, and
it judges the accounts. What it withholds stays as published. Everything else is published (rules 4 and 10).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd
import pyarrow as pa

from rollcall.errors import ActionRequired
from rollcall.guard.causes import UNEXPLAINED, Numbers, collect_numbers, counts_by_kind, weigh_causes
from rollcall.guard.drafts import HoldDraft, HoldDrafts
from rollcall.guard.evidence import KEY, Evidence
from rollcall.guard.identity import detect_identity_changes, judge_migration, same_people
from rollcall.guard.removals import judge_removals, judge_updates
from rollcall.guard.usernames import judge_lost_accounts, judge_usernames, moved_accounts
from rollcall.landing.change_set import ALL_NEW_ROWS, HELD_ROWS_SCHEMA, RESOLVED_HOLD_ROWS_SCHEMA, Hold
from rollcall.landing.mapping import MappingResult
from rollcall.landing.pull import LandedCollection
from rollcall.model.keys import join_series
from rollcall.model.tables import TABLES
from rollcall.settings import District

# A first roster, or a collection's first rows, without a proof that all of it was received (rule 1).
#
# On later nights, an unproven pull only adds rows. On the first night, it would publish a third of a district's people
# as if they were all.


def judge_first_rows(evidence: Evidence, drafts: HoldDrafts) -> frozenset[str]:
    """Hold what would be published for the first time without proof.

    If no roster is published yet, nothing is published: a part of a roster is of no use. Otherwise
    only the collection and the records that refer to it wait.

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
        rows = pd.DataFrame([row | {"reason": "not proven complete", "row_school": ""}]).astype("object")
        explanation = (
            render_received(one) if has_roster else f"{render_received(one)}; nothing of the first roster is published"
        )
        drafts.add(one.collection, "additions", rows, explanation=explanation, is_real=True, count=one.proof.received)
    if waiting and not has_roster:
        return frozenset(evidence.changes)
    held = {one.collection for one in waiting}
    return frozenset(name for name in evidence.changes if TABLES[name].collection in held)


def render_received(landed: LandedCollection) -> str:
    """`1,000 of 2,888 users received, and no proof that these are all (…)`."""
    proof = landed.proof
    of = f" of {proof.expected:,}" if proof.expected is not None else ""
    what = landed.collection.replace("_", " ")
    why = f" ({proof.reason.rstrip('.')})" if proof.reason else ""
    return f"{proof.unique:,}{of} {what} received, and no proof that these are all{why}"


def _is_approved(landed: LandedCollection, evidence: Evidence) -> bool:
    """Whether publishing this many rows is approved. Fewer rows need another decision."""
    living = evidence.living_rows
    mine = (living["kind"] == "additions") & (living["table_name"] == landed.collection)
    approved = living.loc[mine & living["is_approved"].astype(bool), "about"]
    return any(landed.proof.unique >= int(about) for about in approved)


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
class Judgment:
    """What is held.

    :param rows: what the holds name, in `HELD_ROWS_SCHEMA`.
    :param withheld: what is not published: `table_name`, `row_key`, `change`.
    """

    holds: list[Hold]
    rows: pa.Table
    withheld: pa.Table


def require_a_roster(district: District, evidence: Evidence) -> None:
    """An empty roster is not a first roster.

    :raises ActionRequired: `no_orgs` or `no_people` if a district that was never published sends none.
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


def judge(district: District, evidence: Evidence) -> Judgment:
    """Judge tonight's records, and withhold what looks like a mistake.

    :raises ActionRequired: see :func:`require_a_roster`.
    """
    require_a_roster(district, evidence)
    drafts = HoldDrafts()
    pairs = same_people(evidence)
    judge_migration(district, evidence, drafts, pairs)
    detect_identity_changes(evidence, drafts)
    judge_removals(district, evidence, drafts)
    judge_updates(district, evidence, drafts)
    nothing_of = judge_first_rows(evidence, drafts)
    made = _judgment(drafts, evidence, lambda draft: collect_numbers(draft, evidence, pairs))
    more = [_all_changes(evidence, name) for name in sorted(nothing_of)]
    return replace(made, withheld=pa.concat_tables([made.withheld, *more]))


def judge_accounts(district: District, evidence: Evidence, mapped: MappingResult) -> Judgment:
    """Judge the accounts that are mapped from the allowed records."""
    drafts = HoldDrafts()
    judge_usernames(district, evidence, drafts, mapped.name_changes)
    judge_lost_accounts(district, evidence, drafts, mapped)
    no_pairs = pd.DataFrame({"old": pd.Series(dtype="object")})
    moved = moved_accounts(evidence, mapped)
    return _judgment(drafts, evidence, lambda draft: collect_numbers(draft, evidence, no_pairs, moved))


def came_back(evidence: Evidence, name_changes: pa.Table) -> pa.Table:
    """Rows of living holds whose reason is gone, in `RESOLVED_HOLD_ROWS_SCHEMA`: a row to be removed was
    received; a row to be added is no longer received, or is published as received (only a complete pull proves that).
    """
    living = evidence.living_rows
    living = living[living["kind"] != "additions"]  # a publication resolves it
    if living.empty:
        return RESOLVED_HOLD_ROWS_SCHEMA.empty_table()
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


def _judgment(drafts: HoldDrafts, evidence: Evidence, numbers: Callable[[HoldDraft], Numbers]) -> Judgment:
    holds, rows = [], []
    for draft in sorted(drafts.by_hold.values(), key=lambda one: (_ORDER.index(one.collection), one.kind, one.school)):
        found = numbers(draft)
        like, unlike = weigh_causes(draft.collection, draft.kind, found)
        explanation = "; ".join(draft.explanations)
        # a rule with its own explanation needs no unexplained cause
        parts = [explanation, "" if explanation and like == UNEXPLAINED else like]
        if draft.kind in ("removals", "updates"):
            parts.append(counts_by_kind(draft.collection, found))
        looks_like = "; ".join(part for part in parts if part)
        holds.append(
            Hold(
                collection=draft.collection,
                kind=draft.kind,
                school=draft.school,
                rows=len(draft.rows) if draft.count is None else draft.count,
                published=found.published or evidence.published(draft.collection),
                looks_like=looks_like,
                looks_not_like=unlike,
                is_announced=draft.is_announced,
            )
        )
        rows.append(draft.rows.assign(collection=draft.collection, kind=draft.kind, school=draft.school))
    if not rows:
        return Judgment([], HELD_ROWS_SCHEMA.empty_table(), _withheld_rows(HELD_ROWS_SCHEMA.empty_table(), evidence))
    named = pd.concat(rows)[HELD_ROWS_SCHEMA.names]
    table = pa.Table.from_pandas(named, HELD_ROWS_SCHEMA, preserve_index=False)
    return Judgment(holds, table, _withheld_rows(table, evidence))


def _all_changes(evidence: Evidence, table: str) -> pa.Table:
    """All changes of a table, as rows to withhold."""
    rows = evidence.changes[table]
    names = pa.array([table] * rows.num_rows, pa.string())
    return pa.table({"table_name": names, "row_key": rows[KEY], "change": rows["_change"]})


def _withheld_rows(rows: pa.Table, evidence: Evidence) -> pa.Table:
    """The rows of the holds; and for people who became another person, everything received for them."""
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
