"""What to do about a refusal, in the words the district sees on its own screen (Infinite Campus's, the most common).

Facts: Infinite Campus's pages on OneRoster connections (Data to Share, school scope, Renew, supported and unsupported
connections, API documentation of a connection).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from include.oneroster.connection import OneRosterConnection
from include.oneroster.errors import SCREEN

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
