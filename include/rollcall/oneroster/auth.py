"""The three ways to sign in to a OneRoster service, behind one small interface.

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

#: Sends a form to the Token URL, in a slot of its own.
SendForm = Callable[[str, Mapping[str, str], Mapping[str, str]], Response]

log = logging.getLogger(__name__)

_REFRESH_EARLY = 60.0

#: So many tokens may be asked for, one after the other, without one request that they open.
_MOST_IN_VAIN = 2

# At DEBUG it would write down every signature.
logging.getLogger("oauthlib").setLevel(logging.INFO)


class Auth(Protocol):
    """How a request proves who we are."""

    def prepare(self) -> None:
        """Get what signing needs; may ask for a token, so the caller holds no slot."""

    def headers(self, method: str, url: str) -> dict[str, str]:
        """What this very request has to carry, made at once."""

    def renew(self, refused: Mapping[str, str], answer: Response, *, again: bool) -> bool:
        """A request with these headers was refused: is there something better to try it with?

        :param again: it was renewed for this request before.
        """

    def worked(self, sent: Mapping[str, str]) -> None:
        """A request with these headers was answered."""

    def has_scope(self, name: str) -> bool | None:
        """Whether a scope was granted, by its last part (`roster.readonly`); None where there are none, or unknown."""

    @property
    def has_opened(self) -> bool:
        """Whether it is a token that was good for something, so that it may have ended since."""


class _WithoutScopes:
    """What never changes: nothing ends that could be renewed, and there are no scopes."""

    has_opened = False

    def prepare(self) -> None:
        pass

    def worked(self, sent: Mapping[str, str]) -> None:
        pass

    def has_scope(self, name: str) -> bool | None:  # noqa: ARG002 - the interface's
        return None


class Bearer(_WithoutScopes):
    """A fixed token."""

    def __init__(self, connection: OneRosterConnection) -> None:
        self._token = connection.secret

    def headers(self, method: str, url: str) -> dict[str, str]:  # noqa: ARG002 - the interface's
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self, refused: Mapping[str, str], answer: Response, *, again: bool) -> bool:  # noqa: ARG002
        return False


class OAuth1(_WithoutScopes):
    """Two-legged OAuth 1.0a: every request is signed with the Consumer Secret, without a token.

    Where the provider refuses and its clock turns out to be minutes from ours, requests are signed with its time.
    """

    def __init__(self, connection: OneRosterConnection) -> None:
        self._connection = connection
        self._ahead = 0.0

    def headers(
        self, method: str, url: str, *, nonce: str | None = None, timestamp: str | None = None
    ) -> dict[str, str]:
        """:param nonce: and `timestamp`: fixed to check a known signature, else made new for every request."""
        method_name = SIGNATURE_HMAC_SHA1 if self._connection.signature == "HMAC-SHA1" else SIGNATURE_HMAC_SHA256
        signer = Client(
            self._connection.client_id,
            client_secret=self._connection.secret,
            signature_method=method_name,
            nonce=nonce,
            timestamp=timestamp or str(int(time.time() + self._ahead)),
        )
        _, headers, _ = signer.sign(url, http_method=method)
        return {"Authorization": headers["Authorization"]}

    def renew(self, refused: Mapping[str, str], answer: Response, *, again: bool) -> bool:  # noqa: ARG002
        ahead = clock_skew(answer)
        if ahead is None or abs(ahead - self._ahead) < MAX_CLOCK_SKEW:
            return False
        self._ahead = ahead
        log.warning(
            "This machine's clock and the provider's are %.0f minutes apart; requests are signed with the provider's "
            "time. Set this machine's clock, or tell the provider.",
            abs(ahead) / 60,
        )
        return True


class _TokenAnswer(msgspec.Struct):
    access_token: str
    token_type: str | None = None
    expires_in: float | str | None = None
    scope: Any = None


class OAuth2:
    """Client credentials: one token for all threads, asked for by one of them while the others wait.

    It is renewed 60 seconds before it ends (after half its life where that is shorter), or when a request is refused.
    Id and secret go raw into the Basic header, which is what servers expect in practice; those that want them encoded
    (RFC 6749, section 2.3.1) take them from the body, the other way that is tried.
    """

    def __init__(self, connection: OneRosterConnection, scopes: tuple[str, ...], send: SendForm) -> None:
        self._connection = connection
        self._scopes = scopes
        self._send = send
        self._ways: list[ClientAuth] = ["basic", "body"] if connection.client_auth == "basic" else ["body", "basic"]
        self._lock = threading.Lock()
        self._header = ""
        self._ended = True
        self._uses = 0
        self._counting = threading.Lock()  # not the other one, which is held while a token is asked for
        self._good_until: float | None = None
        self._refused: OneRosterError | None = None
        self._asked = 0
        self._in_vain = 0
        self._granted: frozenset[str] = frozenset()
        self._trouble: RetryableError | None = None

    @property
    def has_opened(self) -> bool:
        return self._in_vain == 0

    def worked(self, sent: Mapping[str, str]) -> None:
        if sent.get("Authorization") == self._header:
            self._in_vain = 0

    def has_scope(self, name: str) -> bool | None:
        """By what the Token URL says it granted; by what was asked for where it says nothing of OneRoster's scopes."""
        known = next((scopes for scopes in (self._granted, self._scopes) if any(map(_is_ours, scopes))), None)
        return None if known is None else any(scope.endswith(f"/{name}") for scope in known)

    def prepare(self) -> None:
        asked = self._asked
        with self._lock:
            if self._refused is not None:
                raise self._refused  # asking again from every thread might lock the account
            if not self._ended and (self._good_until is None or time.monotonic() < self._good_until):
                return
            if self._trouble is not None and self._asked != asked:
                raise self._trouble  # of the thread this one waited for; a provider that is busy is busy for all
            self._trouble = None
            try:
                self._ask()
            except OneRosterError as error:
                self._refused = error
                raise
            except RetryableError as trouble:
                self._trouble = trouble
                raise
            finally:
                self._asked += 1

    def headers(self, method: str, url: str) -> dict[str, str]:  # noqa: ARG002 - the interface's
        with self._counting:
            self._uses += 1
        return {"Authorization": self._header}

    def renew(self, refused: Mapping[str, str], answer: Response, *, again: bool) -> bool:  # noqa: ARG002
        """A new token is refused for good if no other thread had a share in it, for it may have ended by their use; or
        if the one before it opened nothing either: else each thread would ask for one of its own."""
        with self._lock:
            is_current = self._header == refused.get("Authorization")
            if is_current and (self._in_vain >= _MOST_IN_VAIN or (again and self._uses == 1)):
                return False
            self._ended = self._ended or is_current
            return True

    def _ask(self) -> None:
        asked_at = time.monotonic()
        answer = self._send_in(self._ways[0])
        if _refuses_the_way(answer):
            other = self._send_in(self._ways[1])
            if other.status == 200:
                self._ways.reverse()
                answer = other
        if answer.status != 200:
            raise token_refusal(answer, self._connection, self._scopes)
        token = _read_token(answer)
        self._header = f"Bearer {token.access_token}"
        self._ended, self._uses, self._in_vain = False, 0, self._in_vain + 1
        self._granted = frozenset(token.scope.split()) if isinstance(token.scope, str) else frozenset()
        life = _seconds(token.expires_in)
        self._good_until = None if life is None else asked_at + life - min(_REFRESH_EARLY, life / 2)

    def _send_in(self, way: ClientAuth) -> Response:
        headers = {"Accept": "application/json"}
        form = {"grant_type": "client_credentials"}
        if self._scopes:
            form["scope"] = " ".join(self._scopes)
        client_id, secret = self._connection.client_id, self._connection.secret
        if way == "basic":
            headers["Authorization"] = "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        else:
            form |= {"client_id": client_id, "client_secret": secret}
        answer = self._send(str(self._connection.auth_url), headers, form)
        if trouble := retryable_error(answer):
            raise trouble
        return answer


