"""How much is too much: of a whole collection, and of each school."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd
import pyarrow as pa

from include.guard.evidence import Evidence
from include.settings import District

Share = Literal["people", "classes", "enrollments", "updates", "usernames", "identity"]

#: Which floor holds for a table; small collections have that of classes.
_FLOOR = {"users": "people", "accounts": "people", "demographics": "people", "enrollments": "enrollments"}


@dataclass(frozen=True)
class Limit:
    """So many rows may always change; above that a share of what readers have."""

    share: float
    floor: int

    def is_passed(self, rows: int, published: int) -> bool:
        return rows > self.floor and rows > self.share * published


def limit(district: District, share: Share, table: str) -> Limit:
    """The district's limit of a table."""
    floor: int = getattr(district.guards.floor, _FLOOR.get(table, "classes"))
    return Limit(district.guards.share(share), floor)


def too_many(evidence: Evidence, table: str, keys: pd.Series, limit: Limit) -> dict[str, pd.DataFrame]:
    """Which rows are too many: per school the rows, `key` and `row_school`; the school is empty for the whole table.

    Who is at two schools counts at both. Rows that are all at one school are that school's, where there are others.
    """
    if len(keys) <= limit.floor:
        return {}
    at = evidence.readers.schools_of(table, pa.array(keys, pa.string())).to_pandas()
    nearest = at.drop_duplicates("key").set_index("key")["school"]
    rows = pd.DataFrame({"key": keys, "row_school": keys.map(nearest).astype("object").fillna("")})
    counts = at.groupby("school")["key"].nunique()
    if limit.is_passed(len(keys), evidence.published(table)):
        everywhere = counts[counts == len(keys)]
        alone = str(everywhere.index[0]) if len(everywhere) else ""
        return {alone if alone and len(evidence.readers.rows_per_school(table)) > 1 else "": rows}
    counts = counts[counts > limit.floor]
    if counts.empty:
        return {}
    published = evidence.readers.rows_per_school(table)
    passed = [school for school, count in counts.items() if limit.is_passed(count, published.get(str(school), 0))]
    first = at[at["school"].isin(passed)].drop_duplicates("key")
    return {
        str(school): rows[rows["key"].isin(group["key"])].assign(row_school=school)
        for school, group in first.groupby("school")
    }
