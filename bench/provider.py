"""The sandbox district everybody is measured on, served in a process of its own with its pages ready made.

Pages are JSON before anybody is timed: what is measured is the contender, not how fast a made-up provider encodes.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import requests

#: The collections of a district that shares no demographics, by their paths.
COLLECTIONS = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments")

APP = "maple"

#: A third of what usually happens in a night changes one row of two hundred.
_BUSTLE = 0.33


@dataclass(frozen=True)
class Provider:
    """Where the district is served, and its mock credentials.

    :param origin: of the sandbox's own addresses.
    :param service: the URL that collections stand below.
    """

    origin: str
    base_url: str
    service: str
    token_url: str
    client_id: str
    client_secret: str

    def pass_night(self) -> None:
        """Let a night change the district."""
        self._post("nights")

    def forget_requests(self) -> None:
        """Begin counting requests anew."""
        self._post("seen/reset")

    def requests(self) -> int:
        """How many requests there were, those for tokens included."""
        seen: dict[str, Any] = requests.get(f"{self.origin}/sandbox/{APP}/seen", timeout=60).json()
        return sum(seen["requests"].values()) + int(seen["token_requests"])

    def make_pages(self, page_size: int) -> dict[str, int]:
        """Let the provider make the JSON of all pages; how many records each collection has."""
        return {path: self._make(path, page_size) for path in COLLECTIONS}

    def _make(self, path: str, page_size: int) -> int:
        offset, total = 0, 1
        while offset < total:
            answer = requests.get(
                f"{self.service}/{path}",
                params={"limit": page_size, "offset": offset},
                headers=self.authorization(),
                timeout=600,
            )
            answer.raise_for_status()
            offset, total = offset + page_size, int(answer.headers["X-Total-Count"])
        return total

    def authorization(self) -> dict[str, str]:
        """The headers of a request, with a token of their own."""
        form = {"grant_type": "client_credentials"}
        answer = requests.post(self.token_url, form, auth=(self.client_id, self.client_secret), timeout=60)
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def _post(self, what: str) -> None:
        requests.post(f"{self.origin}/sandbox/{APP}/{what}", timeout=600).raise_for_status()


@contextmanager
def provider(students: int) -> Iterator[Provider]:
    """The district, served until the block ends."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    serving = context.Process(target=_serve, args=(students, there), daemon=True)
    serving.start()
    there.close()
    with here:
        yield Provider(*here.recv())
    serving.join(10)


def _serve(students: int, told: Connection) -> None:
    """Serve the district until the other end hangs up."""
    from include.sandbox import Sandbox, SandboxDistrict

    district = SandboxDistrict(app=APP, version="1.2", students=students, guardians=False, bustle=_BUSTLE)
    with Sandbox([district]) as sandbox:
        gc.freeze()  # a large district is no garbage, and is not to be looked through again and again
        base = sandbox.base_url(APP)
        origin = base.partition("/campus/")[0]
        service = f"{base}/rostering/v1p2"
        told.send((origin, base, service, sandbox.token_url(APP), district.client_id, district.client_secret))
        told.poll(None)
