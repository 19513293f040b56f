"""One keep-alive session to a provider: bounded, timed, counted. What an answer means is for others to say.

A `slot` is the permission to have one request in flight; the client's budget gives it, by host, to token requests as to
all others. A thread signs its request after it has its slot, so that no OAuth 1 timestamp grows old in the queue.
"""

from __future__ import annotations

import codecs
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import Protocol
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from rollcall.oneroster.errors import InvalidResponse, ProviderUnavailable, RetryableError

# The encoding an answer declares, and its body in UTF-8, which everything after the transport expects.
#
# JSON is UTF-8 (RFC 8259, section 8.1), but servers exist that write ISO-8859-1 and say so in `Content-Type`; read as
# UTF-8, each person with an accent in the name would be lost.

#: Python's own escapes and name codings: no server means them, and some are slow on purpose-made input.
_NO_CHARSETS = {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}

#: What servlet containers declare where nobody configured them, also above UTF-8.
_DECLARED_BY_DEFAULT = {"iso8859-1", "cp1252"}


def as_utf8(content_type: str | None, body: bytes) -> bytes:
    """The body in UTF-8; as it came where nothing else is declared, or where the declaration cannot be right.

    A name nobody knows says nothing. Bytes that the declared encoding does not have are left for the decoder of
    records, which sets aside the records that are not UTF-8. ISO-8859-1 is read as windows-1252, as the web does
    (WHATWG Encoding, section 4.2): the two differ in control characters that no name has. Where it is declared and the
    body is UTF-8 to its last byte, the body is UTF-8: no text in ISO-8859-1 with an accent in it is that by chance.
    """
    name = _declared(content_type)
    if name in (None, "utf-8", "ascii"):
        return body
    if name not in _DECLARED_BY_DEFAULT:
        return _decoded(body, str(name)) or body
    if body.isascii() or _decoded(body, "utf-8") is not None:
        return body
    return _decoded(body, "cp1252") or body.decode("iso8859-1").encode()


def _decoded(body: bytes, name: str) -> bytes | None:
    try:
        return body.decode(name).encode()
    except UnicodeError:
        return None


def _declared(content_type: str | None) -> str | None:
    """Python's name of the declared encoding, if it is one of text."""
    if not content_type or "charset" not in content_type.lower():
        return None
    message = Message()
    try:
        message["Content-Type"] = content_type
        found = codecs.lookup(message.get_content_charset() or "")
        is_text = found._is_text_encoding
    except (LookupError, ValueError):  # unknown, or no name at all
        return None
    return found.name if is_text and found.name.replace("_", "-") not in _NO_CHARSETS else None


_CHUNK = 1 << 18

#: A read time-out bounds the silence between two packets, not the answer; this many of them bound that.
_READ_TIMEOUTS_PER_ANSWER = 5


class Budget(Protocol):
    """Permission to have a request under way."""

    def slot(self, host: str) -> AbstractContextManager[None]:
        """Hold one for the length of one request, a token request like any other; waits until one is free.

        A thread never holds two.

        :param host: the machine's name, without port.
        """


class LocalBudget:
    """So many at once to each host, counted in this process alone."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._hosts: dict[str, threading.BoundedSemaphore] = {}

    @contextmanager
    def slot(self, host: str) -> Iterator[None]:
        with self._lock:
            places = self._hosts.setdefault(host, threading.BoundedSemaphore(self._concurrency))
        with places:
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
    """A complete answer, its body in UTF-8 whatever encoding it declared.

    Its `repr` has no body and no header, for both may hold what no log may.
    """

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Response(status={self.status}, bytes={len(self.body)})"


class Transport:
    """Sends single requests from any number of threads.

    :param budget: gives the slots.
    :param concurrency: connections kept alive.
    :param timeout: seconds to connect, and of silence while reading.
    :param check_open: raises ClientClosed once the client is closed.
    """

    def __init__(
        self, *, budget: Budget, concurrency: int, timeout: tuple[float, float], check_open: Callable[[], None]
    ) -> None:
        self._budget = budget
        self._timeout = timeout
        self._check_open = check_open
        self._lock = threading.Lock()
        self._usage = Usage()
        self._in_flight = 0
        # One session for all threads: its pool and its cookies are locked, and we change nothing else of it.
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "Rollcall (OneRoster client)"
        # Else a .netrc of the machine would put another secret in the place of ours.
        self._session.auth = _as_it_is
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=concurrency))

    @property
    def usage(self) -> Usage:
        with self._lock:
            return self._usage

    @contextmanager
    def slot(self, url: str) -> Iterator[None]:
        """Permission for one request to the URL's host.

        :raises ClientClosed: the client was closed before there was one.
        """
        with self._budget.slot(urlsplit(url).hostname or ""):
            self._check_open()
            yield

    def send(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None = None
    ) -> Response:
        """Send one request in the slot the caller holds and read the whole answer; redirects are not followed.

        :param form: of a token request.
        :raises RetryableError: no connection, a time-out, an answer cut off.
        :raises ProviderUnavailable: the host's certificate is not to be trusted.
        :raises ClientClosed: the client was closed.
        """
        host = urlsplit(url).netloc
        self._begin(token=form is not None)
        received = 0
        try:
            with self._session.request(
                method, url, headers=headers, data=form, timeout=self._timeout, allow_redirects=False, stream=True
            ) as response:
                body = self._read(response)
                received = response.raw.tell()
                body = as_utf8(response.headers.get("Content-Type"), body)
                return Response(response.status_code, url, CaseInsensitiveDict(response.headers), body)
        except requests.exceptions.SSLError:
            raise ProviderUnavailable(
                "tls_failed",
                f"{host} could not prove by its certificate that it is {host}.",
                remedy="Its operator has to renew the certificate; do not work around it: the secret would be exposed.",
            ) from None
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
            raise RetryableError(f"{host} did not answer in time", code="provider_timeout", heavy=True) from None
        except urllib3.exceptions.HTTPError:  # while reading, where requests does not translate
            raise RetryableError(f"the answer of {host} was cut off", code="answer_cut_off") from None
        except requests.exceptions.ConnectionError as error:
            raise RetryableError(_unreachable(host, error), code="provider_unreachable") from None
        except requests.exceptions.RequestException as error:
            raise InvalidResponse(
                "request_impossible",
                f"No request could be made to {host} ({type(error).__name__}).",
                remedy="Check the URLs and headers of the connection.",
            ) from None
        finally:
            self._end(received)

    @property
    def requests_in_flight(self) -> int:
        """Requests in flight now."""
        return self._in_flight

    def close(self) -> None:
        self._session.close()

    def _read(self, response: requests.Response) -> bytes:
        until = time.monotonic() + self._timeout[1] * _READ_TIMEOUTS_PER_ANSWER
        parts = []
        # read1 returns what is there; iter_content would wait for a whole chunk, however slowly it drips in.
        while part := response.raw.read1(_CHUNK, decode_content=True):
            parts.append(part)
            self._check_open()
            if time.monotonic() > until:
                raise requests.exceptions.ReadTimeout
        return b"".join(parts)

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


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _unreachable(host: str, error: requests.exceptions.ConnectionError) -> str:
    """Why, in words; the exception's own text holds the whole URL."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return f"there is no host {host}, or this machine's name service does not know it"
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return f"{host} could not be reached"
    return f"{host} closed the connection"
