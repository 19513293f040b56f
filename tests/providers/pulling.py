"""Pulls of whole sandbox districts, and what came of each collection: rows, proof, refusal, and requests as seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rollcall.model.tables import ROSTERING_COLLECTIONS
from rollcall.oneroster import COLLECTIONS, OneRosterClient, OneRosterConnection, OneRosterError, Proof, Retry, columns
from rollcall_sandbox import Sandbox, SandboxDistrict
from tests.providers.expectations import Row

#: When the sandbox's nights have passed, so that its districts are the same on every day.
NIGHT = datetime(2026, 11, 20, 3, tzinfo=UTC)

#: Quick, and of a known number of attempts. Its patience counts the waits of all threads for one provider.
RETRY = Retry(attempts=6, first_wait=0.01, longest_wait=0.05, patience=60)


@dataclass(frozen=True)
class Way:
    """A district, and how it is pulled.

    :param concurrency: requests at once; with 1 every number of requests is exact.
    """

    district: SandboxDistrict
    concurrency: int


WAYS: Mapping[str, Way] = {
    way.district.app: way
    for way in (
        Way(SandboxDistrict("new", "1.2", students=50, demographics=True, nights=2), concurrency=3),
        Way(SandboxDistrict("old", "1.1", students=50, demographics=True, nights=2), concurrency=1),
        Way(SandboxDistrict("signed", "1.1", students=50, auth="oauth1", demographics=True, nights=2), concurrency=3),
        Way(SandboxDistrict("hung", "1.2", students=50, demographics=True, nights=2), concurrency=3),
        Way(SandboxDistrict("big", "1.2", students=2000, demographics=True, nights=2), concurrency=5),
    )
}


@dataclass(frozen=True)
class Came:
    """What came of one collection.

    :param rows: different records read, and how many of them are tombstones.
    :param unreadable: code, field, and whether the sourcedId is known, of each record that was set aside.
    :param refused: the error's code, if reading it ended in one; there is no proof then.
    :param requests: for its pages, as the sandbox counted them.
    """

    rows: int
    tombstones: int
    unreadable: tuple[tuple[str, str, bool], ...]
    proof: Proof | None
    refused: str
    requests: int


@dataclass(frozen=True)
class Pulled:
    """A pull of all collections.

    :param true: the sandbox's counts, by our names of the collections.
    :param most_at_once: as the client counted, and as the sandbox did.
    :param refused_at_once: the error's code, if not even the service was found.
    """

    collections: Mapping[str, Came]
    true: Mapping[str, Mapping[str, int]]
    most_at_once: tuple[int, int]
    token_requests: int
    refused_at_once: str


def pull(sandbox: Sandbox, way: Way, quirk: str, row: Row) -> Pulled:
    """Read all collections of a district with one client; the switch is off again afterwards."""
    app = way.district.app
    sandbox.forget_requests(app)
    sandbox.set_quirks(app, [] if row.begins_later else [quirk])
    try:
        return _pull(sandbox, way, quirk, row)
    finally:
        sandbox.set_quirks(app, [])


def _pull(sandbox: Sandbox, way: Way, quirk: str, row: Row) -> Pulled:
    app = way.district.app
    with client_of(sandbox, way, row) as client:
        refused_at_once = ""
        try:
            assert client.base_url
        except OneRosterError as error:
            refused_at_once = error.code
        if row.begins_later:
            sandbox.set_quirks(app, [quirk])
        before = sandbox.seen(app)
        with ThreadPoolExecutor(len(ROSTERING_COLLECTIONS) if row.at_the_same_time else 1) as threads:
            names = ROSTERING_COLLECTIONS
            read = dict(zip(names, threads.map(lambda name: _read(client, name), names), strict=True))
        usage = client.usage
        after = sandbox.seen(app)
    made = Counter(after["requests"])
    made.subtract(before["requests"])
    truth = sandbox.truth(app)["collections"]
    return Pulled(
        {name: Came(*each, requests=made[f"/{COLLECTIONS[name].path}"]) for name, each in read.items()},
        {name: truth[COLLECTIONS[name].path] for name in ROSTERING_COLLECTIONS},
        (usage.most_at_once, after["most_at_once"]),
        usage.token_requests,
        refused_at_once,
    )


@contextmanager
def client_of(sandbox: Sandbox, way: Way, row: Row) -> Iterator[OneRosterClient]:
    district = way.district
    headers = {"headers": {"X-Tenant": district.app}, "secret_headers": {"X-Api-Key": district.api_key}}
    fields: dict[str, Any] = headers if row.tenant_headers else {}
    connection = OneRosterConnection(
        **{
            "base_url": sandbox.base_url(district.app),
            "client_id": district.client_id,
            "secret": district.client_secret,
            "auth": district.auth,
            "auth_url": sandbox.token_url(district.app) if district.auth == "oauth2" else None,
            "signature": row.signature,
            **fields,
        }
    )
    with OneRosterClient(
        connection,
        district.version,
        page_size=row.page_size,
        concurrency=way.concurrency,
        demographics=True,
        timeout=(row.timeout, row.timeout),
        retry=RETRY,
        limits=row.limits,
    ) as client:
        yield client


def _read(client: OneRosterClient, collection: str) -> tuple[int, int, tuple[tuple[str, str, bool], ...], Any, str]:
    """Only the pages of the attempt that the proof is about count."""
    reader = client.pages(collection)
    try:
        pages = list(reader)
    except OneRosterError as error:
        return 0, 0, (), None, error.code
    counted = [page for page in pages if page.attempt == reader.proof.attempt]
    table = columns(collection, [record for page in counted for record in page.records])[collection]
    assert len(set(table["sourced_id"])) == len(table["sourced_id"])
    unreadable = tuple((bad.code, bad.field, bad.sourced_id is not None) for page in counted for bad in page.unreadable)
    return len(table["sourced_id"]), table["status"].count("tobedeleted"), unreadable, reader.proof, ""
