"""Errors between Rollcall and a provider, in the words of the district's screen.

They carry code, message, and remedy only: never a record, a secret, or a token.
"""

from __future__ import annotations

from rollcall.errors import ActionRequired, RollcallError

#: Where a district finds its credentials. The menu is that of Infinite Campus, the most common provider.
CONNECTION_SCREEN = (
    "the connection's page in the district's student information system (Infinite Campus: Instruction > Settings > "
    "Digital Learning Applications Configuration > the connection > Information to Share)"
)


class OneRosterError(RollcallError):
    """Any failure to read a provider's data."""


class ConnectionInvalid(OneRosterError, ActionRequired):
    """A field of the connection is invalid. Found before a request, or from the Token URL's response."""


class BaseUrlWrong(OneRosterError, ActionRequired):
    """No OneRoster service responds at the Base URL."""


class CredentialsRefused(OneRosterError, ActionRequired):
    """The provider does not accept the ID, the secret, the token, or the signature (401)."""


class PermissionRefused(OneRosterError, ActionRequired):
    """The provider knows us and does not share this data (403, or a scope that is not granted)."""


class EndpointNotFound(OneRosterError, ActionRequired):
    """The path does not exist (404, 405, 501)."""


class RequestRefused(OneRosterError, ActionRequired):
    """The provider rejects the request (400 and other 4xx)."""


class ParameterRefused(RequestRefused):
    """The same, with a status that may mean one bad parameter, such as a `limit` that is too large."""


class BlockedByFirewall(OneRosterError, ActionRequired):
    """A firewall or proxy refuses us (403 with a web page)."""


class FilterUnanswered(OneRosterError):
    """A filtered request returned no list and no total of zero. The whole collection must be read."""


class ProviderUnavailable(OneRosterError):
    """The provider was unreachable or busy until our patience ended."""


class InvalidResponse(OneRosterError):
    """The response is not a OneRoster page: HTML, no envelope, or a redirect to another place."""


class LimitExceeded(InvalidResponse):
    """The provider sends more than a bound allows."""


class PagingBroken(OneRosterError):
    """The pages of a collection do not form a collection."""


class ClientClosed(OneRosterError):
    """The client was closed during a request or a wait."""


def client_closed() -> ClientClosed:
    """The error of a client that was closed."""
    return ClientClosed("reading_stopped", "The client was closed during a request.")


class RetryableError(Exception):
    """An attempt failed in a way that may pass. Never leaves `rollcall.oneroster`.

    :param reason: in words, without any value from a response.
    :param code: code of the final error, when patience ends.
    :param retry_after: seconds the provider asks us to wait.
    :param heavy: whether the request may have been too heavy for the provider (a failure or a time-out).
    :param becomes: the final error, if it is not `ProviderUnavailable`.
    """

    def __init__(
        self,
        reason: str,
        *,
        code: str = "provider_unavailable",
        retry_after: float | None = None,
        heavy: bool = False,
        becomes: OneRosterError | None = None,
    ) -> None:
        self.reason = reason
        self.code = code
        self.retry_after = retry_after
        self.heavy = heavy
        self.becomes = becomes
        super().__init__(reason)
