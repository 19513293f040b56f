"""Turns a provider's refusal into an error that says what it means, what to do, and who can do it.

Remedies name the fields and pages of Infinite Campus, the most common provider. Facts come from its pages on OneRoster
connections (Data to Share, school scope, Renew, supported connections, API documentation).

An error quotes only known words of the specifications from a response body: the code minor of OneRoster 1.1 and 1.2 in
all its spellings, and the error codes of OAuth 2. The free text of a body may hold anything and is never quoted.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import SplitResult, urljoin, urlsplit

from rollcall.display.dates import format_date
from rollcall.oneroster.connection import OneRosterConnection
from rollcall.oneroster.errors import (
    CONNECTION_SCREEN,
    BlockedByFirewall,
    ConnectionInvalid,
    CredentialsRefused,
    EndpointNotFound,
    InvalidResponse,
    OneRosterError,
    ParameterRefused,
    PermissionRefused,
    RequestRefused,
    RetryableError,
)
from rollcall.oneroster.http import Response

#: Where the district can see what a connection returns (Infinite Campus).
_DISTRICT_VIEW = (
    "The district can see what the connection returns at Edit connection > Troubleshooting Documentation > OneRoster "
    "API Documentation."
)
_NO_LICENSE_NEEDED = "Rollcall reads rosters only. Every connection may share them without an additional license."


def _expiry(connection: OneRosterConnection) -> str:
    return format_date(connection.expires_on) if connection.expires_on else "an unknown date"


def credentials_remedy(connection: OneRosterConnection) -> str:
    """The ID or the secret is refused, by the Token URL or as a request signature."""
    if connection.is_expired():
        return (
            f"They expired on {_expiry(connection)}. The district clicks Renew on {CONNECTION_SCREEN}. Then store "
            f"the new values in {connection.title}, with the new `expires_on`."
        )
    compare = (
        f"Compare the values in {connection.title} with {CONNECTION_SCREEN}. If the district created a new secret or "
        "turned the connection off, only the district can help."
    )
    if connection.auth == "oauth1":
        return (
            f"{compare} Infinite Campus ends OneRoster 1.1 connections after one year. Then the district clicks Renew "
            "there, or creates a OneRoster 1.2 connection, which does not expire. First run `rollcall check`. If the "
            f"provider accepts only {connection.other_signature}, the check says so. Then set "
            f'`"signature": "{connection.other_signature}"` in the extra of {connection.title}.'
        )
    return compare


def expired_token_remedy(connection: OneRosterConnection) -> str:
    """A 403 says that the token expired, and a new token did not help."""
    if connection.auth != "oauth2":
        return credentials_remedy(connection)
    return (
        "A new token did not help. Check that Base URL and Token URL belong to the same district. Then ask the "
        "provider's support why it refuses tokens that its own Token URL issued."
    )


def firewall_remedy(url: str) -> str:
    """A firewall or proxy refuses us: 403 with a web page."""
    return (
        f"Ask the operator of {urlsplit(url).hostname} (the district's network team or the provider's support) to "
        "allow requests from this machine's public address with the user agent `Rollcall (OneRoster client)`. Changes "
        "on the connection's page do not help."
    )


def token_remedy(connection: OneRosterConnection) -> str:
    """A collection refuses a token. The secret was correct, because it got a token."""
    if connection.auth != "oauth2":
        return credentials_remedy(connection)
    return (
        "Client ID and Client Secret are correct: they got the token. The token does not permit this read. Ask the "
        f"district to check Data to Share and the schools in scope on {CONNECTION_SCREEN}. If they are correct, the "
        f"provider may need other `scopes` in {connection.title}, or Base URL and Token URL belong to two districts."
    )


def clock_remedy(skew: str) -> str:
    """Signatures are refused and the clocks differ."""
    return (
        f"Set this machine's clock first: it is {skew} from the provider's, and signing with the provider's time did "
        "not help. "
    )


def sharing_remedy(url: str) -> str:
    """The provider knows us, and we may not read this: 403."""
    if urlsplit(url).path.endswith("/demographics"):
        return (
            "The district does not share demographics. Ask it to select Demographics under Data to Share on "
            f"{CONNECTION_SCREEN}. Or set `demographics: false` for this district."
        )
    return (
        "The district does not share this with us. Ask it to check Data to Share and the schools in scope on "
        f"{CONNECTION_SCREEN}. {_NO_LICENSE_NEEDED} {_DISTRICT_VIEW}"
    )


#: The Token URL does not grant the requested scopes.
_SCOPES_REMEDY = (
    "The district shares less (Infinite Campus: Data to Share on the connection's page), or the connection has another "
    "OneRoster version, or the provider needs other `scopes` in the connection's extra."
)

#: The path does not exist: 404.
_PATH_REMEDY = (
    "The provider does not offer this collection, or the Base URL is not the one of its rostering service. "
    f"{_DISTRICT_VIEW}"
)


#: Too many requests, or a failure of the provider: a retry may succeed.
_RETRYABLE = {408, 429, 500, 502, 503, 504}

#: Statuses that may mean one bad parameter value, such as the limit.
_PARAMETER_STATUSES = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}

#: How gateways report an expired token ("The incoming token has expired", "invalid_token", "TokenExpired").
_TOKEN = rb"(?:token|jwt|session)"
_EXPIRED = rb"(?:expired|invalid|revoked|inactive|not[\W_]valid|no[\W_]longer[\W_]valid)"
_TOKEN_EXPIRED = re.compile(
    rb"%b[\W_]*(?:(?:has|have|is|was|been|already)[\W_]+){0,3}%b|%b[\W_]*(?:access|bearer|security|or|the|your|[\W_])*%b"
    % (_TOKEN, _EXPIRED, _EXPIRED, _TOKEN),
    re.IGNORECASE,
)

#: Words of the specifications that an error may quote.
_KNOWN_WORDS = (
    "invalid_filter_field",
    "invalid_selection_field",
    "invalid_blank_selection_field",
    "invalid_sort_field",
    "invaliddata",
    "unauthorisedrequest",
    "unauthorized",
    "forbidden",
    "server_busy",
    "unknownobject",
    "internal_server_error",
    "unsupportedoperation",
    "targetreadfailure",
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
)
_WORDS_BY_LETTERS = {re.sub("[^a-z]", "", word): word for word in _KNOWN_WORDS}


def retryable_error(response: Response) -> RetryableError | None:
    """The error that asks for a retry. None: the response is not retryable."""
    if response.status not in _RETRYABLE:
        return None
    busy = response.status == HTTPStatus.TOO_MANY_REQUESTS
    retry_after = _retry_after(response.headers.get("Retry-After"))
    return RetryableError(
        f"{urlsplit(response.url).netloc} returned {_status(response)}",
        code="provider_busy" if busy else "provider_failing",
        retry_after=retry_after,
        heavy=not busy and retry_after is None,
    )


def reports_expired_token(response: Response) -> bool:
    """Whether a refusal says that the token expired."""
    text = response.headers.get("WWW-Authenticate", "").encode() + b"\n" + response.body[:4000]
    return bool(_TOKEN_EXPIRED.search(text))


def refusal(response: Response, connection: OneRosterConnection) -> OneRosterError:
    """The error for a data request that failed and is not retryable."""
    summary = f"{_printable_url(response.url)} returned {_status(response)}{_code_minor(response.body)}"
    if response.status == HTTPStatus.UNAUTHORIZED:
        return _unauthorized(response, connection, summary)
    if response.status == HTTPStatus.FORBIDDEN:
        return _forbidden(response, connection, summary)
    if response.status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED):
        return EndpointNotFound("not_offered", f"{summary}.", remedy=_PATH_REMEDY)
    if 300 <= response.status < 400:
        return _redirected(InvalidResponse, response, "Base URL")
    may_be_limit = response.status in _PARAMETER_STATUSES and not _names_another_parameter(response)
    kind = ParameterRefused if may_be_limit else RequestRefused
    return kind(
        "request_refused",
        f"{summary}.",
        remedy="Send this line with the URL to the provider's support. The request follows the OneRoster standard.",
    )


def token_refusal(response: Response, connection: OneRosterConnection, scopes: tuple[str, ...]) -> OneRosterError:
    """The error for a token request that was not answered with 200."""
    summary = f"The Token URL {_printable_url(response.url)} returned {_status(response)}{_code_minor(response.body)}"
    if 300 <= response.status < 400:
        return _redirected(ConnectionInvalid, response, "Token URL")
    if response.status == HTTPStatus.FORBIDDEN and is_web_page(response):
        return _blocked(response, summary)
    if b"invalid_scope" in response.body:
        return PermissionRefused(
            "scope_refused",
            f"{summary}. Requested scopes: {' '.join(scopes)}.",
            remedy=_SCOPES_REMEDY,
        )
    if response.status in (400, 401, 403):
        return CredentialsRefused(
            "credentials_refused",
            f"{summary}: {connection.id_label} and {connection.secret_label} were not accepted.",
            remedy=credentials_remedy(connection),
        )
    return ConnectionInvalid(
        "token_url_wrong", f"{summary}.", remedy=f"This is not the Token URL. Copy it whole from {CONNECTION_SCREEN}."
    )


def redirect_url(response: Response) -> SplitResult | None:
    """The absolute URL of a `Location` header. None: there is none, or it is not a URL.

    Spaces and control characters are not removed, as `urllib` would: what is left could be another URL than it seems.
    """
    location = response.headers.get("Location", "")
    if not location or not location.isascii() or not location.isprintable() or " " in location:
        return None
    try:
        target = urlsplit(urljoin(response.url, location))
        target.port  # noqa: B018 - raises if it is not a number
    except ValueError:
        return None
    return target if target.scheme in ("http", "https") and target.hostname else None


def _redirected(kind: type[OneRosterError], response: Response, label: str) -> OneRosterError:
    """A redirect that we do not follow: it leads the secret or the token to another host, or never ends."""
    target = redirect_url(response)
    if target is None:
        return kind(
            "redirect_unusable",
            f"{_printable_url(response.url)} redirects without a usable `Location`.",
            remedy="Ask the provider's support where the service is.",
        )
    host = target.netloc.rpartition("@")[2]
    note = " It contains a user or a password." if "@" in target.netloc else ""
    return kind(
        "redirected",
        f"{_printable_url(response.url)} redirects to {target.scheme}://{host}{target.path[:200]}.{note} "
        "Rollcall does not follow it.",
        remedy=f"If the service moved there, enter it as the connection's {label}.",
    )


def _unauthorized(response: Response, connection: OneRosterConnection, summary: str) -> OneRosterError:
    what = {
        "oauth1": f"the {connection.signature} signature made with Consumer Key and Secret was not accepted",
        "bearer": "the bearer token was not accepted",
    }.get(str(connection.auth), "a token that the Token URL just issued was not accepted")
    remedy = token_remedy(connection)
    if connection.auth == "oauth1" and (skew := describe_clock_skew(response)):
        what += f"; this machine's clock and the provider's differ by {skew}"
        remedy = clock_remedy(skew) + remedy
    return CredentialsRefused("credentials_refused", f"{summary}: {what}.", remedy=remedy)


def _forbidden(response: Response, connection: OneRosterConnection, summary: str) -> OneRosterError:
    """403: an expired token that a new one did not fix, a firewall, or data the district does not share."""
    if reports_expired_token(response):
        name = _TOKEN_NAMES[str(connection.auth)]
        return CredentialsRefused(
            "token_refused",
            f"{summary}: it says that {name} is invalid or expired.",
            remedy=expired_token_remedy(connection),
        )
    if is_web_page(response):
        return _blocked(response, summary)
    return PermissionRefused("permission_refused", f"{summary}.", remedy=sharing_remedy(response.url))


_TOKEN_NAMES = {
    "oauth1": "the signature",
    "bearer": "the bearer token",
    "oauth2": "a token that the Token URL just issued",
}


def _blocked(response: Response, summary: str) -> OneRosterError:
    return BlockedByFirewall(
        "blocked_by_firewall",
        f"{summary} with a web page. No OneRoster service sends one: a firewall or proxy refuses this machine.",
        remedy=firewall_remedy(response.url),
    )


def is_web_page(response: Response) -> bool:
    """Whether the body starts like HTML, or is declared as HTML and does not start like JSON."""
    start = response.body.lstrip()[:200].lower()
    is_html_type = "html" in response.headers.get("Content-Type", "").lower()
    return start.startswith((b"<!doctype html", b"<html")) or (is_html_type and not start.startswith((b"{", b"[")))


def _names_another_parameter(response: Response) -> bool:
    """Whether the provider complains about a parameter other than the limit: filter, sort, or selection."""
    word = _code_minor(response.body)
    return any(name in word for name in ("_filter_", "_sort_", "_selection_"))


#: Digits of `Retry-After` that count. Ten are three hundred years.
_MAX_DIGITS = 10


def _retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds to wait, from a number or a date."""
    header = (header or "").strip()
    if header.isascii() and header.isdecimal():
        return float(header[:_MAX_DIGITS])
    try:
        return max(0.0, (parsedate_to_datetime(header) - (now or datetime.now(UTC))).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _status(response: Response) -> str:
    try:
        return f"{response.status} {HTTPStatus(response.status).phrase}"
    except ValueError:
        return str(response.status)


def _code_minor(body: bytes) -> str:
    """The first known word in the body, such as ` (invalid_client)`. Empty: none."""
    for value in re.findall(rb'"([A-Za-z_\- ]{6,40})"', body[:4000]):
        if word := _WORDS_BY_LETTERS.get(re.sub("[^a-z]", "", value.decode().lower())):
            return f" ({word})"
    return ""


def _printable_url(url: str) -> str:
    """The URL without its filter, which might name a person."""
    return re.sub(r"([?&]filter=)[^&]*", r"\1…", url)


#: Seconds between our clock and the provider's. OAuth 1 signatures carry the time. Servers accept about five minutes,
#: some accept less, and the response takes time to arrive.
MAX_CLOCK_SKEW = 120.0


def clock_skew(response: Response, now: datetime | None = None) -> float | None:
    """Seconds the provider's clock is ahead of ours, from the `Date` header. Negative: behind. None: no date."""
    try:
        provider_time = parsedate_to_datetime(response.headers.get("Date", ""))
        return (provider_time - (now or datetime.now(UTC))).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None


def describe_clock_skew(response: Response) -> str:
    """The skew in words, such as `20 minutes`. Empty: it does not matter."""
    seconds = clock_skew(response)
    return "" if seconds is None or abs(seconds) < MAX_CLOCK_SKEW else f"{abs(seconds) / 60:.0f} minutes"
