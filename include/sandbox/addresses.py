"""Where a district's provider is found: the URL shapes of Infinite Campus, and the others districts hand over."""

from __future__ import annotations

from typing import NamedTuple

from include.sandbox.settings import SandboxDistrict

_BELOW_V1P1 = {"service-at-v1p1": "/v1p1", "service-at-rostering-v1p1": "/rostering/v1p1"}


class Addresses(NamedTuple):
    """Paths on the sandbox's host.

    :param base: of the Base URL as the district's screen shows it.
    :param service: below which the collections lie.
    :param token: of the Token URL, without its query.
    :param token_query: the query it has, which tells Infinite Campus the district.
    """

    base: str
    service: str
    token: str
    token_query: str


def addresses(settings: SandboxDistrict, quirks: frozenset[str]) -> Addresses:
    """The addresses of a district; for 1.1 the Base URL ends in the version, for 1.2 it usually does not."""
    version = f"v{settings.version.replace('.', 'p')}"
    root = f"/campus/api/oneroster/{version}/{settings.app}/ims/oneroster"
    if settings.version == "1.2":
        service = f"{root}/rostering/v1p2"
        base = service if "service-at-base" in quirks else root
    else:
        below = next((path for name, path in _BELOW_V1P1.items() if name in quirks), "")
        service = f"{root}{below or '/v1p1'}"
        base = root if below else service
    if "token-at-base" in quirks:
        return Addresses(base, service, f"{base}/token", "")
    if "token-at-oauth" in quirks:
        return Addresses(base, service, f"{base}/oauth/access_token", "")
    return Addresses(base, service, "/campus/oauth2/token", f"appName={settings.app}")
