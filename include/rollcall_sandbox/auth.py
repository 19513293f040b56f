"""Who may read what: the token or signature of a request, its scopes, and the data the district shares."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, unquote_plus, urlsplit

from rollcall_sandbox.quirks_faults import CLOCK_MINUTES, ENDING_TOKENS, TOKEN_REQUESTS
from rollcall_sandbox.quirks_records import not_shared
from rollcall_sandbox.settings import SandboxDistrict
from rollcall_sandbox.status_info import Refused

# OAuth 1.0a signatures: two-legged, no token, in the Authorization header (RFC 5849). Written from the RFC with
# `hmac` and `hashlib` only, so a bug in the client's library shows.

DIGESTS = {"HMAC-SHA256": hashlib.sha256, "HMAC-SHA1": hashlib.sha1}

# Providers commonly accept clocks ten minutes behind and five ahead (reference section 5.4).
_SECONDS_BEHIND, _SECONDS_AHEAD = 600, 300


class BadSignature(Exception):
    """A request that is not signed as it should be; the text says why, without secret or signature."""


class Verifier:
    """Verifies the requests of one consumer.

    :param clock: the present in Unix seconds; a test may bring its own.
    """

    def __init__(self, consumer_key: str, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._consumer_key = consumer_key
        self._secret = secret
        self._clock = clock
        self._used: dict[tuple[int, str], None] = {}

    def verify(self, method: str, url: str, authorization: str, methods: Collection[str] = DIGESTS) -> None:
        """Check a request's signature, time and nonce.

        :param url: as the client called it, with its query.
        :param methods: signature methods that are accepted.
        :raises BadSignature: if anything is missing, wrong, too old or used before.
        """
        parameters = authorization_parameters(authorization)
        if parameters.get("oauth_consumer_key") != self._consumer_key:
            raise BadSignature("unknown consumer key")
        if parameters.get("oauth_version", "1.0") != "1.0":
            raise BadSignature("oauth_version is not 1.0")
        digest_name = parameters.get("oauth_signature_method", "")
        if digest_name not in methods:
            raise BadSignature(f"oauth_signature_method must be one of {', '.join(methods)}")
        given = parameters.pop("oauth_signature", "")
        expected = signature(self._secret, base_string(method, url, parameters), digest_name)
        if not hmac.compare_digest(given.encode(), expected.encode()):
            raise BadSignature("the signature does not match")
        self._spend(parameters.get("oauth_timestamp", ""), parameters.get("oauth_nonce", ""))

    def _spend(self, timestamp: str, nonce: str) -> None:
        now = self._clock()
        if not timestamp.isdecimal() or not now - _SECONDS_BEHIND <= int(timestamp) <= now + _SECONDS_AHEAD:
            raise BadSignature("the timestamp is outside the accepted window")
        if not nonce or (int(timestamp), nonce) in self._used:
            raise BadSignature("the nonce is missing or was used before")
        self._used[int(timestamp), nonce] = None
        # In order of arrival, so the first that is still in the window ends the search.
        for used in list(takewhile(lambda used: used[0] < now - _SECONDS_BEHIND, self._used)):
            del self._used[used]


def authorization_parameters(header: str) -> dict[str, str]:
    """The parameters of an `Authorization: OAuth` header, decoded, without `realm`.

    :raises BadSignature: if the header is of another scheme or names a parameter twice.
    """
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "oauth":
        raise BadSignature("the request is not signed with OAuth 1")
    parameters: dict[str, str] = {}
    for part in rest.split(","):
        name, _, value = part.strip().partition("=")
        if name in parameters:
            raise BadSignature("a parameter is given twice")
        parameters[unquote(name)] = unquote(value.strip('"'))
    parameters.pop("realm", None)
    return parameters


def base_string(method: str, url: str, oauth_parameters: dict[str, str]) -> str:
    """The signature base string of a request, RFC 5849 section 3.4.1."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    default = {"http": 80, "https": 443}[parts.scheme]
    port = "" if parts.port in (None, default) else f":{parts.port}"
    pairs = [*parse_qsl(parts.query, keep_blank_values=True), *oauth_parameters.items()]
    encoded = sorted((_encode(name), _encode(value)) for name, value in pairs)
    normalized = "&".join(f"{name}={value}" for name, value in encoded)
    return "&".join((method.upper(), _encode(f"{parts.scheme}://{host}{port}{parts.path}"), _encode(normalized)))


def signature(secret: str, text: str, digest_name: str) -> str:
    """The base64 signature of a base string; the key ends in `&` because there is no token secret."""
    digest = hmac.new(f"{_encode(secret)}&".encode(), text.encode(), DIGESTS[digest_name]).digest()
    return base64.b64encode(digest).decode()


def _encode(text: str) -> str:
    """RFC 3986 encoding with nothing spared but the unreserved characters."""
    return quote(text, safe="-._~")


# OAuth 2 client credentials as a provider grants them: its rules and the tokens it gave out (RFC 6749).

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


class TokenIssuer:
    """Issues and checks one district's tokens.

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
        requested = form.get("scope", "").split()
        if not requested and "token-wants-scope" in quirks:
            raise TokenRefused(400, "invalid_scope", "At least one scope is required.")
        scopes = self._granted(requested, is_strict="unknown-scopes-refused" in quirks)
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

    def _granted(self, requested: list[str], *, is_strict: bool) -> list[str]:
        """The requested scopes that are shared. Others are ignored, as RFC 6749 section 3.3 lets a server do.

        :param is_strict: refuse unknown scopes.
        """
        names = [CORE, ROSTER, DEMOGRAPHICS] if self._settings.demographics else [CORE, ROSTER]
        shared = [self.scope(name) for name in names]
        if not requested:
            return shared
        granted = [scope for scope in shared if scope in requested]
        is_known = {*shared, self.scope(DEMOGRAPHICS)}.issuperset(requested)
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
    """Checks a district's client by the district's authentication method.

    :ivar quirks: the switches that are on.
    """

    def __init__(self, settings: SandboxDistrict) -> None:
        self._settings = settings
        self.quirks: frozenset[str] = frozenset()
        self.tokens = TokenIssuer(settings)
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
