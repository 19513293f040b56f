"""The diff of a district: the newest change set, or two published nights. No request goes to the SIS."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
import sqlalchemy as sa

from rollcall.diff.between import NightComparison
from rollcall.diff.change_set import ChangeSetLines, newest_change_set
from rollcall.display.dates import format_date, format_instant
from rollcall.errors import ActionRequired
from rollcall.explain.formatting import join_words
from rollcall.history.published import generation_of_night
from rollcall.landing.zone import Landing
from rollcall.settings import District
from rollcall.warehouse.ops_models import runs
from rollcall.warehouse.session import warehouse_snapshot


@dataclass(frozen=True)
class Diff:
    """Changes by person.

    :param heading: what is compared, and whether it is published.
    :param facts: the heading as values.
    :param lines: the columns `rollcall.diff.lines.COLUMNS`, person by person.
    """

    heading: str
    facts: dict[str, Any]
    lines: pd.DataFrame

    def totals(self) -> list[dict[str, Any]]:
        """The number of people by change and reason."""
        if self.lines.empty:
            return []
        groups = self.lines.groupby(["change", "reason"], sort=False, dropna=False)["sourced_id"]
        counts = pd.DataFrame({"people": groups.nunique()}).reset_index()
        ordered = counts.sort_values(["people", "change", "reason"], ascending=[False, True, True], kind="stable")
        return [{str(name): value for name, value in row.items()} for row in ordered.to_dict("records")]


def next_publish(engine: sa.Engine, district: District, landing: Landing, school: str = "") -> Diff:
    """The changes of the newest change set.

    :raises ActionRequired: `no_change_set`; `school_unknown`.
    """
    with warehouse_snapshot(engine, "reading", district=district.district) as connection:
        found = newest_change_set(connection, district, landing)
        lines = ChangeSetLines(connection, found).lines(school)
    changes, zone = found.changes, district.schedule.timezone
    state = (
        f"Published {format_instant(found.published_at, zone)}"
        if found.published_at
        else "Not published: the roster does not have these changes yet"
    )
    source = "remap of the roster" if found.is_remap else f"{changes.mode} pull"
    return Diff(
        heading=f"{district.name}: {source} of {format_instant(changes.as_of, zone)}. {state}.",
        facts={
            "district": district.district,
            "pull_id": changes.pull_id,
            "run_id": changes.run_id,
            "mode": "remap" if found.is_remap else changes.mode,
            "as_of": changes.as_of,
            "published_at": found.published_at,
        },
        lines=lines,
    )


def between_nights(engine: sa.Engine, district: District, first: date, second: date, school: str = "") -> Diff:
    """The changes between two published nights.

    :raises ActionRequired: `nothing_published` if a night has no publication; `school_unknown`.
    """
    first, second = sorted((first, second))
    with warehouse_snapshot(engine, "reading", district=district.district) as connection:
        generations = [_generation(connection, district, night) for night in (first, second)]
        lines = NightComparison(connection, district.district, *generations).lines(school)
    return Diff(
        heading=f"{district.name}: changes from {format_date(first)} to {format_date(second)}.",
        facts={"district": district.district, "from": first, "to": second, "generations": generations},
        lines=lines,
    )


def _generation(connection: sa.Connection, district: District, night: date) -> int:
    generation = generation_of_night(connection, district.district, night)
    if generation is not None:
        return generation
    published = (runs.c.district_id == district.district, runs.c.status == "published")
    nearest = sa.select(runs.c.night).where(*published).group_by(runs.c.night)
    nearest = nearest.order_by(sa.func.abs(runs.c.night - night)).limit(3)
    nights = sorted(connection.execute(nearest).scalars())
    raise ActionRequired(
        "nothing_published",
        f"No roster of {district.name} was published for {format_date(night)}.",
        remedy=f"Nearest published nights: {join_words(map(format_date, nights))}." if nights else "",
        district=district.district,
    )
