"""The check itself: from the fields as entered to the district they belong to, step by step."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from urllib.parse import SplitResult, urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies

from rollcall.check.diagnosis import Explainer
from rollcall.check.profile import Org, ProviderProfile, profile_changes
from rollcall.check.raw_connection import RawConnection
from rollcall.check.requests import CheckSession
from rollcall.check.steps import OTHER_COPY, CheckReport, CheckStopped, Diagnosis, StepResult, StepRunner, Watch
from rollcall.check.survey import Survey
from rollcall.display.dates import format_date
from rollcall.oneroster.connection import OneRosterConnection
from rollcall.oneroster.errors import ConnectionInvalid, OneRosterError, PermissionRefused
from rollcall.oneroster.http import Budget
from rollcall.oneroster.wire import connect_checked
from rollcall.settings import District

# The provider's hosts: their names and certificates.

_TIMEOUT = 5.0
_EXPIRY_WARNING_DAYS = 14


def resolve_hosts(connection: OneRosterConnection) -> StepResult:
    """Whether the hosts of Base URL and Token URL exist."""
    hosts = list(_hosts(connection))
    if _behind_proxy(connection):
        return StepResult("skipped: a proxy resolves host names", "skipped")
    unknown = []
    for label, url in hosts:
        try:
            socket.getaddrinfo(url.hostname, url.port or 443, proto=socket.IPPROTO_TCP)
        except (OSError, UnicodeError):
            values = {"host": url.hostname, "label": label, "title": connection.title}
            unknown.append(Diagnosis("host_unknown", values))
    if unknown:
        return StepResult(diagnoses=tuple(unknown))
    return StepResult(f"{' and '.join(str(url.hostname) for _, url in hosts)} found")


def check_certificates(connection: OneRosterConnection, now: datetime) -> StepResult:
    """Whether the hosts have valid certificates, and until when."""
    hosts = [(label, url) for label, url in _hosts(connection) if url.scheme == "https"]
    if not hosts:
        return StepResult("plain HTTP on this machine", "skipped")
    if _behind_proxy(connection):
        return StepResult("skipped: requests go through a proxy", "skipped")
    valid = []
    for _, url in hosts:
        try:
            until = _certificate_end(str(url.hostname), url.port or 443, allow_private=connection.allow_private)
        except ConnectionInvalid as error:  # the address is inside our network
            return StepResult(error.message, "fail", error.remedy)
        except ssl.SSLError:
            return StepResult(
                f"The TLS certificate of {url.hostname} is not valid for {url.hostname}.",
                "fail",
                "Ask its operator to fix the certificate. Do not work around it: that would expose the secret.",
            )
        except OSError:
            return StepResult(
                f"{url.hostname} does not answer on port {url.port or 443}.",
                "fail",
                "Try again later. If it still fails, check for a firewall on either side, and check the host in the "
                "URL.",
            )
        if (days := (until - now).days) < _EXPIRY_WARNING_DAYS:
            remedy = "Tell its operator. Pulls fail from that day on."
            return StepResult(
                f"The certificate of {url.hostname} expires in {days} days, on {format_date(until)}.", "warning", remedy
            )
        valid.append(f"{url.hostname} until {format_date(until)}")
    return StepResult(f"certificate of {' and of '.join(valid)}")


def _hosts(connection: OneRosterConnection) -> Iterator[tuple[str, SplitResult]]:
    """Label and URL, each host once."""
    seen = set()
    for label, text in (("Base URL", connection.base_url), ("Token URL", connection.auth_url)):
        url = urlsplit(text or "")
        if url.hostname and url.netloc not in seen:
            seen.add(url.netloc)
            yield label, url


def _behind_proxy(connection: OneRosterConnection) -> bool:
    return bool(get_environ_proxies(connection.base_url).get(urlsplit(connection.base_url).scheme))


def _certificate_end(host: str, port: int, *, allow_private: bool) -> datetime:
    """The end of the host's certificate. It trusts the same authorities as every request."""
    trusted = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
    context = ssl.create_default_context(cafile=trusted)
    with (
        connect_checked(host, port, _TIMEOUT, allow_private=allow_private) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        certificate = secure.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)


_CREDENTIALS = {
    "oauth1": "Consumer Key and Consumer Secret",
    "oauth2": "Client ID and Client Secret",
    "bearer": "bearer token",
}


