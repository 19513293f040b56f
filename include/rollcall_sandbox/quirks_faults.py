"""Quirks of failing responses: temporary refusals, broken bodies, pages that are not JSON, and delays.

What fails "twice" fails for the first two requests of each collection's pages, and is well from the third on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate

from rollcall_sandbox.quirk import V1P1, V1P2, HttpResponse, PageRequest, Quirk

# Quirks of addresses and of signing in: looked for by name where tokens are given and requests are let in.

TOKEN_REQUESTS = 3
CLOCK_MINUTES = 20

#: Of a token that ends after so many requests.
ENDING_TOKENS = {"token-expires-mid-pull", "token-403-mid-pull", "token-403-without-a-word"}

ACCESS = {
    "token-expires-mid-pull": Quirk(
        f"a token is good for {TOKEN_REQUESTS} requests", "any with short tokens", group="token ends"
    ),
    "token-403-mid-pull": Quirk(
        f"a token is good for {TOKEN_REQUESTS} requests; 403 then says that it has expired", "API gateways",
        group="token ends",
    ),
    "token-403-without-a-word": Quirk(
        f"a token is good for {TOKEN_REQUESTS} requests; 403 does not say why", "API gateways",
        group="token ends",
    ),
    "unknown-scopes-refused": Quirk(
        "a token request with an unknown scope is refused, also together with known ones", "strict token servers"
    ),
    "sha1-only": Quirk(
        "signatures of HMAC-SHA1 only are accepted", "classic connections of OneRoster 1.1", versions=V1P1
    ),
    "token-redirects": Quirk(
        "the Token URL redirects (307) to another path of its host", "hosts that moved", group="token redirects"
    ),
    "token-redirects-away": Quirk(
        "the Token URL redirects (307) to another host", "hosts that moved", group="token redirects"
    ),
    "token-wants-body": Quirk(
        "Client ID and Secret are read from the form alone", "Synergy", group="token credentials"
    ),
    "token-wants-basic": Quirk(
        "Client ID and Secret are read from the Basic header alone", "Infinite Campus", group="token credentials"
    ),
    "token-wants-scope": Quirk("a token request without a scope is refused", "Aeries"),
    "token-at-base": Quirk("the Token URL is {base}/token", "Aeries", group="token address"),
    "token-at-oauth": Quirk("the Token URL is {base}/oauth/access_token", "PowerSchool", group="token address"),
    "cookies-required": Quirk("every request must carry the cookie that was set with the token", "Infinite Campus"),
    "headers-required": Quirk("every request must carry X-Tenant and X-Api-Key", "Edsembli"),
    "clock-minutes-off": Quirk(
        f"the provider's clock, and its Date header, are {CLOCK_MINUTES} minutes ahead", "any server without NTP"
    ),
    "expired-connection": Quirk("401: the connection has expired", "Infinite Campus 1.1", versions=V1P1),
    "bare-errors": Quirk('errors contain only {"imsx_codeMajor":"failure"}', "Blackbaud"),
    "orgs-only": Quirk("/schools returns 404, /orgs has the schools", "connections of Infinite Campus"),
    "login-page-at-base": Quirk(
        "every other path of the host returns 200 with a login page", "Infinite Campus"
    ),
    "service-at-base": Quirk(
        "the Base URL is the service: it ends in /rostering/v1p2", "Infinite Campus before 2235", group="address",
        versions=V1P2,
    ),
    "service-at-v1p1": Quirk("the service is at {base}/v1p1", "Infinite Campus", group="address", versions=V1P1),
    "service-at-rostering-v1p1": Quirk(
        "the service is at {base}/rostering/v1p1", "Infinite Campus as GG4L has it", group="address", versions=V1P1
    ),
    "discovery": Quirk(
        "{service}/discovery has an OpenAPI document under the REST binding's name", "certified providers",
        group="discovery", versions=V1P2,
    ),
    "discovery-other-name": Quirk(
        "{service}/discovery has an OpenAPI document under the conformance guide's name", "1EdTech's own server",
        group="discovery", versions=V1P2,
    ),
}  # fmt: skip


SLOW_ANSWER_SECONDS = 0.05
HANG_SECONDS = 4.0
RETRY_AFTER_SECONDS = 1
_TIMES = 2
_HEAVY = (100, 1000)

LOGIN_PAGE = b"<!DOCTYPE html>\n<html><head><title>Campus</title></head><body><form>Log in</form></body></html>\n"
_BUSY_PAGE = b"<html><head><title>503 Service Temporarily Unavailable</title></head><body></body></html>\n"

_FIREWALL_PAGE = b"<html><head><title>403 Forbidden</title></head><body>Request blocked. ID 4711</body></html>\n"

_Damage = Callable[[PageRequest, HttpResponse], None]


def _first(times: int, damage: Callable[[HttpResponse], None]) -> _Damage:
    def damages(request: PageRequest, reply: HttpResponse) -> None:
        if request.earlier < times:
            damage(reply)

    return damages


def _always(damage: Callable[[HttpResponse], None]) -> _Damage:
    return lambda _, reply: damage(reply)


def _page(status: int, body: bytes = _BUSY_PAGE) -> Callable[[HttpResponse], None]:
    """An HTML page instead of the response."""

    def damage(reply: HttpResponse) -> None:
        reply.status, reply.body, reply.headers, reply.media_type = status, body, {}, "text/html"

    return damage


def _too_many(retry_after: Callable[[], str] | None) -> Callable[[HttpResponse], None]:
    def damage(reply: HttpResponse) -> None:
        _page(429)(reply)
        if retry_after is not None:
            reply.headers["Retry-After"] = retry_after()

    return damage


def _latin_1(reply: HttpResponse) -> None:
    """In ISO-8859-1, as the header says. Other letters are JSON escapes."""
    reply.body = reply.body.decode().encode("iso-8859-1", "backslashreplace")
    reply.media_type = "application/json;charset=ISO-8859-1"


def _date() -> str:
    """A moment at least a second from now, as HTTP writes it: in whole seconds."""
    return formatdate(time.time() + RETRY_AFTER_SECONDS + 1, usegmt=True)


def _cut(reply: HttpResponse) -> None:
    reply.cut = True


def _truncated(reply: HttpResponse) -> None:
    reply.body = reply.body[: len(reply.body) // 2]


def _slow(reply: HttpResponse) -> None:
    reply.seconds += SLOW_ANSWER_SECONDS


def _hanging(reply: HttpResponse) -> None:
    reply.seconds += HANG_SECONDS


def _heavy(most: int) -> _Damage:
    def damages(request: PageRequest, reply: HttpResponse) -> None:
        if request.requested_limit > most:
            _page(504)(reply)

    return damages


def _past_page_one(request: PageRequest, reply: HttpResponse) -> None:
    if request.offset:
        _page(503)(reply)


FAULTS = {
    f"http-{status}": Quirk(
        f"the first two requests of a collection return {status}", "any under load", group="refusals",
        changes_response=_first(_TIMES, _page(status)),
    )
    for status in (500, 502, 503, 504)
} | {
    "http-503-always": Quirk(
        "every collection returns 503", "any under maintenance", group="refusals", changes_response=_always(_page(503))
    ),
    "http-503-past-page-one": Quirk(
        "every page except a collection's first returns 503", "any under maintenance", group="refusals",
        changes_response=_past_page_one,
    ),
    "http-429-seconds": Quirk(
        "the first two requests of a collection return 429 with Retry-After in seconds", "ClassLink", group="refusals",
        changes_response=_first(_TIMES, _too_many(lambda: str(RETRY_AFTER_SECONDS))),
    ),
    "http-429-date": Quirk(
        "the first two requests of a collection return 429 with Retry-After as a date", "any", group="refusals",
        changes_response=_first(_TIMES, _too_many(_date)),
    ),
    "http-429-bare": Quirk(
        "the first two requests of a collection return 429 in HTML without Retry-After", "ClassLink", group="refusals",
        changes_response=_first(_TIMES, _too_many(None)),
    ),
    "firewall-page": Quirk(
        "collections return 403 with the page of a firewall", "any behind a web application firewall",
        group="refusals", changes_response=_always(_page(403, _FIREWALL_PAGE)),
    ),
    "html-200-once": Quirk(
        "the first request of a collection returns 200 with a login page", "single sign-on before the SIS",
        group="body", changes_response=_first(1, _page(200, LOGIN_PAGE)),
    ),
    "html-200-always": Quirk(
        "collections return 200 with a login page", "single sign-on before the SIS", group="body",
        changes_response=_always(_page(200, LOGIN_PAGE)),
    ),
    "truncated-json-once": Quirk(
        "the first page of a collection ends in the middle of its JSON, in good form", "proxies", group="body",
        changes_response=_first(1, _truncated),
    ),
    "latin-1": Quirk(
        "responses are in ISO-8859-1, as their Content-Type says", "exports in an 8-bit encoding",
        changes_response=_always(_latin_1),
    ),
    "drop-once": Quirk(
        "the connection is closed in the middle of a collection's first response", "any network", group="body",
        changes_response=_first(1, _cut),
    ),
    "drop-always": Quirk(
        "the connection is closed in the middle of every response", "any network", group="body",
        changes_response=_always(_cut),
    ),
    "slow-answers": Quirk(
        f"every page takes {SLOW_ANSWER_SECONDS * 1000:.0f} ms, so that requests overlap and can be counted", "any",
        changes_response=_always(_slow),
    ),
    "hang-once": Quirk(
        f"a collection's first page takes {HANG_SECONDS:.0f} s", "any under load", changes_response=_first(1, _hanging)
    ),
} | {
    f"heavy-pages-{most}": Quirk(
        f"504 where the limit is above {most}", "any with a slow database", group="heavy", changes_response=_heavy(most)
    )
    for most in _HEAVY
}  # fmt: skip
