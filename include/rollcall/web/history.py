"""The past of a district: its published rosters, rollback and resume, and who decided what."""

from __future__ import annotations

from starlette.responses import Response

from rollcall.errors import ActionRequired, RollcallError
from rollcall.history.rollback import resume, rollback
from rollcall.landing.zone import Landing, default_landing
from rollcall.reports.district import recent_runs
from rollcall.reports.report import read_run
from rollcall.settings import night_of
from rollcall.status.status import statuses
from rollcall.warehouse import decisions
from rollcall.warehouse.ledger import new_run_id
from rollcall.web.access import Right
from rollcall.web.page import Opened, Page, PageRouter

router = PageRouter()

_RUNS, _DECISIONS = 100, 100


@router.page("/districts/{district}/history", right=Right.EDIT)
def show(page: Opened) -> Response:
    with page.snapshot() as connection:
        (status,) = statuses(connection, [page.district], now=page.now)
        runs = recent_runs(connection, page.district_id, _RUNS)
        decided = decisions.newest(connection, page.district_id, limit=_DECISIONS)
    current = max((run["generation"] or 0 for run in runs if run["status"] == "published"), default=0)
    zone = page.district.schedule.timezone
    return page.render("history.html", status=status, runs=runs, current=current, decided=decided, zone=zone)


@router.page("/districts/{district}/history/{run_id}", right=Right.EDIT)
def confirm(page: Opened) -> Response:
    return _confirm(page)


def _confirm(page: Page, problem: RollcallError | None = None) -> Response:
    run_id = str(page.request.path_params["run_id"])
    with page.snapshot() as connection:
        run = read_run(connection, page.district_id, run_id)
        (status,) = statuses(connection, [page.district], now=page.now)
    if run is None or run["status"] != "published":
        raise ActionRequired("no_such_run", "This run published nothing, so there is nothing to return to.")
    zone = page.district.schedule.timezone
    return page.render("rollback.html", 422 if problem else 200, run=run, status=status, zone=zone, problem=problem)


@router.action("/districts/{district}/history/{run_id}", right=Right.EDIT)
def roll_back(page: Opened) -> Response:
    to_run = str(page.request.path_params["run_id"])
    run_id = new_run_id("page", night_of(page.now, page.district.schedule.timezone))
    try:
        if page.text("confirm") != page.district_id:
            raise ActionRequired("not_confirmed", f"Type {page.district_id} to confirm. Nothing was changed.")
        done = rollback(page.engine, page.district, Landing(default_landing()), run_id, to_run)
    except RollcallError as problem:
        return _confirm(page, problem)
    with page.transaction() as connection:
        page.decide(
            connection,
            "rolled_back",
            subject=to_run,
            reason=page.text("reason"),
            before={"generation": done.generation - 1},
            after={"generation": done.generation, "rows": done.rows},
        )
    return page.redirect(f"/districts/{page.district_id}/history", notice="rolled_back")


@router.action("/districts/{district}/resume", right=Right.EDIT)
def go_on(page: Opened) -> Response:
    was = resume(page.engine, page.district)
    with page.transaction() as connection:
        page.decide(connection, "resumed", reason=page.text("reason"), before={"paused": was}, after={"paused": ""})
    return page.redirect(f"/districts/{page.district_id}/history", notice="resumed")
