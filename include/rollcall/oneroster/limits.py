"""The largest `limit` a provider accepts, found once for all collections of a client.

The specification lets a server lower a limit that is too large for it. Some refuse it instead with 400, 413 or 422
(openAIP, Ed-Fi's Data Management Service), and then every page has to be asked for with fewer rows.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from rollcall.oneroster.errors import ParameterRefused, RequestRefused

log = logging.getLogger(__name__)

Page = TypeVar("Page")

#: Maximums that providers document; the largest one that is accepted is used.
_STEPS = (5000, 3000, 2000, 1000, 500, 250, 200, 100, 50, 25, 10)


class LargestLimit:
    """Shared by the collections and threads of a client, for a maximum belongs to the provider.

    :ivar found: the largest limit that was accepted after a larger one had been refused; None while none was refused.
    """

    def __init__(self) -> None:
        self.found: int | None = None
        self._known: int | None = None
        self._searching = threading.Lock()

    def expect(self, limit: int) -> None:
        """Ask for no more than this, which was found earlier."""
        self._known = limit

    def within(self, limit: int) -> int:
        """The limit to ask with where this one is wanted."""
        return min(limit, self.found or limit, self._known or limit)

    def ask(self, limit: int, page: Callable[[int], Page]) -> Page:
        """A page with this limit, or with the largest smaller one where it is refused.

        One thread searches while the others wait for what it finds.

        :param page: asks for the page with a limit.
        :raises RequestRefused: the request is refused whatever the limit is.
        """
        limit = self.within(limit)
        try:
            return page(limit)
        except ParameterRefused as refused:
            with self._searching:
                if (known := self.within(limit)) == limit:
                    return self._search(limit, page, refused)
            return page(known)

    def _search(self, limit: int, page: Callable[[int], Page], refused: ParameterRefused) -> Page:
        smaller = [step for step in _STEPS if step < limit]
        if not smaller or not _is_accepted(page):
            raise refused
        for step in smaller:
            try:
                found = page(step)
            except ParameterRefused:
                continue
            self.found = step
            log.info("the provider refuses a limit of %d and accepts %d; %d is asked for", limit, step, step)
            return found
        raise RequestRefused(
            "limit_refused",
            f"{refused.message.rstrip('.')}, and so was every smaller limit down to {smaller[-1]}.",
            remedy="Ask the provider's support for the largest limit it accepts and set `politeness.page_size` to it.",
        )


def _is_accepted(page: Callable[[int], Page]) -> bool:
    """Whether the same request passes with a limit of one, which no provider finds too large."""
    try:
        page(1)
    except ParameterRefused:
        return False
    return True
