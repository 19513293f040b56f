"""A pull from the real sandbox over HTTP: everything the district has, and a manifest that says so."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from include.contracts import REJECT_SCHEMA, LandedCollection, Pull, PullRef, landed_schema, load, read_rows
from include.errors import RollcallError
from include.extract import collection as collection_module
from include.extract import stage
from include.extract.stage import extract
from include.landing import Landing
from include.oneroster.client import OneRosterClient
from include.oneroster.connection import OneRosterConnection
from include.oneroster.errors import PermissionRefused
from include.sandbox import Sandbox, SandboxDistrict
from include.settings import District
from include.tables import COLLECTIONS, TABLES

MAPLE = SandboxDistrict(app="maple", version="1.2", students=60, demographics=True)
CEDAR = SandboxDistrict(app="cedar", version="1.1", students=60, auth="oauth1", demographics=True)
BIRCH = SandboxDistrict(app="birch", version="1.1", students=20, auth="oauth1", demographics=False)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox([MAPLE, CEDAR, BIRCH]) as served:
        yield served


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(str(tmp_path / "landing"))


def district(app: SandboxDistrict, **settings: Any) -> District:
    plain = {"district": app.app, "name": app.name, "version": app.version, "usernames": "email", "demographics": True}
    return msgspec.convert(plain | settings, District)


@contextmanager
def client(sandbox: Sandbox, app: SandboxDistrict, page_size: int = 100) -> Iterator[OneRosterClient]:
    connection = OneRosterConnection(
        sandbox.base_url(app.app),
        app.client_id,
        app.client_secret,
        auth_url=sandbox.token_url(app.app) if app.auth == "oauth2" else None,
    )
    with OneRosterClient(connection, app.version, page_size=page_size, demographics=True) as made:
        yield made


@contextmanager
def quirks(sandbox: Sandbox, app: SandboxDistrict, *names: str) -> Iterator[None]:
    sandbox.set_quirks(app.app, names)
    try:
        yield
    finally:
        sandbox.set_quirks(app.app, ())


def pulled(sandbox: Sandbox, app: SandboxDistrict, landing: Landing, **rest: Any) -> tuple[PullRef, Pull]:
    settings = rest.pop("settings", {})
    with client(sandbox, app, rest.pop("page_size", 100)) as made:
        ref = extract(made, district(app, **settings), landing, run_id="by hand", **rest)
    return ref, load(ref.folder(landing), Pull)


def truth(sandbox: Sandbox, app: SandboxDistrict) -> dict[str, int]:
    counts = sandbox.truth(app.app)["collections"]
    return {name: counts["academicSessions" if name == "academic_sessions" else name]["total"] for name in COLLECTIONS}


def rows(landing: Landing, ref: PullRef, collection: LandedCollection, table: str) -> list[dict[str, Any]]:
    parts = collection.parts[table]
    return read_rows(ref.folder(landing), parts, landed_schema(TABLES[table])).to_pylist()


def by_name(pull: Pull) -> dict[str, LandedCollection]:
    return {collection.collection: collection for collection in pull.collections}


@pytest.mark.parametrize("app", [MAPLE, CEDAR], ids=lambda app: app.version)
def test_everything_there_is_lands_with_its_proof(app: SandboxDistrict, sandbox: Sandbox, landing: Landing) -> None:
    ref, pull = pulled(sandbox, app, landing)
    there = truth(sandbox, app)
    assert {one.collection: one.rows(one.collection) for one in pull.collections} == there
    assert [one.collection for one in pull.collections] == list(COLLECTIONS)
    assert {one.collection: (one.proof.kind, one.proof.expected) for one in pull.collections} == {
        name: ("total", total) for name, total in there.items()
    }
    assert all(one.unreadable == 0 for one in pull.collections)
    assert pull.rejects == []
    assert (pull.district, pull.run_id, pull.mode, pull.version) == (app.app, "by hand", "full", app.version)
    assert pull.base_url.startswith(sandbox.base_url(app.app))
    users = rows(landing, ref, by_name(pull)["users"], "users")
    assert len({user["sourced_id"] for user in users}) == there["users"]
    assert {role["user_sourced_id"] for role in rows(landing, ref, by_name(pull)["users"], "user_roles")} == {
        user["sourced_id"] for user in users
    }


def test_the_manifest_names_every_file_with_its_digest(sandbox: Sandbox, landing: Landing) -> None:
    ref, pull = pulled(sandbox, MAPLE, landing)
    folder = Path(landing.url) / ref.folder(landing).path
    named = {part.name: part for one in pull.collections for parts in one.parts.values() for part in parts}
    files = {str(file.relative_to(folder)): file for file in folder.rglob("*.parquet")}
    assert files.keys() == named.keys()
    for name, part in named.items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == part.sha256
        read = pa.parquet.read_table(files[name])
        assert read.num_rows == part.rows
        assert set(read.schema.types) == {pa.string()}
    assert [file.name for file in folder.rglob("*") if file.is_file() and file.suffix != ".parquet"] == [
        "manifest.json"
    ]


def test_as_of_is_before_the_first_request(sandbox: Sandbox, landing: Landing) -> None:
    seen_before = sandbox.seen("maple")["requests"]
    moment = datetime(2026, 11, 21, 2, 15, 7, 500_000, tzinfo=timezone(timedelta(hours=-6)))

    def now() -> datetime:
        assert sandbox.seen("maple")["requests"] == seen_before
        return moment.astimezone(UTC)

    ref, pull = pulled(sandbox, MAPLE, landing, now=now)
    assert pull.as_of == moment
    assert re.fullmatch(r"20261121T081507Z-[0-9a-f]{8}", ref.pull_id)


@pytest.mark.parametrize("app", [MAPLE, CEDAR], ids=lambda app: app.version)
def test_a_pull_says_what_it_cost(app: SandboxDistrict, sandbox: Sandbox, landing: Landing) -> None:
    before = sandbox.seen(app.app)
    _, pull = pulled(sandbox, app, landing)
    after = sandbox.seen(app.app)
    asked = sum(after["requests"].values()) - sum(before["requests"].values())
    tokens = after["token_requests"] - before["token_requests"]
    assert pull.usage.token_requests == tokens
    # the Base URL of 1.2 is no path of the service, so it is tried once in vain, which the sandbox does not count
    assert pull.usage.requests == asked + tokens + (app.version == "1.2")
    assert 1 <= pull.usage.most_at_once <= 5
    assert pull.usage.bytes_received > 0


def test_a_large_collection_becomes_several_parts(
    sandbox: Sandbox, landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection_module, "ROWS_PER_PART", 100)
    ref, pull = pulled(sandbox, MAPLE, landing, page_size=40)
    enrollments = by_name(pull)["enrollments"]
    sizes = [part.rows for part in enrollments.parts["enrollments"]]
    assert sum(sizes) == truth(sandbox, MAPLE)["enrollments"]
    assert set(sizes[:-1]) == {120}
    ids = [row["sourced_id"] for row in rows(landing, ref, enrollments, "enrollments")]
    assert len(set(ids)) == len(ids)


def test_unreadable_records_become_rejects_and_cost_no_other(sandbox: Sandbox, landing: Landing) -> None:
    with quirks(sandbox, MAPLE, "record-not-an-object", "bad-field-type"):
        ref, pull = pulled(sandbox, MAPLE, landing)
    users = by_name(pull)["users"]
    assert (users.rows("users"), users.unreadable, users.unidentified) == (truth(sandbox, MAPLE)["users"] - 2, 2, 1)
    rejects = read_rows(ref.folder(landing), pull.rejects, REJECT_SCHEMA).to_pylist()
    assert [(one["collection"], one["rule"], one["field"]) for one in rejects] == [
        ("users", "not_an_object", ""),
        ("users", "wrong_type", "givenName"),
    ]
    nobody, named = rejects
    assert (nobody["sourced_id"], nobody["record"]) == (None, '"this should have been a user"')
    assert msgspec.json.decode(named["record"])["sourcedId"] == named["sourced_id"]
    assert all(one["reason"].endswith(".") for one in rejects)


def test_a_collection_that_began_again_lands_once(sandbox: Sandbox, landing: Landing) -> None:
    with quirks(sandbox, MAPLE, "count-changes"):
        ref, pull = pulled(sandbox, MAPLE, landing)
    enrollments = by_name(pull)["enrollments"]
    assert enrollments.proof.kind == "unproven"
    ids = [row["sourced_id"] for row in rows(landing, ref, enrollments, "enrollments")]
    assert len(ids) == len(set(ids)) == enrollments.rows("enrollments") == truth(sandbox, MAPLE)["enrollments"]


def test_an_empty_collection_is_recorded_as_empty(sandbox: Sandbox, landing: Landing) -> None:
    with quirks(sandbox, MAPLE, "empty-users"):
        _, pull = pulled(sandbox, MAPLE, landing)
    users = by_name(pull)["users"]
    assert users.parts == {"users": [], "user_roles": [], "user_agents": []}
    assert users.proof.proven


def test_collections_narrow_a_pull(sandbox: Sandbox, landing: Landing) -> None:
    _, pull = pulled(sandbox, MAPLE, landing, collections=["users", "orgs"])
    assert [one.collection for one in pull.collections] == ["orgs", "users"]


@pytest.mark.parametrize("named", [["demographics"], ["orgs", "lineItems"]])
def test_a_collection_that_is_not_pulled_is_an_error_before_any_request(
    named: Sequence[str], sandbox: Sandbox, landing: Landing
) -> None:
    before = sandbox.seen("maple")
    with pytest.raises(RollcallError) as caught:
        pulled(sandbox, MAPLE, landing, collections=named, settings={"demographics": False})
    assert caught.value.code == "collection_not_pulled"
    assert named[-1] in caught.value.message
    assert sandbox.seen("maple") == before


def test_a_failing_collection_is_named_and_leaves_no_manifest(sandbox: Sandbox, landing: Landing) -> None:
    with pytest.raises(PermissionRefused) as caught:
        pulled(sandbox, BIRCH, landing)
    assert caught.value.code == "permission_refused"
    assert caught.value.message.startswith("demographics: ")
    assert "ticks Demographics" in caught.value.remedy
    assert caught.value.district == "birch"
    assert list(Path(landing.url).rglob("manifest.json")) == []


def test_the_other_collections_stop_when_one_fails(sandbox: Sandbox, landing: Landing) -> None:
    before = sandbox.seen("birch")["requests"]
    with quirks(sandbox, BIRCH, "slow-answers"), pytest.raises(PermissionRefused):
        pulled(sandbox, BIRCH, landing, page_size=1)
    after = sandbox.seen("birch")["requests"]
    asked = {path: count - before.get(path, 0) for path, count in after.items()}
    assert asked["/enrollments"] < truth(sandbox, BIRCH)["enrollments"] / 2


def test_people_who_are_not_to_land_do_not(sandbox: Sandbox, landing: Landing) -> None:
    outside = ("guardian", "parent", "relative")
    with_all, everybody = pulled(sandbox, MAPLE, landing)
    ref, pull = pulled(sandbox, MAPLE, landing, settings={"roles": dict.fromkeys(outside, "do_not_land")})
    roles: dict[str, set[str]] = {}
    for row in rows(landing, with_all, by_name(everybody)["users"], "user_roles"):
        roles.setdefault(row["user_sourced_id"], set()).add(row["role"])
    staying = {user for user, held in roles.items() if held - set(outside)}
    users = by_name(pull)["users"]
    assert {row["sourced_id"] for row in rows(landing, ref, users, "users")} == staying
    for part in ("user_roles", "user_agents"):
        assert {row["user_sourced_id"] for row in rows(landing, ref, users, part)} <= staying
    assert users.proof == by_name(everybody)["users"].proof
    assert 0 < users.rows("users") < by_name(everybody)["users"].rows("users")


def test_progress_is_told_page_by_page(sandbox: Sandbox, landing: Landing) -> None:
    told: list[tuple[str, int, int | None, int]] = []
    _, pull = pulled(sandbox, MAPLE, landing, page_size=50, progress=lambda *page: told.append(page))
    there = truth(sandbox, MAPLE)
    for name in COLLECTIONS:
        pages = [(received, total) for collection, received, total, _ in told if collection == name]
        assert pages == [(min(50 * (page + 1), there[name]), there[name]) for page in range(-(-there[name] // 50))]
    assert [most for *_, most in told] == sorted(most for *_, most in told)
    assert told[-1][3] <= pull.usage.most_at_once


def test_the_log_tells_counts_and_nobody(
    sandbox: Sandbox, landing: Landing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stage, "TOLD_EVERY", 0.05)
    with caplog.at_level(logging.INFO), quirks(sandbox, CEDAR, "slow-answers", "record-not-an-object"):
        ref, pull = pulled(sandbox, CEDAR, landing)
    there = truth(sandbox, CEDAR)
    assert f"users: {there['users']} rows received, 1 unreadable, proof: total" in caplog.text
    assert re.search(r"reading: .*\d+ of \d+.*; at most [1-5] requests at once", caplog.text)
    values = {
        row[field]
        for row in rows(landing, ref, by_name(pull)["users"], "users")
        for field in ("given_name", "email", "username")
        if row[field]
    }
    assert len(values) > 60
    assert [value for value in values if re.search(rf"\b{re.escape(value)}\b", caplog.text)] == []
    assert CEDAR.client_secret not in caplog.text
