"""How long, and how patiently, a request is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from include.oneroster.errors import OneRosterError


class TryAgain(Exception):
    """This attempt failed in a way that may pass. Never leaves `include.oneroster`.

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


@dataclass(frozen=True)
class Retry:
    """Exponential back-off with full jitter: each wait is between nothing and its step.

    Patience is counted in time, not in attempts: a request is given up only when its first attempt lies `patience`
    back, so the defaults outlive an outage of five minutes however the dice fall.

    :param attempts: requests in all, the first included; None: as many as patience allows.
    :param first_wait: the first step, in seconds; every step doubles up to `longest_wait`.
    :param patience: seconds since the first attempt after which no other is begun. A `Retry-After` beyond it is not
        waited for.
    :param sleep: another way to wait than the client's own, which ends when the client is closed.
    """

    attempts: int | None = None
    first_wait: float = 1.0
    longest_wait: float = 60.0
    patience: float = 330.0
    sleep: Callable[[float], None] | None = None

    def wait(self, tried: int, elapsed: float, retry_after: float | None = None) -> float | None:
        """Seconds to wait after `tried` attempts and `elapsed` seconds; None when it is time to give up."""
        if (self.attempts is not None and tried >= self.attempts) or elapsed >= self.patience:
            return None
        if retry_after is not None:
            if elapsed + retry_after > self.patience:
                return None
            # Never earlier than asked, and not all clients in the same instant.
            return retry_after + random.uniform(0, self.first_wait)  # noqa: S311 - spreads requests, guards nothing
        step = min(self.longest_wait, self.first_wait * 2.0 ** min(tried - 1, 16))
        return random.uniform(0, step)  # noqa: S311
