"""One keep-alive session to a provider: bounded, timed, counted.

A `slot` permits one request in flight. The client's budget grants slots per host, to token requests too. A thread signs
its request after it gets its slot, because an OAuth 1 timestamp must not age in the queue.
"""

from __future__ import annotations

import codecs
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3
from requests.structures import CaseInsensitiveDict

from rollcall.oneroster.addresses import is_loopback_host
from rollcall.oneroster.body import ACCEPTED_ENCODINGS, read_body
from rollcall.oneroster.errors import InvalidResponse, ProviderUnavailable, RetryableError
from rollcall.oneroster.limits import MAX_OTHER_BYTES, Limits, exceeded
from rollcall.oneroster.wire import BoundedAdapter, TooSlow, WireRules, wire_bytes

#: Python codecs that no server means. Some are slow on crafted input.
_REJECTED_CHARSETS = {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}

#: Defaults of servlet containers, declared even for UTF-8 bodies.
_DEFAULT_CHARSETS = {"iso8859-1", "cp1252"}


def as_utf8(content_type: str | None, body: bytes) -> bytes:
    """The body in UTF-8. Unchanged if no other charset is declared, or if the declared one cannot be correct.

    JSON is UTF-8 (RFC 8259, section 8.1), but some servers send ISO-8859-1 and declare it in `Content-Type`. Read as
    UTF-8, each person with an accented name would be lost. An unknown charset is ignored. Bytes that the charset does
    not contain are left to the record decoder, which rejects records that are not UTF-8. ISO-8859-1 is read as
    windows-1252, as browsers do (WHATWG Encoding, section 4.2): they differ only in control characters. A body declared
    ISO-8859-1 that is valid UTF-8 is UTF-8: accented ISO-8859-1 text is never valid UTF-8 by chance.
    """
    name = _declared_charset(content_type)
    if name in (None, "utf-8", "ascii"):
        return body
    if name not in _DEFAULT_CHARSETS:
        return _transcode(body, str(name)) or body
    if body.isascii() or _transcode(body, "utf-8") is not None:
        return body
    return _transcode(body, "cp1252") or body.decode("iso8859-1").encode()


def _transcode(body: bytes, name: str) -> bytes | None:
    try:
        return body.decode(name).encode()
    except UnicodeError:
        return None


def _declared_charset(content_type: str | None) -> str | None:
    """Python's name of the declared charset, if it is a text encoding."""
    if not content_type or "charset" not in content_type.lower():
        return None
    message = Message()
    try:
        message["Content-Type"] = content_type
        codec = codecs.lookup(message.get_content_charset() or "")
        is_text = codec._is_text_encoding
    except (LookupError, ValueError):  # unknown or missing charset
        return None
    return codec.name if is_text and codec.name.replace("_", "-") not in _REJECTED_CHARSETS else None


#: Passed for loopback. requests would otherwise use a proxy of the environment.
_NO_PROXY = {"http": "", "https": "", "all": ""}


class Budget(Protocol):
    """Limits the requests in flight (rule 7). Infinite Campus allows five per host off-peak and one in peak hours."""

    def slot(self, host: str) -> AbstractContextManager[None]:
        """Hold a slot for one request, token requests included. Waits until one is free.

        A thread never holds two.

        :param host: host name, without port.
        """


