"""All districts on one screen: filtered, sorted, and paged by the warehouse, so that 13,000 stay fast.

The facts come from the view `roster_ops.district_status`; the district files decide which districts exist and whether
they are enabled. Nothing here contains data about people.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from rollcall.display.dates import format_date
from rollcall.explain.formatting import pluralize
from rollcall.status.status import ACTION_REQUIRED, STATES
from rollcall.warehouse.ops_models import runs
from rollcall.warehouse.schemas import OPS

#: The nights of a district's line.
TREND_NIGHTS = 30

#: How the screen can be sorted: key, label, and SQL.
SORTS: dict[str, tuple[str, str]] = {
    "action": (
        "Action first",
        "array_position(:states, f.state), f.nights DESC NULLS LAST, lower(f.name), f.district_id",
    ),
    "name": ("Name", "lower(f.name), f.district_id"),
    "published": ("Oldest roster first", "f.published_as_of NULLS FIRST, lower(f.name), f.district_id"),
    "people": ("Most people first", "f.people DESC NULLS LAST, lower(f.name), f.district_id"),
    "left_out": ("Most left out first", "f.left_out DESC NULLS LAST, lower(f.name), f.district_id"),
}


@dataclass(frozen=True)
class KnownDistrict:
    """What a district's file says about it.

    :param broken: what is wrong with the file, if it cannot be read.
    """

    district_id: str
    name: str
    is_enabled: bool = True
    broken: str = ""


@dataclass(frozen=True)
class Row:
    """One district.

    :param accounts_change: compared with the publication before. None without one.
    :param trend: accounts of the last nights, oldest first.
    """

    district_id: str
    name: str
    state: str
    message: str
    since: datetime | None
    night: date | None
    people: int | None
    accounts: int | None
    accounts_change: int | None
    left_out: int | None
    holds: int
    started_at: datetime | None
    run_status: str | None
    trend: Sequence[int] = ()

    @property
    def needs_action(self) -> bool:
        return self.state in ACTION_REQUIRED


@dataclass(frozen=True)
class Overview:
    """One page of the screen.

    :param states: the number of districts per state, of all that match the search.
    :param matching: how many rows the filters leave.
    """

    rows: list[Row]
    states: dict[str, int]
    matching: int
    people: int
    accounts: int
    holds: int
    newest_night: date | None
    older: int = 0

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def needing_action(self) -> int:
        return sum(count for state, count in self.states.items() if state in ACTION_REQUIRED)

    def sentence(self) -> str:
        """The morning in two sentences."""
        if not self.total:
            return "No districts."
        action = self.needing_action
        first = f"{pluralize(action, 'district needs', 'districts need')} action." if action else "No action needed."
        parts = [first]
        if self.newest_night is not None:
            parts.append(f"Newest published roster: {format_date(self.newest_night)}.")
        if self.older:
            parts.append(f"{pluralize(self.older, 'district has', 'districts have')} an older one.")
        return " ".join(parts)


_FOUND = f"""
    WITH file AS (
        SELECT * FROM jsonb_to_recordset(CAST(:known AS jsonb))
            AS t(district_id text, name text, is_enabled boolean, broken text)
    ), f AS (
        SELECT file.district_id, file.name, file.broken, v.published_as_of, v.published_night, v.run_status,
            v.started_at, v.waits_for, v.error_code, v.error_message, v.nights, coalesce(v.holds, 0) AS holds,
            coalesce(v.held_rows, 0) AS held_rows, v.paused, v.late_from, v.since, r.accounts, r.left_out,
            (r.coverage ->> 'people')::bigint AS people, r.generation,
            CASE
                WHEN file.broken <> '' THEN 'broken'
                WHEN NOT file.is_enabled THEN 'disabled'
                WHEN v.state IS NULL THEN 'never'
                WHEN v.state <> 'disabled' THEN v.state
                WHEN v.published_as_of IS NULL OR v.late_from IS NULL THEN 'never'
                WHEN v.late_from <= coalesce(CAST(:now AS timestamptz), now()) THEN 'late'
                WHEN v.holds > 0 THEN 'held'
                WHEN v.run_status = 'running' THEN 'running'
                ELSE 'published'
            END AS state
        FROM file LEFT JOIN {OPS}.district_status v USING (district_id)
        LEFT JOIN {OPS}.state s USING (district_id)
        LEFT JOIN {OPS}.runs r ON r.district_id = s.district_id AND r.run_id = s.current_run_id
        WHERE :search = '' OR strpos(lower(file.name), :search) > 0 OR strpos(file.district_id, :search) > 0
    )"""  # noqa: S608 - a schema's name

_PAGE = """,
    page AS (
        SELECT f.*, row_number() OVER (ORDER BY {order}) AS place FROM f
        WHERE CAST(:wanted AS text[]) = '{{}}' OR f.state = ANY(CAST(:wanted AS text[]))
        ORDER BY place LIMIT :size OFFSET :skip
    ), sums AS (
        SELECT f.state, count(*) AS districts, sum(people) AS people, sum(accounts) AS accounts, sum(holds) AS holds,
            max(published_night) AS newest FROM f GROUP BY f.state
    ), head AS (
        SELECT (SELECT coalesce(json_agg(sums), '[]') FROM sums) AS sums,
            (SELECT count(*) FROM f WHERE f.state <> 'disabled'
                AND f.published_night < (SELECT max(newest) FROM sums)) AS older
    )
    SELECT head.sums, head.older, page.* FROM head LEFT JOIN page ON true ORDER BY page.place"""


def overview(
    connection: sa.Connection,
    known: Iterable[KnownDistrict],
    *,
    states: Sequence[str] = (),
    search: str = "",
    sort: str = "action",
    page: int = 1,
    size: int = 50,
    now: datetime | None = None,
) -> Overview:
    """One page of all districts.

    :param known: the districts with a file that the reader may see.
    :param states: only these; all by default.
    :param search: part of a name or ID.
    :param sort: a key of `SORTS`.
    """
    params = {
        "known": msgspec.json.encode(list(known)).decode(),
        "search": search.strip().lower(),
        "wanted": list(states),
        "states": list(STATES),
        "size": size,
        "now": now,
        "skip": (max(page, 1) - 1) * size,
    }
    query = _FOUND + _PAGE.format(order=SORTS.get(sort, SORTS["action"])[1])
    found = connection.execute(sa.text(query), params).mappings().all()
    head = found[0]
    shown = [row for row in found if row["district_id"] is not None]
    trends = _trends(connection, [row["district_id"] for row in shown], now or datetime.now(UTC))
    sums = {one["state"]: one for one in head["sums"]}
    counts = {state: int(sums[state]["districts"]) for state in STATES if state in sums}
    newest = max((one["newest"] for one in sums.values() if one["newest"]), default=None)
    return Overview(
        rows=[_row(row, trends.get(row["district_id"], [])) for row in shown],
        states=counts,
        matching=sum(count for state, count in counts.items() if not states or state in states),
        people=sum(int(one["people"] or 0) for one in sums.values()),
        accounts=sum(int(one["accounts"] or 0) for one in sums.values()),
        holds=sum(int(one["holds"] or 0) for one in sums.values()),
        newest_night=date.fromisoformat(newest) if newest else None,
        older=head["older"],
    )


def _row(row: Any, trend: list[tuple[int | None, int]]) -> Row:
    accounts = [count for _, count in trend]
    earlier = [count for generation, count in trend if (generation or 0) < (row["generation"] or 0)]
    change = row["accounts"] - earlier[-1] if earlier and row["accounts"] is not None else None
    return Row(
        district_id=row["district_id"],
        name=row["name"],
        state=row["state"],
        message=_message(row),
        since=row["since"],
        night=row["published_night"],
        people=row["people"],
        accounts=row["accounts"],
        accounts_change=change,
        left_out=row["left_out"],
        holds=row["holds"],
        started_at=row["started_at"],
        run_status=row["run_status"],
        trend=accounts,
    )


def _message(row: Any) -> str:
    """What happened, in a sentence. Empty if all is well."""
    match row["state"]:
        case "broken":
            return str(row["broken"])
        case "failed":
            again = f" Same failure on {row['nights']} nights." if (row["nights"] or 0) > 1 else ""
            return f"{row['error_message']}{again}"
        case "late":
            return "Tonight's roster is late."
        case "held":
            return f"{pluralize(row['holds'], 'hold')} waiting for a decision, {pluralize(row['held_rows'], 'row')}."
        case "paused":
            return f"Publishing is paused: {row['paused']}"
        case "never":
            return "Never published."
        case "running":
            return f"Waiting for {row['waits_for']}." if row["waits_for"] else ""
    return ""


def _trends(connection: sa.Connection, districts: list[str], now: datetime) -> dict[str, list[tuple[int | None, int]]]:
    """Generation and accounts of the last nights per district, oldest first."""
    since = now.date() - timedelta(days=TREND_NIGHTS)
    query = (
        sa.select(runs.c.district_id, runs.c.generation, runs.c.accounts)
        .where(
            runs.c.district_id == sa.any_(sa.literal(districts, sa.ARRAY(sa.Text))),
            runs.c.status == "published",
            runs.c.accounts.is_not(None),
            runs.c.night > since,
        )
        .order_by(runs.c.district_id, runs.c.generation)
    )
    found: dict[str, list[tuple[int | None, int]]] = {}
    for district, generation, accounts in connection.execute(query):
        found.setdefault(district, []).append((generation, accounts))
    return found
