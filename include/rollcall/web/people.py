"""The people behind the numbers: what changed for each, who is left out, and why a person is not here."""

from __future__ import annotations

from datetime import date

from starlette.responses import Response

from rollcall.diff.diff import Diff, between_nights, next_publish
from rollcall.diff.render import as_csv
from rollcall.errors import ActionRequired, RollcallError
from rollcall.explain.explain import explain
from rollcall.explain.render import change_line
from rollcall.explain.timeline import PersonMatches
from rollcall.history.published import published_nights
from rollcall.landing.mapping import LEFT_OUT_REASONS
from rollcall.landing.zone import Landing, default_landing
from rollcall.reports import report
from rollcall.reports.district import people_left_out, rows_as_csv, schools_by_name
from rollcall.web.access import Right
from rollcall.web.page import Opened, Page, PageRouter

router = PageRouter()

_SHOWN_LINES = 500
_PEOPLE_PER_PAGE = 100
_LEFT_OUT_COLUMNS = ("name", "school", "grades", "reason", "detail", "sourced_id")


@router.page("/districts/{district}/changes", right=Right.EDIT)
def changes(page: Opened) -> Response:
    query = page.request.query_params
    diff, error = None, None
    try:
        diff = _diff(page)
    except RollcallError as found:
        error = found
    with page.snapshot() as connection:
        nights = published_nights(connection, page.district_id)
        schools = schools_by_name(connection, page.district_id)
    return page.render(
        "changes.html",
        schools=schools,
        school=query.get("school", ""),
        diff=diff,
        lines=diff.lines.head(_SHOWN_LINES).to_dict("records") if diff else [],
        count=len(diff.lines) if diff else 0,
        error=error,
        nights=nights,
        first=query.get("from", ""),
        last=query.get("to", ""),
    )


@router.page("/districts/{district}/changes.csv", right=Right.EDIT)
def changes_csv(page: Opened) -> Response:
    return page.download(as_csv(_diff(page), None), f"{page.district_id}-changes.csv", "text/csv")


def _diff(page: Page) -> Diff:
    query = page.request.query_params
    school = query.get("school", "")
    if query.get("from") and query.get("to"):
        return between_nights(page.engine, page.district, _date(query["from"]), _date(query["to"]), school)
    return next_publish(page.engine, page.district, Landing(default_landing()), school)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ActionRequired("not_a_date", "Choose two dates.") from None


@router.page("/districts/{district}/left-out", right=Right.EDIT)
def left_out(page: Opened) -> Response:
    query = page.request.query_params
    reason = query.get("reason", "") if query.get("reason") in LEFT_OUT_REASONS else ""
    number = page.number()
    with page.snapshot() as connection:
        reasons = report.left_out_reasons(connection, page.district_id)
        people = people_left_out(connection, page.district_id, reason, page=number, size=_PEOPLE_PER_PAGE)
    total = sum(row["people"] for row in reasons if not reason or row["reason"] == reason)
    return page.render(
        "left_out.html",
        reasons=reasons,
        meanings=LEFT_OUT_REASONS,
        reason=reason,
        people=people,
        total=total,
        number=number,
        pages=max(-(-total // _PEOPLE_PER_PAGE), 1),
    )


@router.page("/districts/{district}/left-out.csv", right=Right.EDIT)
def left_out_csv(page: Opened) -> Response:
    reason = page.request.query_params.get("reason", "")
    with page.snapshot() as connection:
        rows = people_left_out(connection, page.district_id, reason, size=None)
    return page.download(rows_as_csv(rows, _LEFT_OUT_COLUMNS), f"{page.district_id}-left-out.csv", "text/csv")


@router.page("/districts/{district}/person", right=Right.EDIT)
def ask(page: Opened) -> Response:
    return page.render("person.html", who="", found=None, several=None, zone=page.district.schedule.timezone)


@router.action("/districts/{district}/person", right=Right.EDIT)
def answer(page: Opened) -> Response:
    """A form, not a link: a name must not be in a URL, and so not in a log or a browser's history."""
    who = page.text("who")
    found = explain(page.engine, page.district, who, page.now) if who else None
    is_list = isinstance(found, PersonMatches)
    return page.render(
        "person.html",
        who=who,
        found=None if is_list else found,
        several=found if is_list else None,
        zone=page.district.schedule.timezone,
        change_line=change_line,
    )
