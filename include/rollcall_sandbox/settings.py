"""What a sandbox district is: its application, version, size, seed, way to authenticate and quirks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from rollcall.errors import RollcallError
from rollcall_sandbox.quirks import BUNDLES, known

#: What a district's name is, in URLs and as `rollcall`'s id of it.
APP = "[a-z][a-z0-9_]*"

_NAMES = {"maple": "Maple Unified School District", "cedar": "Cedar Valley School District"}


@dataclass(frozen=True)
class SandboxDistrict:
    """A made-up district and the connection its provider offers.

    :param app: the district's application name: in its URLs, in `?appName=`, and in every mock credential.
    :param students: how many students to begin with; staff, guardians, classes and enrollments follow from it.
    :param seed: another seed, another district under the same name.
    :param auth: `oauth2` (client credentials), `oauth1` (OneRoster 1.1 only), or `bearer` (the secret is the token).
    :param demographics: whether the district ticked demographics among the data to share; if not, they answer 403.
    :param quirks: names of switches and providers, :mod:`rollcall_sandbox.quirks`; stored as single switches.
    :param token_seconds: how long an OAuth 2 token is good for.
    :param nights: how many nights have passed when the sandbox opens.
    :param guardians: whether children's guardians are among the users; else only those employed here.
    :param bustle: how much happens in a night; 1 is something to 30 in 1,500 students.
    :raises RollcallError: `sandbox_setting` for a setting that cannot be, `sandbox_quirk` for an unknown quirk, one of
        another version, or two that contradict each other.
    """

    app: str
    version: Literal["1.1", "1.2"]
    students: int = 1500
    seed: int = 1
    auth: Literal["oauth2", "oauth1", "bearer"] = "oauth2"
    demographics: bool = False
    quirks: frozenset[str] = frozenset()
    token_seconds: int = 3600
    nights: int = 0
    guardians: bool = True
    bustle: float = 1.0

    def __post_init__(self) -> None:
        if self.version not in ("1.1", "1.2"):
            raise _invalid_setting(f'OneRoster version "{self.version}" is not one of "1.1" and "1.2".')
        if self.auth not in ("oauth2", "oauth1", "bearer"):
            raise _invalid_setting(f'auth "{self.auth}" is not one of "oauth2", "oauth1" and "bearer".')
        if self.version == "1.2" and self.auth == "oauth1":
            raise _invalid_setting("OneRoster 1.2 knows no OAuth 1; Consumer Key and Secret belong to version 1.1.")
        if not re.fullmatch(APP, self.app):
            raise _invalid_setting("The app is a lower-case word of letters, digits and underscores.")
        if self.students < 1 or self.nights < 0 or self.token_seconds < 1:
            raise _invalid_setting("students and token_seconds are at least 1, nights at least 0.")
        object.__setattr__(self, "quirks", known(self.quirks, self.version))

    @classmethod
    def named(cls, app: str) -> SandboxDistrict:
        """The district of a name: one of the demo's, or another of OneRoster 1.2, the same for the same name."""
        return next((district for district in DEMO_DISTRICTS if district.app == app), None) or cls(app, "1.2")

    @classmethod
    def like(cls, provider: str, app: str, **settings: Any) -> SandboxDistrict:
        """A district whose provider is one of :data:`rollcall_sandbox.quirks.BUNDLES`, its connection set up as there.

        :param settings: override the provider's settings; `quirks` are added to the provider's.
        """
        bundle = BUNDLES[provider]
        quirks = {provider, *settings.pop("quirks", ())}
        given = {"version": bundle.version or "1.2", **bundle.settings, **settings}
        return cls(app=app, quirks=frozenset(quirks), **given)

    @property
    def name(self) -> str:
        return _NAMES.get(self.app, f"{self.app.replace('_', ' ').title()} School District")

    @property
    def domain(self) -> str:
        """The district's email domain, under a reserved top-level domain (RFC 2606)."""
        return f"{self.app.replace('_', '-')}.example"

    @property
    def client_id(self) -> str:
        """The Client ID, or the Consumer Key of OAuth 1; with the prefix Infinite Campus gives all of them."""
        return f"InfiniteCampus_{self.app}-sandbox"

    @property
    def client_secret(self) -> str:
        """The Client Secret, the Consumer Secret of OAuth 1, or the static bearer token. A mock value."""
        return f"{self.app}-sandbox-secret-not-a-secret"

    @property
    def api_key(self) -> str:
        """The value of X-Api-Key where it is required. A mock value."""
        return f"{self.app}-sandbox-key-not-a-secret"


def _invalid_setting(message: str) -> RollcallError:
    return RollcallError("sandbox_setting", message, remedy="Correct the sandbox district's settings.")


MAPLE = SandboxDistrict(app="maple", version="1.2")
CEDAR = SandboxDistrict(app="cedar", version="1.1", auth="oauth1", demographics=True)
DEMO_DISTRICTS = (MAPLE, CEDAR)


# Where a district's provider is found: the URL shapes of Infinite Campus, and the others districts hand over.

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
