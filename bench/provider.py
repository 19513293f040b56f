"""The benchmark's sandbox district, served in its own process.

Pages can be generated before timing starts, so the benchmark measures the contender, not the sandbox's encoding.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any

import requests

from rollcall.errors import RollcallError

#: The collections of a district that shares no demographics, by their paths.
COLLECTIONS = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments")

APP = "maple"

#: A third of a usual night's activity changes 1 row in 200.
BUSTLE = 0.33


@dataclass(frozen=True)
class Provider:
    """The addresses and mock credentials of a served district.

    :param origin: scheme, host, and port of the sandbox.
    :param service: the URL of the rostering service.
    """

    app: str
    origin: str
    base_url: str
    service: str
    token_url: str
    client_id: str
    client_secret: str

    def environment(self) -> dict[str, str]:
        """The district's Airflow connection, as an environment variable."""
        connection = {
            "conn_type": "oneroster",
            "host": self.base_url,
            "login": self.client_id,
            "password": self.client_secret,
            "extra": {"auth_url": self.token_url},
        }
        return {f"AIRFLOW_CONN_ONEROSTER_{self.app.upper()}": json.dumps(connection)}

    def pass_night(self) -> None:
        """Let a night pass, and let the provider re-sort its records."""
        self._post("nights")
        for path in COLLECTIONS:
            query = {"limit": 1, "filter": f"dateLastModified>'{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}'"}
            url = f"{self.service}/{path}"
            requests.get(url, params=query, headers=self.authorization(), timeout=600).raise_for_status()

    def forget_requests(self) -> None:
        """Reset the request count."""
        self._post("seen/reset")

    def requests(self) -> int:
        """The number of requests, including token requests."""
        seen: dict[str, Any] = requests.get(f"{self.origin}/sandbox/{self.app}/seen", timeout=60).json()
        return sum(seen["requests"].values()) + int(seen["token_requests"])

    def make_pages(self, page_size: int) -> dict[str, int]:
        """Let the provider generate the JSON of all pages. Returns the record count of each collection."""
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
        """Request headers with a new token."""
        form = {"grant_type": "client_credentials"}
        answer = requests.post(self.token_url, form, auth=(self.client_id, self.client_secret), timeout=60)
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def _post(self, what: str) -> None:
        requests.post(f"{self.origin}/sandbox/{self.app}/{what}", timeout=600).raise_for_status()


@contextmanager
def provider(students: int, *, app: str = APP, guardians: bool = False, bustle: float = BUSTLE) -> Iterator[Provider]:
    """Serve a district for the length of the block.

    :param guardians: include guardians among the users.
    :param bustle: activity per night; 1 affects 30 in 1,500 students.
    :raises RollcallError: `provider_failed`.
    """
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    settings = {"app": app, "students": students, "guardians": guardians, "bustle": bustle}
    serving = context.Process(target=_serve, args=(settings, there), daemon=True)
    serving.start()
    there.close()
    try:
        with here:
            try:
                served = Provider(app, *here.recv())
            except EOFError:
                raise RollcallError("provider_failed", "The sandbox ended. See its output above.") from None
            yield served
    finally:
        serving.join(10)


def _serve(settings: dict[str, Any], connection: Connection) -> None:
    """Serve the district until the parent closes the connection."""
    from rollcall_sandbox import Sandbox, SandboxDistrict

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the benchmark handles Ctrl-C and closes the connection
    district = SandboxDistrict(version="1.2", **settings)
    with Sandbox([district]) as sandbox:
        gc.freeze()  # keeps the garbage collector from scanning a large district repeatedly
        base = sandbox.base_url(district.app)
        origin = base.partition("/campus/")[0]
        service = f"{base}/rostering/v1p2"
        connection.send(
            (origin, base, service, sandbox.token_url(district.app), district.client_id, district.client_secret)
        )
        connection.poll(None)
