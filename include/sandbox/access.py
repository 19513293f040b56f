"""Who may read what: the token or signature of a request, its scopes, and the data the district shares."""

from __future__ import annotations

import hmac

from include.sandbox.oauth1 import BadSignature, Verifier
from include.sandbox.oauth2 import CORE, DEMOGRAPHICS, ROSTER, TokenOffice
from include.sandbox.settings import SandboxDistrict
from include.sandbox.status_info import Refused


class Access:
    """Lets a district's own client in, by the one way to authenticate that the district is set to."""

    def __init__(self, settings: SandboxDistrict) -> None:
        self._settings = settings
        self.tokens = TokenOffice(settings)
        self._signatures = Verifier(settings.client_id, settings.client_secret)

    def check(self, collection: str, method: str, url: str, authorization: str) -> None:
        """Check one request.

        :param url: absolute, with its query, as the client called it.
        :raises Refused: 401 `unauthorisedrequest` or 403 `forbidden`.
        """
        if self._settings.auth == "oauth1":
            self._check_signature(method, url, authorization)
        else:
            self._check_bearer(collection, authorization)
        if collection == "demographics" and not self._settings.demographics:
            raise Refused(403, "forbidden", "Demographics are not among the data this district shares.")

    def _check_signature(self, method: str, url: str, authorization: str) -> None:
        try:
            self._signatures.verify(method, url, authorization)
        except BadSignature as bad:
            raise Refused(401, "unauthorisedrequest", f"The request was refused: {bad}.") from None

    def _check_bearer(self, collection: str, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Refused(401, "unauthorisedrequest", "The request carries no bearer token.")
        if self._settings.auth == "bearer":
            if not hmac.compare_digest(token.encode(), self._settings.client_secret.encode()):
                raise Refused(401, "unauthorisedrequest", "The token is not this connection's.")
            return
        scopes = self.tokens.redeem(token)
        if scopes is None:
            raise Refused(401, "unauthorisedrequest", "The token is unknown or has expired.")
        sufficient = (DEMOGRAPHICS,) if collection == "demographics" else (CORE, ROSTER)
        if not any(self.tokens.scope(name) in scopes for name in sufficient):
            raise Refused(403, "forbidden", f"The token lacks the scope {self.tokens.scope(sufficient[0])}.")
