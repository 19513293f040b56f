"""Whose data a connection shows: the org that stands for the whole district.

The first check of a connection pins that org, and a pull that shows another one is refused. A Client ID of another
district looks like any other, and so does its roster, until somebody else's children have accounts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Org(NamedTuple):
    """As much of a OneRoster org as says which district it belongs to; `parent` is a sourcedId."""

    sourced_id: str
    type: str | None
    parent: str | None
    name: str | None


def district_org(
    orgs: Iterable[tuple[str, str | None, str | None, str | None]], pinned: str | None = None
) -> Org | None:
    """The district's own org: the topmost of type `district`; where there is none, the topmost of type `local`, which
    is what OneRoster 1.0 called a district; else one without a parent.

    :param orgs: sourcedId, type, parent's sourcedId and name of the orgs that are not deleted.
    :param pinned: the org it was so far. Where several stand at the top (a connection for two districts) it is still
        the one; without it the first by sourcedId is.
    :returns: None where there are no orgs.
    """
    there = [Org(*org) for org in orgs]
    for kind in ("district", "local"):
        if found := _topmost([org for org in there if org.type == kind]):
            return _one(found, pinned)
    return _one([org for org in there if not org.parent] or _topmost(there), pinned)


def _topmost(orgs: list[Org]) -> list[Org]:
    """Those whose parent is not among them; all of them where each names another one as its parent."""
    ids = {org.sourced_id for org in orgs}
    return [org for org in orgs if org.parent not in ids or org.parent == org.sourced_id] or orgs


def _one(orgs: list[Org], pinned: str | None) -> Org | None:
    return min(orgs, key=lambda org: (org.sourced_id != pinned, org.sourced_id), default=None)
