"""Accounts: usernames that change, and people who stay in the roster but lose their account (rule 10)."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.guard.drafts import ROW, HoldDrafts, as_rows
from rollcall.guard.evidence import Evidence
from rollcall.guard.removals import too_many
from rollcall.landing.mapping import MappingResult
from rollcall.model.keys import join_series
from rollcall.settings import District

#: Held one by one, whatever their number: a person must confirm a new source, or a username of another person.
_ONE_BY_ONE = {
    "field_changed": "come from a different field than before",
    "exchanged": "belonged to another person before tonight",
}


def judge_usernames(district: District, evidence: Evidence, drafts: HoldDrafts, name_changes: pa.Table) -> None:
    """Hold usernames with a new source or a new owner, and all changes of usernames if there are too many."""
    if not name_changes.num_rows:
        return
    rows = _username_rows(evidence, name_changes)
    living = evidence.living_rows[evidence.living_rows["kind"] == "usernames"]
    approved = living[living["is_approved"].astype(bool)]
    # an approval is for this username only
    rows = rows[~(rows["key"] + rows["reason"]).isin(approved["row_key"] + approved["reason"].fillna(""))]
    waiting = living[~living["is_approved"].astype(bool)]
    still = rows[rows["key"].isin(waiting["row_key"])]
    for school, theirs in still.groupby(
        still["key"].map(waiting.drop_duplicates("row_key").set_index("row_key")["school"])
    ):
        drafts.add("accounts", "usernames", as_rows("accounts", theirs), school=str(school))
    rows = rows[~rows["key"].isin(still["key"])]
    for kind, what in _ONE_BY_ONE.items():
        theirs = rows[rows["kind"] == kind]
        drafts.add(
            "accounts", "usernames", as_rows("accounts", theirs), explanation=f"{len(theirs):,} usernames {what}"
        )
    renamed = rows[~rows["kind"].isin(list(_ONE_BY_ONE))]
    for found in too_many(district, evidence, "usernames", "accounts", renamed["key"]):
        theirs = renamed.drop(columns="row_school").merge(found.rows, on="key")
        published = evidence.roster.live_by_kind("accounts").get(found.kind, 0)
        explanation = f"{len(theirs):,} of {published:,} usernames of {found.kind} change"
        drafts.add("accounts", "usernames", as_rows("accounts", theirs), school=found.school, explanation=explanation)


def judge_lost_accounts(district: District, evidence: Evidence, drafts: HoldDrafts, mapped: MappingResult) -> None:
    """Hold accounts of people who stay, if too many would be removed. A move to another site is not a loss."""
    rows = _lost_accounts(evidence, mapped)
    if rows.empty:
        return
    waiting = evidence.waiting[
        (evidence.waiting["kind"] == "removals") & (evidence.waiting["table_name"] == "accounts")
    ]
    still = waiting[waiting["row_key"].isin(rows["key"])].assign(row_school="")
    for school, theirs in still.groupby("school"):
        drafts.add("accounts", "removals", theirs[list(ROW)], school=str(school), is_real=True)
    rows = rows[~rows["key"].isin(still["row_key"])]
    for found in too_many(district, evidence, "accounts", "accounts", rows["key"]):
        theirs = rows.merge(found.rows, on="key")
        drafts.add("accounts", "removals", as_rows("accounts", theirs), school=found.school)


def moved_accounts(evidence: Evidence, mapped: MappingResult) -> int:
    """The number of removed accounts whose people have one at another site."""
    rows = evidence.rows("accounts", "removed", columns=("user_sourced_id",))
    return int(_is_among(rows["user_sourced_id"], mapped.accounts["user_sourced_id"]).sum())


def _lost_accounts(evidence: Evidence, mapped: MappingResult) -> pd.DataFrame:
    rows = evidence.rows("accounts", "removed", columns=("user_sourced_id",))
    # a second record of one person loses its account to the first: the person keeps it
    second = pc.equal(mapped.left_out["reason"], "same_person")
    left_out = mapped.left_out.filter(pc.invert(second))["user_sourced_id"]
    return rows[_is_among(rows["user_sourced_id"], left_out)]


def _username_rows(evidence: Evidence, name_changes: pa.Table) -> pd.DataFrame:
    rows = name_changes.to_pandas()
    keys = join_series(rows["user_sourced_id"], rows["site_id"])
    places = evidence.roster.places_of("accounts", pa.array(keys, pa.string())).to_pandas()
    schools = places.dropna(subset=["school"]).drop_duplicates("key").set_index("key")["school"]
    return pd.DataFrame(
        {
            "key": keys,
            "change": "changed",
            "reason": _render_change(rows),
            "row_school": keys.map(schools).astype("object").fillna(""),
            "kind": rows["kind"],
        }
    ).astype("object")


def _render_change(rows: pd.DataFrame) -> pd.Series:
    text = {name: rows[name].astype("str").where(rows[name].notna(), "nothing") for name in rows.columns}
    then = text["old_username"] + " (" + text["old_field"] + ")"
    return text["kind"] + ": " + then + " -> " + text["new_username"] + " (" + text["new_field"] + ")"


def _is_among(values: pd.Series, others: pa.ChunkedArray) -> pd.Series:
    found = pc.is_in(pa.array(values, pa.string()), value_set=others)
    return pd.Series(found.to_numpy(zero_copy_only=False), index=values.index, dtype=bool)
