"""Drafts on the page: a person's own, with its credentials encrypted, and its test in the background."""

from __future__ import annotations

import logging
import secrets
import threading
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from rollcall.errors import ActionRequired, RollcallError
from rollcall.landing.zone import Landing, default_landing
from rollcall.onboarding.draft import DraftState, plain, seal, unseal
from rollcall.onboarding.draft_end import delete_expired, delete_pull
from rollcall.onboarding.draft_test import DraftTest
from rollcall.onboarding.recognition import ParsedCredentials, parse_credentials
from rollcall.warehouse import drafts
from rollcall.warehouse.session import warehouse_transaction
from rollcall.web.access import Access
from rollcall.web.page import Page

log = logging.getLogger(__name__)

#: A test that has saved nothing for this long was ended with its process.
_SILENT = timedelta(minutes=3)


@dataclass
class OpenDraft:
    """A draft with what is known of it.

    :param found: the credentials, decrypted. They never leave the server.
    :param now: when the page was opened.
    """

    draft: drafts.Draft
    state: DraftState
    found: ParsedCredentials
    now: datetime

    @property
    def draft_id(self) -> str:
        return self.draft.draft_id

    @property
    def is_running(self) -> bool:
        return self.state.status == "testing" and not self.is_interrupted

    @property
    def is_interrupted(self) -> bool:
        is_busy = self.state.status == "testing" or self.state.people == "reading"
        return is_busy and self.now - self.draft.updated_at > _SILENT


def create_draft(page: Page, found: ParsedCredentials) -> str:
    """A new draft of the user. Drafts of everyone that are older than a day are deleted.

    :returns: its ID.
    """
    sealed = page.access.encrypt(seal(found))
    delete_expired(page.engine, Landing(default_landing()), page.now)
    with page.transaction() as connection:
        return drafts.create(
            connection, district=page.district_id, by=page.user.get_name(), sealed=sealed, state=plain(status="entered")
        )


def open_draft(page: Page) -> OpenDraft:
    """The draft of the path.

    :raises ActionRequired: `draft_ended`, also for the draft of another person; `draft_unreadable`.
    """
    with page.snapshot() as connection:
        found = drafts.find(connection, str(page.request.path_params["draft"]), by=page.user.get_name(), now=page.now)
    if found is None or found.district_id != page.district_id:
        raise ActionRequired(
            "draft_ended",
            "These credentials are no longer here: they were saved, or entered more than a day ago.",
            remedy="If they were not saved, enter them again.",
        )
    return OpenDraft(found, DraftState.of(found.state), unseal(page.access.decrypt(found.sealed)), page.now)


def save_draft(page: Page, opened: OpenDraft, *, found: ParsedCredentials | None = None, **changed: Any) -> None:
    """Store changed fields of the state, and the credentials if they changed."""
    sealed = None if found is None else page.access.encrypt(seal(found))
    with page.transaction() as connection:
        drafts.update(connection, opened.draft_id, plain(**changed), sealed=sealed)


#: What a draft keeps when its credentials change. Everything else is what a test found of the credentials before.
_KEPT = ("choices", "is_stored")


def save_untested(page: Page, opened: OpenDraft, found: ParsedCredentials, **changed: Any) -> None:
    """Store credentials, and forget what an earlier test found, with the people it read."""
    blank = DraftState()
    untested = {name: getattr(blank, name) for name in DraftState.__struct_fields__ if name not in _KEPT}
    save_draft(page, opened, found=found, **{**untested, **changed})
    delete_pull(Landing(default_landing()), opened.state.pulled)


def start_test(page: Page, opened: OpenDraft, found: ParsedCredentials) -> None:
    """Test the connection in the background. What an older test still finds is not stored."""
    attempt = secrets.token_hex(4)
    save_untested(page, opened, found, status="testing", attempt=attempt)
    save = _Saver(page.engine, page.access, opened.draft_id, attempt)
    existing = page.access.connection(page.district.connection_id) if page.district_id else None
    extra = {} if existing is None else dict(existing.extra)
    test = DraftTest(page.engine, Landing(default_landing()), found, page.district_id, extra, save)
    threading.Thread(target=_run, args=[test], name="draft test", daemon=True).start()


@dataclass(frozen=True)
class _Saver:
    """Stores what a test found."""

    engine: sa.Engine
    access: Access
    draft_id: str
    attempt: str

    def __call__(self, changed: dict[str, Any], found: ParsedCredentials | None) -> bool:
        sealed = None if found is None else self.access.encrypt(seal(found))
        with warehouse_transaction(self.engine, "check", district="") as connection:
            return drafts.update(connection, self.draft_id, changed, sealed=sealed, attempt=self.attempt)


def _run(test: DraftTest) -> None:
    try:
        test.run()
    except RollcallError as error:  # what it found cannot be stored
        log.error("The test of a draft ended: %s", error)


def entered(page: Page, before: ParsedCredentials) -> tuple[ParsedCredentials, str]:
    """The credentials of a form: those of a pasted text, else its fields over what is known.

    A text counts alone: the fields of the same form are filled with the credentials that it replaces.

    :returns: the credentials, and what is wrong with a field.
    """
    if text := page.text("text"):
        return parse_credentials(text.encode()), ""
    fields = {name: page.text(name) for name in ("base_url", "token_url", "client_id", "secret")}
    found = replace(before, **{name: value for name, value in fields.items() if value})  # type: ignore[arg-type]
    if "token_url" in page.form:
        found = replace(found, token_url=fields["token_url"])
    if auth := page.text("auth"):
        found = _signed_in_by(found, auth)
    elif found.token_url and not found.auth:
        found = replace(found, auth="oauth2")
    if ends := page.text("expires_on"):
        try:
            found = replace(found, expires_on=date.fromisoformat(ends))
        except ValueError:
            return found, "Write the expiration date as YYYY-MM-DD."
    return found, ""


def _signed_in_by(found: ParsedCredentials, auth: str) -> ParsedCredentials:
    if auth == "oauth1":
        return replace(found, auth="oauth1", version="1.1", token_url="")
    return replace(found, auth="oauth2", signature="", version="" if found.auth == "oauth1" else found.version)
