"""Districts of the real sandbox, pulled over HTTP into a landing zone of the test's own."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rollcall.extract.pull import extract
from rollcall.landing.manifests import load, read_rows
from rollcall.landing.pull import LandedCollection, Pull, PullRef, landed_schema
from rollcall.landing.zone import Landing
from rollcall.model.tables import ROSTERING_COLLECTIONS, TABLES
from rollcall.oneroster import OneRosterClient, OneRosterConnection, Retry
from rollcall.settings import District
from rollcall_sandbox import Sandbox, SandboxDistrict


class Pulled:
    """A pull as it lies in the landing zone."""

    def __init__(self, landing: Landing, ref: PullRef) -> None:
        self.ref = ref
        self.folder = ref.folder(landing)
        self.manifest = load(self.folder, Pull)
        self.collections = {landed.collection: landed for landed in self.manifest.collections}

    def __getitem__(self, collection: str) -> LandedCollection:
        return self.collections[collection]

    def counts(self) -> dict[str, int]:
        return {name: landed.rows(name) for name, landed in self.collections.items()}

    def rows(self, table: str) -> list[dict[str, Any]]:
        collection = TABLES[table].collection
        assert collection
        parts = self.collections[collection].parts[table]
        return read_rows(self.folder, parts, landed_schema(TABLES[table])).to_pylist()


class Trial:
    """One sandbox district, as a person would set it up and pull it."""

    def __init__(self, sandbox: Sandbox, app: SandboxDistrict, landing: Landing) -> None:
        self.sandbox = sandbox
        self.app = app
        self.landing = landing

    def district(self, **settings: Any) -> District:
        plain = {"district": self.app.app, "name": self.app.name, "version": self.app.version, "usernames": "email"}
        return msgspec.convert(plain | {"demographics": self.app.demographics} | settings, District)

    @contextmanager
    def client(self, page_size: int = 100, **options: Any) -> Iterator[OneRosterClient]:
        connection = OneRosterConnection(
            self.sandbox.base_url(self.app.app),
            self.app.client_id,
            self.app.client_secret,
            auth_url=self.sandbox.token_url(self.app.app) if self.app.auth == "oauth2" else None,
        )
        options = {"retry": Retry(attempts=1), "demographics": True} | options
        with OneRosterClient(connection, self.app.version, page_size=page_size, **options) as made:
            yield made

    def pull(
        self,
        *,
        page_size: int = 100,
        concurrency: int = 5,
        settings: dict[str, Any] | None = None,
        run_id: str = "by hand",
        **rest: Any,
    ) -> Pulled:
        with self.client(page_size, concurrency=concurrency) as client:
            ref = extract(client, self.district(**settings or {}), self.landing, run_id=run_id, **rest)
        return Pulled(self.landing, ref)

    def truth(self) -> dict[str, int]:
        counts = self.sandbox.truth(self.app.app)["collections"]
        return {
            name: counts["academicSessions" if name == "academic_sessions" else name]["total"]
            for name in ROSTERING_COLLECTIONS
        }

    def seen(self) -> dict[str, Any]:
        """What the provider saw of its clients so far."""
        seen: dict[str, Any] = self.sandbox.seen(self.app.app)
        return seen

    @contextmanager
    def quirks(self, *names: str) -> Iterator[None]:
        self.sandbox.set_quirks(self.app.app, names)
        try:
            yield
        finally:
            self.sandbox.set_quirks(self.app.app, ())

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """The requests the provider sees meanwhile, by path; filled in at the end."""
        before = Counter(self.seen()["requests"])
        counted: Counter[str] = Counter()
        try:
            yield counted
        finally:
            counted.update(Counter(self.seen()["requests"]) - before)

    def files(self) -> list[Path]:
        """Every file of the landing zone."""
        return [file for file in Path(self.landing.url).rglob("*") if file.is_file()]


APPS = {
    app.app: app
    for app in (
        SandboxDistrict(app="maple", version="1.2", students=60, demographics=True),
        SandboxDistrict(app="cedar", version="1.1", students=60, auth="oauth1", demographics=True),
        SandboxDistrict(app="birch", version="1.1", students=20, auth="oauth1", demographics=False),
    )
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Districts in which no night passes."""
    with Sandbox(APPS.values()) as served:
        yield served


@pytest.fixture
def maple(sandbox: Sandbox, landing: Landing) -> Trial:
    return Trial(sandbox, APPS["maple"], landing)


@pytest.fixture
def cedar(sandbox: Sandbox, landing: Landing) -> Trial:
    return Trial(sandbox, APPS["cedar"], landing)


@pytest.fixture
def birch(sandbox: Sandbox, landing: Landing) -> Trial:
    """Its demographics are not shared."""
    return Trial(sandbox, APPS["birch"], landing)


@pytest.fixture
def elm(landing: Landing) -> Iterator[Trial]:
    """A district of the test's own: nights may pass in it, the first of them on 23 November at three."""
    app = SandboxDistrict(app="elm", version="1.2", students=60, demographics=True)
    mornings = (datetime(2026, 11, 22, 3, tzinfo=UTC) + timedelta(days=day) for day in itertools.count())
    with Sandbox([app], clock=lambda: next(mornings)) as served:
        yield Trial(served, app, landing)
