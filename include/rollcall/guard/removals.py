"""Too much leaves at once: a whole collection, an org with its dependents, a share of a collection or a school."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd
import pyarrow as pa

from rollcall.guard.drafts import ROW, HoldDrafts, as_rows
from rollcall.guard.evidence import Evidence
from rollcall.model.keys import first_parts
from rollcall.model.tables import COLLECTIONS, TABLES, tables_of
from rollcall.settings import District

# How much is too much, for each kind of row: in the whole district, at each school, and at each site.
#
# Students, staff, and others are measured apart: a hundred guardians must not hide that a third of the students left.

Share = Literal["people", "accounts", "classes", "enrollments", "updates", "usernames", "identity"]

#: The floor of each table; small collections use that of classes.
_FLOOR = {"users": "people", "accounts": "people", "demographics": "people", "enrollments": "enrollments"}


@dataclass(frozen=True)
class Limit:
    """`floor` rows may always change. Above that, the limit is a share of the published rows."""

    share: float
    floor: int

    def is_passed(self, rows: int, published: int) -> bool:
        return rows > self.floor and rows > self.share * published


@dataclass(frozen=True)
class Excess:
    """All rows of one kind, because there are too many of them somewhere.

    :param kind: `students`, `staff`, `others`, or `all` if rows belong to no person.
    :param school: the school of all of them; empty if they are at several, or if there is only one school.
    :param rows: `key`, and `row_school`, the main school.
    """

    kind: str
    school: str
    rows: pd.DataFrame


def limit(district: District, share: Share, table: str, kind: str) -> Limit:
    """The district's limit for a kind of row.

    :param share: what is measured. People who leave have a share per kind.
    """
    floor: int = getattr(district.guards.floor, _FLOOR.get(table, "classes"))
    return Limit(district.guards.share(kind if share == "people" else share), floor)


def too_many(district: District, evidence: Evidence, share: Share, table: str, keys: pd.Series) -> list[Excess]:
    """The kinds with too many of these rows: in the whole district, at one school, or at one site.

    Then all rows of the kind are listed, because a mistake at one school is seldom limited to it. A row of two kinds is
    listed once.
    """
    if len(keys) <= limit(district, share, table, "students").floor:
        return []
    at = evidence.roster.places_of(table, pa.array(keys, pa.string())).to_pandas().astype("object")
    found: list[Excess] = []
    done: set[str] = set()
    for kind, places in at.groupby("kind", sort=False):
        own = limit(district, share, table, str(kind))
        if places["key"].nunique() <= own.floor:
            continue
        if not _is_passed(evidence, table, str(kind), own, places):
            continue
        nearest = places.drop_duplicates("key").set_index("key")["school"].fillna("")
        rows = nearest[~nearest.index.isin(done)]
        done |= set(rows.index)
        if len(rows):
            school = only_school(evidence, table, places)
            found.append(Excess(str(kind), school, rows.rename("row_school").rename_axis("key").reset_index()))
    return found


def only_school(evidence: Evidence, table: str, places: pd.DataFrame) -> str:
    """The school of all these rows, if other schools have published rows too; else empty.

    :param places: `key` and `school`.
    """
    per_school = places.dropna(subset=["school"]).groupby("school")["key"].nunique()
    everywhere = per_school[per_school == places["key"].nunique()]
    return str(everywhere.index[0]) if len(everywhere) and len(schools_with(evidence, table)) > 1 else ""


def schools_with(evidence: Evidence, table: str) -> set[str]:
    """The schools with published rows of a table."""
    return {name for _, scope, name in evidence.roster.live(table) if scope == "school" and name}


def _is_passed(evidence: Evidence, table: str, kind: str, limit: Limit, places: pd.DataFrame) -> bool:
    """Whether there are too many rows of a kind in the whole district, at a school, or at a site."""
    if limit.is_passed(places["key"].nunique(), evidence.roster.live_by_kind(table).get(kind, 0)):
        return True
    counts = {
        (kind, scope, str(name)): int(rows)
        for scope in ("school", "site")
        for name, rows in places.groupby(scope)["key"].nunique().items()
        if rows > limit.floor
    }
    published = evidence.roster.live(table) if counts else {}
    return any(limit.is_passed(rows, published.get(where, 0)) for where, rows in counts.items())


_SHARES: dict[str, Share] = {"users": "people", "classes": "classes", "enrollments": "enrollments"}

NONE_AT_ALL = "the provider sent no records"


def judge_removals(district: District, evidence: Evidence, drafts: HoldDrafts) -> None:
    """Draft holds for removals that need a decision. Rows of living holds stay in them."""
    _keep_held(evidence, drafts)
    _judge_orgs(evidence, drafts)
    _judge_empty_collections(evidence, drafts)
    for table in _SHARES:
        _judge_shares(district, evidence, drafts, table)
    _keep_unseen(evidence, drafts)


def _keep_held(evidence: Evidence, drafts: HoldDrafts) -> None:
    """Keep the rows of living holds: waiting never turns a hold into a removal."""
    waiting = evidence.waiting[evidence.waiting["kind"] == "removals"]
    for table in waiting["table_name"].unique():
        if TABLES[str(table)].collection is None:
            continue
        theirs = waiting[waiting["table_name"] == table]
        still = theirs[theirs["row_key"].isin(evidence.departing(table)["key"])]
        still = still.assign(row_school=_nearest(evidence, table, still["row_key"]))
        for (collection, school), rows in still.groupby(["collection", "school"]):
            drafts.add(collection, "removals", rows[list(ROW)], school=school, is_real=True)


def _judge_orgs(evidence: Evidence, drafts: HoldDrafts) -> None:
    """Always hold an org that leaves, with its people, roles, classes, and enrollments."""
    gone = evidence.departing("orgs")
    gone = gone[~gone["key"].isin(drafts.keys("removals", "orgs"))]
    living = [draft.school for draft in drafts.by_hold.values() if draft.collection == "orgs"]
    orgs = evidence.leaving("orgs") - _approved_orgs(evidence)
    if gone.empty and not living:
        return
    school = living[0] if living else str(gone["key"].iloc[0]) if len(gone) == 1 else ""
    explanation = f"{len(orgs):,} of {evidence.published('orgs'):,} orgs no longer there"
    drafts.add(
        "orgs",
        "removals",
        as_rows("orgs", gone, row_school=gone["key"]),
        school=school,
        explanation=explanation,
        is_real=True,
    )
    for table in ("classes", "users", "enrollments"):
        rows = _not_held_yet(evidence, table, drafts)
        at = _nearest_only_at(evidence, table, rows["key"], orgs)
        theirs = rows[rows["key"].isin(at.index)]
        drafts.add(
            "orgs", "removals", as_rows(table, theirs, row_school=theirs["key"].map(at)), school=school, is_real=True
        )
    roles = evidence.rows("user_roles", "removed", columns=("user_sourced_id",))
    roles = roles[~roles["user_sourced_id"].isin(evidence.leaving("users"))]
    if not roles.empty:
        at_orgs = evidence.roster.roles_at(pa.array(sorted(orgs), pa.string())).to_pandas()
        theirs = roles.merge(at_orgs.rename(columns={"school": "row_school"}), on="key")
        drafts.add("orgs", "removals", as_rows("user_roles", theirs), school=school, is_real=True)


def _approved_orgs(evidence: Evidence) -> frozenset[str]:
    return evidence.leaving("orgs") - frozenset(evidence.departing("orgs")["key"])


def _nearest_only_at(evidence: Evidence, table: str, keys: pd.Series, orgs: frozenset[str]) -> pd.Series:
    """The main org of each row that is only at these orgs, by key."""
    if keys.empty:
        return pd.Series(dtype="object")
    at = evidence.roster.schools_of(table, pa.array(keys, pa.string())).to_pandas()
    elsewhere = at.loc[~at["school"].isin(orgs), "key"]
    return at[~at["key"].isin(elsewhere)].drop_duplicates("key").set_index("key")["school"]


def _judge_empty_collections(evidence: Evidence, drafts: HoldDrafts) -> None:
    """Zero rows in a complete full pull of a collection that has published rows."""
    for one in evidence.collections:
        if one.received or not one.proves_absence or not evidence.published(one.collection):
            continue
        rows = evidence.departing(one.collection)
        rows = rows[~rows["key"].isin(drafts.keys("removals", one.collection))]
        at = _nearest(evidence, one.collection, rows["key"])
        made = as_rows(one.collection, rows, row_school=at)
        drafts.add(one.collection, "removals", made, explanation=NONE_AT_ALL, is_real=True)


def _judge_shares(district: District, evidence: Evidence, drafts: HoldDrafts, table: str) -> None:
    rows = _not_held_yet(evidence, table, drafts)
    share = _SHARES[table]
    rollover = district.rollover
    if rollover is not None and rollover.covers(evidence.night):
        if share in rollover.accept:
            return
        if table == "users" and "graduated" in rollover.accept:
            rows = rows[~rows["key"].isin(graduated(evidence, rows["key"]))]
    for found in too_many(district, evidence, share, table, rows["key"]):
        drafts.add(table, "removals", as_rows(table, rows.merge(found.rows, on="key")), school=found.school)
    if table == "users":
        _accounts_that_go_along(district, evidence, drafts, rows)


def _accounts_that_go_along(district: District, evidence: Evidence, drafts: HoldDrafts, people: pd.DataFrame) -> None:
    """Many accounts may leave with few people: if only one grade has accounts, and that grade leaves."""
    people = people[~people["key"].isin(drafts.keys("removals", "users"))]
    if len(people) <= district.guards.floor.people:
        return
    keys = evidence.roster.accounts_of(pa.array(people["key"], pa.string())).to_pandas().astype("object")
    for found in too_many(district, evidence, "accounts", "accounts", keys):
        named = found.rows.assign(key=first_parts(found.rows["key"])).drop_duplicates("key")
        drafts.add("users", "removals", as_rows("users", people.merge(named, on="key")), school=found.school)


def _not_held_yet(evidence: Evidence, table: str, drafts: HoldDrafts) -> pd.DataFrame:
    """Rows that leave and are in no hold yet. Enrollments that leave with their person or class do not count."""
    rows = evidence.going(table)
    taken = drafts.keys("removals", table) | drafts.keys("identities", table)
    return rows[~rows["key"].isin(taken)]


def _keep_unseen(evidence: Evidence, drafts: HoldDrafts) -> None:
    """Keep a hold's rows of a collection that was not read in full, unless they were received again."""
    waiting = evidence.waiting[evidence.waiting["kind"] == "removals"]
    for (collection, school), theirs in waiting.groupby(["collection", "school"]):
        if (collection, "removals", school) not in drafts.by_hold:
            continue
        unseen = theirs[[TABLES[table].collection not in evidence.complete for table in theirs["table_name"]]]
        unseen = unseen[~evidence.is_received(unseen)]
        for table, rows in unseen.groupby("table_name"):
            at = _nearest(evidence, str(table), rows["row_key"])
            drafts.add(
                str(collection), "removals", rows.assign(row_school=at)[list(ROW)], school=str(school), is_real=True
            )


