"""A district: its state, its published roster over time, its runs, and what a run found."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rollcall.errors import ActionRequired
from rollcall.holds.queries import active_holds
from rollcall.landing.mapping import LEFT_OUT_REASONS
from rollcall.reports import report
from rollcall.reports.district import recent_runs, rejected_records, rows_as_csv, trend
from rollcall.settings import Nights
from rollcall.status.status import statuses
from rollcall.warehouse import decisions
from rollcall.warehouse.ops_models import COUNTS
from rollcall.web.access import Right
from rollcall.web.charts import line_chart
from rollcall.web.page import Opened, PageRouter

router = PageRouter()

_REJECT_COLUMNS = ("collection", "sourced_id", "rule", "reason", "field")


@router.page("/districts/{district}", right=Right.READ)
def show(page: Opened) -> Response:
    district, key = page.district, page.district_id
    with page.snapshot() as connection:
        (status,) = statuses(connection, [district], now=page.now)
        runs = recent_runs(connection, key, 12)
        nights = trend(connection, key, now=page.now)
        newest = next((run for run in runs if run["status"] in ("published", "dry_run", "paused")), None)
        run_id = newest["run_id"] if newest else ""
        values: dict[str, Any] = {
            "counts": report.read_counts(connection, key, run_id),
            "rejected": report.count_rejects(connection, key, run_id),
            "findings": report.read_findings(connection, key, run_id),
            "sites": report.accounts_per_site(connection, key),
            "reasons": report.left_out_reasons(connection, key),
            "holds": active_holds(connection, key),
            "decided": decisions.newest(connection, key, limit=6),
        }
    next_run = next(Nights(district).after(page.now)).begins if district.enabled else None
    charts = [
        ("People", line_chart("People", [(one.night, one.people) for one in nights])),
        ("Accounts", line_chart("Accounts", [(one.night, one.accounts) for one in nights])),
        ("Rejected records", line_chart("Rejected records", [(one.night, one.rejected) for one in nights])),
        ("Duration", line_chart("Duration", [(one.night, one.seconds) for one in nights], unit=" s")),
    ]
    return page.render(
        "district.html",
        status=status,
        runs=runs,
        newest=newest,
        last=nights[-1] if nights else None,
        charts=[(label, plot) for label, plot in charts if plot],
        next_run=next_run,
        zone=district.schedule.timezone,
        meanings=LEFT_OUT_REASONS,
        count_names=COUNTS,
        may_edit=page.may(Right.EDIT),
        **values,
    )


@router.page("/districts/{district}/runs/{run_id}", right=Right.READ)
def show_run(page: Opened) -> Response:
    key, run_id = page.district_id, str(page.request.path_params["run_id"])
    with page.snapshot() as connection:
        head = report.read_run(connection, key, run_id)
        if head is None:
            raise ActionRequired("no_such_run", f"{page.district.name} has no run with this ID.")
        return page.render(
            "run.html",
            head=head,
            counts=report.read_counts(connection, key, run_id),
            rejected=report.count_rejects(connection, key, run_id),
            findings=report.read_findings(connection, key, run_id),
            holds=report.read_holds(connection, key, run_id),
            zone=page.district.schedule.timezone,
            count_names=COUNTS,
            may_edit=page.may(Right.EDIT),
        )


@router.page("/districts/{district}/runs/{run_id}/rejects.csv", right=Right.EDIT)
def rejects_csv(page: Opened) -> Response:
    run_id = str(page.request.path_params["run_id"])
    with page.snapshot() as connection:
        rows = rejected_records(connection, page.district_id, run_id)
    return page.download(rows_as_csv(rows, _REJECT_COLUMNS), f"{page.district_id}-rejects.csv", "text/csv")
