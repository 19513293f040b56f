"""A data request from beginning to end: slot, signature, redirects, one renewed token, retries, refusals."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from include.oneroster.auth import auth_for
from include.oneroster.connection import OneRosterConnection, Version
from include.oneroster.errors import ProviderUnavailable
from include.oneroster.refusals import refusal, try_again
from include.oneroster.retry import Retry, TryAgain
from include.oneroster.transport import Answer, Transport

T = TypeVar("T")

_MOST_REDIRECTS = 3
_REDIRECTS = {301, 302, 303, 307, 308}


class Exchange:
    """Gets what lies at URLs of one provider, as somebody the provider knows. Safe to use from many threads."""

    def __init__(
        self,
        connection: OneRosterConnection,
        version: Version,
        transport: Transport,
        retry: Retry,
        *,
        demographics: bool,
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._retry = retry
        self._auth = auth_for(connection, version, demographics=demographics, send=self._send_form)
        self._extra_headers = {**connection.headers, **connection.secret_headers}

    def get(self, url: str, read: Callable[[Answer], T], *, retry: Retry | None = None) -> T:
        """What `read` makes of the answer, which is 200 or 204.

        :param read: may raise TryAgain, for an answer that was cut off.
        :raises OneRosterError: refused at once (4xx), or given up after trying again.
        """
        retry = retry or self._retry
        began, tried = time.monotonic(), 0
        while True:
            tried += 1
            try:
                return read(self._answer(url))
            except TryAgain as trouble:
                seconds = retry.wait(tried, time.monotonic() - began, trouble.retry_after)
                if seconds is None:
                    raise _gave_up(trouble, tried, time.monotonic() - began) from None
            retry.sleep(seconds)
            self._transport.waited(seconds)

    def _answer(self, url: str) -> Answer:
        answer, sent = self._exchange(url)
        if answer.status == HTTPStatus.UNAUTHORIZED and self._auth.renew(sent):
            answer, _ = self._exchange(url)
        if answer.status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
            return answer
        raise try_again(answer) or refusal(answer, self._connection)

    def _exchange(self, url: str) -> tuple[Answer, dict[str, str]]:
        """The answer to a signed request, and the headers it was signed with."""
        for _ in range(1 + _MOST_REDIRECTS):
            with self._transport.slot():
                sent = self._auth.headers("GET", url)
                headers = {"Accept": "application/json", **self._headers_for(url), **sent}
                answer = self._transport.send("GET", url, headers)
            target = urljoin(url, answer.headers.get("Location", ""))
            if answer.status not in _REDIRECTS or not _same_origin(url, target):
                break
            url = target
        return answer, sent

    def _send_form(self, url: str, headers: Mapping[str, str], form: Mapping[str, str]) -> Answer:
        return self._transport.send("POST", url, {**self._headers_for(url), **headers}, form)

    def _headers_for(self, url: str) -> dict[str, str]:
        return self._extra_headers if _same_origin(url, self._connection.base_url) else {}


def _same_origin(one: str, other: str) -> bool:
    a, b = urlsplit(one), urlsplit(other)
    return (a.scheme, a.hostname, a.port) == (b.scheme, b.hostname, b.port)


def _gave_up(trouble: TryAgain, tried: int, seconds: float) -> ProviderUnavailable:
    times = "once" if tried == 1 else f"{tried} times in {seconds:.0f} seconds"
    asks = f" It asks to wait {trouble.retry_after:.0f} seconds." if trouble.retry_after else ""
    return ProviderUnavailable(
        trouble.code,
        f"No usable answer: {trouble.reason}; tried {times}.{asks}",
        remedy="Nothing was changed. Run again later; if it stays, check the Base URL's host and ask its operator.",
    )
