"""OAuth 1.0a signatures as a provider verifies them: two-legged, no token, in the Authorization header (RFC 5849).

Written from the RFC with `hmac` and `hashlib` alone, so that it can disagree with the library a client signs with.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Collection
from itertools import takewhile
from urllib.parse import parse_qsl, quote, unquote, urlsplit

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
            raise BadSignature(f"oauth_signature_method is none of {', '.join(methods)}")
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
    normalised = "&".join(f"{name}={value}" for name, value in encoded)
    return "&".join((method.upper(), _encode(f"{parts.scheme}://{host}{port}{parts.path}"), _encode(normalised)))


def signature(secret: str, text: str, digest_name: str) -> str:
    """The base64 signature of a base string; the key ends in `&` because there is no token secret."""
    digest = hmac.new(f"{_encode(secret)}&".encode(), text.encode(), DIGESTS[digest_name]).digest()
    return base64.b64encode(digest).decode()


def _encode(text: str) -> str:
    """RFC 3986 encoding with nothing spared but the unreserved characters."""
    return quote(text, safe="-._~")
