"""The sections General, Sites, Usernames, and Roles of a district's settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
from starlette.datastructures import FormData
from starlette.responses import Response

from rollcall.district_edits import fields, sites
from rollcall.district_edits.current_roster import CurrentRoster, current_roster
from rollcall.district_edits.fields import ROLES, USUAL_TRANSFORM
from rollcall.district_edits.file import DistrictFile, Edit
from rollcall.district_edits.general import with_values
from rollcall.district_edits.impact import Impact, compute_impact
from rollcall.errors import ActionRequired
from rollcall.onboarding.draft import parse_sites
from rollcall.settings import DEFAULT_ROLES, UsernameSource
from rollcall.settings.sections import EXCLUDE, UNDECIDED
from rollcall.settings.usernames import FIELD_REMEDY, field_problem
from rollcall.web.access import Right
from rollcall.web.page import Opened, Page, PageRouter
from rollcall.web.settings import Change, render_section, review_or_save
from rollcall.web.timezones import timezone_groups, timezone_names

router = PageRouter()

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


# General


@router.page("/districts/{district}/settings", right=Right.EDIT)
def general(page: Opened) -> Response:
    return _general(page)


def _general(page: Page, problem: ActionRequired | None = None) -> Response:
    district = page.district
    cron = district.schedule.cron(district.district)
    daily = re.fullmatch(r"(\d{1,2}) (\d{1,2}) \* \* \*", district.schedule.nightly)
    return render_section(
        page,
        "settings_general.html",
        "general",
        422 if problem else 200,
        problem=problem,
        timezones=timezone_groups(district.schedule.timezone),
        days=_DAYS,
        at=f"{int(daily[2]):02}:{int(daily[1]):02}" if daily else "",
        is_custom=district.schedule.nightly != "spread" and not daily,
        cron=cron,
    )


@router.action("/districts/{district}/settings", right=Right.EDIT)
def save_general(page: Opened) -> Response:
    values: dict[str, Any] = {
        "name": page.text("name"),
        "enabled": page.text("enabled") == "yes",
        "demographics": page.text("demographics") == "yes",
        "schedule.full_on": page.text("full_on"),
        "schedule.publish_by": page.text("publish_by"),
    }
    if page.text("timezone") in timezone_names():
        values["schedule.timezone"] = page.text("timezone")
    nightly, at = page.text("nightly"), re.fullmatch(r"(\d\d):(\d\d)", page.text("at"))
    if nightly == "spread":
        values["schedule.nightly"] = "spread"
    elif nightly == "at" and at:
        values["schedule.nightly"] = f"{int(at[2])} {int(at[1])} * * *"
    try:
        return review_or_save(page, "general", "settings_saved", lambda file, _: Change(with_values(file, values)))
    except ActionRequired as error:
        return _general(page, error)


# Sites


@contextmanager
def _roster(page: Page, file: DistrictFile | None = None) -> Iterator[CurrentRoster]:
    with current_roster(page.engine, file.district if file else page.district) as roster:
        yield roster


def _impact(page: Page, edit: Edit, *, is_shown: bool) -> Impact | None:
    """None if nobody looks, or if no roster is there to compare with."""
    if not is_shown or edit.changes_nothing:
        return None
    try:
        with _roster(page, edit.file) as roster:
            return compute_impact(roster, edit.file.district, edit.district)
    except ActionRequired as error:
        if error.code == "nothing_pulled":
            return None
        raise


@router.page("/districts/{district}/settings/sites", right=Right.EDIT)
def show_sites(page: Opened) -> Response:
    return _sites(page)


def _sites(page: Page, decided: dict[str, str] | None = None, problem: ActionRequired | None = None) -> Response:
    """The schools. `decided`: what the form says, if it was sent."""
    try:
        with _roster(page) as roster:
            found = sites.schools_of(roster)
    except ActionRequired as error:
        if error.code != "nothing_pulled":
            raise
        return render_section(page, "settings_nothing.html", "sites", what=error)
    added = parse_sites(page.text("new_sites").splitlines()) if problem is None else {}
    known = {one.sourced_id: one.site_id or (EXCLUDE if one.state == "exclude" else "") for one in found.schools}
    return render_section(
        page,
        "settings_sites.html",
        "sites",
        422 if problem else 200,
        problem=problem,
        found=found,
        schools=[one for one in found.schools if one.state != "no_school" or one.students or one.staff],
        targets=found.targets | added,
        decided=known if decided is None else decided,
        suggestions={one.sourced_id: _Near(one.suggestion, one.note) for one in found.schools if one.note},
        may_add=page.district.sites is None or not page.district.sites.query,
        new_sites=page.text("new_sites"),
        names="\n".join(dict.fromkeys(one.name for one in found.schools if one.type == "school")),
    )


class _Near(msgspec.Struct, frozen=True):
    """A suggestion, as the table of schools reads it."""

    site_id: str
    why: str


@router.action("/districts/{district}/settings/sites", right=Right.EDIT)
def save_sites(page: Opened) -> Response:
    if page.text("mapping") == "own":
        return review_or_save(page, "sites", "sites_saved", partial(_own_sites, page))
    if page.text("action") == "suggested":
        page.form = _with_suggestions(page)
    decided = {
        name.removeprefix("site:"): value or UNDECIDED
        for name, value in page.form.multi_items()
        if name.startswith("site:") and isinstance(value, str)
    }

    def build(file: DistrictFile, is_shown: bool) -> Change:
        with _roster(page, file) as roster:
            found = sites.schools_of(roster)
            added = parse_sites(page.text("new_sites").splitlines())
            if taken := [key for key in added if key in found.targets]:
                raise ActionRequired("site_twice", f"There is a site {taken[0]} already.", remedy="Choose another ID.")
            valid = {*found.targets, *added, EXCLUDE, UNDECIDED}
            wanted = {key: site for key, site in decided.items() if site in valid}
            edit = sites.decide(file, found, wanted, added)
            if not is_shown or edit.changes_nothing:
                return Change(edit)
            return Change(edit, compute_impact(roster, file.district, edit.district))

    shown = {key: "" if site == UNDECIDED else site for key, site in decided.items()}
    try:
        if page.text("action") == "sites":
            return _sites(page, shown)
        return review_or_save(page, "sites", "sites_saved", build)
    except ActionRequired as error:
        return _sites(page, shown, error)


def _with_suggestions(page: Page) -> Any:
    """The form with every suggestion chosen, so that the confirmation carries them."""
    with _roster(page) as roster:
        near = {f"site:{one.sourced_id}": one.suggestion for one in sites.schools_of(roster).schools if one.suggestion}
    return FormData([(name, value or near.get(name, "")) for name, value in page.form.multi_items()])


def _own_sites(page: Page, file: DistrictFile, is_shown: bool) -> Change:
    edit = sites.every_school_its_own(file)
    return Change(edit, _impact(page, edit, is_shown=is_shown))


# Usernames


@router.page("/districts/{district}/settings/usernames", right=Right.EDIT)
def show_usernames(page: Opened) -> Response:
    return _usernames(page)


def _usernames(page: Page, problem: ActionRequired | None = None) -> Response:
    try:
        with _roster(page) as roster:
            facts = fields.compare(roster)
    except ActionRequired as error:
        if error.code != "nothing_pulled":
            raise
        return render_section(page, "settings_nothing.html", "usernames", what=error)
    current = {role: page.district.username_sources(role) for role in ROLES}
    return render_section(
        page,
        "settings_usernames.html",
        "usernames",
        422 if problem else 200,
        problem=problem,
        facts={role: [one for one in facts if one.role == role] for role in ROLES},
        current=current,
        chosen={role: _choice_of(current[role]) for role in ROLES},
        parts=_PARTS,
    )


#: What is taken of a field: key, label, and the transforms.
_PARTS: dict[str, tuple[str, list[str | dict[str, Any]]]] = {
    "whole": ("whole value", list(USUAL_TRANSFORM)),
    "local": ("before the @", [*USUAL_TRANSFORM, "local_part"]),
}


def _choice_of(sources: list[UsernameSource]) -> tuple[str, str]:
    """The field and part that a form shows as chosen; `custom` for what it cannot say."""
    if len(sources) == 1 and sources[0].pattern is None:
        for part, (_, transform) in _PARTS.items():
            if list(sources[0].transform) == transform:
                return sources[0].field, part
    return "custom", "whole"


@router.action("/districts/{district}/settings/usernames", right=Right.EDIT)
def save_usernames(page: Opened) -> Response:
    def build(file: DistrictFile, is_shown: bool) -> Change:
        edit, changed = _chosen_usernames(page, file)
        if not changed or not is_shown:
            return Change(edit)
        with _roster(page, file) as roster:
            shown = fields.preview(roster, edit.district, changed)
        return Change(edit, shown.moves, shown)

    try:
        return review_or_save(page, "usernames", "usernames_saved", build)
    except ActionRequired as error:
        return _usernames(page, error)


def _chosen_usernames(page: Page, file: DistrictFile) -> tuple[Edit, list[fields.Role]]:
    """The file with the chosen sources, and the roles whose source changes."""
    wanted: dict[fields.Role, UsernameSource] = {}
    for role in ROLES:
        field, part = page.text(role), page.text(f"{role}_part") or "whole"
        if (
            field
            and field != "custom"
            and part in _PARTS
            and _choice_of(file.district.username_sources(role)) != (field, part)
        ):
            if problem := field_problem(field):
                raise ActionRequired("field_unknown", f"This {problem}.", remedy=FIELD_REMEDY)
            wanted[role] = msgspec.convert({"field": field, "transform": _PARTS[part][1]}, UsernameSource)
    roles = list(wanted)
    if len(roles) == len(ROLES) and len({msgspec.json.encode(source) for source in wanted.values()}) == 1:
        return fields.decide(file, wanted[roles[0]], roles), roles
    step = file
    for role in roles:
        made = fields.decide(step, wanted[role], [role])
        step = DistrictFile(file.path, made.text, made.district)
    return Edit(file, step.text, step.district), roles


# Roles


@router.page("/districts/{district}/settings/roles", right=Right.EDIT)
def show_roles(page: Opened) -> Response:
    return _roles(page)


def _roles(page: Page, problem: ActionRequired | None = None) -> Response:
    district = page.district
    try:
        with _roster(page) as roster:
            counted = roster.roles.groupby("role")["user_sourced_id"].nunique()
        people = {str(role): int(count) for role, count in counted.items()}
    except ActionRequired as error:
        if error.code != "nothing_pulled":
            raise
        people = {}
    names = sorted({*DEFAULT_ROLES, *district.roles, *people}, key=lambda role: (-people.get(role, 0), role))
    return render_section(
        page,
        "settings_roles.html",
        "roles",
        422 if problem else 200,
        problem=problem,
        roles=[(role, people.get(role, 0), district.role_target(role)) for role in names],
        labels=_TARGETS,
    )


#: What a role can become, and what a person reads.
_TARGETS = {
    "student": "Student",
    "staff": "Staff",
    "exclude": "No account",
    "drop": "Not stored at all",
}


@router.action("/districts/{district}/settings/roles", right=Right.EDIT)
def save_roles(page: Opened) -> Response:
    wanted = {
        name.removeprefix("role:"): value
        for name, value in page.form.multi_items()
        if name.startswith("role:") and value in _TARGETS
    }

    def build(file: DistrictFile, is_shown: bool) -> Change:
        changed = {role: target for role, target in wanted.items() if file.district.role_target(role) != target}
        edit = with_values(file, {"roles": {**file.district.roles, **changed}} if changed else {})
        return Change(edit, _impact(page, edit, is_shown=is_shown))

    try:
        return review_or_save(page, "roles", "roles_saved", build)
    except ActionRequired as error:
        return _roles(page, error)
