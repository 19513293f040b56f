"""The guard: judges the change set before anything is written, and withholds what looks like a mistake.

Its rule so far is the one that is never wrong: a complete pull with zero rows of a collection that readers have rows of
is held, always (DESIGN, rule 4). A hold withholds removals and first absences; everything else is published.
"""

from __future__ import annotations

from collections.abc import Mapping

from include.contracts import Hold, TableCounts, ValidatedCollection
from include.errors import NeedsPerson
from include.settings import District

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


def judge(district: District, collections: list[ValidatedCollection], counts: Mapping[str, TableCounts]) -> list[Hold]:
    """What has to be withheld tonight.

    :param counts: per table, what would change and how many rows readers have now.
    :raises NeedsPerson: `no_orgs` or `no_people` when a district that has never been published brings none: an empty
        roster is not a first roster.
    """
    holds = []
    for collection in collections:
        count = counts[collection.collection]
        if collection.accepted - collection.tombstones > 0:
            continue
        if collection.collection in _NOTHING_YET and not count.published:
            code, what, remedy = _NOTHING_YET[collection.collection]
            raise NeedsPerson(
                code,
                f"{district.name} has sent no {what}: {collection.received} received, {collection.rejected} rejected.",
                remedy=f"Nothing was published. {remedy}",
                district=district.district,
            )
        if collection.received == 0 and collection.proves_absence and count.published:
            holds.append(
                Hold(
                    collection=collection.collection,
                    kind="removals",
                    rows=count.missing + count.removed,
                    published=count.published,
                    looks_like="the provider sent none at all",
                )
            )
    return holds
