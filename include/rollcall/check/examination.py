"""The check itself: from the fields somebody pasted to the district they belong to, one step after the other."""

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
from rollcall.check.pasted import Pasted
from rollcall.check.profile import Org, ProviderProfile, changes
from rollcall.check.requests import Asking
from rollcall.check.steps import Checked, Found, Recognised, Steps, Stopped
from rollcall.check.survey import Survey
from rollcall.oneroster.connection import OneRosterConnection
from rollcall.oneroster.errors import OneRosterError, PermissionRefused
from rollcall.oneroster.http import Budget
from rollcall.settings import District

# The way to the provider's hosts: their names, and the certificates they prove themselves with.

_PATIENCE = 5.0
_RENEWED_BEFORE_DAYS = 14


def look_up(connection: OneRosterConnection) -> Found:
    """Whether the hosts of Base URL and Token URL exist."""
    hosts = list(_hosts(connection))
    if _behind_proxy(connection):
        return Found("a proxy of this machine looks the names up", "skipped")
    unknown = []
    for label, url in hosts:
        try:
            socket.getaddrinfo(url.hostname, url.port or 443, proto=socket.IPPROTO_TCP)
        except OSError:
            values = {"host": url.hostname, "label": label, "title": connection.title}
            unknown.append(Recognised("host_unknown", values))
    if unknown:
        return Found(recognised=tuple(unknown))
    return Found(f"{' and '.join(str(url.hostname) for _, url in hosts)} found")


def shake_hands(connection: OneRosterConnection) -> Found:
    """Whether the hosts prove by a certificate who they are, and how long it is good for."""
    hosts = [(label, url) for label, url in _hosts(connection) if url.scheme == "https"]
    if not hosts:
        return Found("plain http on this machine", "skipped")
    if _behind_proxy(connection):
        return Found("left to the requests themselves, which go through a proxy", "skipped")
    told = []
    for _, url in hosts:
        try:
            until = _certificate_end(str(url.hostname), url.port or 443)
        except ssl.SSLError:
            return Found(
                f"{url.hostname} could not prove by its certificate that it is {url.hostname}.",
                "fail",
                "Its operator has to renew the certificate; do not work around it: the secret would be exposed.",
            )
        except OSError:
            return Found(
                f"{url.hostname} does not answer on port {url.port or 443}.",
                "fail",
                "Try again later; if it stays, a firewall stands between, here or there, or the host in the URL is "
                "not that of the provider.",
            )
        if (days := (until - datetime.now(UTC)).days) < _RENEWED_BEFORE_DAYS:
            remedy = "Tell its operator: from that day on nothing can be pulled."
            return Found(
                f"The certificate of {url.hostname} ends on {until:%Y-%m-%d}, in {days} days.", "warning", remedy
            )
        told.append(f"{url.hostname} until {until:%Y-%m-%d}")
    return Found(f"certificate of {' and of '.join(told)}")


def _hosts(connection: OneRosterConnection) -> Iterator[tuple[str, SplitResult]]:
    """Label and address, each host once."""
    seen = set()
    for label, text in (("Base URL", connection.base_url), ("Token URL", connection.auth_url)):
        url = urlsplit(text or "")
        if url.hostname and url.netloc not in seen:
            seen.add(url.netloc)
            yield label, url


def _behind_proxy(connection: OneRosterConnection) -> bool:
    return bool(get_environ_proxies(connection.base_url).get(urlsplit(connection.base_url).scheme))


