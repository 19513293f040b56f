"""What can go wrong between Rollcall and a provider, told in the words a district sees on its own screen.

No class here carries anything beside code, message and remedy, so that none can carry a record, a secret or a token.
"""

from __future__ import annotations

from rollcall.errors import ActionRequired, RollcallError

#: Where a district looks its credentials up; Infinite Campus's menu, the most common one, stands for the others.
CONNECTION_SCREEN = (
    "the connection's page in the district's student information system (Infinite Campus: Instruction > Settings > "
    "Digital Learning Applications Configuration > the connection > Information to Share)"
)


class OneRosterError(RollcallError):
    """Anything that keeps us from a provider's data."""


class ConnectionInvalid(OneRosterError, ActionRequired):
    """A field of the connection cannot be right: seen before anything is sent, or by what the Token URL answers."""


class BaseUrlWrong(OneRosterError, ActionRequired):
    """No OneRoster service answers under the Base URL."""


class CredentialsRefused(OneRosterError, ActionRequired):
    """The provider does not accept the id, the secret, the token or the signature (401)."""


class PermissionRefused(OneRosterError, ActionRequired):
    """The provider knows us and does not share this with us (403, or a scope that is not granted)."""


class EndpointNotFound(OneRosterError, ActionRequired):
    """The provider has nothing at this path (404, 405, 501)."""


class RequestRefused(OneRosterError, ActionRequired):
    """The provider does not understand the request (400 and the other 4xx)."""


class ParameterRefused(RequestRefused):
    """The same, with a status that may be about one parameter's value, such as a `limit` that is too large."""


class BlockedByFirewall(OneRosterError, ActionRequired):
    """A firewall or proxy in front of the provider refuses us (403 with a web page)."""


class FilterUnanswered(OneRosterError):
    """A filtered request was answered without a list, and without a total of zero. Only the whole collection tells."""


class ProviderUnavailable(OneRosterError):
    """The provider could not be reached, or kept answering that it is busy, for as long as we are patient."""


class InvalidResponse(OneRosterError):
    """The provider answered, and what came is no OneRoster page: HTML, no envelope, a redirect to somewhere else."""


class PagingBroken(OneRosterError):
    """The pages of a collection do not add up to a collection."""


class ClientClosed(OneRosterError):
    """The client was closed while this was read or waited for; whoever closed it knows why."""


def client_closed() -> ClientClosed:
    """The error of a client that was closed."""
    return ClientClosed("reading_stopped", "The client was closed while it read.")


class RetryableError(Exception):
    """This attempt failed in a way that may pass. Never leaves `rollcall.oneroster`.

    :param reason: in words, without any value of an answer.
    :param code: of the error it becomes when patience ends.
    :param retry_after: seconds the provider asks for.
    :param heavy: whether the provider may have been asked for too much at once (its own failure, or silence).
    :param becomes: the error when patience ends, where it is not simply that the provider is unavailable.
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
