"""Saving a new district: the connection and the pool in Airflow, the file, the decision, and the DAG."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollcall.district_edits.current_roster import current_roster
from rollcall.district_edits.file import is_folder_writable
from rollcall.district_edits.impact import accounts_with
from rollcall.errors import ActionRequired, RollcallError
from rollcall.landing.mapping import LEFT_OUT_REASONS
from rollcall.landing.zone import Landing, default_landing
from rollcall.onboarding import district_file
from rollcall.onboarding.draft import described
from rollcall.onboarding.draft_end import delete_pull
from rollcall.onboarding.recognition import ParsedCredentials
from rollcall.settings import District, dag_file, district_path, districts_folder
from rollcall.warehouse import drafts
from rollcall.warehouse.profiles import StoredProfile, store_profile
from rollcall.web.connections import existing_connection, store_connection
from rollcall.web.drafts import OpenDraft, save_draft
from rollcall.web.page import Page

#: Slots of a pool that a district's file names and Airflow does not have.
_POOL_SLOTS = 16


@dataclass(frozen=True)
class Saved:
    """What was done.

    :param is_written: whether the file is in the folder of districts; if not, a person has to deploy it.
    """

    district: str
    is_written: bool


def review_facts(page: Page, district: District) -> dict[str, Any]:
    """What the review says about the place of the file and of the connection."""
    return {
        "path": districts_folder() / f"{district.district}.yaml",
        "existing": existing_connection(page, district.connection_id),
    }


@dataclass(frozen=True)
class AccountsPreview:
    """Who gets an account with these settings, counted on the people that were read.

    :param left_out: people without an account by reason, in words.
    """

    students: int
    staff: int
    left_out: list[tuple[str, int]]


def preview_accounts(page: Page, opened: OpenDraft, district: District) -> AccountsPreview | None:
    """None if no people were read, or not under this ID."""
    if opened.state.people != "ready" or opened.state.proposed != district.district:
        return None
    try:
        with current_roster(page.engine, district) as roster:
            mapped = accounts_with(roster, district)
    except RollcallError:
        return None
    roles = Counter(mapped.accounts["role"].to_pylist())
    reasons = Counter(mapped.left_out["reason"].to_pylist())
    words = [(LEFT_OUT_REASONS[str(reason)], number) for reason, number in reasons.most_common()]
    return AccountsPreview(roles["student"], roles["staff"], words)


def save_district(page: Page, opened: OpenDraft, *, replace: bool) -> Saved:
    """Store the connection, then the file: a file without a connection would run tonight and fail.

    :param replace: the person agreed that Airflow's connection of this ID is overwritten.
    :raises ActionRequired: nothing is saved; `connection_exists`, `airflow_refused`, `district_exists`, and what makes
        the file invalid.
    """
    state = opened.state
    text, district = described(state, page.now)
    path = district_path(district.district)
    raw = opened.found.raw_connection(district.connection_id)
    store_connection(page, raw, may_replace=replace or state.is_stored)
    save_draft(page, opened, is_stored=True)
    _require_pool(page, district.pool)
    is_written = is_folder_writable(path.parent)
    page.district_id = district.district
    with page.transaction() as connection:
        if state.profile:
            profile = StoredProfile(
                datetime.fromisoformat(state.checked_at), True, state.pinned_org, dict(state.profile)
            )
            store_profile(connection, district.district, profile, replace_pin=True)
        page.decide(
            connection,
            "district_added",
            reason=state.reason,
            after={"file": text, "check": state.status, "written": is_written},
        )
        page.decide(connection, "connection_stored", subject=raw.conn_id, after=_without_secret(opened.found))
        if is_written:
            drafts.delete(connection, opened.draft_id)
            district_file.write_new(path, text)
    if state.proposed != district.district:
        delete_pull(Landing(default_landing()), state.pulled)
    page.access.parse_dag_file(dag_file(district.district))
    return Saved(district.district, is_written)


def _without_secret(found: ParsedCredentials) -> dict[str, Any]:
    ends = found.expires_on.isoformat() if found.expires_on else None
    return {"base_url": found.base_url, "token_url": found.token_url, "client_id": found.client_id, "expires_on": ends}


def _require_pool(page: Page, name: str) -> None:
    """Tasks of a pool that does not exist wait forever, without an error."""
    if page.airflow("GET", f"/pools/{name}").status != 404:
        return
    body = {"name": name, "slots": _POOL_SLOTS, "description": "Rosters", "include_deferred": False}
    answer = page.airflow("POST", "/pools", body)
    if not answer.ok:
        raise ActionRequired(
            "airflow_refused",
            f"Airflow has no pool {name}, and did not create it ({answer.status}).",
            remedy=f"Ask an admin of Airflow to create the pool {name}.",
        )