def _certificate_end(host: str, port: int) -> datetime:
    """Until when the host's certificate is good; the same authorities are trusted as for every request."""
    trusted = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
    context = ssl.create_default_context(cafile=trusted)
    with (
        socket.create_connection((host, port), _PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        certificate = secure.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)


_WAYS = {
    "oauth1": "Consumer Key and Consumer Secret",
    "oauth2": "Client ID and Client Secret",
    "bearer": "bearer token",
}


def check(
    district: District,
    find: Callable[[], Pasted],
    *,
    before: ProviderProfile | None = None,
    pinned: Org | None = None,
    budget: Budget | None = None,
    count_people: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Checked:
    """Check a district's connection, one request at a time.

    :param find: gets the connection's fields; may raise what keeps them from being read.
    :param before: what is known of the provider, to say what has changed.
    :param pinned: the org the connection belonged to when it first passed; another one fails the check.
    :param budget: shared with everybody who asks this host; without one, requests of this process are counted.
    :param count_people: ask how many students and teachers each school has, where schools are few.
    """
    with ExitStack() as opened:
        examination = _Examination(district, budget, opened, now())
        examination.run(find, pinned, count_people)
        return examination.checked(before)


class _Examination:
    def __init__(self, district: District, budget: Budget | None, opened: ExitStack, now: datetime) -> None:
        self._settings = district
        self._budget = budget
        self._opened = opened
        self._now = now
        self._steps = Steps()
        self._pasted: Pasted | None = None
        self._survey: Survey | None = None
        self._without_demographics = False

    def run(self, find: Callable[[], Pasted], pinned: Org | None, count_people: bool) -> None:
        take = self._steps.take
        wanted = self._settings.wanted()
        later = ["page_size", "delta_filter", "schools", "district"]
        try:
            take("connection", lambda: self._read_fields(find), needed=True)
            take("dns", lambda: look_up(self._connection), needed=True)
            take("tls", lambda: shake_hands(self._connection), needed=True)
            explain = Explainer(self._connection, self._settings.version, self._file, self._budget)
            take("token", lambda: self._sign_in(explain), needed=True)
            take("base_url", lambda: self._find_service(explain), needed=True)
            key = self._settings.district
            size = self._settings.extract.page_size
            survey = Survey(self._asking, explain, key, page_size=size, pinned=pinned, count_people=count_people)
            self._survey = survey
            for name in wanted:
                if name == "demographics" and self._without_demographics:
                    take(name, survey.demographics_without_scope)
                else:
                    take(name, lambda name=name: survey.collection(name))  # type: ignore[misc]
            looks = (survey.page_size, survey.delta_filter, survey.who, survey.whose)
            for name, look in zip(later, looks, strict=True):
                take(name, look)
        except Stopped:
            self._steps.skip_others(["dns", "tls", "token", "base_url", *wanted, *later])

    def checked(self, before: ProviderProfile | None) -> Checked:
        survey, pasted = self._survey, self._pasted
        profile = survey.profile(self._settings.version, self._asking.base_url) if survey else None
        return Checked(
            district=self._settings.district,
            name=self._settings.name,
            conn_id=self._settings.connection_id,
            checked_at=self._now,
            steps=tuple(self._steps.taken),
            client_id=pasted.client_id if pasted else "",
            is_classic=pasted.is_classic if pasted else False,
            is_campus=pasted.is_campus if pasted else True,
            rows=survey.rows if survey else {},
            schools=survey.schools if survey else (),
            profile=profile,
            changes=changes(before, profile) if profile else (),
        )

    @property
    def _auth(self) -> str:
        return str(self._connection.auth)

    @property
    def _file(self) -> str:
        return f"{self._settings.district}.yaml"

    def _read_fields(self, find: Callable[[], Pasted]) -> Found:
        self._pasted = find()
        seen = tuple(self._pasted.recognised(self._now.date()))
        if fatal := tuple(mistake for mistake in seen if mistake.outcome == "fail"):
            return Found(recognised=fatal)
        self._connection: OneRosterConnection = self._pasted.connection()
        if self._auth == "oauth1" and self._settings.version == "1.2":
            return Found(
                "OneRoster 1.2 is chosen, and a Consumer Key (OAuth 1) belongs to OneRoster 1.1.",
                "fail",
                f'Set version: "1.1" in {self._file}, or ask the district for a OneRoster 1.2 connection.',
            )
        return Found("" if seen else f"{_WAYS[self._auth]}, OneRoster {self._settings.version}", recognised=seen)

    def _sign_in(self, explain: Explainer) -> Found:
        """A client with a token. Where only the scope of demographics is refused, a client without it."""
        self._asking = self._ask(demographics=self._settings.demographics)
        if self._auth != "oauth2":
            return Found(f"none is needed: every request is signed with the {_WAYS[self._auth]}", "skipped")
        try:
            self._asking.sign_in()
        except PermissionRefused as error:
            if not self._settings.demographics or not self._signs_in_without_demographics():
                return explain.no_token(error)
            return Found("given, but not for demographics")
        except OneRosterError as error:
            return explain.no_token(error)
        if self._settings.demographics and not self._asking.has_scope("roster-demographics.readonly"):
            self._without_demographics = True
            return Found("given, but not for demographics")
        return Found("given")

    def _signs_in_without_demographics(self) -> bool:
        less = self._ask(demographics=False)
        try:
            less.sign_in()
        except OneRosterError:
            return False
        self._asking, self._without_demographics = less, True
        return True

    def _find_service(self, explain: Explainer) -> Found:
        try:
            base_url = self._asking.base_url
        except OneRosterError as error:
            return explain.no_service(error, self._asking)
        # The Base URL itself is tried first, and a service of the other version may stand there.
        stands = "1.1" if "/v1p1" in base_url else "1.2" if "/v1p2" in base_url else self._settings.version
        if stands != self._settings.version:
            return explain.version_is(stands)
        return Found(f"OneRoster {self._settings.version} at {base_url}")

    def _ask(self, *, demographics: bool) -> Asking:
        asking = Asking(
            self._connection,
            self._settings.version,
            demographics=demographics,
            budget=self._budget,
        )
        return self._opened.enter_context(asking)
