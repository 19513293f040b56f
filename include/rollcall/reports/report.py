"""The summary of a run: read from the ledger, printed as tables.

It has the rows received, rejected and changed per table, accounts per site, and the number of people without an account
by reason. It contains no data about people.
"""

from __future__ import annotations

from typing import IO, Any

import sqlalchemy as sa

from rollcall.display.dates import format_date
from rollcall.display.terminal import line, open_console, table
from rollcall.history import published
from rollcall.landing.mapping import LEFT_OUT_REASONS
from rollcall.landing.zone import Landing
from rollcall.warehouse.models import staging
from rollcall.warehouse.ops_models import COUNTS, findings, holds, left_out, rejects, run_counts, run_holds, runs

Row = dict[str, Any]

#: The number of earlier runs shown with the count of a finding.
_TREND_RUNS = 3

#: Runs with a change set that was not published.
_NOT_PUBLISHED = ("dry_run", "paused")


def read_run(connection: sa.Connection, district: str, run_id: str) -> Row | None:
    """The row of a run in the ledger."""
    where = (runs.c.district_id == district, runs.c.run_id == run_id)
    row = connection.execute(sa.select(runs).where(*where)).mappings().one_or_none()
    return dict(row) if row else None


def read_counts(connection: sa.Connection, district: str, run_id: str) -> list[Row]:
    """A run's counts per table."""
    columns = (run_counts.c.table_name, *(run_counts.c[name] for name in COUNTS))
    where = (run_counts.c.district_id == district, run_counts.c.run_id == run_id)
    order = sa.func.array_position(sa.literal(list(staging)), run_counts.c.table_name)
    return [dict(row) for row in connection.execute(sa.select(*columns).where(*where).order_by(order)).mappings()]


def count_rejects(connection: sa.Connection, district: str, run_id: str) -> list[Row]:
    """The number of rejected records of a run, by collection and reason."""
    columns = (rejects.c.collection, rejects.c.rule, rejects.c.reason)
    where = (rejects.c.district_id == district, rejects.c.run_id == run_id)
    query = sa.select(*columns, sa.func.count().label("count")).where(*where).group_by(*columns)
    return [dict(row) for row in connection.execute(query.order_by(sa.desc("count"), *columns)).mappings()]


def read_findings(connection: sa.Connection, district: str, run_id: str) -> list[Row]:
    """A run's findings by severity, then by count. `last` has the counts of the runs before, newest first.

    Deltas are compared with deltas and full pulls with full pulls: a delta validates only modified records.
    """
    previous = _previous_runs(connection, district, run_id)
    earlier_counts = {
        (row.run_id, row.collection, row.rule): row.count
        for row in connection.execute(
            sa.select(findings).where(findings.c.district_id == district, findings.c.run_id.in_(previous))
        )
    }
    columns = (findings.c.severity, findings.c.collection, findings.c.rule, findings.c.message, findings.c.count)
    where = (findings.c.district_id == district, findings.c.run_id == run_id)
    severity = sa.func.array_position(sa.literal(["critical", "warning", "info"]), findings.c.severity)
    query = sa.select(*columns).where(*where).order_by(severity, findings.c.count.desc())
    return [
        {**row, "last": [earlier_counts.get((run_id, row["collection"], row["rule"]), 0) for run_id in previous]}
        for row in connection.execute(query).mappings()
    ]


def _previous_runs(connection: sa.Connection, district: str, run_id: str) -> list[str]:
    """The published runs of the same mode before this one, newest first."""
    this = (
        sa.select(runs.c.mode, runs.c.as_of).where(runs.c.district_id == district, runs.c.run_id == run_id).subquery()
    )
    query = (
        sa.select(runs.c.run_id)
        .join(this, sa.and_(runs.c.mode == this.c.mode, runs.c.as_of < this.c.as_of))
        .where(runs.c.district_id == district, runs.c.status == "published")
        .order_by(runs.c.as_of.desc())
        .limit(_TREND_RUNS)
    )
    return list(connection.scalars(query))


