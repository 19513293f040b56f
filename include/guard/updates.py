"""Almost everything of a collection changes its content at once."""

from __future__ import annotations

import pandas as pd

from include.guard.claims import ROW, Claims, as_rows
from include.guard.evidence import Evidence
from include.guard.limits import too_many
from include.settings import District
from include.tables import COLLECTIONS, tables_of

#: What changes of a pupil who is promoted; more than that is another change.
_PROMOTION = frozenset({"grades", "primary_org_sourced_id", "metadata", "user_profiles"})


def judge_updates(district: District, evidence: Evidence, claims: Claims) -> None:
    """Hold changed records, with their parts, where they are too many."""
    waiting = evidence.waiting[evidence.waiting["kind"] == "updates"]
    for collection in COLLECTIONS:
        if not evidence.published(collection):
            continue
        rows = _changed(evidence, collection)
        rows = rows[~rows["key"].isin(claims.named("identities", collection))]
        theirs = waiting[(waiting["table_name"] == collection) & waiting["row_key"].isin(rows["key"])]
        for school, still in theirs.assign(row_school="").groupby("school"):
            claims.add(collection, "updates", still[list(ROW)], school=str(school))
        rows = rows[~rows["key"].isin(theirs["row_key"])]
        rollover = district.rollover
        if collection == "users" and rollover and rollover.covers(evidence.night) and "promoted" in rollover.accept:
            rows = rows[~rows["key"].isin(promoted(evidence)["key"])]
        found = too_many(district, evidence, "updates", collection, rows["key"])
        if found:  # what no record had before has been added, here or at the provider, and nothing is overwritten
            rows = rows[~rows["key"].isin(_only_filled(evidence, collection))]
            found = too_many(district, evidence, "updates", collection, rows["key"])
        for one in found:
            claims.add(collection, "updates", as_rows(collection, rows.merge(one.rows, on="key")), school=one.school)


def promoted(evidence: Evidence) -> pd.DataFrame:
    """People whose grade changes, and nothing that tells who they are."""
    rows = evidence.rows("users", "changed", columns=("_changed_fields",))
    fields = rows["_changed_fields"].fillna("").str.split(",")
    is_promotion = [("grades" in names and set(names) <= _PROMOTION) for names in fields]
    return rows[pd.Series(is_promotion, index=rows.index, dtype=bool)]


def _only_filled(evidence: Evidence, collection: str) -> pd.Series:
    """Keys of records of which nothing changes but columns that were empty in all records of the district."""
    rows = evidence.rows(collection, "changed", columns=("_changed_fields",))
    fields = rows["_changed_fields"].fillna("").str.split(",")
    empty = {name for name in set(fields.explode()) if name and evidence.readers.is_empty(collection, name)}
    return rows.loc[[bool(names[0]) and set(names) <= empty for names in fields], "key"]


def _changed(evidence: Evidence, collection: str) -> pd.DataFrame:
    """Records with another content than published, in themselves or in one of their parts."""
    own, *parts = tables_of(collection)
    rows = evidence.rows(own.name, "changed")
    settled = evidence.leaving(own.name, "added", "returned", "removed", "changed") | evidence.agreed.get(
        own.name, set()
    )
    made = [rows.assign(because=None)]
    for part in parts:
        owner = part.key[0]
        of_part = evidence.rows(part.name, "added", "returned", "removed", "changed", columns=(owner,))
        keys = of_part.loc[~of_part[owner].isin(settled), owner].drop_duplicates()
        made.append(pd.DataFrame({"key": keys, "change": "changed", "because": None}))
    return pd.concat([one for one in made if len(one)] or made[:1]).drop_duplicates("key")
