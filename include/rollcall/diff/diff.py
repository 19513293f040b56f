"""The diff of a district: the newest change set, or two nights, read in one snapshot without asking a provider."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
import sqlalchemy as sa

from rollcall.diff.between import Between
from rollcall.diff.change_set import ChangeSetLines
from rollcall.diff.newest import newest
from rollcall.errors import ActionRequired
from rollcall.explain.formatting import format_instant
from rollcall.history.published import generation_of_night
from rollcall.landing.zone import Landing
from rollcall.settings import District
from rollcall.warehouse.models import runs
from rollcall.warehouse.session import warehouse_snapshot


@dataclass(frozen=True)
class Diff:
    """What changes for whom.

    :param heading: what is held against what, and whether readers have it, in words.
    :param facts: the same as values.
    :param lines: the columns `rollcall.diff.lines.COLUMNS`, person by person.
    """

    heading: str
    facts: dict[str, Any]
    lines: pd.DataFrame

    def totals(self) -> list[dict[str, Any]]:
        """How many lines there are of each kind and reason, and of how many people."""
        if self.lines.empty:
            return []
        groups = self.lines.groupby(["what", "reason"], sort=False, dropna=False)["sourced_id"]
        made = pd.DataFrame({"people": groups.nunique()}).reset_index()
        ordered = made.sort_values(["people", "what", "reason"], ascending=[False, True, True], kind="stable")
        return [{str(name): value for name, value in row.items()} for row in ordered.to_dict("records")]


def next_publish(engine: sa.Engine, district: District, landing: Landing, school: str = "") -> Diff:
    """What the newest change set does, person by person.

    :raises ActionRequired: `no_change_set`; `school_unknown`.
    """
    with warehouse_snapshot(engine, "reading", district=district.district) as connection:
        found = newest(connection, district, landing)
        lines = ChangeSetLines(connection, found).lines(school)
    changes, zone = found.changes, district.schedule.timezone
    state = (
        f"was published {format_instant(found.published_at, zone)}; readers have it"
        if found.published_at
        else "was not published: nothing of this is in the roster yet"
    )
    return Diff(
        heading=f"{district.name}: the {changes.mode} pull of {format_instant(changes.as_of, zone)} {state}.",
        facts={
            "district": district.district,
            "pull_id": changes.pull_id,
            "run_id": changes.run_id,
            "mode": changes.mode,
            "as_of": changes.as_of,
            "published_at": found.published_at,
        },
        lines=lines,
    )


def between_nights(engine: sa.Engine, district: District, first: date, second: date, school: str = "") -> Diff:
    """What changed from what readers saw on one night to what they saw on another.

    :raises ActionRequired: `nothing_published` when a night has no publication; `school_unknown`.
    """
    first, second = sorted((first, second))
    with warehouse_snapshot(engine, "reading", district=district.district) as connection:
        generations = [_generation(connection, district, night) for night in (first, second)]
        lines = Between(connection, district.district, *generations).lines(school)
    return Diff(
        heading=f"{district.name}: what changed from the night of {first} to the night of {second}.",
        facts={"district": district.district, "from": first, "to": second, "generations": generations},
        lines=lines,
    )


def _generation(connection: sa.Connection, district: District, night: date) -> int:
    generation = generation_of_night(connection, district.district, night)
    if generation is not None:
        return generation
    published = (runs.c.district_id == district.district, runs.c.status == "published")
    near = sa.select(runs.c.night).where(*published).group_by(runs.c.night)
    near = near.order_by(sa.func.abs(runs.c.night - night)).limit(3)
    nights = sorted(connection.execute(near).scalars())
    raise ActionRequired(
        "nothing_published",
        f"Nothing of {district.name} was published in the night of {night}.",
        remedy=f"The nearest nights with a publication: {', '.join(map(str, nights))}." if nights else "",
        district=district.district,
    )
