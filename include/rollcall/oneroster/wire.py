"""Connections to a provider: what they connect to, and how much they read.

`requests` hides the socket, so its adapter gets connection classes of ours:

- The address is checked at the moment of connecting, and that same address is connected to. A host name that resolves
  to another address a moment later (DNS rebinding) gains nothing.
- Everything read from the socket is counted and timed: status line, informational responses, headers, chunk sizes,
  trailers. `http.client` itself would read `100 Continue` responses and trailers for ever, and its time-out only limits
  the silence between two packets.

A proxy (`HTTPS_PROXY`, `NO_PROXY`) resolves host names itself. Then only its own address is known here, and the proxy
decides which addresses may be reached. Loopback never goes through a proxy.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

from rollcall.oneroster.addresses import is_loopback_host, is_public
from rollcall.oneroster.errors import ConnectionInvalid, LimitExceeded
from rollcall.oneroster.limits import MAX_HEADER_BYTES, MEGABYTE, exceeded, megabytes

#: Addresses of one host name that are tried.
_MAX_ADDRESSES = 8


@dataclass(frozen=True)
class WireRules:
    """What connections of a client may reach and read.

    :param allow_private: private, link-local, and metadata addresses may be connected to.
    :param max_bytes: of one response, headers and chunk sizes included.
    :param max_seconds: for one response.
    """

    allow_private: bool
    max_bytes: int
    max_seconds: float


def _require_allowed(host: str, address: str, rules: WireRules) -> None:
    """:raises ConnectionInvalid: `address_private`."""
    if rules.allow_private or is_public(address):
        return
    if is_loopback_host(host) and ipaddress.ip_address(address).is_loopback:
        return
    raise ConnectionInvalid(
        "address_private",
        f"{host} is at {address}, which is a private, link-local, or reserved address. No request was sent.",
        remedy="Compare the URL with the district's email. If the service is inside your network, set "
        '`"allow_private": true` in the extra of the connection.',
    )


def _connect(connection: HTTPConnection, rules: WireRules) -> socket.socket:
    """Connect to an allowed address of the host. Raises what urllib3 expects, or `ConnectionInvalid`."""
    try:
        return _open(
            connection._dns_host.strip("[]"),
            connection.port,
            rules,
            connection.timeout,
            source_address=connection.source_address,
            socket_options=connection.socket_options,
        )
    except socket.gaierror as error:
        raise NameResolutionError(connection.host, connection, error) from None
    except OSError:
        raise NewConnectionError(connection, f"no address of {connection.host} could be reached") from None


def connect_checked(host: str, port: int, timeout: float, *, allow_private: bool) -> socket.socket:
    """A plain connection to a host, for a look at its certificate, with the same check of the address.

    :raises ConnectionInvalid: `address_private`.
    :raises OSError: no address could be reached.
    """
    return _open(host, port, WireRules(allow_private, max_bytes=0, max_seconds=timeout), timeout)


def _open(host: str, port: int, rules: WireRules, timeout: Any, **options: Any) -> socket.socket:
    """Resolve a host and connect to the first of its addresses that is allowed and can be reached.

    :param timeout: seconds, or what urllib3 has in their place.
    :param options: of the socket, as urllib3 takes them.
    :raises ConnectionInvalid: `address_private`.
    :raises socket.gaierror: the name does not exist.
    :raises OSError: no address could be reached.
    """
    try:
        found = socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise socket.gaierror(*error.args[:2]) from None
    refused: ConnectionInvalid | None = None
    for address in list(dict.fromkeys(str(entry[4][0]) for entry in found))[:_MAX_ADDRESSES]:
        try:
            _require_allowed(host, address, rules)
            return urllib3.util.connection.create_connection((address, port), timeout, **options)
        except ConnectionInvalid as error:
            refused = refused or error
        except OSError:
            continue
    raise refused or OSError(f"no address of {host} could be reached")


class _BoundedSocket(io.RawIOBase):
    """Reads a response from the socket, at most so many bytes and until a deadline.

    :param limit: bytes; raised once the headers are read.
    """

    def __init__(self, raw: Any, sock: socket.socket, host: str, rules: WireRules) -> None:
        self.limit = MAX_HEADER_BYTES
        self.received = 0
        self._raw = raw
        self._socket = sock
        self._host = host
        self._rules = rules
        self._timeout = sock.gettimeout() or rules.max_seconds
        self._deadline = time.monotonic() + rules.max_seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        seconds_left = self._deadline - time.monotonic()
        if seconds_left < self._timeout:
            self._socket.settimeout(max(seconds_left, 0.001))
        try:
            count: int | None = self._raw.readinto(buffer)
        except TimeoutError:
            if time.monotonic() < self._deadline:
                raise
            raise _too_slow(self._host, self.received, self._rules.max_seconds) from None
        finally:
            if seconds_left < self._timeout:
                self._socket.settimeout(self._timeout)
        self.received += count or 0
        if time.monotonic() > self._deadline:
            raise _too_slow(self._host, self.received, self._rules.max_seconds)
        if self.received > self.limit:
            raise self._too_much()
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()

    def _too_much(self) -> LimitExceeded:
        if self.limit == MAX_HEADER_BYTES:
            return headers_too_large(self._host)
        return exceeded(
            "response_too_large",
            f"{self._host} sent more than {megabytes(self.limit)} for one response",
            megabytes(self.limit),
            "max_page_mb",
        )


class TooSlow(LimitExceeded):
    """A response took longer than a response may take."""


def _too_slow(host: str, received: int, seconds: float) -> LimitExceeded:
    """The error for a response that does not end in time."""
    return exceeded(
        "response_too_slow",
        f"{host} sent {received:,} bytes in {seconds:,.0f} seconds and did not end",
        f"{seconds:,.0f} seconds",
        "max_page_seconds",
        "Run again later, or set a smaller `extract.page_size`.",
        TooSlow,
    )


def headers_too_large(host: str) -> LimitExceeded:
    return exceeded(
        "headers_too_large",
        f"{host} sent more than {MAX_HEADER_BYTES >> 10} KB or 100 lines of headers in one response",
        f"{MAX_HEADER_BYTES >> 10} KB and 100 lines",
        "",
    )


class _Response(http.client.HTTPResponse):
    """A response whose bytes are counted and timed from its first one."""

    def __init__(self, sock: socket.socket, *args: Any, host: str, rules: WireRules, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._host = host
        self._rules = rules
        self._bounded = _BoundedSocket(self.fp.detach(), sock, host, rules)
        self.fp = io.BufferedReader(self._bounded)

    def begin(self) -> None:
        try:
            super().begin()
        except http.client.LineTooLong:
            raise headers_too_large(self._host) from None
        except http.client.HTTPException as error:
            if "headers" in str(error):  # more than 100 lines
                raise headers_too_large(self._host) from None
            raise
        self._bounded.limit = self._rules.max_bytes


class _Checked:
    """What both kinds of connections do differently from urllib3's."""

    def __init__(self, *args: Any, rules: WireRules, **options: Any) -> None:
        super().__init__(*args, **options)
        self._rules = rules
        self.response_class: Any = partial(_Response, host=self.host, rules=rules)  # type: ignore[attr-defined]

    def _new_conn(self) -> socket.socket:
        return _connect(self, self._rules)  # type: ignore[arg-type]


