"""What can go wrong between Rollcall and a provider, told in the words a district sees on its own screen.

No class here carries anything beside code, message and remedy, so that none can carry a record, a secret or a token.
"""

from __future__ import annotations

from rollcall.errors import ActionRequired, RollcallError

#: Where a district looks its credentials up; Infinite Campus's menu, the most common one, stands for the others.
SCREEN = (
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


class NotOffered(OneRosterError, ActionRequired):
    """The provider has nothing at this path (404, 405, 501)."""


class RequestRefused(OneRosterError, ActionRequired):
    """The provider does not understand the request (400 and the other 4xx)."""


class ParameterRefused(RequestRefused):
    """The same, with a status that may be about one parameter's value, such as a `limit` that is too large."""


class Blocked(OneRosterError, ActionRequired):
    """A firewall or proxy in front of the provider refuses us (403 with a web page)."""


class FilterUnanswered(OneRosterError):
    """A filtered request was answered without a list, and without a total of zero. Only the whole collection tells."""


class ProviderUnavailable(OneRosterError):
    """The provider could not be reached, or kept answering that it is busy, for as long as we are patient."""


class AnswerUnusable(OneRosterError):
    """The provider answered, and what came is no OneRoster page: HTML, no envelope, a redirect to somewhere else."""


class PagingBroken(OneRosterError):
    """The pages of a collection do not add up to a collection."""


class ReadingStopped(OneRosterError):
    """The client was closed while this was read or waited for; whoever closed it knows why."""


def stopped() -> ReadingStopped:
    """The error of a client that was closed."""
    return ReadingStopped("reading_stopped", "The client was closed while it read.")
