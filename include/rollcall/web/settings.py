"""Settings of a district: each change is shown with the people it affects, then written into the district's file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import Response

from rollcall.district_edits.fields import UsernamePreview
from rollcall.district_edits.file import DistrictFile, Edit, is_folder_writable
from rollcall.district_edits.general import changed_values
from rollcall.district_edits.impact import Impact
from rollcall.errors import ActionRequired
from rollcall.settings import dag_file
from rollcall.status.status import follow_schedule
from rollcall.warehouse import decisions
from rollcall.web.access import Right
from rollcall.web.page import Page

#: The sections: key, label, path below the district's settings, and the right that opens it.
SECTIONS = (
    ("general", "General", "", Right.EDIT),
    ("sites", "Sites", "/sites", Right.EDIT),
    ("usernames", "Usernames", "/usernames", Right.EDIT),
    ("roles", "Roles", "/roles", Right.EDIT),
    ("connection", "Connection", "/connection", Right.SECRETS),
)

#: From a decision to the file that it wrote, and between two clocks.
_WRITING = timedelta(minutes=1)

#: Fields of every form that are not values.
_CONTROLS = ("digest", "confirm", "download", "action")


@dataclass(frozen=True)
class Change:
    """A change that a person proposes.

    :param impact: what it does to people; None if it affects none, if no roster is there to tell, or if nobody looks.
    :param usernames: more about a change of username fields.
    """

    edit: Edit
    impact: Impact | None = None
    usernames: UsernamePreview | None = None


def render_section(page: Page, template: str, section: str, status: int = 200, **values: Any) -> Response:
    """A section's page with what all of them show."""
    district_file = DistrictFile.of(page.district_id)
    standard: dict[str, Any] = {
        "section": section,
        "sections": [one for one in SECTIONS if page.may(one[3])],
        "digest": digest_of(district_file),
        "is_writable": is_folder_writable(district_file.path.parent),
        "is_saved": page.request.query_params.get("notice") == "settings_saved",
        "problem": None,
        "last_saved": _last_saved(page),
        "changed_outside": None,
    }
    if standard["is_writable"]:  # else the time of the file is that of a deployment
        standard["changed_outside"] = _changed_outside(district_file, standard["last_saved"])
    return page.render(template, status, **{**standard, **values})


#: The decisions that write the district's file.
_WRITES = ("district_added", "settings_saved", "sites_saved", "usernames_saved", "roles_saved", "connection_changed")


def _last_saved(page: Page) -> dict[str, Any] | None:
    with page.snapshot() as connection:
        return next(iter(decisions.newest(connection, page.district_id, actions=_WRITES, limit=1)), None)


def _changed_outside(file: DistrictFile, last_saved: dict[str, Any] | None) -> datetime | None:
    """When the file was written by something else after the page wrote it last: a command, an editor, a deployment."""
    written = datetime.fromtimestamp(file.path.stat().st_mtime, UTC)
    is_ours = last_saved is not None and written <= last_saved["decided_at"] + _WRITING
    return None if is_ours else written


def section_path(page: Page, section: str) -> str:
    """The path of a section."""
    return next(f"/districts/{page.district_id}/settings{path}" for key, _, path, _ in SECTIONS if key == section)


def digest_of(file: DistrictFile) -> str:
    """Tells whether the file is the one that a form was made of."""
    return hashlib.sha256(file.text.encode()).hexdigest()[:16]


#: Makes the change on a file. The second value: whether it is shown, with its impact. Mapping a large district twice
#: takes seconds, so a download or a confirmed change goes without.
Build = Callable[[DistrictFile, bool], Change]


def review_or_save(page: Page, section: str, action: str, build: Build) -> Response:
    """Show what a change does. Once confirmed, write it, unless the file has changed since it was shown.

    The change is applied to the file as it is now, so another person's change of other settings is kept.

    :param action: for the record, such as `sites_saved`.
    :raises ActionRequired: what makes the change invalid.
    """
    file = DistrictFile.of(page.district_id)
    path = section_path(page, section)
    is_confirmed = page.text("confirm") == digest_of(file) and is_folder_writable(file.path.parent)
    change = build(file, not is_confirmed and not page.text("download"))
    if page.text("download"):
        return page.download(change.edit.text, file.path.name, "text/yaml")
    if change.edit.changes_nothing:
        return page.redirect(path, notice="nothing_changed")
    if is_confirmed:
        try:
            _save(page, change.edit, action)
        except ActionRequired as error:
            if error.code != "district_file_changed":
                raise
            file = DistrictFile.of(page.district_id)
            change = build(file, True)
        else:
            return page.redirect(path, notice="settings_saved")
    digest = digest_of(file)
    seen = page.text("confirm") or page.text("digest")
    is_conflict = bool(seen) and seen != digest
    return render_section(
        page,
        "settings_review.html",
        section,
        409 if is_conflict else 200,
        change=change,
        action_path=path,
        lines=change.edit.diff().splitlines()[2:],
        fields=[(name, value) for name, value in page.form.multi_items() if name not in _CONTROLS],
        digest=digest,
        is_conflict=is_conflict,
        meanwhile=_newest(page) if is_conflict else [],
        effects=[text for start, text in _EFFECTS.items() if any(key.startswith(start) for key in _paths(change))],
    )


def _paths(change: Change) -> list[str]:
    before, after = changed_values(change.edit)
    is_off = after.get("enabled") is False
    return ["disabled" if key == "enabled" and is_off else key for key in before | after]


#: What a changed setting does that the numbers of people do not show.
_EFFECTS = {
    "disabled": "Nightly runs stop. The published roster stays as it is until you enable the district again.",
    "enabled": "Nightly runs start again tonight.",
    "schedule": "Airflow reads the new schedule in a few seconds.",
    "demographics": "The next run pulls everything.",
}


def _save(page: Page, edit: Edit, action: str) -> None:
    before, after = changed_values(edit)
    with page.transaction() as connection:
        decisions.lock(connection, page.district_id)
        edit.require_unchanged()
        page.decide(connection, action, before=before, after=after)
        if edit.district.schedule != edit.file.district.schedule:
            follow_schedule(connection, edit.district)
        edit.write()
    page.access.parse_dag_file(dag_file(page.district_id))


def _newest(page: Page) -> list[dict[str, Any]]:
    with page.snapshot() as connection:
        return decisions.newest(connection, page.district_id, limit=3)
