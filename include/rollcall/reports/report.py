"""What a run did, for people: read from the warehouse's ledger, printed as tables.

Every number here has a reader: what was received, rejected and changed per table, accounts per site, and who was left
out and why. Nothing names a person.
"""

from __future__ import annotations

from typing import IO, Any

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table as Grid

from rollcall.history import published
from rollcall.landing.mapping import LEFT_OUT_REASONS
from rollcall.landing.zone import Landing
from rollcall.warehouse.models import COUNTS, findings, holds, left_out, rejects, run_counts, run_holds, runs, staging

Row = dict[str, Any]

#: How many earlier runs a finding's count is held against.
_TREND = 3

#: Runs that worked everything out and changed nothing readers have.
_NOT_PUBLISHED = ("dry_run", "paused")


def run(connection: sa.Connection, district: str, run_id: str) -> Row | None:
    """The ledger's row of a run."""
    where = (runs.c.district_id == district, runs.c.run_id == run_id)
    row = connection.execute(sa.select(runs).where(*where)).mappings().one_or_none()
    return dict(row) if row else None


def counts(connection: sa.Connection, district: str, run_id: str) -> list[Row]:
    """Per table what a run received and did."""
    columns = (run_counts.c.table_name, *(run_counts.c[name] for name in COUNTS))
    where = (run_counts.c.district_id == district, run_counts.c.run_id == run_id)
    order = sa.func.array_position(sa.literal(list(staging)), run_counts.c.table_name)
    return [dict(row) for row in connection.execute(sa.select(*columns).where(*where).order_by(order)).mappings()]


def rejected(connection: sa.Connection, district: str, run_id: str) -> list[Row]:
    """How many records a run refused, per collection and reason."""
    columns = (rejects.c.collection, rejects.c.rule, rejects.c.reason)
    where = (rejects.c.district_id == district, rejects.c.run_id == run_id)
    query = sa.select(*columns, sa.func.count().label("count")).where(*where).group_by(*columns)
    return [dict(row) for row in connection.execute(query.order_by(sa.desc("count"), *columns)).mappings()]


def found(connection: sa.Connection, district: str, run_id: str) -> list[Row]:
    """A run's findings, warnings first, then by how often; `last` is how often in the runs before, newest first.

    A delta is held against deltas and a full pull against full pulls: a delta judges only what was modified.
    """
    before = _runs_before(connection, district, run_id)
    counted = {
        (row.run_id, row.collection, row.rule): row.count
        for row in connection.execute(
            sa.select(findings).where(findings.c.district_id == district, findings.c.run_id.in_(before))
        )
    }
    columns = (findings.c.severity, findings.c.collection, findings.c.rule, findings.c.message, findings.c.count)
    where = (findings.c.district_id == district, findings.c.run_id == run_id)
    severity = sa.func.array_position(sa.literal(["critical", "warning", "info"]), findings.c.severity)
    query = sa.select(*columns).where(*where).order_by(severity, findings.c.count.desc())
    return [
        {**row, "last": [counted.get((run_id, row["collection"], row["rule"]), 0) for run_id in before]}
        for row in connection.execute(query).mappings()
    ]


def _runs_before(connection: sa.Connection, district: str, run_id: str) -> list[str]:
    """The last published runs of the same mode before this one, newest first."""
    this = (
        sa.select(runs.c.mode, runs.c.as_of).where(runs.c.district_id == district, runs.c.run_id == run_id).subquery()
    )
    query = (
        sa.select(runs.c.run_id)
        .join(this, sa.and_(runs.c.mode == this.c.mode, runs.c.as_of < this.c.as_of))
        .where(runs.c.district_id == district, runs.c.status == "published")
        .order_by(runs.c.as_of.desc())
        .limit(_TREND)
    )
    return list(connection.scalars(query))


def held(connection: sa.Connection, district: str, run_id: str) -> list[Row]:
    """What a run withheld."""
    met = run_holds.c.hold_id == holds.c.hold_id
    where = (run_holds.c.district_id == district, run_holds.c.run_id == run_id)
    query = sa.select(holds).join(run_holds, met).where(*where).order_by(holds.c.hold_id)
    return [dict(row) for row in connection.execute(query).mappings()]


def accounts_per_site(connection: sa.Connection, district: str) -> list[Row]:
    """Readers' live accounts per site, students and staff apart."""
    accounts = staging["accounts"]
    students = sa.func.count().filter(accounts.c.role == "student").label("students")
    staff = sa.func.count().filter(accounts.c.role == "staff").label("staff")
    where = (accounts.c.district_id == district, accounts.c._removed_at.is_(None))
    query = sa.select(accounts.c.site_id, accounts.c.site_name, students, staff).where(*where)
    grouped = query.group_by(accounts.c.site_id, accounts.c.site_name).order_by(accounts.c.site_name)
    return [dict(row) for row in connection.execute(grouped).mappings()]


