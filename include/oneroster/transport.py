"""One keep-alive session to a provider: bounded, timed, counted. What an answer means is for others to say.

A `slot` is the permission to have one request in flight; the client's budget gives it, by host, to token requests as to
all others. A thread signs its request after it has its slot, so that no OAuth 1 timestamp grows old in the queue.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from include.oneroster.budget import Budget
from include.oneroster.charset import as_utf8
from include.oneroster.errors import AnswerUnusable, ProviderUnavailable
from include.oneroster.retry import TryAgain
from include.oneroster.waits import Waits

_CHUNK = 1 << 18

#: A read time-out bounds the silence between two packets, not the answer; this many of them bound that.
_READ_TIMEOUTS_PER_ANSWER = 5


@dataclass(frozen=True)
class Usage:
    """What we asked of a provider. `requests` include the token requests; bytes are as they came over the wire.

    :param seconds_waited: seconds in which at least one thread waited to try again; parallel waits count once.
    """

    requests: int = 0
    token_requests: int = 0
    bytes_received: int = 0
    most_at_once: int = 0
    seconds_waited: float = 0.0


@dataclass(frozen=True)
class Answer:
    """A complete answer, its body in UTF-8 whatever encoding it declared.

    Its `repr` has no body and no header, for both may hold what no log may.
    """

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Answer(status={self.status}, bytes={len(self.body)})"


class Transport:
    """Sends single requests from any number of threads.

    :param budget: gives the slots.
    :param concurrency: connections kept alive.
    :param timeout: seconds to connect, and of silence while reading.
    :param waits: tells when nobody wants an answer any more, and counts the seconds waited.
    """

    def __init__(self, *, budget: Budget, concurrency: int, timeout: tuple[float, float], waits: Waits) -> None:
        self._budget = budget
        self._timeout = timeout
        self._waits = waits
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
            return replace(self._usage, seconds_waited=self._waits.seconds)

    @contextmanager
    def slot(self, url: str) -> Iterator[None]:
        """Permission for one request to the URL's host.

        :raises ReadingStopped: the client was closed before there was one.
        """
        with self._budget.slot(urlsplit(url).hostname or ""):
            self._waits.check()
            yield

    def send(self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None = None) -> Answer:
        """Send one request in the slot the caller holds and read the whole answer; redirects are not followed.

        :param form: of a token request.
        :raises TryAgain: no connection, a time-out, an answer cut off.
        :raises ProviderUnavailable: the host's certificate is not to be trusted.
        :raises ReadingStopped: the client was closed.
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
                return Answer(response.status_code, url, CaseInsensitiveDict(response.headers), body)
        except requests.exceptions.SSLError:
            raise ProviderUnavailable(
                "tls_failed",
                f"{host} could not prove by its certificate that it is {host}.",
                remedy="Its operator has to renew the certificate; do not work around it: the secret would be exposed.",
            ) from None
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
            raise TryAgain(f"{host} did not answer in time", code="provider_timeout", heavy=True) from None
        except urllib3.exceptions.HTTPError:  # while reading, where requests does not translate
            raise TryAgain(f"the answer of {host} was cut off", code="answer_cut_off") from None
        except requests.exceptions.ConnectionError as error:
            raise TryAgain(_unreachable(host, error), code="provider_unreachable") from None
        except requests.exceptions.RequestException as error:
            raise AnswerUnusable(
                "request_impossible",
                f"No request could be made to {host} ({type(error).__name__}).",
                remedy="Check the URLs and headers of the connection.",
            ) from None
        finally:
            self._end(received)

    @property
    def under_way(self) -> int:
        """Requests under way now."""
        return self._in_flight

    def close(self) -> None:
        self._session.close()

    def _read(self, response: requests.Response) -> bytes:
        until = time.monotonic() + self._timeout[1] * _READ_TIMEOUTS_PER_ANSWER
        parts = []
        # read1 returns what is there; iter_content would wait for a whole chunk, however slowly it drips in.
        while part := response.raw.read1(_CHUNK, decode_content=True):
            parts.append(part)
            self._waits.check()
            if time.monotonic() > until:
                raise requests.exceptions.ReadTimeout
        return b"".join(parts)

    def _begin(self, *, token: bool) -> None:
        with self._lock:
            self._in_flight += 1
            self._usage = replace(
                self._usage,
                requests=self._usage.requests + 1,
                token_requests=self._usage.token_requests + token,
                most_at_once=max(self._usage.most_at_once, self._in_flight),
            )

    def _end(self, received: int) -> None:
        with self._lock:
            self._in_flight -= 1
            self._usage = replace(self._usage, bytes_received=self._usage.bytes_received + received)


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
