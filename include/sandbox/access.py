"""Who may read what: the token or signature of a request, its scopes, and the data the district shares."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from typing import NamedTuple

from include.sandbox.oauth1 import DIGESTS, BadSignature, Verifier
from include.sandbox.oauth2 import CORE, DEMOGRAPHICS, ROSTER, TokenOffice
from include.sandbox.quirks_access import CLOCK_MINUTES
from include.sandbox.quirks_records import not_shared
from include.sandbox.settings import SandboxDistrict
from include.sandbox.status_info import Refused

COOKIE = "JSESSIONID"


class Call(NamedTuple):
    """A request as it was called.

    :param url: absolute, without its query, as it was before decoding, since OAuth 1 signs it so.
    :param query: as it was before decoding.
    :param headers: their names in lower case.
    """

    url: str
    query: str
    headers: Mapping[str, str]

    @property
    def whole_url(self) -> str:
        return f"{self.url}?{self.query}" if self.query else self.url

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")


class Access:
    """Lets a district's own client in, by the one way to authenticate that the district is set to.

    :ivar quirks: the switches that are on.
    """

    def __init__(self, settings: SandboxDistrict) -> None:
        self._settings = settings
        self.quirks: frozenset[str] = frozenset()
        self.tokens = TokenOffice(settings)
        self._signatures = Verifier(settings.client_id, settings.client_secret, clock=self.clock)

    def clock(self) -> float:
        """The provider's clock, in Unix seconds."""
        return time.time() + (60 * CLOCK_MINUTES if "clock-minutes-off" in self.quirks else 0)

    def check(self, collection: str, call: Call, *, nested: bool = False) -> None:
        """Check one request for records of a collection.

        :param nested: whether it is for a list such as the classes of a school, which the core scope does not open.
        :raises Refused: 401 `unauthorisedrequest` or 403 `forbidden`.
        """
        sufficient = (DEMOGRAPHICS,) if collection == "demographics" else (ROSTER,) if nested else (CORE, ROSTER)
        self._check_client(call, sufficient)
        is_shared = collection != "demographics" or self._settings.demographics
        if not is_shared or not_shared(collection) in self.quirks:
            raise Refused(403, "forbidden", f"{collection} are not among the data this district shares.")

    def refused_elsewhere(self, scope: str, call: Call) -> Refused:
        """Why a request to another service of OneRoster is refused: no connection of the sandbox shares one.

        :param scope: that opens it.
        """
        try:
            self._check_client(call, (scope,))
        except Refused as refused:
            return refused
        return Refused(403, "forbidden", "This connection shares rostering only.")

    def _check_client(self, call: Call, sufficient: tuple[str, ...]) -> None:
        """:param sufficient: scopes of which a token has to have one."""
        if "expired-connection" in self.quirks:
            raise Refused(401, "unauthorisedrequest", "This connection has expired. The district can renew it.")
        if self._settings.auth == "oauth1":
            self._check_signature(call)
        else:
            self._check_bearer(call.authorization, sufficient)
        self._check_headers(call)

    def _check_signature(self, call: Call) -> None:
        try:
            methods = ("HMAC-SHA1",) if "sha1-only" in self.quirks else tuple(DIGESTS)
            self._signatures.verify("GET", call.whole_url, call.authorization, methods)
        except BadSignature as bad:
            raise Refused(401, "unauthorisedrequest", f"The request was refused: {bad}.") from None

    def _check_bearer(self, authorization: str, sufficient: tuple[str, ...]) -> None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Refused(401, "unauthorisedrequest", "The request carries no bearer token.")
        if self._settings.auth == "bearer":
            if not hmac.compare_digest(token.encode(), self._settings.client_secret.encode()):
                raise Refused(401, "unauthorisedrequest", "The token is not this connection's.")
            return
        scopes = self.tokens.redeem(token)
        if scopes is None:
            raise self._token_ended()
        if not any(self.tokens.scope(name) in scopes for name in sufficient):
            raise Refused(403, "forbidden", f"The token lacks the scope {self.tokens.scope(sufficient[0])}.")

    def _token_ended(self) -> Refused:
        if "token-403-mid-pull" in self.quirks:
            return Refused(403, "forbidden", "The incoming token has expired.")
        if "token-403-without-a-word" in self.quirks:
            return Refused(403, "forbidden", "Forbidden.")
        return Refused(401, "unauthorisedrequest", "The token is unknown or has expired.")

    def _check_headers(self, call: Call) -> None:
        if "cookies-required" in self.quirks and self._settings.auth == "oauth2":
            cookies = [cookie.strip() for cookie in call.headers.get("cookie", "").split(";")]
            if f"{COOKIE}={self._settings.app}" not in cookies:
                raise Refused(401, "unauthorisedrequest", "The request belongs to no session.")
        if "headers-required" in self.quirks:
            given = (call.headers.get("x-tenant"), call.headers.get("x-api-key"))
            if given != (self._settings.app, self._settings.api_key):
                raise Refused(401, "unauthorisedrequest", "X-Tenant or X-Api-Key is missing or wrong.")
