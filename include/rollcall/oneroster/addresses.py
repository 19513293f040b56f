"""Which addresses are on this machine, and which are reachable from everywhere."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

#: Cloud metadata services at public addresses: Azure's. The others are link-local or private.
_METADATA = (ipaddress.ip_address("168.63.129.16"),)

#: Prefixes of IPv6 addresses that contain an IPv4 address in their last four bytes (NAT64, RFC 6052).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_loopback_host(host: str) -> bool:
    """Whether a URL's host names this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_public(address: str) -> bool:
    """Whether an IP address is reachable from everywhere: not private, link-local, shared, or reserved."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local:  # deprecated, and still routed inside some networks
            return False
    return ip.is_global and not ip.is_multicast and ip not in _METADATA


def split_url(text: str) -> SplitResult:
    """The parts of a URL that a person or a provider wrote. All parts are empty if it is not a URL."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises if it is not a number
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts
