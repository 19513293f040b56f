"""A data request from beginning to end: slot, signature, redirects, renewed tokens, retries, refusals."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from include.oneroster.auth import auth_for
from include.oneroster.connection import OneRosterConnection, Version
from include.oneroster.errors import OneRosterError, ProviderUnavailable
from include.oneroster.refusals import refusal, try_again
from include.oneroster.retry import Retry, TryAgain
from include.oneroster.transport import Answer, Transport
from include.oneroster.waits import Waits

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
        waits: Waits,
        *,
        demographics: bool,
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._retry = retry
        self._waits = waits
        self._auth = auth_for(connection, version, demographics=demographics, send=self._send_form)
        self._extra_headers = {**connection.headers, **connection.secret_headers}

    def sign_in(self) -> None:
        """Have a token, where that is how one signs in.

        :raises TryAgain: the Token URL did not answer as it should.
        :raises OneRosterError: it refused.
        """
        self._auth.prepare()

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
            Patience then begins anew; the steps of the back-off go on growing, for it may be an outage.
        :raises OneRosterError: refused at once (4xx), given up after trying again, or the client was closed.
        """
        retry = retry or self._retry
        first = began = time.monotonic()
        tried = heavy = 0
        while True:
            tried += 1
            try:
                return read(self._answer(url))
            except TryAgain as trouble:
                heavy += trouble.heavy
                if lighter is not None and heavy >= _TOO_HEAVY_AFTER and (less := lighter()) is not None:
                    url, heavy, began = less, 0, time.monotonic()
                seconds = retry.wait(tried, time.monotonic() - began, trouble.retry_after)
                if seconds is None:
                    raise _gave_up(trouble, tried, time.monotonic() - first) from None
                for_all = trouble.code == "provider_busy"
            self._transport.waited(seconds)
            self._waits.sleep(seconds, for_all=for_all, sleep=retry.sleep)

    def _answer(self, url: str) -> Answer:
        for renewals in range(1 + _MOST_RENEWALS):
            answer, sent = self._exchange(url)
            if answer.status != HTTPStatus.UNAUTHORIZED or not self._auth.renew(sent, answer, again=renewals > 0):
                break
        if answer.status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
            return answer
        raise try_again(answer) or refusal(answer, self._connection)

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