def check(
    district: District,
    find: Callable[[], RawConnection],
    *,
    before: ProviderProfile | None = None,
    pinned: Org | None = None,
    budget: Budget | None = None,
    count_people: bool = False,
    watch: Watch | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> CheckReport:
    """Check a district's connection, one request at a time.

    :param find: returns the connection's fields, or raises the reason they cannot be read.
    :param before: the last profile, to report changes.
    :param pinned: the org the connection belonged to when it first passed. Another one fails the check.
    :param budget: the host's shared budget. Without one, requests of this process are counted.
    :param count_people: count students and teachers per school, if there are few schools.
    :param watch: called after each step.
    """
    with ExitStack() as opened:
        examination = _Examination(district, budget, opened, now(), watch)
        examination.run(find, pinned, count_people)
        return examination.checked(before)


class _Examination:
    def __init__(
        self, district: District, budget: Budget | None, opened: ExitStack, now: datetime, watch: Watch | None
    ) -> None:
        self._settings = district
        self._budget = budget
        self._opened = opened
        self._now = now
        self._steps = StepRunner(watch)
        self._pasted: RawConnection | None = None
        self._survey: Survey | None = None
        self._without_demographics = False

    def run(self, find: Callable[[], RawConnection], pinned: Org | None, count_people: bool) -> None:
        take = self._steps.take
        wanted = self._settings.wanted()
        later = ["page_size", "delta_filter", "schools", "district"]
        try:
            take("connection", lambda: self._read_fields(find), needed=True)
            if self._pasted and self._pasted.conflict:
                conflict = self._pasted.conflict
                take(OTHER_COPY, lambda: StepResult(conflict, "warning"))
            take("dns", lambda: resolve_hosts(self._connection), needed=True)
            take("tls", lambda: check_certificates(self._connection, self._now), needed=True)
            explain = Explainer(self._connection, self._settings.version, self._file, self._budget)
            take("token", lambda: self._sign_in(explain), needed=True)
            take("base_url", lambda: self._find_service(explain), needed=True)
            key = self._settings.district
            size = self._settings.extract.page_size
            survey = Survey(self._session, explain, key, page_size=size, pinned=pinned, count_people=count_people)
            self._survey = survey
            for name in wanted:
                if name == "demographics" and self._without_demographics:
                    take(name, survey.demographics_without_scope)
                else:
                    take(name, lambda name=name: survey.collection(name))  # type: ignore[misc]
            looks = (survey.page_size, survey.delta_filter, survey.find_schools, survey.find_district)
            for name, look in zip(later, looks, strict=True):
                take(name, look)
        except CheckStopped:
            self._steps.skip_remaining(["dns", "tls", "token", "base_url", *wanted, *later])

    def checked(self, before: ProviderProfile | None) -> CheckReport:
        survey, pasted = self._survey, self._pasted
        profile = survey.profile(self._settings.version, self._session.base_url) if survey else None
        return CheckReport(
            district=self._settings.district,
            name=self._settings.name,
            conn_id=self._settings.connection_id,
            checked_at=self._now,
            steps=tuple(self._steps.done),
            client_id=pasted.client_id if pasted else "",
            source=pasted.source if pasted else "",
            is_classic=pasted.is_classic if pasted else False,
            is_campus=pasted.is_campus if pasted else True,
            rows=survey.rows if survey else {},
            schools=survey.schools if survey else (),
            profile=profile,
            changes=profile_changes(before, profile) if profile else (),
        )

    @property
    def _auth(self) -> str:
        return str(self._connection.auth)

    @property
    def _file(self) -> str:
        return f"{self._settings.district}.yaml"

    def _read_fields(self, find: Callable[[], RawConnection]) -> StepResult:
        self._pasted = find()
        seen = tuple(self._pasted.recognized(self._now.date()))
        if fatal := tuple(mistake for mistake in seen if mistake.outcome == "fail"):
            return StepResult(diagnoses=fatal)
        self._connection: OneRosterConnection = self._pasted.connection()
        if self._auth == "oauth1" and self._settings.version == "1.2":
            return StepResult(
                "The settings say OneRoster 1.2, but a Consumer Key (OAuth 1) works with OneRoster 1.1 only.",
                "fail",
                f'Set version: "1.1" in {self._file}, or ask the district for a OneRoster 1.2 connection.',
            )
        return StepResult(
            "" if seen else f"{_CREDENTIALS[self._auth]}, OneRoster {self._settings.version}", diagnoses=seen
        )

    def _sign_in(self, explain: Explainer) -> StepResult:
        """A client with a token. If only the scope of demographics is refused, a client without it."""
        self._session = self._ask(demographics=self._settings.demographics)
        if self._auth != "oauth2":
            return StepResult(f"no token needed: every request uses the {_CREDENTIALS[self._auth]}", "skipped")
        try:
            self._session.sign_in()
        except PermissionRefused as error:
            if not self._settings.demographics or not self._signs_in_without_demographics():
                return explain.no_token(error)
            return StepResult("received, without access to demographics")
        except OneRosterError as error:
            return explain.no_token(error)
        if self._settings.demographics and not self._session.has_scope("roster-demographics.readonly"):
            self._without_demographics = True
            return StepResult("received, without access to demographics")
        return StepResult("received")

    def _signs_in_without_demographics(self) -> bool:
        less = self._ask(demographics=False)
        try:
            less.sign_in()
        except OneRosterError:
            return False
        self._session, self._without_demographics = less, True
        return True

    def _find_service(self, explain: Explainer) -> StepResult:
        try:
            base_url = self._session.base_url
        except OneRosterError as error:
            return explain.no_service(error, self._session)
        # The Base URL itself is tried first, and it may be a service of the other version.
        found = "1.1" if "/v1p1" in base_url else "1.2" if "/v1p2" in base_url else self._settings.version
        if found != self._settings.version:
            return explain.version_is(found)
        return StepResult(f"OneRoster {self._settings.version} at {base_url}")

    def _ask(self, *, demographics: bool) -> CheckSession:
        session = CheckSession(
            self._connection,
            self._settings.version,
            demographics=demographics,
            budget=self._budget,
        )
        return self._opened.enter_context(session)