def _nearest(evidence: Evidence, table: str, keys: pd.Series) -> pd.Series:
    """The main school of each row; empty if it has none."""
    if keys.empty:
        return pd.Series(dtype="object")
    if table == "orgs":
        return keys
    at = evidence.roster.schools_of(table, pa.array(keys, pa.string())).to_pandas()
    return keys.map(at.drop_duplicates("key").set_index("key")["school"]).astype("object").fillna("")


def graduated(evidence: Evidence, keys: pd.Series) -> set[str]:
    """Which of these people are in the last grade."""
    last = evidence.roster.last_grade()
    if last is None or keys.empty:
        return set()
    people = evidence.roster.people(pa.array(keys, pa.string())).to_pandas()
    grades = people["grades"].fillna("").str.extractall(r'"(\d\d)"')[0].groupby(level=0).max()
    return set(people.loc[grades[grades >= last].index, "sourced_id"])


# Almost everything of a collection changes its content at once.

#: What changes of a pupil who is promoted; more than that is another change.
_PROMOTION = frozenset({"grades", "primary_org_sourced_id", "metadata", "user_profiles"})


def judge_updates(district: District, evidence: Evidence, drafts: HoldDrafts) -> None:
    """Hold changed records, with their parts, where they are too many."""
    waiting = evidence.waiting[evidence.waiting["kind"] == "updates"]
    for collection in COLLECTIONS:
        if not evidence.published(collection):
            continue
        rows = _changed(evidence, collection)
        if rows.empty:
            continue
        rows = rows[~rows["key"].isin(drafts.keys("identities", collection))]
        theirs = waiting[(waiting["table_name"] == collection) & waiting["row_key"].isin(rows["key"])]
        for school, still in theirs.assign(row_school="").groupby("school"):
            drafts.add(collection, "updates", still[list(ROW)], school=str(school))
        rows = rows[~rows["key"].isin(theirs["row_key"])]
        rollover = district.rollover
        if collection == "users" and rollover and rollover.covers(evidence.night) and "promoted" in rollover.accept:
            rows = rows[~rows["key"].isin(promoted(evidence)["key"])]
        found = too_many(district, evidence, "updates", collection, rows["key"])
        if found:  # what no record had before has been added, here or at the provider, and nothing is overwritten
            rows = rows[~rows["key"].isin(_only_filled(evidence, collection))]
            found = too_many(district, evidence, "updates", collection, rows["key"])
        for one in found:
            drafts.add(collection, "updates", as_rows(collection, rows.merge(one.rows, on="key")), school=one.school)


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
    empty = {name for name in set(fields.explode()) if name and evidence.roster.is_empty(collection, name)}
    return rows.loc[[bool(names[0]) and set(names) <= empty for names in fields], "key"]


def _changed(evidence: Evidence, collection: str) -> pd.DataFrame:
    """Records with another content than published, in themselves or in one of their parts."""
    own, *parts = tables_of(collection)
    rows = evidence.rows(own.name, "changed")
    if rows.empty and not any(evidence.has(part.name, "added", "returned", "removed", "changed") for part in parts):
        return rows
    settled = evidence.leaving(own.name, "added", "returned", "removed", "changed") | evidence.approved.get(
        own.name, set()
    )
    made = [rows.assign(reason=None)]
    for part in parts:
        owner = part.key[0]
        of_part = evidence.rows(part.name, "added", "returned", "removed", "changed", columns=(owner,))
        keys = of_part.loc[~of_part[owner].isin(settled), owner].drop_duplicates()
        made.append(pd.DataFrame({"key": keys, "change": "changed", "reason": None}))
    return pd.concat([one for one in made if len(one)] or made[:1]).drop_duplicates("key")
