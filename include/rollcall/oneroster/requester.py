"""A data request from start to end: back-off, slot, signature, redirects, renewed tokens, retries, refusals.

A 429 is about the whole client. While one thread waits because of a 429, no other thread starts a request. Closing the
client ends all waits. Otherwise a pull that failed in one collection would sit out the back-off of the others.

Parallel waits count once: their seconds are not added up. A thread that waits because of another thread's 429 does not
use up its own patience.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlsplit

from rollcall.oneroster.auth import auth_for
from rollcall.oneroster.connection import OneRosterConnection, Version
from rollcall.oneroster.errors import OneRosterError, ProviderUnavailable, RetryableError, client_closed
from rollcall.oneroster.http import Response, Transport
from rollcall.oneroster.refusals import (
    is_web_page,
    redirect_url,
    refusal,
    reports_expired_token,
    retryable_error,
)
from rollcall.runtime.waits import duration, waiting

log = logging.getLogger(__name__)

T = TypeVar("T")

_MAX_REDIRECTS = 3
_REDIRECTS = {301, 302, 303, 307, 308}

#: Per request. Threads share tokens, so the next token may expire before a thread uses it.
_MAX_RENEWALS = 5

#: Failures of a heavy request before it is replaced by a smaller one.
_MAX_HEAVY_FAILURES = 2


@dataclass(frozen=True)
class Retry:
    """Exponential back-off with full jitter: each wait is between zero and its step.

    Patience counts time, not attempts. A request is given up only when its first attempt is `patience` seconds old, so
    the defaults outlast an outage of five minutes in any case.

    :param attempts: maximum number of requests, the first included. None: no maximum.
    :param first_wait: the first step, in seconds. Each step doubles, up to `longest_wait`.
    :param patience: seconds after the first attempt in which a retry may start. A longer `Retry-After` is not waited
        for.
    :param sleep: replaces the client's own wait, which ends when the client is closed.
    """

    attempts: int | None = None
    first_wait: float = 1.0
    longest_wait: float = 60.0
    patience: float = 330.0
    sleep: Callable[[float], None] | None = None

    def wait(self, attempts: int, elapsed: float, retry_after: float | None = None) -> float | None:
        """Seconds to wait after `attempts` attempts and `elapsed` seconds. None: give up."""
        if (self.attempts is not None and attempts >= self.attempts) or elapsed >= self.patience:
            return None
        if retry_after is not None:
            if elapsed + retry_after > self.patience:
                return None
            # Never earlier than the provider asks, and not all clients at the same moment.
            return retry_after + random.uniform(0, self.first_wait)  # noqa: S311 - spreads requests, guards nothing
        step = min(self.longest_wait, self.first_wait * 2.0 ** min(attempts - 1, 16))
        return random.uniform(0, step)  # noqa: S311


class BackoffGate:
    """The waits of all threads of a client. A pause keeps other threads from starting a request."""

    def __init__(self) -> None:
        self._closed = threading.Event()
        self._condition = threading.Condition()
        self._pauses = 0
        self._pause_ends_at = 0.0
        self._waiters = 0
        self._wait_began_at = self._wait_ends_at = 0.0
        self._seconds = 0.0
        self._local = threading.local()

    @property
    def is_paused(self) -> bool:
        """Whether a thread pauses all."""
        return self._pauses > 0

    @property
    def seconds(self) -> float:
        """Seconds in which at least one thread waited."""
        return self._seconds

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the pause ends. None: no pause."""
        with self._condition:
            return max(0.0, self._pause_ends_at - time.monotonic()) if self._pauses else None

    @property
    def seconds_paused(self) -> float:
        """Seconds that this thread has waited for pauses of other threads."""
        return getattr(self._local, "seconds", 0.0)

    def sleep(self, seconds: float, *, pause_all: bool, sleep: Callable[[float], None] | None = None) -> None:
        """Wait. Closing the client ends the wait.

        :param pause_all: no other thread starts a request meanwhile.
        :param sleep: replaces the wait, for tests.
        :raises ClientClosed: the client was closed.
        """
        with self._counted(seconds):
            if pause_all:
                with self._paused(seconds):
                    (sleep or self._closed.wait)(seconds)
            else:
                (sleep or self._closed.wait)(seconds)
        self.check()

    def wait_until_open(self) -> None:
        """Wait until no thread pauses all.

        :raises ClientClosed: the client was closed.
        """
        with self._condition:
            if self._pauses:
                began = time.monotonic()
                self._condition.wait_for(lambda: not self._pauses or self._closed.is_set())
                self._local.seconds = self.seconds_paused + time.monotonic() - began
        self.check()

    def check(self) -> None:
        """:raises ClientClosed: the client was closed."""
        if self._closed.is_set():
            raise client_closed()

    def close(self) -> None:
        """End all waits, permanently."""
        self._closed.set()
        with self._condition:
            self._condition.notify_all()

    @contextmanager
    def _counted(self, seconds: float) -> Iterator[None]:
        """Count a wait. A wait that overlaps with another one counts only where it is longer."""
        with self._condition:
            now = time.monotonic()
            if not self._waiters:
                self._wait_began_at = self._wait_ends_at = now
            self._waiters += 1
            self._wait_ends_at = max(self._wait_ends_at, now + seconds)
        try:
            yield
        finally:
            with self._condition:
                self._waiters -= 1
                if not self._waiters:
                    ended_at = time.monotonic() if self._closed.is_set() else self._wait_ends_at
                    self._seconds += ended_at - self._wait_began_at

    @contextmanager
    def _paused(self, seconds: float) -> Iterator[None]:
        with self._condition:
            ends_at = time.monotonic() + seconds
            self._pause_ends_at = max(self._pause_ends_at, ends_at) if self._pauses else ends_at
            self._pauses += 1
        try:
            yield
        finally:
            with self._condition:
                self._pauses -= 1
                self._condition.notify_all()


