"""The three ways to sign in to a OneRoster service, behind one interface.

OAuth 2 client credentials (1.1 and 1.2), OAuth 1.0a signed requests (1.1, legacy) and a fixed bearer token (ClassLink's
proxy). Facts: OneRoster 1.1 and 1.2 security sections, RFC 6749 section 4.4, RFC 5849 section 3.4.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA1, SIGNATURE_HMAC_SHA256, Client

from rollcall.oneroster.connection import ClientAuth, OneRosterConnection, Version
from rollcall.oneroster.errors import ConnectionInvalid, OneRosterError, RetryableError
from rollcall.oneroster.http import Response
from rollcall.oneroster.refusals import MAX_CLOCK_SKEW, clock_skew, retryable_error, token_refusal

#: Sends a form to the Token URL. It takes its own slot.
SendForm = Callable[[str, Mapping[str, str], Mapping[str, str]], Response]

log = logging.getLogger(__name__)

_REFRESH_EARLY_SECONDS = 60.0

#: Tokens requested in a row without a successful request.
_MAX_UNUSED_TOKENS = 2

# At DEBUG it would log every signature.
logging.getLogger("oauthlib").setLevel(logging.INFO)


class Auth(Protocol):
    """How a request authenticates."""

    def prepare(self) -> None:
        """Get what signing needs. This may request a token, so the caller must not hold a slot."""

    def headers(self, method: str, url: str) -> dict[str, str]:
        """The headers that authenticate this request."""

    def renew(self, refused: Mapping[str, str], response: Response, *, again: bool) -> bool:
        """A request with these headers was refused. Return whether a retry may succeed.

        :param again: credentials were already renewed for this request.
        """

    def confirm(self, accepted: Mapping[str, str]) -> None:
        """A request with these headers succeeded."""

    def has_scope(self, name: str) -> bool | None:
        """Whether a scope was granted, by its last part (`roster.readonly`). None: no scopes, or unknown."""

    @property
    def has_worked(self) -> bool:
        """Whether this is a token that worked before and may have expired since."""


class _FixedCredentials:
    """Credentials that do not expire and have no scopes."""

    has_worked = False

    def prepare(self) -> None:
        pass

    def confirm(self, accepted: Mapping[str, str]) -> None:
        pass

    def has_scope(self, name: str) -> bool | None:  # noqa: ARG002 - interface
        return None


class Bearer(_FixedCredentials):
    """A fixed token."""

    def __init__(self, connection: OneRosterConnection) -> None:
        self._token = connection.secret

    def headers(self, method: str, url: str) -> dict[str, str]:  # noqa: ARG002 - interface
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self, refused: Mapping[str, str], response: Response, *, again: bool) -> bool:  # noqa: ARG002
        return False


class OAuth1(_FixedCredentials):
    """Two-legged OAuth 1.0a: the Consumer Secret signs every request. There is no token.

    If the provider refuses and its clock differs from ours by minutes, requests are signed with its time.
    """

    def __init__(self, connection: OneRosterConnection) -> None:
        self._connection = connection
        self._skew = 0.0

    def headers(
        self, method: str, url: str, *, nonce: str | None = None, timestamp: str | None = None
    ) -> dict[str, str]:
        """:param nonce: `nonce` and `timestamp` are fixed in tests. Otherwise every request gets new ones."""
        method_name = SIGNATURE_HMAC_SHA1 if self._connection.signature == "HMAC-SHA1" else SIGNATURE_HMAC_SHA256
        signer = Client(
            self._connection.client_id,
            client_secret=self._connection.secret,
            signature_method=method_name,
            nonce=nonce,
            timestamp=timestamp or str(int(time.time() + self._skew)),
        )
        _, headers, _ = signer.sign(url, http_method=method)
        return {"Authorization": headers["Authorization"]}

    def renew(self, refused: Mapping[str, str], response: Response, *, again: bool) -> bool:  # noqa: ARG002
        skew = clock_skew(response)
        if skew is None or abs(skew - self._skew) < MAX_CLOCK_SKEW:
            return False
        self._skew = skew
        log.warning(
            "This machine's clock and the provider's differ by %.0f minutes. Requests are signed with the provider's "
            "time. Set this machine's clock, or tell the provider.",
            abs(skew) / 60,
        )
        return True


class _TokenResponse(msgspec.Struct):
    access_token: str
    token_type: str | None = None
    expires_in: float | str | None = None
    scope: Any = None


class OAuth2:
    """Client credentials: one token for all threads. One thread requests it while the others wait.

    The token is renewed 60 seconds before it expires (after half its lifetime if that is shorter), or when a request is
    refused. ID and secret go unencoded into the Basic header, as servers expect in practice. Servers that want them
    encoded (RFC 6749, section 2.3.1) accept them in the body, which is tried second.
    """

    def __init__(self, connection: OneRosterConnection, scopes: tuple[str, ...], send: SendForm) -> None:
        self._connection = connection
        self._scopes = scopes
        self._send = send
        self._methods: list[ClientAuth] = ["basic", "body"] if connection.client_auth == "basic" else ["body", "basic"]
        self._lock = threading.Lock()
        self._header = ""
        self._expired = True
        self._uses = 0
        self._uses_lock = threading.Lock()  # the other lock is held during a token request
        self._expires_at: float | None = None
        self._refusal: OneRosterError | None = None
        self._token_requests = 0
        self._unused_tokens = 0
        self._granted: frozenset[str] = frozenset()
        self._last_failure: RetryableError | None = None

    @property
    def has_worked(self) -> bool:
        return self._unused_tokens == 0

    def confirm(self, accepted: Mapping[str, str]) -> None:
        if accepted.get("Authorization") == self._header:
            self._unused_tokens = 0

    def has_scope(self, name: str) -> bool | None:
        """By the scopes the Token URL granted, or by the requested scopes if it names no OneRoster scope."""
        known = next(
            (scopes for scopes in (self._granted, self._scopes) if any(map(_is_oneroster_scope, scopes))), None
        )
        return None if known is None else any(scope.endswith(f"/{name}") for scope in known)

    def prepare(self) -> None:
        requests_before = self._token_requests
        with self._lock:
            if self._refusal is not None:
                raise self._refusal  # a retry from every thread might lock the account
            if not self._expired and (self._expires_at is None or time.monotonic() < self._expires_at):
                return
            if self._last_failure is not None and self._token_requests != requests_before:
                raise self._last_failure  # another thread just failed; a busy provider is busy for all
            self._last_failure = None
            try:
                self._request_token()
            except OneRosterError as error:
                self._refusal = error
                raise
            except RetryableError as error:
                self._last_failure = error
                raise
            finally:
                self._token_requests += 1

    def headers(self, method: str, url: str) -> dict[str, str]:  # noqa: ARG002 - interface
        with self._uses_lock:
            self._uses += 1
        return {"Authorization": self._header}

    def renew(self, refused: Mapping[str, str], response: Response, *, again: bool) -> bool:  # noqa: ARG002
        """Give up on a new token if only this thread used it, or if the token before it did not work either.

        Other threads may have used a token up. Without a limit, each thread would request its own token.
        """
        with self._lock:
            is_current = self._header == refused.get("Authorization")
            if is_current and (self._unused_tokens >= _MAX_UNUSED_TOKENS or (again and self._uses == 1)):
                return False
            self._expired = self._expired or is_current
            return True

    def _request_token(self) -> None:
        requested_at = time.monotonic()
        response = self._send_with(self._methods[0])
        if _may_be_wrong_method(response):
            other = self._send_with(self._methods[1])
            if other.status == 200:
                self._methods.reverse()
                response = other
        if response.status != 200:
            raise token_refusal(response, self._connection, self._scopes)
        token = _read_token(response)
        self._header = f"Bearer {token.access_token}"
        self._expired, self._uses, self._unused_tokens = False, 0, self._unused_tokens + 1
        self._granted = frozenset(token.scope.split()) if isinstance(token.scope, str) else frozenset()
        lifetime = _lifetime(token.expires_in)
        self._expires_at = (
            None if lifetime is None else requested_at + lifetime - min(_REFRESH_EARLY_SECONDS, lifetime / 2)
        )

    def _send_with(self, method: ClientAuth) -> Response:
        headers = {"Accept": "application/json"}
        form = {"grant_type": "client_credentials"}
        if self._scopes:
            form["scope"] = " ".join(self._scopes)
        client_id, secret = self._connection.client_id, self._connection.secret
        if method == "basic":
            headers["Authorization"] = "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        else:
            form |= {"client_id": client_id, "client_secret": secret}
        response = self._send(str(self._connection.auth_url), headers, form)
        if error := retryable_error(response):
            raise error
        return response


def _is_oneroster_scope(scope: str) -> bool:
    return "purl.imsglobal.org" in scope


def _may_be_wrong_method(response: Response) -> bool:
    """400 and 401 may mean that the server expects ID and secret elsewhere. A wrong scope fails either way."""
    return response.status in (400, 401) and b"invalid_scope" not in response.body


def _read_token(response: Response) -> _TokenResponse:
    try:
        token = msgspec.json.decode(response.body, type=_TokenResponse)
    except (msgspec.DecodeError, UnicodeDecodeError):
        token = _TokenResponse("")
    usable = token.access_token.isascii() and token.access_token.isprintable() and " " not in token.access_token
    if not token.access_token or not usable or (token.token_type or "bearer").lower() != "bearer":
        raise ConnectionInvalid(
            "token_unusable",
            "The Token URL returned 200 without a bearer token.",
            remedy="Check that the Token URL is copied whole and is not the Base URL.",
        )
    return token


def _lifetime(expires_in: float | str | None) -> float | None:
    """Seconds. None: unknown, so the token is used until it is refused. Zero or less means unknown too."""
    try:
        lifetime = float(expires_in) if expires_in is not None else 0.0
    except ValueError:
        return None
    return lifetime if lifetime > 0 else None


def scopes_for(version: Version, *, demographics: bool) -> tuple[str, ...]:
    """The minimum that reading the top-level collections needs."""
    prefix = f"https://purl.imsglobal.org/spec/or/v{version.replace('.', 'p')}/scope/"
    names = ["roster-core.readonly", *(["roster-demographics.readonly"] if demographics else [])]
    return tuple(prefix + name for name in names)


def auth_for(connection: OneRosterConnection, version: Version, *, demographics: bool, send: SendForm) -> Auth:
    """The authentication that the connection uses."""
    if connection.auth == "bearer":
        return Bearer(connection)
    if connection.auth == "oauth1":
        return OAuth1(connection)
    return OAuth2(connection, connection.scopes or scopes_for(version, demographics=demographics), send)
