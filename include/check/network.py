"""The way to the provider's hosts: their names, and the certificates they prove themselves with."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import SplitResult, urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies

from include.check.steps import Found, Recognised
from include.oneroster.connection import OneRosterConnection

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
