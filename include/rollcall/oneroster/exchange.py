"""A data request from beginning to end: slot, signature, redirects, renewed tokens, retries, refusals."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from rollcall.oneroster.auth import auth_for
from rollcall.oneroster.backoff import BackoffGate, Retry, TryAgain
from rollcall.oneroster.connection import OneRosterConnection, Version
from rollcall.oneroster.errors import OneRosterError, ProviderUnavailable
from rollcall.oneroster.http import Answer, Transport
from rollcall.oneroster.refusals import is_web_page, refusal, says_token_ended, try_again

log = logging.getLogger(__name__)

T = TypeVar("T")

_MOST_REDIRECTS = 3
_REDIRECTS = {301, 302, 303, 307, 308}

#: For one request: of tokens that threads share, the next one may have ended too before its turn comes.
_MOST_RENEWALS = 5

#: So often a request may fail as if it asked for too much, before it asks for less.
_TOO_HEAVY_AFTER = 2


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

        :raises TryAgain: the Token URL did not answer as it should.
        :raises OneRosterError: it refused.
        """
        self._auth.prepare()

    def may_use(self, scope: str) -> bool | None:
        """Whether a scope such as `roster.readonly` is ours; None where nobody can tell, as without OAuth 2."""
        return self._auth.has_scope(scope)

    def get(
        self,
        url: str,
        read: Callable[[Answer], T],
        *,
        retry: Retry | None = None,
        lighter: Callable[[], str | None] | None = None,
    ) -> T:
        """What `read` makes of the answer, which is 200 or 204.

        :param read: may raise TryAgain, for an answer that was cut off.
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
            except TryAgain as trouble:
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

    def _answer(self, url: str) -> Answer:
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
        raise try_again(answer) or refusal(answer, self._connection)

    def _may_be_the_token(self, answer: Answer, path: str, renewals: int) -> bool:
        """Whether a refusal may be about a token that ended. 401 says so; gateways answer 403, with or without a word.

        Without a word it is believed once, of a token that had opened something; a firewall's page is not one, unless
        this very path was open before.
        """
        if answer.status != HTTPStatus.FORBIDDEN:
            return answer.status == HTTPStatus.UNAUTHORIZED
        if says_token_ended(answer):
            return True
        return renewals == 0 and (path in self._opened or (self._auth.has_opened and not is_web_page(answer)))

    def _exchange(self, url: str) -> tuple[Answer, dict[str, str]]:
        """The answer to a signed request, and the headers it was signed with."""
        for _ in range(1 + _MOST_REDIRECTS):
            answer, sent = self._send_signed(url)
            target = _redirected(answer)
            if target is None:
                break
            url = target
        return answer, sent

    def _send_signed(self, url: str) -> tuple[Answer, dict[str, str]]:
        while True:
            self._waits.until_open()
            self.sign_in()
            with self._transport.slot(url):
                if self._waits.shut:
                    continue  # the provider asked all to wait while this thread stood in the queue
                sent = self._auth.headers("GET", url)
                headers = {"Accept": "application/json", **self._headers_for(url), **sent}
                return self._transport.send("GET", url, headers), sent

    def _send_form(self, url: str, headers: Mapping[str, str], form: Mapping[str, str]) -> Answer:
        """A token request. It holds the secret, so it follows one redirect at most, and only to the same origin."""
        with self._transport.slot(url):
            answer = self._transport.send("POST", url, {**self._headers_for(url), **headers}, form)
            target = _redirected(answer)
            if target is None:
                return answer
            return self._transport.send("POST", target, {**self._headers_for(target), **headers}, form)

    def _headers_for(self, url: str) -> dict[str, str]:
        return self._extra_headers if _same_origin(url, self._connection.base_url) else {}


def _redirected(answer: Answer) -> str | None:
    """Where a redirect leads, if it stays with the same scheme, host and port."""
    target = urljoin(answer.url, answer.headers.get("Location", ""))
    return target if answer.status in _REDIRECTS and _same_origin(answer.url, target) else None


def _same_origin(one: str, other: str) -> bool:
    a, b = urlsplit(one), urlsplit(other)
    return (a.scheme, a.hostname, a.port) == (b.scheme, b.hostname, b.port)


def _gave_up(trouble: TryAgain, tried: int, seconds: float) -> OneRosterError:
    if trouble.becomes is not None:
        return trouble.becomes
    times = "once" if tried == 1 else f"{tried} times in {seconds:.0f} seconds"
    asks = f" It asks to wait {trouble.retry_after:.0f} seconds." if trouble.retry_after else ""
    return ProviderUnavailable(
        trouble.code,
        f"No usable answer: {trouble.reason}; tried {times}.{asks}",
        remedy="Nothing was changed. Run again later; if it stays, check the Base URL's host and ask its operator.",
    )
