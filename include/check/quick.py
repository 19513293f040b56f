"""The short check behind the Test button of an Airflow connection: it knows no district's settings and has seconds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime

from include.check.asking import Asking
from include.check.explained import Explainer, as_said
from include.check.pasted import Pasted
from include.check.steps import Found, Steps, Stopped
from include.identity import district_org
from include.oneroster.connection import OneRosterConnection, Version
from include.oneroster.errors import BaseUrlWrong, OneRosterError, PermissionRefused


def quick_check(find: Callable[[], Pasted]) -> tuple[bool, str]:
    """Whether the service answers and whose it is: fields, token, Base URL, the orgs, how many people.

    :param find: gets the connection's fields; may raise what keeps them from being read.
    :returns: whether it works, and what to tell; warnings are told too.
    """
    with ExitStack() as opened:
        quick = _Quick(opened)
        try:
            quick.run(find)
        except Stopped:
            failed = quick.steps.taken[-1]
            return False, f"{failed.said} {failed.remedy}".strip()
    warned = [step for step in quick.steps.taken if step.outcome == "warning"]
    told = [quick.introduction, *(f"{step.said} {step.remedy}" for step in warned)]
    return True, " ".join(told)


class _Quick:
    def __init__(self, opened: ExitStack) -> None:
        self.steps = Steps()
        self.introduction = ""
        self._opened = opened

    def run(self, find: Callable[[], Pasted]) -> None:
        self.steps.take("connection", lambda: self._read_fields(find), needed=True)
        self.steps.take("service", self._reach, needed=True)
        self.steps.take("orgs", self._introduce, needed=True)

    def _read_fields(self, find: Callable[[], Pasted]) -> Found:
        pasted = find()
        seen = tuple(pasted.recognised(datetime.now(UTC).date()))
        if not any(mistake.outcome == "fail" for mistake in seen):
            self._connection: OneRosterConnection = pasted.connection()
        return Found(recognised=seen)

    def _reach(self) -> Found:
        """The first version that answers; else why the one that came further does not."""
        explain = Explainer(self._connection, None, "", None)
        refused: Found | None = None
        for version in self._versions():
            asking = self._opened.enter_context(Asking(self._connection, version))
            try:
                asking.sign_in()
            except PermissionRefused as error:
                refused = as_said(error)
                continue
            except OneRosterError as error:
                return explain.no_token(error)
            try:
                self._base_url = asking.base_url
            except BaseUrlWrong as error:
                nowhere = explain.no_service(error, asking)
                continue
            except OneRosterError as error:
                return explain.no_service(error, asking)
            self._asking = asking
            return Found()
        return refused or nowhere

    def _introduce(self) -> Found:
        orgs = self._asking.orgs()
        schools = sum(org.type == "school" for org in orgs)
        found = district_org(orgs)
        name = (found.name if found else None) or "a provider that names no district"
        users = self._asking.peek("users")
        people = "people, which the provider does not count" if users.total is None else f"{users.total:,} people"
        people = people if users.rows else "no people"
        self.introduction = (
            f"Connected to {name}: OneRoster {self._asking.version} at {self._base_url} answered with "
            f"{len(orgs)} orgs, {schools} of them schools, and {people}."
        )
        return Found()

    def _versions(self) -> tuple[Version, ...]:
        """The one the connection names; 1.2 knows OAuth 2 only."""
        base_url = self._connection.base_url
        if self._connection.auth == "oauth1" or "v1p1" in base_url:
            return ("1.1",)
        return ("1.2",) if "v1p2" in base_url else ("1.2", "1.1")
