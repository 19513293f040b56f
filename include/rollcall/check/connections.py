"""A check with the warehouse: the last profile, the shared request budget, and the new profile.

A connection can be checked without a warehouse, or while it is down. Then nothing is stored, and a line says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

import sqlalchemy as sa

from rollcall.check.diagnosis import Explainer, unexplained
from rollcall.check.examination import check
from rollcall.check.profile import Org, ProviderProfile
from rollcall.check.raw_connection import RawConnection
from rollcall.check.requests import CheckSession
from rollcall.check.steps import CheckReport, CheckStopped, StepResult, StepRunner, Watch
from rollcall.check.table import plain_step, print_checked
from rollcall.errors import ActionRequired, RollcallError, redact_errors
from rollcall.oneroster.connection import OneRosterConnection, Version
from rollcall.oneroster.errors import BaseUrlWrong, OneRosterError, PermissionRefused
from rollcall.oneroster.records import district_org
from rollcall.settings import District, find_district, load_districts
from rollcall.warehouse.lease import HostLease
from rollcall.warehouse.profiles import StoredProfile, last_profile, store_profile
from rollcall.warehouse.session import ConnectionFields, connect, url_of, warehouse_transaction


@dataclass(frozen=True)
class Recorded:
    """A check.

    :param not_kept: why nothing was stored of it; empty if it was stored.
    :param profile: what is stored of it, also for a caller that stores it later.
    """

    checked: CheckReport
    profile: StoredProfile
    not_kept: str = ""


def check_and_record(
    district: District,
    find: Callable[[], RawConnection],
    engine: sa.Engine | None,
    *,
    count_people: bool = False,
    replace_pin: bool = False,
    keep_failure: bool = True,
    keep: bool = True,
    watch: Watch | None = None,
    accept: Callable[[CheckReport], None] = lambda _: None,
) -> Recorded:
    """Check a district's connection and store the provider's profile.

    :param engine: the warehouse; None for none.
    :param replace_pin: pin the district org that the connection shows now.
    :param keep_failure: store the result of a failed check too. A district that is not added yet has nothing to store.
    :param keep: store the result; False for a caller that stores it later.
    :param accept: called with the result before it is stored; may raise.
    :param watch: called after each step.
    """
    last, not_kept = _last_profile(engine, district)
    engine = None if not_kept else engine
    before = ProviderProfile.from_plain(last.profile) if last else None
    with ExitStack() as opened:
        checked = check(
            district,
            find,
            before=before,
            pinned=None if replace_pin else _pinned(last, before),
            budget=opened.enter_context(HostLease(engine.url, district)) if engine is not None else None,
            count_people=count_people,
            watch=watch,
        )
    accept(checked)
    found = _profile_to_store(checked, before, last)
    if keep and engine is not None and (checked.passed or keep_failure):
        with redact_errors("check", district=district.district), engine.begin() as connection:
            store_profile(connection, district.district, found, replace_pin=replace_pin and checked.passed)
    return Recorded(checked, found, not_kept)


def _last_profile(engine: sa.Engine | None, district: District) -> tuple[StoredProfile | None, str]:
    """What was found last time, and why nothing can be kept."""
    if engine is None:
        return (
            None,
            "No warehouse is configured. The provider profile was not saved, and the pinned district was not compared.",
        )
    try:
        with warehouse_transaction(engine, "check", district=district.district) as connection:
            return last_profile(connection, district.district), ""
    except RollcallError as error:
        return None, f"{error.message} The provider profile was not saved, and the pinned district was not compared."


def _pinned(last: StoredProfile | None, before: ProviderProfile | None) -> Org | None:
    if last is None or last.pinned_org is None:
        return None
    org = before.district_org if before else None
    return org if org is not None and org.sourced_id == last.pinned_org else Org(last.pinned_org, "")


def _profile_to_store(
    checked: CheckReport, before: ProviderProfile | None, last: StoredProfile | None
) -> StoredProfile:
    """A failed check keeps what was known of the provider, for what it saw may be half of it."""
    seen = checked.profile.merged_with(before) if checked.passed and checked.profile else before
    # a pull may have found the largest limit before any check reached the provider
    profile: dict[str, Any] = seen.plain() if seen else {"largest_limit": last.largest_limit if last else None}
    profile |= {"steps": [plain_step(step) for step in checked.steps], "changes": list(checked.changes)}
    org = checked.district_org if checked.passed else None
    return StoredProfile(checked.checked_at, checked.passed, org.sourced_id if org else None, profile)


# Every district's connection: what the DAG `roster_connections` does, without Airflow.

log = logging.getLogger(__name__)

#: Districts checked at once. The requests to one host stay within its budget.
_PARALLEL_CHECKS = 4


def check_connections(
    only: str | None, warehouse: ConnectionFields, find: Callable[[str], RawConnection], file: IO[str] | None = None
) -> None:
    """Check all enabled districts, or one, and print the steps of each.

    :param only: a district's ID; empty for all.
    :param find: returns the fields of a connection by its ID.
    :raises ActionRequired: `connections_failing` after all checks, with the districts that failed and their steps.
    """
    districts = [find_district(only)] if only else [each for each in load_districts()[0] if each.enabled]
    engine = connect(url_of(warehouse))
    # Connections are read one after the other, before any request: Airflow gives them to one thread only.
    finders = [_fields_or_error(find, district.connection_id) for district in districts]
    failing = []
    try:
        with ThreadPoolExecutor(_PARALLEL_CHECKS, thread_name_prefix="check") as threads:
            outcomes = threads.map(_check_one, districts, finders, [engine] * len(districts))
            for district, outcome in zip(districts, outcomes, strict=True):
                if failed := _print_outcome(district, outcome, file):
                    failing.append(f"{district.name} ({failed})")
    finally:
        engine.dispose()
    if failing:
        raise ActionRequired(
            "connections_failing",
            f"{len(failing)} of {len(districts)} connections failed the check: {', '.join(failing)}.",
            remedy="See each problem and its fix above in this log. `rollcall check DISTRICT --email` prints the email "
            "to the district.",
        )


def _fields_or_error(find: Callable[[str], RawConnection], conn_id: str) -> Callable[[], RawConnection]:
    """The fields, or the error: a missing connection is a step of its district's check."""
    try:
        pasted = find(conn_id)
    except RollcallError as error:
        missing = error

        def refuse() -> RawConnection:
            raise missing

        return refuse
    return lambda: pasted


