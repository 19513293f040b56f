"""What a provider's refusal means, in words, and who can do something about it.

Only known words of the specification are taken over from an answer's body (the code minor of OneRoster 1.1 and 1.2 in
all its spellings, the error codes of OAuth 2); its free text is not, for it may hold anything.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

from rollcall.oneroster import http
from rollcall.oneroster.backoff import TryAgain
from rollcall.oneroster.connection import OneRosterConnection
from rollcall.oneroster.errors import (
    SCREEN,
    AnswerUnusable,
    Blocked,
    ConnectionInvalid,
    CredentialsRefused,
    NotOffered,
    OneRosterError,
    ParameterRefused,
    PermissionRefused,
    RequestRefused,
)
from rollcall.oneroster.http import Answer

# What to do about a refusal, in the words the district sees on its own screen (Infinite Campus's, the most common).
#
# Facts: Infinite Campus's pages on OneRoster connections (Data to Share, school scope, Renew, supported and unsupported
# connections, API documentation of a connection).

#: Where the district itself can look at what a connection returns.
_SEE_FOR_ITSELF = (
    "What the connection returns the district can see at Edit connection > Troubleshooting Documentation > OneRoster "
    "API Documentation."
)
_NO_LICENCE_NEEDED = "Rollcall reads rosters only, which every connection may share without a further licence."


def of_credentials(connection: OneRosterConnection) -> str:
    """The id or the secret is refused: by the Token URL, or as the signature of a request."""
    if connection.expired:
        return (
            f"They ended on {connection.expires_on}: the district clicks Renew on {SCREEN}; then store what it shows "
            f"in {connection.title}, with the new `expires_on`."
        )
    compare = (
        f"Compare what is stored in {connection.title} with {SCREEN}. If the secret was made anew or the connection "
        "switched off there, only the district can help."
    )
    if connection.auth == "oauth1":
        return (
            f"{compare} Infinite Campus ends connections of OneRoster 1.1 a year after they were made: then the "
            "district clicks Renew there, or makes one of OneRoster 1.2, which does not end. First run "
            f"`rollcall check`: if the provider takes {connection.other_signature} only, it says so, and "
            f'`"signature": "{connection.other_signature}"` in the extra of {connection.title} is all it takes.'
        )
    return compare


def of_ended_token(connection: OneRosterConnection) -> str:
    """A 403 that says the token ended, and no new token helped."""
    if connection.auth != "oauth2":
        return of_credentials(connection)
    return (
        "A new token did not help. Check that Base URL and Token URL are of the same district, then ask the provider's "
        "support why it refuses tokens that its own Token URL has just given."
    )


def of_firewall(url: str) -> str:
    """A firewall or proxy before the provider refuses us (403 with a web page)."""
    return (
        f"Ask who runs {urlsplit(url).hostname} (the district's network team or the provider's support) to allow "
        "requests from this machine's public address with the user agent `Rollcall (OneRoster client)`. Nothing on the "
        "connection's page changes it."
    )


def of_token(connection: OneRosterConnection) -> str:
    """A collection refuses a token: the secret was right, or there would be none."""
    if connection.auth != "oauth2":
        return of_credentials(connection)
    return (
        "Client ID and Client Secret are right, for they got the token. What it may read is not: the district looks at "
        f"Data to Share and at the schools in scope on {SCREEN}; or the provider wants other `scopes` in "
        f"{connection.title}; or Base URL and Token URL are of two districts."
    )


def of_clock(apart: str) -> str:
    """Signatures are refused and the clocks differ."""
    return (
        f"Set this machine's clock first: it is {apart} from the provider's, and signing with the provider's time did "
        "not help. "
    )


def of_sharing(url: str) -> str:
    """We are known, and may not read this (403)."""
    if urlsplit(url).path.endswith("/demographics"):
        return (
            "The district does not share demographics: it ticks Demographics under Data to Share on the connection's "
            f"page ({SCREEN}), or set `demographics: false` for it."
        )
    return (
        f"The district does not share this with us; Data to Share and the schools in scope stand on {SCREEN}. "
        f"{_NO_LICENCE_NEEDED} {_SEE_FOR_ITSELF}"
    )


def of_scopes() -> str:
    """The Token URL does not grant what was asked for."""
    return (
        "The district shares less (Infinite Campus: Data to Share on its page for us), or the connection is of another "
        "OneRoster version, or the provider wants other `scopes` in the connection's extra."
    )


def of_path() -> str:
    """There is nothing at this path (404)."""
    return (
        "The provider does not offer this collection, or the Base URL is not that of its rostering service. "
        f"{_SEE_FOR_ITSELF}"
    )


#: Too many requests, or the provider's own trouble: what may pass by itself.
_MAY_PASS = {408, 429, 500, 502, 503, 504}

#: What may be about a value of one parameter, such as the limit.
_PARAMETER = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}

#: How gateways say that a token ended ("The incoming token has expired", "invalid_token", "TokenExpired").
_TOKEN = rb"(?:token|jwt|session)"
_ENDED = rb"(?:expired|invalid|revoked|inactive|not[\W_]valid|no[\W_]longer[\W_]valid)"
_TOKEN_ENDED = re.compile(
    rb"%b[\W_]*(?:(?:has|have|is|was|been|already)[\W_]+){0,3}%b|%b[\W_]*(?:access|bearer|security|or|the|your|[\W_])*%b"
    % (_TOKEN, _ENDED, _ENDED, _TOKEN),
    re.IGNORECASE,
)

#: Words of the specifications an answer may be quoted with, letters only.
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
_LETTERS = {re.sub("[^a-z]", "", word): word for word in _KNOWN_WORDS}


def try_again(answer: Answer) -> TryAgain | None:
    """The instruction to try again, if the answer is one that may pass."""
    if answer.status not in _MAY_PASS:
        return None
    busy = answer.status == HTTPStatus.TOO_MANY_REQUESTS
    retry_after = _retry_after(answer.headers.get("Retry-After"))
    return TryAgain(
        f"{urlsplit(answer.url).netloc} answered {_status(answer)}",
        code="provider_busy" if busy else "provider_failing",
        retry_after=retry_after,
        heavy=not busy and retry_after is None,
    )


def says_token_ended(answer: Answer) -> bool:
    """Whether a refusal says that the token it came for has ended."""
    text = answer.headers.get("WWW-Authenticate", "").encode() + b"\n" + answer.body[:4000]
    return bool(_TOKEN_ENDED.search(text))


def refusal(answer: Answer, connection: OneRosterConnection) -> OneRosterError:
    """The error for a data request that was answered neither with data nor with trouble that may pass."""
    said = f"{_shown(answer.url)} was answered {_status(answer)}{_word(answer.body)}"
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return _unauthorized(answer, connection, said)
    if answer.status == HTTPStatus.FORBIDDEN:
        return _forbidden(answer, connection, said)
    if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED):
        return NotOffered("not_offered", f"{said}.", remedy=of_path())
    if 300 <= answer.status < 400:
        return _redirected(AnswerUnusable, answer, "Base URL")
    kind = ParameterRefused if answer.status in _PARAMETER and not _is_of_a_field(answer) else RequestRefused
    return kind(
        "request_refused",
        f"{said}.",
        remedy="Send this line, with the URL, to the provider's support: it is a request of the OneRoster standard.",
    )


def refused_token(answer: Answer, connection: OneRosterConnection, scopes: tuple[str, ...]) -> OneRosterError:
    """The error for a token request that was answered with something else than 200."""
    said = f"The Token URL {_shown(answer.url)} answered {_status(answer)}{_word(answer.body)}"
    if 300 <= answer.status < 400:
        return _redirected(ConnectionInvalid, answer, "Token URL")
    if answer.status == HTTPStatus.FORBIDDEN and is_web_page(answer):
        return _blocked(answer, said)
    if b"invalid_scope" in answer.body:
        return PermissionRefused(
            "scope_refused",
            f"{said}; asked for were {' '.join(scopes)}.",
            remedy=of_scopes(),
        )
    if answer.status in (400, 401, 403):
        return CredentialsRefused(
            "credentials_refused",
            f"{said}: {connection.id_label} and {connection.secret_label} were not accepted.",
            remedy=of_credentials(connection),
        )
    return ConnectionInvalid(
        "token_url_wrong", f"{said}.", remedy=f"This is not the Token URL; copy it whole from {SCREEN}."
    )


def _redirected(kind: type[OneRosterError], answer: Answer, label: str) -> OneRosterError:
    """A redirect we do not follow: it would carry the secret or the token to another host, or never ends."""
    target = urlsplit(urljoin(answer.url, answer.headers.get("Location", "")))
    return kind(
        "redirected",
        f"{_shown(answer.url)} redirects to {target.scheme}://{target.netloc}{target.path}, which is not followed.",
        remedy=f"If that is where the service moved, put it into the connection's {label}.",
    )


def _unauthorized(answer: Answer, connection: OneRosterConnection, said: str) -> OneRosterError:
    what = {
        "oauth1": f"the {connection.signature} signature made with Consumer Key and Secret was not accepted",
        "bearer": "the bearer token was not accepted",
    }.get(str(connection.auth), "a token the Token URL had just given was not accepted")
    remedy = of_token(connection)
    if connection.auth == "oauth1" and (apart := http.apart(answer)):
        what += f"; this machine's clock and the provider's differ by {apart}"
        remedy = of_clock(apart) + remedy
    return CredentialsRefused("credentials_refused", f"{said}: {what}.", remedy=remedy)


def _forbidden(answer: Answer, connection: OneRosterConnection, said: str) -> OneRosterError:
    """403: the token ended and no new one helped, a firewall refuses us, or the district does not share it."""
    if says_token_ended(answer):
        name = _TOKEN_NAMES[str(connection.auth)]
        return CredentialsRefused(
            "token_refused",
            f"{said}: it says that {name} is invalid or has ended.",
            remedy=of_ended_token(connection),
        )
    if is_web_page(answer):
        return _blocked(answer, said)
    return PermissionRefused("permission_refused", f"{said}.", remedy=of_sharing(answer.url))


_TOKEN_NAMES = {
    "oauth1": "the signature",
    "bearer": "the bearer token",
    "oauth2": "a token the Token URL had just given",
}


def _blocked(answer: Answer, said: str) -> OneRosterError:
    return Blocked(
        "blocked_by_firewall",
        f"{said} with a web page, which no OneRoster service sends: a firewall or proxy refuses this machine.",
        remedy=of_firewall(answer.url),
    )


def is_web_page(answer: Answer) -> bool:
    """By its beginning, or by its type where it has no other body."""
    start = answer.body.lstrip()[:200].lower()
    is_html_type = "html" in answer.headers.get("Content-Type", "").lower()
    return start.startswith((b"<!doctype html", b"<html")) or (is_html_type and not start.startswith((b"{", b"[")))


def _is_of_a_field(answer: Answer) -> bool:
    """Whether the provider names another parameter than the limit: the filter, the order, the selection."""
    word = _word(answer.body)
    return any(name in word for name in ("_filter_", "_sort_", "_selection_"))


def _retry_after(given: str | None) -> float | None:
    """Seconds, given as such or as a date."""
    given = (given or "").strip()
    if given.isascii() and given.isdecimal():
        return float(given)
    try:
        return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _status(answer: Answer) -> str:
    try:
        return f"{answer.status} {HTTPStatus(answer.status).phrase}"
    except ValueError:
        return str(answer.status)


def _word(body: bytes) -> str:
    """The first word of the specifications the body holds as a value, as ` (invalid_client)`."""
    for value in re.findall(rb'"([A-Za-z_\- ]{6,40})"', body[:4000]):
        if word := _LETTERS.get(re.sub("[^a-z]", "", value.decode().lower())):
            return f" ({word})"
    return ""


def _shown(url: str) -> str:
    """A URL as it may be told. Districts want paging and path to look at; a filter might name somebody."""
    return re.sub(r"([?&]filter=)[^&]*", r"\1…", url)
