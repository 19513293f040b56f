"""OAuth 2 client credentials as a provider grants them: its rules and the tokens it gave out (RFC 6749)."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_plus

from include.sandbox.quirks_access import ENDING_TOKENS, TOKEN_REQUESTS
from include.sandbox.settings import SandboxDistrict

CORE, ROSTER, DEMOGRAPHICS = "roster-core.readonly", "roster.readonly", "roster-demographics.readonly"


class TokenRefused(Exception):
    """A token request that is refused, with OAuth's own error code."""

    def __init__(self, status: int, error: str, description: str) -> None:
        self.status = status
        self.error = error
        self.description = description
        super().__init__(description)


@dataclass(slots=True)
class Grant:
    """A token given out: its full scope URIs, until when it holds, and for how many requests if those are limited."""

    scopes: frozenset[str]
    expires_at: float
    requests_left: int | None


class TokenOffice:
    """Gives out one district's tokens and knows them again.

    :param clock: seconds that only go forward; a test may bring its own.
    """

    def __init__(self, settings: SandboxDistrict, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._grants: dict[str, Grant] = {}

    def grant(self, form: dict[str, str], authorization: str, quirks: frozenset[str]) -> dict[str, str | int]:
        """Answer a token request.

        :param form: the parameters of body and query together.
        :raises TokenRefused: with the error code of RFC 6749 section 5.2.
        """
        if "expired-connection" in quirks:
            raise TokenRefused(401, "invalid_client", "This connection has expired. The district can renew it.")
        self._check_client(form, authorization, quirks)
        grant_type = form.get("grant_type")
        if grant_type is None:
            raise TokenRefused(400, "invalid_request", "grant_type is missing.")
        if grant_type != "client_credentials":
            raise TokenRefused(400, "unsupported_grant_type", "Only client_credentials is supported.")
        asked = form.get("scope", "").split()
        if not asked and "token-wants-scope" in quirks:
            raise TokenRefused(400, "invalid_scope", "At least one scope has to be asked for.")
        scopes = self._granted(asked, is_strict="unknown-scopes-refused" in quirks)
        token = secrets.token_urlsafe(32)
        self._grants[token] = Grant(
            scopes=frozenset(scopes),
            expires_at=self._clock() + self._settings.token_seconds,
            requests_left=TOKEN_REQUESTS if quirks & ENDING_TOKENS else None,
        )
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self._settings.token_seconds,
            "scope": " ".join(scopes),
        }

    def redeem(self, token: str) -> frozenset[str] | None:
        """The scopes of a token that still holds, after taking one request off it; nothing for any other."""
        grant = self._grants.get(token)
        if grant is None:
            return None
        if grant.expires_at <= self._clock() or grant.requests_left == 0:
            del self._grants[token]
            return None
        if grant.requests_left is not None:
            grant.requests_left -= 1
        return grant.scopes

    def scope(self, name: str) -> str:
        """A scope's full URI in the district's version."""
        return f"https://purl.imsglobal.org/spec/or/v{self._settings.version.replace('.', 'p')}/scope/{name}"

    def _check_client(self, form: dict[str, str], authorization: str, quirks: frozenset[str]) -> None:
        scheme, _, encoded = authorization.partition(" ")
        given = ("", "")
        if scheme.lower() == "basic":
            if "token-wants-body" not in quirks:
                given = _basic(encoded)
        elif "token-wants-basic" not in quirks:
            given = (form.get("client_id", ""), form.get("client_secret", ""))
        # RFC 6749 form-encodes both before base64; many clients send them raw.
        ours = (self._settings.client_id, self._settings.client_secret)
        decoded = tuple(unquote_plus(part) for part in given)
        if self._settings.auth != "oauth2" or ours not in (given, decoded):
            raise TokenRefused(401, "invalid_client", "Client ID or Client Secret is not the one of this application.")

    def _granted(self, asked: list[str], *, is_strict: bool) -> list[str]:
        """The shared ones of those that are asked for. Others are ignored, as RFC 6749 section 3.3 lets a server do.

        :param is_strict: refuse a scope nobody knows.
        """
        names = [CORE, ROSTER, DEMOGRAPHICS] if self._settings.demographics else [CORE, ROSTER]
        shared = [self.scope(name) for name in names]
        if not asked:
            return shared
        granted = [scope for scope in shared if scope in asked]
        is_known = {*shared, self.scope(DEMOGRAPHICS)}.issuperset(asked)
        if not granted or (is_strict and not is_known):
            raise TokenRefused(400, "invalid_scope", "A scope is unknown, of another version, or not shared.")
        return granted


def _basic(encoded: str) -> tuple[str, str]:
    """Client ID and secret of a Basic header; empty for one that cannot be read."""
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return client_id, secret
