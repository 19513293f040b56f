"""Holds: what waits for a decision, and the decision."""

from __future__ import annotations

from urllib.parse import quote

import sqlalchemy as sa
from starlette.responses import Response

from rollcall.errors import ActionRequired, RollcallError
from rollcall.holds import decisions, queries, render
from rollcall.holds.queries import HoldDetails
from rollcall.orchestration import required_actions
from rollcall.web.access import Right
from rollcall.web.page import Opened, Page, PageRouter
from rollcall.web.sync import start_run

router = PageRouter()

#: People with a checkbox. More are left out by sourcedId.
_SHOWN_PEOPLE = 300


@router.page("/districts/{district}/holds", right=Right.EDIT)
def show_all(page: Opened) -> Response:
    with page.snapshot() as connection:
        holds = queries.active_holds(connection, page.district_id)
    return page.render("holds.html", holds=holds, summarize=render.summarize, describe=render.render_status)


@router.page("/districts/{district}/holds/{hold}", right=Right.EDIT)
def show(page: Opened) -> Response:
    return _details(page)


def _details(page: Page, problem: RollcallError | None = None) -> Response:
    with page.snapshot() as connection:
        held = _find(page, connection)
        schools = queries.rows_by_school(connection, held) if held.lists_rows else []
        people = queries.listed_people(connection, held, _SHOWN_PEOPLE)
    return page.render(
        "hold.html",
        422 if problem else 200,
        held=held,
        subject=render.summarize(held),
        facts=render.render_details(held, schools),
        schools=schools,
        people=people,
        more=max(held.tables.get(held.main_table, 0) - len(people), 0) if people else 0,
        problem=problem,
        reason=page.text("reason"),
        chosen_schools=page.texts("school"),
        chosen_people=page.texts("except"),
    )


def _find(page: Page, connection: sa.Connection) -> HoldDetails:
    """The hold of the path, if it is the district's: the right was checked for the district."""
    name = str(page.request.path_params["hold"])
    held = queries.find_hold(connection, name)
    if held.district != page.district_id:
        raise ActionRequired("no_such_hold", "This district has no such hold.")
    return held


@router.action("/districts/{district}/holds/{hold}/approve", right=Right.EDIT)
def approve(page: Opened) -> Response:
    try:
        with page.transaction() as connection:
            before = _find(page, connection)
            done = decisions.approve(
                connection,
                before.hold_id,
                by=page.user.get_name(),
                reason=_reason(page),
                excepted=_excepted(page),
                schools=page.texts("school"),
            )
            _record(page, connection, "hold_approved", before, done)
    except RollcallError as problem:
        return _details(page, problem)
    _end_waiting_task(page, before, done, required_actions.APPROVE)
    return page.redirect(f"/districts/{page.district_id}/holds", notice=_publish(page, before, done))


def _publish(page: Page, held: HoldDetails, done: decisions.Decision) -> str:
    """Start the run that publishes what was approved, if the person wants it.

    :returns: the notice that says what happens next.
    """
    if not page.text("publish") or not done.approved:
        return "approved_only"
    mode = render.apply_mode(held)
    run_id, problem = start_run(page, {"mode": mode})
    if problem:
        return "approved_not_started"
    with page.transaction() as connection:
        page.decide(connection, "sync_started", subject=run_id, after={"kind": mode, "hold": held.hold_id})
    return "approved"


@router.action("/districts/{district}/holds/{hold}/reject", right=Right.EDIT)
def reject(page: Opened) -> Response:
    try:
        with page.transaction() as connection:
            before = _find(page, connection)
            done = decisions.reject(connection, before.hold_id, by=page.user.get_name(), reason=_reason(page))
            _record(page, connection, "hold_rejected", before, done)
    except RollcallError as problem:
        return _details(page, problem)
    _end_waiting_task(page, before, done, required_actions.REJECT)
    return page.redirect(f"/districts/{page.district_id}/holds", notice="rejected")


def _end_waiting_task(page: Page, before: HoldDetails, done: decisions.Decision, option: str) -> None:
    """Answer the task that asks for this decision under Required Actions. It records nothing: the hold is decided.

    A hold that stays open is still asked about. If Airflow does not take the answer, such as from a user without the
    right to that DAG, the task ends at its next recheck.
    """
    if done.held.status == "open":
        return
    path = required_actions.WAITING_TASK.format(quote(required_actions.run_of(before), safe=""))
    if page.airflow("GET", path).ok:  # else Airflow's audit log would have an answer to nothing
        page.airflow("PATCH", path, {"chosen_options": [option], "params_input": {"reason": page.text("reason")}})


def _reason(page: Page) -> str:
    reason = page.text("reason")
    if not reason:
        raise ActionRequired("no_reason", "Write why. The reason is kept with the hold.")
    return reason


def _excepted(page: Page) -> list[str]:
    """Ticked people, and sourcedIds typed one per line."""
    return list(dict.fromkeys([*page.texts("except"), *page.text("except_ids").split()]))


def _record(page: Page, connection: sa.Connection, action: str, before: HoldDetails, done: decisions.Decision) -> None:
    page.decide(
        connection,
        action,
        subject=before.hold_id,
        reason=page.text("reason"),
        before={"status": before.status, "rows": before.rows},
        after={"status": done.held.status, "approved": done.approved, "left": done.left},
    )