class Requester:
    """Sends authenticated GET requests to one provider. Safe to use from many threads."""

    def __init__(
        self,
        connection: OneRosterConnection,
        version: Version,
        transport: Transport,
        retry: Retry,
        gate: BackoffGate,
        *,
        demographics: bool,
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._retry = retry
        self._gate = gate
        self._auth = auth_for(connection, version, demographics=demographics, send=self._send_form)
        self._extra_headers = {**connection.headers, **connection.secret_headers}
        #: Paths that succeeded once. A later refusal of such a path is not about what the district shares.
        self._accepted_paths: set[str] = set()

    def sign_in(self) -> None:
        """Get a token, if the connection uses tokens.

        :raises RetryableError: the Token URL failed in a way that may pass.
        :raises OneRosterError: the Token URL refused.
        """
        self._auth.prepare()

    def has_scope(self, scope: str) -> bool | None:
        """Whether a scope such as `roster.readonly` was granted. None: unknown, as without OAuth 2."""
        return self._auth.has_scope(scope)

    def get(
        self,
        url: str,
        read: Callable[[Response], T],
        *,
        retry: Retry | None = None,
        smaller_request: Callable[[], str | None] | None = None,
    ) -> T:
        """Request a URL and read its response, whose status is 200 or 204.

        :param read: may raise RetryableError for a response that was cut off.
        :param smaller_request: called after two failures that suggest a heavy request. Returns the URL of a smaller
            request, if there is one. Patience then starts over. The back-off keeps growing, because it may be an
            outage.
        :raises OneRosterError: refused (4xx), given up after retries, or the client was closed.
        """
        retry = retry or self._retry
        first = began = self._own_time()
        attempts = heavy_failures = 0

        def outlook() -> str:
            left = retry.patience - (self._own_time() - began)
            return f"attempt {attempts}, {f'gives up in about {duration(left)}' if left > 0 else 'the last one'}"

        while True:
            attempts += 1
            try:
                with waiting(f"{_name(url)}: no complete answer from the provider", outlook):
                    response = self._authorized(url)
                return read(response)
            except RetryableError as error:
                heavy_failures += error.heavy
                if (
                    smaller_request is not None
                    and heavy_failures >= _MAX_HEAVY_FAILURES
                    and (smaller := smaller_request()) is not None
                ):
                    url, heavy_failures, began = smaller, 0, self._own_time()
                seconds = retry.wait(attempts, self._own_time() - began, error.retry_after)
                if seconds is None:
                    raise _final_error(error, attempts, self._own_time() - first) from None
                pause_all = error.code == "provider_busy"
                if pause_all and not self._gate.is_paused:
                    log.info("%s; waiting %.0f seconds", error.reason, seconds)
                what = f"{_name(url)}: waiting, because {error.reason},"
                next_at = time.monotonic() + seconds
            with waiting(what, lambda at=next_at: f"next in {duration(at - time.monotonic())}; {outlook()}"):  # type: ignore[misc]
                self._gate.sleep(seconds, pause_all=pause_all, sleep=retry.sleep)

    def _own_time(self) -> float:
        """A clock that stops while this thread waits for another thread's pause."""
        return time.monotonic() - self._gate.seconds_paused

    def _authorized(self, url: str) -> Response:
        path = urlsplit(url).path
        for renewals in range(1 + _MAX_RENEWALS):
            response, auth_headers = self._follow_redirects(url)
            if not self._may_be_expired_token(response, path, renewals):
                break
            if not self._auth.renew(auth_headers, response, again=renewals > 0):
                break
        if response.status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
            self._accepted_paths.add(path)
            self._auth.confirm(auth_headers)
            return response
        raise retryable_error(response) or refusal(response, self._connection)

    def _may_be_expired_token(self, response: Response, path: str, renewals: int) -> bool:
        """Whether a refusal may mean an expired token: a 401, or a gateway's 403, with or without an explanation.

        A 403 without an explanation counts once, and only for a token that worked before. A firewall's page does not
        count, except for a path that succeeded before.
        """
        if response.status != HTTPStatus.FORBIDDEN:
            return response.status == HTTPStatus.UNAUTHORIZED
        if reports_expired_token(response):
            return True
        return renewals == 0 and (path in self._accepted_paths or (self._auth.has_worked and not is_web_page(response)))

    def _follow_redirects(self, url: str) -> tuple[Response, dict[str, str]]:
        """The response to a signed request, and the headers that signed it."""
        for _ in range(1 + _MAX_REDIRECTS):
            response, auth_headers = self._send_signed(url)
            target = _redirect_target(response)
            if target is None:
                break
            url = target
        return response, auth_headers

    def _send_signed(self, url: str) -> tuple[Response, dict[str, str]]:
        while True:
            with waiting("waiting, because the provider asked for fewer requests,", self._pause_outlook):
                self._gate.wait_until_open()
            self.sign_in()
            with self._slot(url):
                if self._gate.is_paused:
                    continue  # a pause began while this thread waited for its slot
                auth_headers = self._auth.headers("GET", url)
                headers = {"Accept": "application/json", **self._headers_for(url), **auth_headers}
                return self._transport.send("GET", url, headers), auth_headers

    def _send_form(self, url: str, headers: Mapping[str, str], form: Mapping[str, str]) -> Response:
        """A token request. It holds the secret, so it follows one redirect at most, and only to the same origin."""
        with self._slot(url), waiting("no answer from the Token URL"):
            response = self._transport.send("POST", url, {**self._headers_for(url), **headers}, form)
            target = _redirect_target(response)
            if target is None:
                return response
            return self._transport.send("POST", target, {**self._headers_for(target), **headers}, form)

    @contextmanager
    def _slot(self, url: str) -> Iterator[None]:
        """A slot for one request. Only the wait for it is reported, not the request."""
        with ExitStack() as stack:
            with waiting(f"waiting for other requests to {urlsplit(url).hostname} to end"):
                stack.enter_context(self._transport.slot(url))
            yield

    def _pause_outlook(self) -> str:
        left = self._gate.seconds_left
        return "" if left is None else f"next attempt in {duration(left)}"

    def _headers_for(self, url: str) -> dict[str, str]:
        return self._extra_headers if _same_origin(url, self._connection.base_url) else {}


def _name(url: str) -> str:
    """The collection that a URL asks for, such as `users`. A path may hold an ID, so only letters are repeated."""
    name = urlsplit(url).path.rpartition("/")[2]
    return name if name.isalpha() else "the provider"


def _redirect_target(response: Response) -> str | None:
    """The target of a redirect with the same scheme, host, and port. None: no redirect, or one we do not follow."""
    if response.status not in _REDIRECTS:
        return None
    target = redirect_url(response)
    if target is None or "@" in target.netloc or not _same_origin(response.url, target.geturl()):
        return None
    return target.geturl()


def _same_origin(one: str, other: str) -> bool:
    a, b = urlsplit(one), urlsplit(other)
    return (a.scheme, a.hostname, a.port) == (b.scheme, b.hostname, b.port)


def _final_error(error: RetryableError, attempts: int, seconds: float) -> OneRosterError:
    if error.becomes is not None:
        return error.becomes
    times = "once" if attempts == 1 else f"{attempts} times in {seconds:.0f} seconds"
    wait = f" It asks to wait {error.retry_after:.0f} seconds." if error.retry_after else ""
    return ProviderUnavailable(
        error.code,
        f"No usable response: {error.reason}; tried {times}.{wait}",
        remedy="Nothing was changed. Run again later. If it fails again, check the Base URL and ask the provider.",
    )
