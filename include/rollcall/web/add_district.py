"""Add a district: from the text it sent to a tested connection, its settings, and the first sync."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
from starlette.responses import Response

from rollcall.district_edits.fields import ROLES
from rollcall.district_edits.file import is_folder_writable
from rollcall.errors import ActionRequired
from rollcall.explain.formatting import pluralize
from rollcall.onboarding.draft import Choices, FoundSchool, described, parse_sites, suggested_sites
from rollcall.onboarding.recognition import ParsedCredentials
from rollcall.settings import districts_folder
from rollcall.settings.sections import EXCLUDE, UNDECIDED
from rollcall.web.access import Right
from rollcall.web.drafts import OpenDraft, create_draft, entered, open_draft, save_draft, save_untested, start_test
from rollcall.web.page import Opened, Page, PageRouter
from rollcall.web.save_district import preview_accounts, review_facts, save_district
from rollcall.web.timezones import timezone_groups, timezone_names

router = PageRouter()

#: The steps of the way: key, label, and path below the draft.
STEPS = (
    ("credentials", "Credentials", ""),
    ("test", "Test", "/test"),
    ("district", "District", "/district"),
    ("sites", "Sites", "/sites"),
    ("review", "Review", "/review"),
)


def _render(
    page: Page, template: str, step: str, opened: OpenDraft | None, status: int = 200, **values: Any
) -> Response:
    base = f"/add/{opened.draft_id}" if opened else "/add"
    is_writable = is_folder_writable(districts_folder())
    standard = {
        "step": step,
        "steps": STEPS,
        "opened": opened,
        "base": base,
        "problem": None,
        "is_writable": is_writable,
    }
    return page.render(template, status, **{**standard, **values})


# Credentials


@router.page("/add", right=Right.ADD)
def start(page: Opened) -> Response:
    return _render(page, "add_start.html", "credentials", None, found=ParsedCredentials())


@router.action("/add", right=Right.ADD)
def enter(page: Opened) -> Response:
    found, problem = entered(page, ParsedCredentials())
    if problem or not any((found.base_url, found.token_url, found.client_id, found.secret)):
        problem = problem or "No credentials were recognized in this text. Paste the email, or type the fields."
        shown = replace(found, secret="")  # nothing is stored yet, so the secret has to be entered again
        return _render(page, "add_start.html", "credentials", None, 422, found=shown, problem=problem)
    return page.redirect(f"/add/{create_draft(page, found)}")


@router.page("/add/{draft}", right=Right.ADD)
def credentials(page: Opened) -> Response:
    opened = open_draft(page)
    return _render(page, "add_credentials.html", "credentials", opened, found=opened.found)


@router.action("/add/{draft}", right=Right.ADD)
def test(page: Opened) -> Response:
    opened = open_draft(page)
    found, problem = entered(page, opened.found)
    if not problem and found.missing:
        problem = f"Missing: {', '.join(found.labels[name] for name in found.missing)}."
    if problem:
        save_untested(page, opened, found)
        return _render(page, "add_credentials.html", "credentials", opened, 422, found=found, problem=problem)
    start_test(page, opened, found)
    return page.redirect(f"/add/{opened.draft_id}/test")


# Test


@router.page("/add/{draft}/test", right=Right.ADD)
def tested(page: Opened) -> Response:
    return _render(page, "add_test.html", "test", open_draft(page))


@router.action("/add/{draft}/test", right=Right.ADD)
def skip(page: Opened) -> Response:
    """Continue although the check failed, with a reason."""
    opened = open_draft(page)
    reason = page.text("reason")
    if not reason:
        problem = "Write a reason. It is recorded with the district."
        return _render(page, "add_test.html", "test", opened, 422, problem=problem)
    save_draft(page, opened, reason=reason[:500])
    return page.redirect(f"/add/{opened.draft_id}/district")


# District


@router.page("/add/{draft}/district", right=Right.ADD)
def district(page: Opened) -> Response:
    opened = open_draft(page)
    if not opened.state.may_continue:
        return page.redirect(f"/add/{opened.draft_id}/test")
    return _district_form(page, opened)


def _district_form(page: Page, opened: OpenDraft, problem: Any = None, status: int = 200) -> Response:
    state = opened.state
    facts = {role: [fact for fact in state.facts if fact.role == role] for role in ROLES}
    chosen = state.choices if state.choices.district else _first_choices(opened)
    return _render(
        page,
        "add_district.html",
        "district",
        opened,
        status,
        problem=problem,
        facts=facts,
        chosen=chosen,
        timezones=timezone_groups(chosen.timezone),
    )


def _first_choices(opened: OpenDraft) -> Choices:
    """What is filled in before the person has chosen: the best field where the usual one, email, does not do."""
    state = opened.state
    best = {fact.role: fact.field for fact in state.facts if fact.is_best}
    return Choices(
        district=state.proposed,
        name=state.name,
        student=best.get("student", "email"),
        staff=best.get("staff", "email"),
        timezone=_default_timezone(opened),
        demographics=bool(state.profile.get("demographics")),
    )


def _default_timezone(opened: OpenDraft) -> str:
    try:
        return described(opened.state, opened.draft.updated_at)[1].schedule.timezone
    except ActionRequired:
        return "America/Chicago"


@router.action("/add/{draft}/district", right=Right.ADD)
def choose_district(page: Opened) -> Response:
    opened = open_draft(page)
    timezone = page.text("timezone")
    fields = {fact.field for fact in opened.state.facts} | {"email"}
    chosen = msgspec.structs.replace(
        opened.state.choices,
        district=page.text("district"),
        name=page.text("name"),
        timezone=timezone,
        student=field if (field := page.text("student")) in fields else "email",
        staff=field if (field := page.text("staff")) in fields else "email",
        demographics=page.text("demographics") == "yes",
    )
    state = msgspec.structs.replace(opened.state, choices=chosen)
    opened.state = state
    problem: Any = None
    if timezone not in timezone_names():
        problem = "Choose a time zone."
    elif not chosen.name or not chosen.district:
        problem = "Enter the name and the ID."
    else:
        try:
            described(state, page.now)
        except ActionRequired as error:
            problem = error
    if problem:
        return _district_form(page, opened, problem, 422)
    save_draft(page, opened, choices=chosen)
    return page.redirect(f"/add/{opened.draft_id}/sites")


# Sites


@router.page("/add/{draft}/sites", right=Right.ADD)
def sites(page: Opened) -> Response:
    opened = open_draft(page)
    if not opened.state.may_continue or not opened.state.choices.district:
        return page.redirect(f"/add/{opened.draft_id}/district")
    chosen = opened.state.choices
    return _sites_form(page, opened, chosen.targets, chosen.sites)


def _sites_form(
    page: Page,
    opened: OpenDraft,
    targets: dict[str, str],
    decided: dict[str, str],
    problem: Any = None,
    status: int = 200,
) -> Response:
    schools = opened.state.schools
    return _render(
        page,
        "add_sites.html",
        "sites",
        opened,
        status,
        problem=problem,
        targets=targets,
        decided=decided,
        suggestions=suggested_sites(schools, targets, decided) if targets else {},
        lines="\n".join(key if key == name else f"{key} = {name}" for key, name in targets.items()),
        names="\n".join(dict.fromkeys(school.name for school in schools if school.is_school)),
        heading=_heading(schools),
    )


def _heading(schools: Sequence[FoundSchool]) -> str:
    """`4 schools, 2 offices`."""
    number = sum(school.is_school for school in schools)
    others = len(schools) - number
    return ", ".join([pluralize(number, "school"), *([pluralize(others, "office")] if others else [])])


@router.action("/add/{draft}/sites", right=Right.ADD)
def choose_sites(page: Opened) -> Response:
    opened = open_draft(page)
    schools = opened.state.schools
    action = page.text("action")
    if page.text("mapping") == "own":
        return _take_sites(page, opened, {}, {})
    decided = {school.sourced_id: page.text(f"site:{school.sourced_id}") for school in schools}
    try:
        targets = parse_sites(page.text("sites").splitlines())
    except ActionRequired as error:
        return _sites_form(page, opened, opened.state.choices.targets, decided, error, 422)
    decided = {key: site for key, site in decided.items() if site in targets or site == EXCLUDE}
    if not targets:
        return _sites_form(page, opened, {}, {}, "Enter your sites, or let every school be its own site.", 422)
    if action in ("sites", "suggested"):
        if action == "suggested":
            found = suggested_sites(schools, targets, decided)
            decided |= {key: one.site_id for key, one in found.items() if one.site_id}
        return _sites_form(page, opened, targets, decided)
    return _take_sites(page, opened, targets, decided)


def _take_sites(page: Page, opened: OpenDraft, targets: dict[str, str], decided: dict[str, str]) -> Response:
    chosen = msgspec.structs.replace(opened.state.choices, site_list=list(targets.items()), sites=decided)
    state = msgspec.structs.replace(opened.state, choices=chosen)
    try:
        described(state, page.now)
    except ActionRequired as error:
        return _sites_form(page, opened, targets, decided, error, 422)
    save_draft(page, opened, choices=chosen)
    return page.redirect(f"/add/{opened.draft_id}/review")


# Review


@router.page("/add/{draft}/review", right=Right.ADD)
def review(page: Opened) -> Response:
    opened = open_draft(page)
    if not opened.state.may_continue or not opened.state.choices.district:
        return page.redirect(f"/add/{opened.draft_id}/district")
    return _review(page, opened)


def _review(page: Page, opened: OpenDraft, problem: Any = None, status: int = 200) -> Response:
    text, described_district = described(opened.state, page.now)
    return _render(
        page,
        "add_review.html",
        "review",
        opened,
        status,
        problem=problem,
        text=text,
        district=described_district,
        undecided=_undecided(opened),
        accounts=preview_accounts(page, opened, described_district),
        **review_facts(page, described_district),
    )


def _undecided(opened: OpenDraft) -> str:
    """Schools and offices without a decision, such as `1 school, 2 offices`; empty if there are none."""
    chosen = opened.state.choices
    decided = chosen.sites if chosen.targets else {school.sourced_id: "" for school in opened.state.schools}
    found = [one for one in opened.state.schools if decided.get(one.sourced_id, UNDECIDED) == UNDECIDED]
    return _heading(found) if found else ""


@router.action("/add/{draft}/review", right=Right.ADD)
def save(page: Opened) -> Response:
    opened = open_draft(page)
    if not opened.state.may_continue:
        return _review(page, opened, "Test the connection first.", 422)
    try:
        done = save_district(page, opened, replace=page.text("replace") == "yes")
    except ActionRequired as error:
        return _review(page, opened, error, 422)
    if done.is_written:
        return page.redirect(f"/districts/{done.district}/added")
    return page.redirect(f"/add/{opened.draft_id}/file")


@router.page("/add/{draft}/file", right=Right.ADD)
def file(page: Opened) -> Response:
    """The finished file, where the page cannot write it."""
    opened = open_draft(page)
    text, described_district = described(opened.state, page.now)
    facts = review_facts(page, described_district)
    return _render(page, "add_file.html", "review", opened, text=text, district=described_district, **facts)


@router.page("/add/{draft}/file.yaml", right=Right.ADD)
def download(page: Opened) -> Response:
    opened = open_draft(page)
    text, described_district = described(opened.state, page.now)
    return page.download(text, f"{described_district.district}.yaml", "text/yaml")


# Done


@router.page("/districts/{district}/added", right=Right.READ)
def added(page: Opened) -> Response:
    """The district is saved. Its DAG appears in seconds, and the first sync is the last button."""
    dag = page.airflow("GET", f"/dags/{page.dag_id}")
    return page.render("added.html", district=page.district, is_ready=dag.ok, may_edit=page.may(Right.EDIT))
