"""How much is too much: of each kind of row in the whole district, at each school and at each site.

Students, staff and others are measured apart: a hundred guardians must not hide that a third of the students is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd
import pyarrow as pa

from include.guard.evidence import Evidence
from include.settings import District

Share = Literal["people", "accounts", "classes", "enrollments", "updates", "usernames", "identity"]

#: Which floor holds for a table; small collections have that of classes.
_FLOOR = {"users": "people", "accounts": "people", "demographics": "people", "enrollments": "enrollments"}


@dataclass(frozen=True)
class Limit:
    """So many rows may always change; above that a share of what readers have."""

    share: float
    floor: int

    def is_passed(self, rows: int, published: int) -> bool:
        return rows > self.floor and rows > self.share * published


@dataclass(frozen=True)
class Excess:
    """All rows of one kind, because there are too many of them somewhere.

    :param kind: `students`, `staff`, `others`, or `all` where rows belong to no person.
    :param school: the school all of them are at; empty where they are at several, or there is only one.
    :param rows: `key`, and `row_school`, the nearest school.
    """

    kind: str
    school: str
    rows: pd.DataFrame


def limit(district: District, share: Share, table: str, kind: str) -> Limit:
    """The district's limit for a kind of row.

    :param share: what is measured; for people who leave each kind has a share of its own.
    """
    floor: int = getattr(district.guards.floor, _FLOOR.get(table, "classes"))
    return Limit(district.guards.share(kind if share == "people" else share), floor)


def too_many(district: District, evidence: Evidence, share: Share, table: str, keys: pd.Series) -> list[Excess]:
    """The kinds of which too many rows are among these: in the whole district, at one school or at one site.

    Whatever passed its limit first, all rows of the kind are named, since what is wrong at one school is seldom wrong
    there only. A row that is of two kinds is named once.
    """
    if len(keys) <= limit(district, share, table, "students").floor:
        return []
    at = evidence.readers.places_of(table, pa.array(keys, pa.string())).to_pandas().astype("object")
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
    """The school at which all these rows are, where readers have rows at others too; else empty.

    :param places: `key` and `school`.
    """
    per_school = places.dropna(subset=["school"]).groupby("school")["key"].nunique()
    everywhere = per_school[per_school == places["key"].nunique()]
    return str(everywhere.index[0]) if len(everywhere) and len(schools_with(evidence, table)) > 1 else ""


def schools_with(evidence: Evidence, table: str) -> set[str]:
    """The schools at which readers have rows of a table."""
    return {name for _, scope, name in evidence.readers.live(table) if scope == "school" and name}


def _is_passed(evidence: Evidence, table: str, kind: str, limit: Limit, places: pd.DataFrame) -> bool:
    """Whether rows of a kind are too many in the whole district, at a school or at a site."""
    if limit.is_passed(places["key"].nunique(), evidence.readers.live_by_kind(table).get(kind, 0)):
        return True
    counts = {
        (kind, scope, str(name)): int(rows)
        for scope in ("school", "site")
        for name, rows in places.groupby(scope)["key"].nunique().items()
        if rows > limit.floor
    }
    published = evidence.readers.live(table) if counts else {}
    return any(limit.is_passed(rows, published.get(where, 0)) for where, rows in counts.items())
