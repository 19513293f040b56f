"""What a provider saw of its clients: requests per path, token requests, and how many were open at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Gauge:
    """How many requests are open, and how many were at most."""

    def __init__(self) -> None:
        self._open = 0
        self.most = 0

    def enter(self) -> None:
        self._open += 1
        self.most = max(self.most, self._open)

    def leave(self) -> None:
        self._open -= 1

    def reset(self) -> None:
        self.most = self._open


class Seen:
    """The requests made to one district.

    :param host: the gauge shared by all districts of the sandbox, which are one host to a client.
    """

    def __init__(self, host: Gauge) -> None:
        self._host = host
        self._own = Gauge()
        self._requests: Counter[str] = Counter()
        self._token_requests = 0

    @contextmanager
    def request(self, path: str) -> Iterator[None]:
        """Count a request for as long as it is open; an empty path stands for the token endpoint."""
        if path:
            self._requests[path] += 1
        else:
            self._token_requests += 1
        gauges = (self._own, self._host)
        for gauge in gauges:
            gauge.enter()
        try:
            yield
        finally:
            for gauge in gauges:
                gauge.leave()

    def summary(self) -> dict[str, Any]:
        """Requests by path below the Base URL, and the most that were open at once here and on the whole host."""
        return {
            "requests": dict(sorted(self._requests.items())),
            "token_requests": self._token_requests,
            "most_at_once": self._own.most,
            "most_at_once_on_host": self._host.most,
        }

    def reset(self) -> None:
        self._requests.clear()
        self._token_requests = 0
        self._own.reset()
        self._host.reset()