class _Http(_Checked, HTTPConnection):
    pass


class _Https(_Checked, HTTPSConnection):
    pass


def _pool(kind: type[HTTPConnectionPool], connection: type[_Checked], rules: WireRules) -> Any:
    """A class of urllib3's pools whose connections follow the rules."""
    return type(kind.__name__, (kind,), {"ConnectionCls": partial(connection, rules=rules)})


class BoundedAdapter(HTTPAdapter):
    """An adapter for `requests` whose connections follow rules."""

    def __init__(self, rules: WireRules, *, connections: int) -> None:
        self._rules = rules
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools(self._rules)

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        """The proxy's own address is the operator's choice, so it may be private."""
        manager = super().proxy_manager_for(proxy, **options)
        rules = WireRules(allow_private=True, max_bytes=self._rules.max_bytes, max_seconds=self._rules.max_seconds)
        manager.pool_classes_by_scheme = self._pools(rules)
        return manager

    @staticmethod
    def _pools(rules: WireRules) -> dict[str, Any]:
        return {
            "http": _pool(HTTPConnectionPool, _Http, rules),
            "https": _pool(HTTPSConnectionPool, _Https, rules),
        }


def wire_bytes(page_bytes: int) -> int:
    """Bytes on the wire for a page: chunk sizes and headers come on top of the body."""
    return 2 * page_bytes + MEGABYTE
