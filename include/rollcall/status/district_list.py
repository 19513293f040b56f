"""Every district with its settings in one line: `rollcall districts list`. It works without a warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import IO, Any, Literal

import sqlalchemy as sa

from rollcall.display.dates import format_date, format_instant
from rollcall.display.terminal import open_console, plain_grid
from rollcall.errors import ActionRequired
from rollcall.settings import District, Nights, Sites
from rollcall.warehouse.schemas import OPS


@dataclass(frozen=True)
class DistrictLine:
    """One district file.

    :param state: `paused` if publishing is paused, `disabled` in the file, `broken` if the file has a mistake.
    :param sites: how many sites the file lists; None if each school is a site, or if a query returns the sites.
    :param next_night: when the next run begins; None if there is none.
    :param published: the night of the published roster; None if there is none, or without a warehouse.
    """

    district: str
    name: str
    state: Literal["active", "paused", "disabled", "broken"]
    sites: int | None = None
    sites_from: str = ""
    connection_id: str = ""
    timezone: str = "UTC"
    next_night: datetime | None = None
    published: date | None = None
    problem: str = ""

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def list_districts(
    districts: Sequence[District],
    broken: Sequence[ActionRequired],
    connection: sa.Connection | None = None,
    now: datetime | None = None,
) -> list[DistrictLine]:
    """Every district file, by ID.

    :param broken: the errors in files that cannot be read.
    :param connection: of the warehouse; without it, nothing is known about pauses and published rosters.
    """
    now = now or datetime.now(UTC)
    published = {}
    if connection is not None:
        query = sa.text(f"SELECT district_id, paused, published_night FROM {OPS}.district_status")  # noqa: S608 - a schema
        published = {row.district_id: row for row in connection.execute(query)}
    lines = [_line(district, published.get(district.district), now) for district in districts]
    lines += [
        DistrictLine(error.district or "?", error.district or "?", "broken", problem=error.message) for error in broken
    ]
    return sorted(lines, key=lambda line: line.district)


def _line(district: District, row: Any, now: datetime) -> DistrictLine:
    is_paused = row is not None and bool(row.paused)
    return DistrictLine(
        district=district.district,
        name=district.name,
        state="disabled" if not district.enabled else "paused" if is_paused else "active",
        sites=len(district.sites.targets) if district.sites and not district.sites.query else None,
        sites_from=_sites_from(district.sites),
        connection_id=district.connection_id,
        timezone=district.schedule.timezone,
        next_night=Nights(district).next_night(now).begins if district.enabled else None,
        published=row.published_night if row is not None else None,
    )


def _sites_from(sites: Sites | None) -> str:
    if sites is None:
        return "each school"
    return "query" if sites.query else "targets"


def print_districts(lines: Sequence[DistrictLine], *, has_warehouse: bool, file: IO[str] | None = None) -> None:
    """Print the districts as a table, and mistakes in files below it."""
    console = open_console(file)
    if not lines:
        console.print("There are no district files yet. Add one: rollcall districts add DISTRICT mail.txt")
        return
    columns = ("district", "name", "state", "sites", "connection", "next night", "published roster")
    grid = plain_grid(*columns[: 7 if has_warehouse else 6])
    for line in lines:
        sites = line.sites_from if line.sites is None else f"{line.sites:,}"
        next_night = format_instant(line.next_night, line.timezone) if line.next_night else ""
        cells = [line.district, line.name, line.state, sites, line.connection_id, next_night]
        grid.add_row(
            *cells, *([format_date(line.published) if line.published else "none yet"] if has_warehouse else [])
        )
    console.print(grid)
    for line in lines:
        if line.problem:
            console.print(line.problem, style="red")
