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

from include.oneroster.connection import OneRosterConnection
from include.oneroster.errors import (
    SCREEN,
    AnswerUnusable,
    ConnectionInvalid,
    CredentialsRefused,
    NotOffered,
    OneRosterError,
    PermissionRefused,
    RequestRefused,
)
from include.oneroster.retry import TryAgain
from include.oneroster.transport import Answer

#: Too many requests, or the provider's own trouble: what may pass by itself.
_MAY_PASS = {429, 500, 502, 503, 504}

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

#: Beyond this difference of clocks OAuth 1 signatures are refused (servers accept about five minutes).
_CLOCK_TOLERANCE = 240.0


def try_again(answer: Answer) -> TryAgain | None:
    """The instruction to try again, if the answer is one that may pass."""
    if answer.status not in _MAY_PASS:
        return None
    return TryAgain(
        f"{urlsplit(answer.url).netloc} answered {_status(answer)}",
        code="provider_busy" if answer.status == HTTPStatus.TOO_MANY_REQUESTS else "provider_failing",
        retry_after=_retry_after(answer.headers.get("Retry-After")),
    )


def refusal(answer: Answer, connection: OneRosterConnection) -> OneRosterError:
    """The error for a data request that was answered neither with data nor with trouble that may pass."""
    said = f"{_shown(answer.url)} was answered {_status(answer)}{_word(answer.body)}"
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return _unauthorized(answer, connection, said)
    if answer.status == HTTPStatus.FORBIDDEN:
        return PermissionRefused("permission_refused", f"{said}.", remedy=_sharing_remedy(answer.url))
    if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED):
        return NotOffered(
            "not_offered",
            f"{said}.",
            remedy="The provider does not offer this collection, or the Base URL is not that of its rostering service.",
        )
    if 300 <= answer.status < 400:
        return _redirected(AnswerUnusable, answer, "Base URL")
    return RequestRefused(
        "request_refused",
        f"{said}.",
        remedy="Send this line, with the URL, to the provider's support: it is a request of the OneRoster standard.",
    )


def refused_token(answer: Answer, connection: OneRosterConnection, scopes: tuple[str, ...]) -> OneRosterError:
    """The error for a token request that was answered with something else than 200."""
    said = f"The Token URL {_shown(answer.url)} answered {_status(answer)}{_word(answer.body)}"
    if 300 <= answer.status < 400:
        return _redirected(ConnectionInvalid, answer, "Token URL")
    if b"invalid_scope" in answer.body:
        return PermissionRefused(
            "scope_refused",
            f"{said}; asked for were {' '.join(scopes)}.",
            remedy="The district shares less (Infinite Campus: Data to Share on its page for us), or the connection "
            "is of another OneRoster version, or the provider wants other `scopes` in the connection's extra.",
        )
    if answer.status in (400, 401, 403):
        return CredentialsRefused(
            "credentials_refused",
            f"{said}: {connection.id_label} and {connection.secret_label} were not accepted.",
            remedy=_credentials_remedy(connection),
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
    clock = _clock_difference(answer) if connection.auth == "oauth1" else ""
    return CredentialsRefused("credentials_refused", f"{said}: {what}.{clock}", remedy=_credentials_remedy(connection))


def _credentials_remedy(connection: OneRosterConnection) -> str:
    if connection.expired:
        return (
            f"They ended on {connection.expires_on}: the district renews them on {SCREEN}, then store the new ones in "
            f"{connection.title}."
        )
    return (
        f"Compare what is stored in {connection.title} with {SCREEN}. If the secret was made anew or the connection "
        "switched off there, only the district can help."
    )


def _sharing_remedy(url: str) -> str:
    if urlsplit(url).path.endswith("/demographics"):
        return (
            "The district does not share demographics: it ticks Demographics under Data to Share on the connection's "
            "page, or set `demographics: false` for it."
        )
    return f"The district does not share this with us; Data to Share and the schools in scope stand on {SCREEN}."


def _clock_difference(answer: Answer) -> str:
    try:
        theirs = parsedate_to_datetime(answer.headers.get("Date", ""))
        seconds = (datetime.now(UTC) - theirs).total_seconds()
    except (ValueError, TypeError):
        return ""
    if abs(seconds) < _CLOCK_TOLERANCE:
        return ""
    return f" This machine's clock and the provider's differ by {abs(seconds) / 60:.0f} minutes, which spoils it."


def _retry_after(given: str | None) -> float | None:
    """Seconds, given as such or as a date."""
    if not given:
        return None
    if given.strip().isdecimal():
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