def _check_one(district: District, find: Callable[[], RawConnection], engine: sa.Engine) -> Recorded | RollcallError:
    """A check, or the error that prevented it. No district stops another."""
    try:
        with redact_errors("check", district=district.district):
            return check_and_record(district, find, engine)
    except RollcallError as error:
        return error


def _print_outcome(district: District, outcome: Recorded | RollcallError, file: IO[str] | None) -> str:
    """Print it, and return the failed steps; empty if none failed."""
    if isinstance(outcome, RollcallError):
        log.error("%s: %s", district.name, outcome)
        return outcome.code
    print_checked(outcome.checked, file)
    if outcome.not_kept:
        log.warning("%s: %s", district.name, outcome.not_kept)
    return ", ".join(step.name for step in outcome.checked.failed)


# The short check behind the Test button of an Airflow connection. It knows no district settings and has only seconds.


def quick_check(find: Callable[[], RawConnection], now: datetime | None = None) -> tuple[bool, str]:
    """Whether the service responds and whose it is: fields, token, Base URL, orgs, and the number of people.

    :param find: returns the connection's fields, or raises the reason they cannot be read.
    :returns: whether it works, and the message, with warnings.
    """
    with ExitStack() as opened:
        quick = _Quick(opened, now or datetime.now(UTC))
        try:
            quick.run(find)
        except CheckStopped:
            failed = quick.steps.done[-1]
            return False, f"{failed.message} {failed.remedy}".strip()
    warned = [step for step in quick.steps.done if step.outcome == "warning"]
    sentences = [quick.introduction, *(f"{step.message} {step.remedy}" for step in warned)]
    return True, " ".join(sentences)


class _Quick:
    def __init__(self, opened: ExitStack, now: datetime) -> None:
        self._now = now
        self.steps = StepRunner()
        self.introduction = ""
        self._opened = opened

    def run(self, find: Callable[[], RawConnection]) -> None:
        self.steps.take("connection", lambda: self._read_fields(find), needed=True)
        self.steps.take("service", self._reach, needed=True)
        self.steps.take("orgs", self._introduce, needed=True)

    def _read_fields(self, find: Callable[[], RawConnection]) -> StepResult:
        pasted = find()
        seen = tuple(pasted.recognized(self._now.date()))
        if not any(mistake.outcome == "fail" for mistake in seen):
            self._connection: OneRosterConnection = pasted.connection()
        return StepResult(diagnoses=seen)

    def _reach(self) -> StepResult:
        """The first version that responds; otherwise, why the version that got further does not."""
        explain = Explainer(self._connection, None, "", None)
        refused: StepResult | None = None
        for version in self._versions():
            session = self._opened.enter_context(CheckSession(self._connection, version))
            try:
                session.sign_in()
            except PermissionRefused as error:
                refused = unexplained(error)
                continue
            except OneRosterError as error:
                return explain.no_token(error)
            try:
                self._base_url = session.base_url
            except BaseUrlWrong as error:
                nowhere = explain.no_service(error, session)
                continue
            except OneRosterError as error:
                return explain.no_service(error, session)
            self._session = session
            return StepResult()
        return refused or nowhere

    def _introduce(self) -> StepResult:
        orgs = self._session.orgs()
        schools = sum(org.type == "school" for org in orgs)
        found = district_org(orgs)
        name = (found.name if found else None) or "a provider without a district name"
        users = self._session.peek("users")
        people = "people (no total from the provider)" if users.total is None else f"{users.total:,} people"
        people = people if users.rows else "0 people"
        self.introduction = (
            f"Connected to {name}: OneRoster {self._session.version} at {self._base_url} returned "
            f"{len(orgs)} orgs ({schools} schools) and {people}."
        )
        return StepResult()

    def _versions(self) -> tuple[Version, ...]:
        """The version in the Base URL, or both. OneRoster 1.2 has OAuth 2 only."""
        base_url = self._connection.base_url
        if self._connection.auth == "oauth1" or "v1p1" in base_url:
            return ("1.1",)
        return ("1.2",) if "v1p2" in base_url else ("1.2", "1.1")
