"""How many students and teachers each school has, where the check has not counted them.

A check counts by lists of schools, two requests each, and for few schools only; not every provider has such lists. One
reading of the users costs fewer requests than that. Nobody's record is kept: of each page only the roles are looked at.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack

import sqlalchemy as sa

from include.check.pasted import Pasted
from include.check.steps import School
from include.oneroster.client import OneRosterClient
from include.oneroster.columns import columns
from include.oneroster.errors import OneRosterError
from include.settings import District
from include.warehouse.lease import HostLease

_COUNTED = {"student": "students", "teacher": "teachers"}


def with_head_counts(
    schools: Sequence[School], district: District, pasted: Pasted, engine: sa.Engine | None
) -> tuple[School, ...]:
    """The schools with their head-counts; as they came where they are counted already, or cannot be.

    :param engine: of the warehouse, which shares out the host's requests; None for none.
    """
    if all(school.students is not None for school in schools):
        return tuple(schools)
    try:
        found = _counted(district, pasted, engine)
    except OneRosterError:  # a kindness; whoever decides sees the numbers after the first pull
        return tuple(schools)
    return tuple(
        dataclasses.replace(
            school,
            **{field: found[role, school.sourced_id] for role, field in _COUNTED.items()},  # type: ignore[arg-type]
        )
        for school in schools
    )


def _counted(district: District, pasted: Pasted, engine: sa.Engine | None) -> Counter[tuple[str | None, str | None]]:
    """By role and org, one request at a time."""
    options = {**district.client_options(), "concurrency": 1, "demographics": False}
    with ExitStack() as opened:
        lease = opened.enter_context(HostLease(engine.url, district)) if engine is not None else None
        client = opened.enter_context(OneRosterClient(pasted.connection(), budget=lease, **options))
        reader = client.pages("users")
        people: Counter[tuple[str | None, str | None]] = Counter()
        attempt = None
        for page in reader:
            if page.attempt != attempt:  # the reading began anew
                attempt, people = page.attempt, Counter()
            roles = columns("users", page.records)["user_roles"]
            fields = zip(roles["user_sourced_id"], roles["role"], roles["org_sourced_id"], strict=True)
            people.update((role, org) for _, role, org in set(fields))
        return people
