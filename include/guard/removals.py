"""Too much goes at once: a whole collection, an org with all that hangs on it, a share of a collection or a school."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from include.guard.claims import ROW, Claims, as_rows
from include.guard.evidence import Evidence
from include.guard.limits import Share, too_many
from include.settings import District
from include.tables import TABLES

_SHARES: dict[str, Share] = {"users": "people", "classes": "classes", "enrollments": "enrollments"}

NONE_AT_ALL = "the provider sent none at all"


def judge_removals(district: District, evidence: Evidence, claims: Claims) -> None:
    """Name what goes and should not go unseen. What holds that live already name stays with them."""
    _still_waiting(evidence, claims)
    _orgs(evidence, claims)
    _none_at_all(evidence, claims)
    for table in _SHARES:
        _shares(district, evidence, claims, table)
    _not_seen_tonight(evidence, claims)


def _still_waiting(evidence: Evidence, claims: Claims) -> None:
    """A hold never becomes a removal by waiting: what it names stays in it, however much goes tonight."""
    waiting = evidence.waiting[evidence.waiting["kind"] == "removals"]
    for table in waiting["table_name"].unique():
        if TABLES[str(table)].collection is None:
            continue
        theirs = waiting[waiting["table_name"] == table]
        still = theirs[theirs["row_key"].isin(evidence.departing(table)["key"])]
        still = still.assign(row_school=_nearest(evidence, table, still["row_key"]))
        for (collection, school), rows in still.groupby(["collection", "school"]):
            claims.add(collection, "removals", rows[list(ROW)], school=school, is_real=True)


def _orgs(evidence: Evidence, claims: Claims) -> None:
    """An org that goes is always held, and the people, roles, classes and enrollments that would go with it."""
    gone = evidence.departing("orgs")
    gone = gone[~gone["key"].isin(claims.named("removals", "orgs"))]
    living = [claim.school for claim in claims.made.values() if claim.collection == "orgs"]
    orgs = evidence.leaving("orgs") - _agreed_orgs(evidence)
    if gone.empty and not living:
        return
    school = living[0] if living else str(gone["key"].iloc[0]) if len(gone) == 1 else ""
    said = f"{len(orgs):,} of {evidence.published('orgs'):,} orgs no longer there"
    claims.add(
        "orgs", "removals", as_rows("orgs", gone, row_school=gone["key"]), school=school, said=said, is_real=True
    )
    for table in ("classes", "users", "enrollments"):
        rows = _own(evidence, table, claims)
        at = _only_at(evidence, table, rows["key"], orgs)
        theirs = rows[rows["key"].isin(at.index)]
        claims.add(
            "orgs", "removals", as_rows(table, theirs, row_school=theirs["key"].map(at)), school=school, is_real=True
        )
    roles = evidence.rows("user_roles", "removed", columns=("user_sourced_id",))
    roles = roles[~roles["user_sourced_id"].isin(evidence.leaving("users"))]
    if not roles.empty:
        at_orgs = evidence.readers.roles_at(pa.array(sorted(orgs), pa.string())).to_pandas()
        theirs = roles.merge(at_orgs.rename(columns={"school": "row_school"}), on="key")
        claims.add("orgs", "removals", as_rows("user_roles", theirs), school=school, is_real=True)


def _agreed_orgs(evidence: Evidence) -> frozenset[str]:
    return evidence.leaving("orgs") - frozenset(evidence.departing("orgs")["key"])


def _only_at(evidence: Evidence, table: str, keys: pd.Series, orgs: frozenset[str]) -> pd.Series:
    """Of those rows that are at these orgs and nowhere else, the nearest, by key."""
    if keys.empty:
        return pd.Series(dtype="object")
    at = evidence.readers.schools_of(table, pa.array(keys, pa.string())).to_pandas()
    elsewhere = at.loc[~at["school"].isin(orgs), "key"]
    return at[~at["key"].isin(elsewhere)].drop_duplicates("key").set_index("key")["school"]


def _none_at_all(evidence: Evidence, claims: Claims) -> None:
    """Zero rows in a complete full pull of a collection that readers have rows of."""
    for one in evidence.collections:
        if one.received or not one.proves_absence or not evidence.published(one.collection):
            continue
        rows = evidence.departing(one.collection)
        rows = rows[~rows["key"].isin(claims.named("removals", one.collection))]
        at = _nearest(evidence, one.collection, rows["key"])
        made = as_rows(one.collection, rows, row_school=at)
        claims.add(one.collection, "removals", made, said=NONE_AT_ALL, is_real=True)


def _shares(district: District, evidence: Evidence, claims: Claims, table: str) -> None:
    rows = _own(evidence, table, claims)
    share = _SHARES[table]
    rollover = district.rollover
    if rollover is not None and rollover.covers(evidence.night):
        if share in rollover.accept:
            return
        if table == "users" and "graduated" in rollover.accept:
            rows = rows[~rows["key"].isin(graduated(evidence, rows["key"]))]
    for found in too_many(district, evidence, share, table, rows["key"]):
        claims.add(table, "removals", as_rows(table, rows.merge(found.rows, on="key")), school=found.school)
    if table == "users":
        _accounts_that_go_along(district, evidence, claims, rows)


def _accounts_that_go_along(district: District, evidence: Evidence, claims: Claims, people: pd.DataFrame) -> None:
    """Too many accounts may go with few people: where one grade has accounts, and that grade goes."""
    people = people[~people["key"].isin(claims.named("removals", "users"))]
    if len(people) <= district.guards.floor.people:
        return
    keys = evidence.readers.accounts_of(pa.array(people["key"], pa.string())).to_pandas().astype("object")
    for found in too_many(district, evidence, "accounts", "accounts", keys):
        named = found.rows.assign(key=found.rows["key"].str.partition("\x1f")[0]).drop_duplicates("key")
        claims.add("users", "removals", as_rows("users", people.merge(named, on="key")), school=found.school)


def _own(evidence: Evidence, table: str, claims: Claims) -> pd.DataFrame:
    """What goes by itself and is in no hold yet: an enrollment whose person or class goes is told with them."""
    rows = evidence.going(table)
    taken = claims.named("removals", table) | claims.named("identities", table)
    return rows[~rows["key"].isin(taken)]


def _not_seen_tonight(evidence: Evidence, claims: Claims) -> None:
    """What a hold names of a collection that was not read in full stays named, unless it came back."""
    waiting = evidence.waiting[evidence.waiting["kind"] == "removals"]
    for (collection, school), theirs in waiting.groupby(["collection", "school"]):
        if (collection, "removals", school) not in claims.made:
            continue
        unseen = theirs[[TABLES[table].collection not in evidence.complete for table in theirs["table_name"]]]
        unseen = unseen[~evidence.is_received(unseen)]
        for table, rows in unseen.groupby("table_name"):
            at = _nearest(evidence, str(table), rows["row_key"])
            claims.add(
                str(collection), "removals", rows.assign(row_school=at)[list(ROW)], school=str(school), is_real=True
            )


def _nearest(evidence: Evidence, table: str, keys: pd.Series) -> pd.Series:
    """Per row its nearest school, empty where there is none."""
    if keys.empty:
        return pd.Series(dtype="object")
    if table == "orgs":
        return keys
    at = evidence.readers.schools_of(table, pa.array(keys, pa.string())).to_pandas()
    return keys.map(at.drop_duplicates("key").set_index("key")["school"]).astype("object").fillna("")


def graduated(evidence: Evidence, keys: pd.Series) -> set[str]:
    """Which of these people are in the last grade."""
    last = evidence.readers.last_grade()
    if last is None or keys.empty:
        return set()
    people = evidence.readers.people(pa.array(keys, pa.string())).to_pandas()
    grades = people["grades"].fillna("").str.extractall(r'"(\d\d)"')[0].groupby(level=0).max()
    return set(people.loc[grades[grades >= last].index, "sourced_id"])
