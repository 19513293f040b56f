"""A data request from beginning to end: slot, signature, redirects, renewed tokens, retries, refusals."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from rollcall.oneroster.auth import auth_for
from rollcall.oneroster.connection import OneRosterConnection, Version
from rollcall.oneroster.errors import OneRosterError, ProviderUnavailable, RetryableError, client_closed
from rollcall.oneroster.http import Response, Transport
from rollcall.oneroster.refusals import is_web_page, refusal, reports_expired_token, retryable_error

log = logging.getLogger(__name__)

T = TypeVar("T")

_MOST_REDIRECTS = 3
_REDIRECTS = {301, 302, 303, 307, 308}

#: For one request: of tokens that threads share, the next one may have ended too before its turn comes.
_MOST_RENEWALS = 5

#: So often a request may fail as if it asked for too much, before it asks for less.
_TOO_HEAVY_AFTER = 2


@dataclass(frozen=True)
class Retry:
    """Exponential back-off with full jitter: each wait is between nothing and its step.

    Patience is counted in time, not in attempts: a request is given up only when its first attempt lies `patience`
    back, so the defaults outlive an outage of five minutes however the dice fall.

    :param attempts: requests in all, the first included; None: as many as patience allows.
    :param first_wait: the first step, in seconds; every step doubles up to `longest_wait`.
    :param patience: seconds since the first attempt after which no other is begun. A `Retry-After` beyond it is not
        waited for.
    :param sleep: another way to wait than the client's own, which ends when the client is closed.
    """

    attempts: int | None = None
    first_wait: float = 1.0
    longest_wait: float = 60.0
    patience: float = 330.0
    sleep: Callable[[float], None] | None = None

    def wait(self, tried: int, elapsed: float, retry_after: float | None = None) -> float | None:
        """Seconds to wait after `tried` attempts and `elapsed` seconds; None when it is time to give up."""
        if (self.attempts is not None and tried >= self.attempts) or elapsed >= self.patience:
            return None
        if retry_after is not None:
            if elapsed + retry_after > self.patience:
                return None
            # Never earlier than asked, and not all clients in the same instant.
            return retry_after + random.uniform(0, self.first_wait)  # noqa: S311 - spreads requests, guards nothing
        step = min(self.longest_wait, self.first_wait * 2.0 ** min(tried - 1, 16))
        return random.uniform(0, step)  # noqa: S311


class BackoffGate:
    """Shared by the threads of a client."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._gate = threading.Condition()
        self._keeping_shut = 0
        self._opens_at = 0.0
        self._asleep = 0
        self._fell_asleep_at = self._wakes_at = 0.0
        self._seconds = 0.0
        self._held = threading.local()

    @property
    def shut(self) -> bool:
        """Whether a thread waits for all."""
        return self._keeping_shut > 0

    @property
    def seconds(self) -> float:
        """Seconds in which at least one thread waited."""
        return self._seconds

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the pause of all ends; None where there is no pause."""
        with self._gate:
            return max(0.0, self._opens_at - time.monotonic()) if self._keeping_shut else None

    @property
    def held(self) -> float:
        """Seconds this thread has waited so far because another thread waits for all."""
        return getattr(self._held, "seconds", 0.0)

    def sleep(self, seconds: float, *, for_all: bool, sleep: Callable[[float], None] | None = None) -> None:
        """Wait, until the client is closed at the latest.

        :param for_all: nobody else begins a request meanwhile.
        :param sleep: another way to wait, for tests.
        :raises ClientClosed: the client was closed.
        """
        with self._counted(seconds):
            if for_all:
                with self._shut_for_others(seconds):
                    (sleep or self._stopped.wait)(seconds)
            else:
                (sleep or self._stopped.wait)(seconds)
        self.check()

    def until_open(self) -> None:
        """Wait as long as a thread waits for all.

        :raises ClientClosed: the client was closed.
        """
        with self._gate:
            if self._keeping_shut:
                began = time.monotonic()
                self._gate.wait_for(lambda: not self._keeping_shut or self._stopped.is_set())
                self._held.seconds = self.held + time.monotonic() - began
        self.check()

    def check(self) -> None:
        """:raises ClientClosed: the client was closed."""
        if self._stopped.is_set():
            raise client_closed()

    def stop(self) -> None:
        """End all waits, for good."""
        self._stopped.set()
        with self._gate:
            self._gate.notify_all()

    @contextmanager
    def _counted(self, seconds: float) -> Iterator[None]:
        """Count a wait, and one that overlaps with another only as far as it is longer."""
        with self._gate:
            now = time.monotonic()
            if not self._asleep:
                self._fell_asleep_at = self._wakes_at = now
            self._asleep += 1
            self._wakes_at = max(self._wakes_at, now + seconds)
        try:
            yield
        finally:
            with self._gate:
                self._asleep -= 1
                if not self._asleep:
                    woke = time.monotonic() if self._stopped.is_set() else self._wakes_at
                    self._seconds += woke - self._fell_asleep_at

    @contextmanager
    def _shut_for_others(self, seconds: float) -> Iterator[None]:
        with self._gate:
            opens_at = time.monotonic() + seconds
            self._opens_at = max(self._opens_at, opens_at) if self._keeping_shut else opens_at
            self._keeping_shut += 1
        try:
            yield
        finally:
            with self._gate:
                self._keeping_shut -= 1
                self._gate.notify_all()


class Exchange:
    """Gets what lies at URLs of one provider, as somebody the provider knows. Safe to use from many threads."""

    def __init__(
        self,
        connection: OneRosterConnection,
        version: Version,
        transport: Transport,
        retry: Retry,
        waits: BackoffGate,
        *,
        demographics: bool,
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._retry = retry
        self._waits = waits
        self._auth = auth_for(connection, version, demographics=demographics, send=self._send_form)
        self._extra_headers = {**connection.headers, **connection.secret_headers}
        #: Paths that were answered once: what is refused there later was shared before.
        self._opened: set[str] = set()

    def sign_in(self) -> None:
        """Have a token, where that is how one signs in.

        :raises RetryableError: the Token URL did not answer as it should.
        :raises OneRosterError: it refused.
        """
        self._auth.prepare()

    def has_scope(self, scope: str) -> bool | None:
        """Whether a scope such as `roster.readonly` is ours; None where nobody can tell, as without OAuth 2."""
        return self._auth.has_scope(scope)

    def get(
        self,
        url: str,
        read: Callable[[Response], T],
        *,
        retry: Retry | None = None,
        lighter: Callable[[], str | None] | None = None,
    ) -> T:
        """What `read` makes of the answer, which is 200 or 204.

        :param read: may raise RetryableError, for an answer that was cut off.
        :param lighter: asked when the request failed twice as if it were too heavy: the URL of a lighter one, if any.
            Patience then starts over; the steps of the back-off go on growing, for it may be an outage.
        :raises OneRosterError: refused at once (4xx), given up after trying again, or the client was closed.
        """
        retry = retry or self._retry
        first = began = self._own_time()
        tried = heavy = 0
        while True:
            tried += 1
            try:
                return read(self._answer(url))
            except RetryableError as trouble:
                heavy += trouble.heavy
                if lighter is not None and heavy >= _TOO_HEAVY_AFTER and (less := lighter()) is not None:
                    url, heavy, began = less, 0, self._own_time()
                seconds = retry.wait(tried, self._own_time() - began, trouble.retry_after)
                if seconds is None:
                    raise _gave_up(trouble, tried, self._own_time() - first) from None
                for_all = trouble.code == "provider_busy"
                if for_all and not self._waits.shut:
                    log.info("%s; waiting %.0f seconds", trouble.reason, seconds)
            self._waits.sleep(seconds, for_all=for_all, sleep=retry.sleep)

    def _own_time(self) -> float:
        """A clock that stops while this thread waits for a pause that another thread makes."""
        return time.monotonic() - self._waits.held

    def _answer(self, url: str) -> Response:
        path = urlsplit(url).path
        for renewals in range(1 + _MOST_RENEWALS):
            answer, sent = self._exchange(url)
            if not self._may_be_the_token(answer, path, renewals):
                break
            if not self._auth.renew(sent, answer, again=renewals > 0):
                break
        if answer.status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
            self._opened.add(path)
            self._auth.worked(sent)
            return answer
        raise retryable_error(answer) or refusal(answer, self._connection)

    def _may_be_the_token(self, answer: Response, path: str, renewals: int) -> bool:
        """Whether a refusal may be about a token that ended. 401 says so; gateways answer 403, with or without a word.

        Without a word it is believed once, of a token that had opened something; a firewall's page is not one, unless
        this very path was open before.
        """
        if answer.status != HTTPStatus.FORBIDDEN:
            return answer.status == HTTPStatus.UNAUTHORIZED
        if reports_expired_token(answer):
            return True
        return renewals == 0 and (path in self._opened or (self._auth.has_opened and not is_web_page(answer)))

    def _exchange(self, url: str) -> tuple[Response, dict[str, str]]:
        """The answer to a signed request, and the headers it was signed with."""
        for _ in range(1 + _MOST_REDIRECTS):
            answer, sent = self._send_signed(url)
            target = _redirected(answer)
            if target is None:
                break
            url = target
        return answer, sent

    def _send_signed(self, url: str) -> tuple[Response, dict[str, str]]:
        while True:
            self._waits.until_open()
            self.sign_in()
            with self._transport.slot(url):
                if self._waits.shut:
                    continue  # the provider asked all to wait while this thread stood in the queue
                sent = self._auth.headers("GET", url)
                headers = {"Accept": "application/json", **self._headers_for(url), **sent}
                return self._transport.send("GET", url, headers), sent

    def _send_form(self, url: str, headers: Mapping[str, str], form: Mapping[str, str]) -> Response:
        """A token request. It holds the secret, so it follows one redirect at most, and only to the same origin."""
        with self._transport.slot(url):
            answer = self._transport.send("POST", url, {**self._headers_for(url), **headers}, form)
            target = _redirected(answer)
            if target is None:
                return answer
            return self._transport.send("POST", target, {**self._headers_for(target), **headers}, form)

    def _headers_for(self, url: str) -> dict[str, str]:
        return self._extra_headers if _same_origin(url, self._connection.base_url) else {}


def _redirected(answer: Response) -> str | None:
    """Where a redirect leads, if it stays with the same scheme, host and port."""
    target = urljoin(answer.url, answer.headers.get("Location", ""))
    return target if answer.status in _REDIRECTS and _same_origin(answer.url, target) else None


def _same_origin(one: str, other: str) -> bool:
    a, b = urlsplit(one), urlsplit(other)
    return (a.scheme, a.hostname, a.port) == (b.scheme, b.hostname, b.port)


def _gave_up(trouble: RetryableError, tried: int, seconds: float) -> OneRosterError:
    if trouble.becomes is not None:
        return trouble.becomes
    times = "once" if tried == 1 else f"{tried} times in {seconds:.0f} seconds"
    asks = f" It asks to wait {trouble.retry_after:.0f} seconds." if trouble.retry_after else ""
    return ProviderUnavailable(
        trouble.code,
        f"No usable answer: {trouble.reason}; tried {times}.{asks}",
        remedy="Nothing was changed. Run again later; if it stays, check the Base URL's host and ask its operator.",
    )