def _is_ours(scope: str) -> bool:
    return "purl.imsglobal.org" in scope


def _refuses_the_way(answer: Response) -> bool:
    """400 and 401 may mean that id and secret are looked for elsewhere; a wrong scope is wrong either way."""
    return answer.status in (400, 401) and b"invalid_scope" not in answer.body


def _read_token(answer: Response) -> _TokenAnswer:
    try:
        token = msgspec.json.decode(answer.body, type=_TokenAnswer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        token = _TokenAnswer("")
    usable = token.access_token.isascii() and token.access_token.isprintable() and " " not in token.access_token
    if not token.access_token or not usable or (token.token_type or "bearer").lower() != "bearer":
        raise ConnectionInvalid(
            "token_unusable",
            "The Token URL answered 200, but without a bearer token.",
            remedy="Check that the Token URL is copied whole and is not the Base URL.",
        )
    return token


def _seconds(expires_in: float | str | None) -> float | None:
    """A life of zero or less says nothing; the token is then used until it is refused."""
    try:
        life = float(expires_in) if expires_in is not None else 0.0
    except ValueError:
        return None
    return life if life > 0 else None


def scopes_for(version: Version, *, demographics: bool) -> tuple[str, ...]:
    """The least that reading the top-level collections needs."""
    prefix = f"https://purl.imsglobal.org/spec/or/v{version.replace('.', 'p')}/scope/"
    names = ["roster-core.readonly", *(["roster-demographics.readonly"] if demographics else [])]
    return tuple(prefix + name for name in names)


def auth_for(connection: OneRosterConnection, version: Version, *, demographics: bool, send: SendForm) -> Auth:
    """What the connection asks for."""
    if connection.auth == "bearer":
        return Bearer(connection)
    if connection.auth == "oauth1":
        return OAuth1(connection)
    return OAuth2(connection, connection.scopes or scopes_for(version, demographics=demographics), send)
