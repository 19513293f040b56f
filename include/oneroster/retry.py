"""How long, and how patiently, a request is tried again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


class TryAgain(Exception):
    """This attempt failed in a way that may pass. Never leaves `include.oneroster`.

    :param reason: in words, without any value of an answer.
    :param code: of the error it becomes when patience ends.
    :param retry_after: seconds the provider asks for.
    """

    def __init__(self, reason: str, *, code: str = "provider_unavailable", retry_after: float | None = None) -> None:
        self.reason = reason
        self.code = code
        self.retry_after = retry_after
        super().__init__(reason)


@dataclass(frozen=True)
class Retry:
    """Exponential back-off with jitter: each wait is between half of its step and the whole.

    The defaults wait at least 75 seconds in all, so that a quota per minute is outlived (the waits of nine retries,
    each at its shortest).

    :param attempts: requests in all, the first included.
    :param first_wait: the first step, in seconds; every step doubles up to `longest_wait`.
    :param patience: seconds since the first attempt after which no other is begun. A `Retry-After` beyond it is not
        waited for.
    """

    attempts: int = 10
    first_wait: float = 1.0
    longest_wait: float = 30.0
    patience: float = 300.0
    sleep: Callable[[float], None] = time.sleep

    def wait(self, tried: int, elapsed: float, retry_after: float | None = None) -> float | None:
        """Seconds to wait after `tried` attempts and `elapsed` seconds; None when it is time to give up."""
        if tried >= self.attempts:
            return None
        step = min(self.longest_wait, self.first_wait * 2.0 ** (tried - 1))
        seconds = step / 2 + random.uniform(0, step / 2)  # noqa: S311 - spreads requests, guards nothing
        if retry_after is not None:
            # Never earlier than asked, and not all threads in the same instant.
            seconds = retry_after + random.uniform(0, self.first_wait)  # noqa: S311
        return seconds if elapsed + seconds <= self.patience else None
