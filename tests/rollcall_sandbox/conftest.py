"""Sandboxes served for real, and a reader that knows HTTP, OAuth and JSON, but nothing of Rollcall's own client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import requests
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, Client

from rollcall_sandbox import DEMO_DISTRICTS, Sandbox, SandboxDistrict

MAPLE, CEDAR = DEMO_DISTRICTS
BIRCH = SandboxDistrict("birch", "1.2", students=300, demographics=True, nights=3)
ASPEN = SandboxDistrict("aspen", "1.1", students=300, demographics=True, nights=3)
LINDEN = SandboxDistrict("linden", "1.2", students=40, auth="bearer")

COLLECTIONS = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments", "demographics")


OPENED = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)


class Evenings:
    """A clock: the moment a sandbox opens, and a day later every time it is asked again."""

    def __init__(self, opened: datetime) -> None:
        self._next = opened

    def __call__(self) -> datetime:
        self._next += timedelta(days=1)
        return self._next - timedelta(days=1)


class Reader:
    """Reads one district over HTTP; OAuth 1 is signed by oauthlib, which the sandbox does not use."""

    def __init__(self, sandbox: Sandbox, district: SandboxDistrict) -> None:
        self.sandbox = sandbox
        self.district = district
        self.base = sandbox.base_url(district.app)
        if district.version == "1.2":
            self.base += "/rostering/v1p2"
        self.http = requests.Session()
        self._token = ""

    def token(self, scope: str = "") -> requests.Response:
        """Ask for a token with Basic credentials, and keep it."""
        form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        credentials = (self.district.client_id, self.district.client_secret)
        answer = self.http.post(self.sandbox.token_url(self.district.app), data=form, auth=credentials)
        self._token = answer.json().get("access_token", "")
        return answer

    def get(self, path: str, query: str = "") -> requests.Response:
        """Get a path below the base; `query` is encoded already."""
        url = f"{self.base}/{path}" + (f"?{query}" if query else "")
        return self.http.get(url, headers={"Authorization": self.authorization(url)})

    def authorization(self, url: str) -> str:
        if self.district.auth == "bearer":
            return f"Bearer {self.district.client_secret}"
        if self.district.auth == "oauth1":
            signer = Client(
                self.district.client_id,
                client_secret=self.district.client_secret,
                signature_method=SIGNATURE_HMAC_SHA256,
            )
            return signer.sign(url)[1]["Authorization"]
        if not self._token:
            self.token()
        return f"Bearer {self._token}"

    def all(self, path: str, filter_: str = "") -> list[dict[str, Any]]:
        """A whole collection, in one request."""
        query = "limit=1000000" + (f"&filter={quote(filter_, safe='')}" if filter_ else "")
        answer = self.get(path, query)
        assert answer.status_code == 200, answer.text
        [(_, records)] = answer.json().items()
        return records

    def everything(self) -> dict[str, dict[str, dict[str, Any]]]:
        """All collections the district shares, by sourcedId."""
        names = COLLECTIONS if self.district.demographics else COLLECTIONS[:-1]
        return {name: {record["sourcedId"]: record for record in self.all(name)} for name in names}


@pytest.fixture(scope="session")
def served() -> Iterator[Sandbox]:
    """Five districts that no test changes."""
    with Sandbox([MAPLE, CEDAR, BIRCH, ASPEN, LINDEN], clock=lambda: OPENED) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def reading() -> Callable[[Sandbox, SandboxDistrict], Reader]:
    """Makes a reader with a token and a session of its own."""
    return Reader


@pytest.fixture(scope="session")
def read(served: Sandbox) -> dict[str, Reader]:
    """Readers of the five districts, by app."""
    return {district.app: Reader(served, district) for district in served.districts}


@pytest.fixture(scope="session")
def everything(read: dict[str, Reader]) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
    """What the districts hold: app, collection, sourcedId."""
    return {app: reader.everything() for app, reader in read.items()}


@pytest.fixture
def alone() -> Iterator[Any]:
    """A function that serves one district for this test alone and gives its reader."""
    opened: list[Sandbox] = []

    def serve(district: SandboxDistrict, on: datetime = OPENED - timedelta(days=3)) -> Reader:
        sandbox = Sandbox([district], clock=Evenings(on))
        sandbox.__enter__()
        opened.append(sandbox)
        return Reader(sandbox, district)

    yield serve
    for sandbox in opened:
        sandbox.__exit__(None, None, None)