class LocalBudget:
    """A fixed number of requests in flight per host, counted in this process only."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._hosts: dict[str, threading.BoundedSemaphore] = {}

    @contextmanager
    def slot(self, host: str) -> Iterator[None]:
        with self._lock:
            semaphore = self._hosts.setdefault(host, threading.BoundedSemaphore(self._concurrency))
        with semaphore:
            yield


class Usage(msgspec.Struct, frozen=True):
    """Load on the provider.

    :param requests: token requests included.
    :param requests_in_peak: requests in the district's peak hours.
    :param bytes_received: as transferred, before decompression.
    :param most_at_once: highest number of requests in flight.
    :param seconds_waited: seconds in which at least one thread waited to retry. Parallel waits count once.
    """

    requests: int = 0
    requests_in_peak: int = 0
    token_requests: int = 0
    bytes_received: int = 0
    most_at_once: int = 0
    seconds_waited: float = 0.0


@dataclass(frozen=True)
class Response:
    """A complete response. Its body is UTF-8, whatever encoding it declared.

    Its `repr` has no body and no headers: both may hold data that must not be logged.
    """

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Response(status={self.status}, bytes={len(self.body)})"


class Transport:
    """Sends single requests from any number of threads.

    :param budget: grants the slots.
    :param concurrency: connections kept alive.
    :param timeout: seconds to connect, and seconds of silence while reading.
    :param check_open: raises ClientClosed once the client is closed.
    :param limits: the bounds on responses.
    :param allow_private: whether private and link-local addresses may be connected to.
    """

    def __init__(
        self,
        *,
        budget: Budget,
        concurrency: int,
        timeout: tuple[float, float],
        check_open: Callable[[], None],
        limits: Limits,
        allow_private: bool,
    ) -> None:
        self._budget = budget
        self._timeout = timeout
        self._check_open = check_open
        self._limits = limits
        self._began: float | None = None
        self._lock = threading.Lock()
        self._usage = Usage()
        self._in_flight = 0
        # One session for all threads: its pool and cookies are locked, and nothing else of it changes.
        self._session = _Session()
        self._session.headers["User-Agent"] = "Rollcall (OneRoster client)"
        self._session.headers["Accept-Encoding"] = ACCEPTED_ENCODINGS
        # Otherwise a .netrc file on this machine would replace our secret.
        self._session.auth = _keep_auth
        rules = WireRules(allow_private, wire_bytes(self._limits.page_bytes), float(self._limits.page_seconds))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, BoundedAdapter(rules, connections=concurrency))

    @property
    def usage(self) -> Usage:
        with self._lock:
            return self._usage

    @contextmanager
    def slot(self, url: str) -> Iterator[None]:
        """Permission for one request to the URL's host.

        :raises ClientClosed: the client was closed during the wait.
        """
        with self._budget.slot(urlsplit(url).hostname or ""):
            self._check_open()
            yield

    def send(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None = None
    ) -> Response:
        """Send one request in the caller's slot and read the whole response. Redirects are not followed.

        :param form: form of a token request.
        :raises RetryableError: no connection, a time-out, or a response that was cut off.
        :raises ProviderUnavailable: the host's certificate is not trusted.
        :raises InvalidResponse: the response exceeds a bound.
        :raises ConnectionInvalid: `address_private`.
        :raises ClientClosed: the client was closed.
        """
        host = urlsplit(url).netloc
        self._check_hours()
        self._begin(token=form is not None)
        received = 0
        proxies = _NO_PROXY if is_loopback_host(urlsplit(url).hostname or "") else None
        try:
            with self._session.request(
                method,
                url,
                headers=headers,
                data=form,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
                proxies=proxies,
            ) as response:
                body = self._read(response, host, is_page=form is None and response.status_code == HTTPStatus.OK)
                received = response.raw.tell()
                body = as_utf8(response.headers.get("Content-Type"), body)
                return Response(response.status_code, url, CaseInsensitiveDict(response.headers), body)
        except requests.exceptions.SSLError:
            raise ProviderUnavailable(
                "tls_failed",
                f"The TLS certificate of {host} is not valid for {host}.",
                remedy="Its operator must renew the certificate. Do not bypass this: it would expose the secret.",
            ) from None
        except TooSlow as error:  # a smaller page may be in time
            raise RetryableError(error.message, code=error.code, heavy=True, becomes=error) from None
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
            raise RetryableError(f"{host} did not respond in time", code="provider_timeout", heavy=True) from None
        except urllib3.exceptions.HTTPError:  # raised while reading; requests does not translate it
            raise RetryableError(f"the response of {host} was cut off", code="answer_cut_off") from None
        except requests.exceptions.ConnectionError as error:
            raise RetryableError(_unreachable(host, error), code="provider_unreachable") from None
        except requests.exceptions.RequestException as error:
            raise InvalidResponse(
                "request_impossible",
                f"The request to {host} is invalid ({type(error).__name__}).",
                remedy="Check the URLs and headers of the connection.",
            ) from None
        except (ValueError, OverflowError, LookupError) as error:  # libraries that parse headers and cookies
            raise InvalidResponse(
                "headers_unusable",
                f"{host} sent headers that cannot be read ({type(error).__name__}).",
                remedy="Ask the provider's support why it sends them.",
            ) from None
        finally:
            self._end(received)

    @property
    def requests_in_flight(self) -> int:
        """Requests in flight now."""
        return self._in_flight

    def close(self) -> None:
        self._session.close()

    def _read(self, response: requests.Response, host: str, *, is_page: bool) -> bytes:
        return read_body(
            response.raw,
            response.headers.get("Content-Encoding", ""),
            host=host,
            max_bytes=self._limits.page_bytes if is_page else min(MAX_OTHER_BYTES, self._limits.page_bytes),
            setting="max_page_mb" if is_page else "",
            check=self._check_open,
        )

    def _check_hours(self) -> None:
        """:raises InvalidResponse: `pull_too_long`."""
        now = time.perf_counter()
        self._began = self._began or now
        if now - self._began > self._limits.hours * 3600:
            raise exceeded(
                "pull_too_long",
                f"This pull has not ended after {(now - self._began) / 3600:.1f} hours and {self._usage.requests:,} "
                "requests",
                f"{self._limits.hours} hours",
                "max_hours",
            )

    def _begin(self, *, token: bool) -> None:
        with self._lock:
            self._in_flight += 1
            self._usage = msgspec.structs.replace(
                self._usage,
                requests=self._usage.requests + 1,
                token_requests=self._usage.token_requests + token,
                most_at_once=max(self._usage.most_at_once, self._in_flight),
            )

    def _end(self, received: int) -> None:
        with self._lock:
            self._in_flight -= 1
            self._usage = msgspec.structs.replace(self._usage, bytes_received=self._usage.bytes_received + received)


class _Session(requests.Session):
    """A session that does not look at redirects. requests would parse `Location` and read the whole body for it."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - interface
        return None


def _keep_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _unreachable(host: str, error: requests.exceptions.ConnectionError) -> str:
    """The reason, in words. The exception's own text contains the whole URL."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return f"this machine's DNS does not know the host {host}"
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return f"{host} could not be reached"
    return f"{host} closed the connection"
