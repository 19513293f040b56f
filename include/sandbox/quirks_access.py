"""Quirks of addresses and of signing in: looked for by name where tokens are given and requests are let in."""

from __future__ import annotations

from include.sandbox.quirk import V1P1, V1P2, Quirk

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
        f"a token is good for {TOKEN_REQUESTS} requests; 403 then says nothing about it", "API gateways",
        group="token ends",
    ),
    "unknown-scopes-refused": Quirk(
        "a token request with a scope nobody knows is refused, also next to known ones", "strict token servers"
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
    "cookies-required": Quirk("the cookie set with the token has to come with every request", "Infinite Campus"),
    "headers-required": Quirk("X-Tenant and X-Api-Key have to come with every request", "Edsembli"),
    "clock-minutes-off": Quirk(
        f"the provider's clock, and its Date header, are {CLOCK_MINUTES} minutes ahead", "any server without NTP"
    ),
    "expired-connection": Quirk("401: the connection has expired", "Infinite Campus 1.1", versions=V1P1),
    "bare-errors": Quirk('errors say {"imsx_codeMajor":"failure"} and no more', "Blackbaud"),
    "orgs-only": Quirk("/schools answers 404, /orgs has the schools", "connections of Infinite Campus"),
    "login-page-at-base": Quirk(
        "every path of the host that is none of the service answers 200 with a login page", "Infinite Campus"
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
