"""The section Connection of a district's settings: new credentials are tested, then stored in Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.responses import Response

from rollcall.check.raw_connection import RawConnection
from rollcall.district_edits.file import DistrictFile, Edit, is_folder_writable
from rollcall.errors import ActionRequired
from rollcall.onboarding import district_file
from rollcall.onboarding.onboarding import merged_connection
from rollcall.onboarding.recognition import ParsedCredentials
from rollcall.settings import dag_file
from rollcall.warehouse import decisions, drafts
from rollcall.warehouse.profiles import StoredProfile, store_profile
from rollcall.web.access import Right
from rollcall.web.connections import store_connection
from rollcall.web.drafts import OpenDraft, create_draft, entered, open_draft, start_test
from rollcall.web.page import Opened, Page, PageRouter
from rollcall.web.settings import render_section, section_path

router = PageRouter()

_ACTIONS = ("connection_stored", "connection_changed")


@router.page("/districts/{district}/settings/connection", right=Right.SECRETS)
def show(page: Opened) -> Response:
    return _form(page)


def _form(page: Page, problem: str = "", found: ParsedCredentials | None = None, draft_id: str = "") -> Response:
    """:param draft_id: the draft that the form corrects; empty to make one from the stored connection."""
    stored = page.access.connection(page.district.connection_id)
    with page.snapshot() as connection:
        changes = decisions.newest(connection, page.district_id, actions=_ACTIONS, limit=1)
    current = _credentials(stored)
    return render_section(
        page,
        "settings_connection.html",
        "connection",
        422 if problem else 200,
        problem=problem,
        action="/".join([section_path(page, "connection"), *([draft_id] if draft_id else [])]),
        is_stored=stored is not None,
        current=current,
        found=found or current,
        changed=changes[0] if changes else None,
        is_changed_outside=bool(changes) and _differs(changes[0]["after"], current),
        zone=page.district.schedule.timezone,
    )


def _differs(recorded: Mapping[str, Any], current: ParsedCredentials) -> bool:
    """Whether the stored connection is another one than the page stored: changed in Airflow, or by a command."""
    return any(recorded.get(name) != value for name, value in _record(current).items() if name in recorded)


def _credentials(raw: RawConnection | None) -> ParsedCredentials:
    """A stored connection as the fields of a form."""
    if raw is None:
        return ParsedCredentials()
    try:
        ends = date.fromisoformat(str(raw.extra.get("expires_on") or ""))
    except ValueError:
        ends = None
    return ParsedCredentials(
        client_id=raw.login,
        secret=raw.password,
        token_url=str(raw.extra.get("auth_url") or ""),
        base_url=raw.host,
        auth="oauth1" if raw.is_classic else "oauth2",
        expires_on=ends,
        signature=raw.extra.get("signature") or "",
    )


@router.action("/districts/{district}/settings/connection", right=Right.SECRETS)
def enter(page: Opened) -> Response:
    """Test these credentials. A field that is left empty keeps its value."""
    before = _credentials(page.access.connection(page.district.connection_id))
    found, problem = _entered(page, before)
    if problem:
        return _form(page, problem, replace(found, secret=before.secret))
    draft_id = create_draft(page, found)
    page.request.path_params["draft"] = draft_id
    start_test(page, open_draft(page), found)
    return page.redirect(f"{section_path(page, 'connection')}/{draft_id}/test")


def _entered(page: Page, before: ParsedCredentials) -> tuple[ParsedCredentials, str]:
    """The credentials of the form, and what is wrong with them.

    A kept secret goes only to the addresses it was entered for. Else a person who may not see it could send it, and the
    connection's headers, to a server of their own.

    :param before: what an empty field keeps.
    """
    found, problem = entered(page, replace(before, secret=""))
    if not found.secret and before.secret:
        found = replace(found, secret=before.secret)
        if not _servers(found) <= _servers(before):
            return found, problem or "Enter the secret again: the address is another one."
    if not problem and found.missing:
        problem = f"Missing: {', '.join(found.labels[name] for name in found.missing)}."
    return found, problem


def _servers(found: ParsedCredentials) -> set[tuple[str, str]]:
    """Scheme, host, and port of each address."""
    urls = (urlsplit(url) for url in (found.base_url, found.token_url) if url)
    return {(url.scheme, url.netloc.lower() or url.path) for url in urls}


@router.page("/districts/{district}/settings/connection/{draft}/test", right=Right.SECRETS)
def tested(page: Opened) -> Response:
    return _test(page, open_draft(page))


def _test(page: Page, opened: OpenDraft, problem: str = "") -> Response:
    base = f"{section_path(page, 'connection')}/{opened.draft_id}"
    return render_section(
        page, "settings_tested.html", "connection", 422 if problem else 200, opened=opened, base=base, problem=problem
    )


@router.page("/districts/{district}/settings/connection/{draft}", right=Right.SECRETS)
def change(page: Opened) -> Response:
    """The entered credentials, to correct them."""
    opened = open_draft(page)
    return _form(page, found=opened.found, draft_id=opened.draft_id)


@router.action("/districts/{district}/settings/connection/{draft}", right=Right.SECRETS)
def test_again(page: Opened) -> Response:
    """Test the corrected credentials. The button "Test again" sends no field, so all of them are kept."""
    opened = open_draft(page)
    found, problem = _entered(page, opened.found)
    if problem:
        return _form(page, problem, replace(found, secret=opened.found.secret), opened.draft_id)
    start_test(page, opened, found)
    return page.redirect(f"{section_path(page, 'connection')}/{opened.draft_id}/test")


@router.action("/districts/{district}/settings/connection/{draft}/test", right=Right.SECRETS)
def save(page: Opened) -> Response:
    """Store the connection: after a passed test, or with a reason that is recorded."""
    opened = open_draft(page)
    is_passed, reason = opened.state.status == "passed", page.text("reason")[:500]
    if not is_passed and not reason:
        return _test(page, opened, "Write a reason. It is recorded.")
    try:
        _store(page, opened, "" if is_passed else reason)
    except ActionRequired as error:
        return _test(page, opened, str(error))
    return page.redirect(section_path(page, "connection"), notice="connection_saved")


def _store(page: Page, opened: OpenDraft, reason: str) -> None:
    district, state, found = page.district, opened.state, opened.found
    existing = page.access.connection(district.connection_id)
    raw = merged_connection(district.connection_id, found, existing.extra if existing else {})
    before = _credentials(existing)
    with page.transaction() as connection:
        decisions.lock(connection, page.district_id)
        edit = _version_edit(page, state.version)
        store_connection(page, raw, may_replace=True)
        if state.profile:
            profile = StoredProfile(
                datetime.fromisoformat(state.checked_at), True, state.pinned_org, dict(state.profile)
            )
            store_profile(connection, district.district, profile)
        page.decide(
            connection,
            "connection_changed",
            subject=raw.conn_id,
            reason=reason,
            before=_record(before) | {"version": district.version},
            after=_record(found)
            | {
                "version": edit.district.version if edit else district.version,
                "secret": "kept" if found.secret == before.secret else "changed",
            },
        )
        drafts.delete(connection, opened.draft_id)
        if edit:
            edit.write()
    if edit:
        page.access.parse_dag_file(dag_file(page.district_id))


def _record(found: ParsedCredentials) -> dict[str, Any]:
    """What is recorded of credentials: everything but the secret."""
    ends = found.expires_on.isoformat() if found.expires_on else None
    return {"base_url": found.base_url, "token_url": found.token_url, "client_id": found.client_id, "expires_on": ends}


def _version_edit(page: Page, version: str) -> Edit | None:
    """The file with the version of OneRoster that the provider answered with. None if the file has it.

    :raises ActionRequired: `district_file_readonly`. It is raised before the connection is stored: credentials that
        only work with another version must not become the live ones alone.
    """
    file = DistrictFile.of(page.district_id)
    if version in ("", file.district.version):
        return None
    if not is_folder_writable(file.path.parent):
        raise ActionRequired(
            "district_file_readonly",
            f"The provider has OneRoster {version}, and the district's file says {file.district.version}.",
            remedy=f'Set version: "{version}" in the file where it is kept, and deploy it.',
        )
    district = msgspec.structs.replace(file.district, version=version)
    return file.edited(lambda text: district_file.with_version(text, district))