def left_out_reasons(connection: sa.Connection, district: str) -> list[Row]:
    """How many people have no account now, per first reason."""
    query = sa.select(left_out.c.reason, sa.func.count().label("people")).where(left_out.c.district_id == district)
    rows = connection.execute(query.group_by(left_out.c.reason).order_by(sa.desc("people"), left_out.c.reason))
    return [dict(row) for row in rows.mappings()]


def run_summary(connection: sa.Connection, district: str, run_id: str, landing: Landing) -> Row:
    """Everything about one run, as plain values for `--json`.

    Accounts and who is left out are as readers have them; of a run that published nothing, as they would be.
    """
    head = run(connection, district, run_id)
    if head and head["status"] in _NOT_PUBLISHED:
        folder = landing.pull(district, head["pull_id"])
        sites, reasons = published.accounts_per_site(connection, folder), published.left_out_reasons(folder)
    else:
        sites, reasons = accounts_per_site(connection, district), left_out_reasons(connection, district)
    return {
        "run": head,
        "counts": counts(connection, district, run_id),
        "rejected": rejected(connection, district, run_id),
        "findings": found(connection, district, run_id),
        "holds": held(connection, district, run_id),
        "accounts_per_site": sites,
        "left_out": [{**row, "meaning": LEFT_OUT_REASONS.get(row["reason"], "")} for row in reasons],
    }


def print_summary(engine: sa.Engine, district: str, run_id: str, landing: Landing, file: IO[str] | None = None) -> None:
    """One run for a terminal: what came and what it did, accounts per site, who was left out and why."""
    with engine.connect() as connection:
        told = run_summary(connection, district, run_id, landing)
    console = Console(file=file, width=None if file is None else 120, highlight=False)
    head = told["run"]
    if head is None:
        console.print(f"{district}: no run {run_id}.")
        return
    pull = f"{head['mode']} pull" if head["mode"] else "no pull"
    console.print(f"\n[bold]{district}[/bold]  {head['status']}  night of {head['night']}  {pull}  run {run_id}")
    if head["error_message"]:
        console.print(f"  {head['failed_stage']}: {head['error_message']}", style="red")
    console.print(_grid("What came and what it did", told["counts"], ["table_name", *COUNTS]))
    if told["rejected"]:
        console.print(_grid("Rejected", told["rejected"], ["collection", "rule", "reason", "count"]))
    if told["findings"]:
        shown = [{**row, "count": _with_trend(row["count"], row["last"])} for row in told["findings"]]
        console.print(_grid("Worth a look", shown, ["severity", "collection", "message", "count"]))
    for hold in told["holds"]:
        console.print(f"  {_held_line(hold)}", style="dim" if hold["status"] == "rejected" else "bold yellow")
    as_if = ", if it were published" if head["status"] in _NOT_PUBLISHED else ""
    sites = _grid(f"Accounts per site{as_if}", told["accounts_per_site"], ["site_id", "site_name", "students", "staff"])
    console.print(sites)
    console.print(_grid(f"Left out{as_if}", told["left_out"], ["reason", "people", "meaning"]))
    if head["requests"] is not None:
        console.print(
            f"  Asked of the provider: {head['requests']:,} requests, {head['requests_in_peak']:,} in peak hours, "
            f"at most {head['most_at_once']} at once; {head['bytes_received'] / 1e6:,.1f} MB; "
            f"waited {head['seconds_waited']:.1f} s."
        )
    coverage = head["coverage"] or {}
    if coverage:
        console.print(
            f"  {coverage['people']:,} people, {coverage['with_site']:,} with a site, "
            f"{coverage['with_username']:,} with a username, {coverage['with_account']:,} with an account."
        )


def _with_trend(count: int, last: list[int]) -> str:
    """`41 (last: 38, 40, 39)`, newest first."""
    return f"{count:,} (last: {', '.join(f'{one:,}' for one in last)})" if last else f"{count:,}"


_WORDS = {
    "announced": "WOULD BE HELD if a second complete pull agrees",
    "open": "HELD",
    "approved": "HELD, partly approved",
    "rejected": "Kept as decided",
    "closed": "WOULD BE HELD",
}


def _held_line(hold: Row) -> str:
    """One hold of a run; for those that wait, where to read on."""
    if hold["kind"] == "additions":
        told = f"{_WORDS[hold['status']]}: first publication of {hold['collection']}: {hold['looks_like']}."
    else:
        told = f"{_WORDS[hold['status']]}: {hold['kind']} of {hold['collection']}: {hold['looks_like']}; "
        told += f"{hold['published']:,} stay published."
    is_asked = hold["status"] in ("announced", "open")
    return f"{told} rollcall holds show {hold['hold_id']}" if is_asked else told


def _grid(title: str, rows: list[Row], columns: list[str]) -> Grid:
    grid = Grid(title=title, title_justify="left", title_style="bold", header_style="dim", pad_edge=False, box=None)
    for name in columns:
        is_number = bool(rows) and isinstance(rows[0][name], int)
        grid.add_column(name.replace("_", " "), justify="right" if is_number else "left")
    for row in rows:
        grid.add_row(*(f"{row[name]:,}" if isinstance(row[name], int) else str(row[name] or "") for name in columns))
    return grid