def read_holds(connection: sa.Connection, district: str, run_id: str) -> list[Row]:
    """The holds of a run."""
    where = (run_holds.c.district_id == district, run_holds.c.run_id == run_id)
    query = (
        sa.select(holds).join(run_holds, run_holds.c.hold_id == holds.c.hold_id).where(*where).order_by(holds.c.hold_id)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def accounts_per_site(connection: sa.Connection, district: str) -> list[Row]:
    """Published accounts per site: students and staff."""
    accounts = staging["accounts"]
    students = sa.func.count().filter(accounts.c.role == "student").label("students")
    staff = sa.func.count().filter(accounts.c.role == "staff").label("staff")
    where = (accounts.c.district_id == district, accounts.c._removed_at.is_(None))
    query = sa.select(accounts.c.site_id, accounts.c.site_name, students, staff).where(*where)
    grouped = query.group_by(accounts.c.site_id, accounts.c.site_name).order_by(accounts.c.site_name)
    return [dict(row) for row in connection.execute(grouped).mappings()]


def left_out_reasons(connection: sa.Connection, district: str) -> list[Row]:
    """The number of people without an account, by first reason."""
    query = sa.select(left_out.c.reason, sa.func.count().label("people")).where(left_out.c.district_id == district)
    rows = connection.execute(query.group_by(left_out.c.reason).order_by(sa.desc("people"), left_out.c.reason))
    return [dict(row) for row in rows.mappings()]


def run_summary(connection: sa.Connection, district: str, run_id: str, landing: Landing) -> Row:
    """The summary of a run as plain values for `--json`.

    Accounts and people without an account are as published. For a dry run, or while publishing is paused, they are as
    they would be.
    """
    head = read_run(connection, district, run_id)
    if head and head["status"] in _NOT_PUBLISHED:
        folder = landing.pull(district, head["pull_id"])
        sites, reasons = published.accounts_per_site(connection, folder), published.left_out_reasons(folder)
    else:
        sites, reasons = accounts_per_site(connection, district), left_out_reasons(connection, district)
    return {
        "run": head,
        "counts": read_counts(connection, district, run_id),
        "rejected": count_rejects(connection, district, run_id),
        "findings": read_findings(connection, district, run_id),
        "holds": read_holds(connection, district, run_id),
        "accounts_per_site": sites,
        "left_out": [{**row, "meaning": LEFT_OUT_REASONS.get(row["reason"], "")} for row in reasons],
    }


def print_summary(engine: sa.Engine, district: str, run_id: str, landing: Landing, file: IO[str] | None = None) -> None:
    """Print the summary of a run."""
    with engine.connect() as connection:
        summary = run_summary(connection, district, run_id, landing)
    console = open_console(file, width=120)  # a task's log is read on a page
    head = summary["run"]
    if head is None:
        console.print(f"{district}: no run {run_id}.")
        return
    pull = f"{head['mode']} pull" if head["mode"] else "remap, no pull" if head["kind"] == "remap" else "no pull"
    night = format_date(head["night"])
    console.print()
    console.print(line((district, "bold"), f"  {head['status']}  night of {night}  {pull}  run {run_id}"))
    if head["error_message"]:
        console.print(f"  {head['failed_stage']}: {head['error_message']}", style="red")
    console.print(table(summary["counts"], ["table_name", *COUNTS], "Changes by table"))
    if summary["rejected"]:
        console.print(table(summary["rejected"], ["collection", "rule", "reason", "count"], "Rejected records"))
    if summary["findings"]:
        shown = [{**row, "count": _with_trend(row["count"], row["last"])} for row in summary["findings"]]
        console.print(table(shown, ["severity", "collection", "message", "count"], "Warnings"))
    for hold in summary["holds"]:
        console.print(f"  {_hold_line(hold)}", style="dim" if hold["status"] == "rejected" else "bold yellow")
    preview = ", if published" if head["status"] in _NOT_PUBLISHED else ""
    sites = ["site_id", "site_name", "students", "staff"]
    console.print(table(summary["accounts_per_site"], sites, f"Accounts per site{preview}"))
    console.print(table(summary["left_out"], ["reason", "people", "meaning"], f"People without an account{preview}"))
    if head["requests"] is not None:
        console.print(
            f"  Provider: {head['requests']:,} requests ({head['requests_in_peak']:,} in peak hours), at most "
            f"{head['most_at_once']} at once; {head['bytes_received'] / 1e6:,.1f} MB received; "
            f"{head['seconds_waited']:.1f} s waiting."
        )
    if coverage := head["coverage"]:
        console.print(
            f"  {coverage['people']:,} people: {coverage['with_site']:,} with a site, "
            f"{coverage['with_username']:,} with a username, {coverage['with_account']:,} with an account."
        )


def _with_trend(count: int, last: list[int]) -> str:
    """`41 (last: 38, 40, 39)`, newest first."""
    return f"{count:,} (last: {', '.join(f'{earlier:,}' for earlier in last)})" if last else f"{count:,}"


_HOLD_LABELS = {
    "announced": "WOULD BE HELD if a second complete pull confirms it",
    "open": "HELD",
    "approved": "HELD, partly approved",
    "rejected": "Kept as decided",
    "closed": "WOULD BE HELD",
}


def _hold_line(hold: Row) -> str:
    """One hold; if it waits for a decision, with the command that shows it."""
    label = _HOLD_LABELS[hold["status"]]
    if hold["kind"] == "additions":
        line = f"{label}: first publication of {hold['collection']}: {hold['looks_like']}."
    else:
        line = f"{label}: {hold['kind']} of {hold['collection']}: {hold['looks_like']}; "
        line += f"{hold['published']:,} stay published."
    is_waiting = hold["status"] in ("announced", "open")
    return f"{line} Next: rollcall holds show {hold['district_id']} {hold['hold_id']}" if is_waiting else line
