"""A pull from the real sandbox over HTTP: everything the district has, and a manifest that says so."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from rollcall.errors import RollcallError
from rollcall.extract import collection as collection_module
from rollcall.landing.manifests import read_rows
from rollcall.landing.rejects import REJECT_SCHEMA
from rollcall.model.tables import ROSTERING_COLLECTIONS
from rollcall.oneroster.errors import PermissionRefused


@pytest.fixture(params=["maple", "cedar"], ids=["1.2", "1.1"])
def either(request: pytest.FixtureRequest) -> Any:
    """A district of each version."""
    return request.getfixturevalue(request.param)


def test_everything_there_is_lands_with_its_proof(either: Any) -> None:
    pulled = either.pull()
    there = either.truth()
    assert pulled.counts() == there
    assert list(pulled.collections) == list(ROSTERING_COLLECTIONS)
    assert {name: (one.proof.kind, one.proof.expected) for name, one in pulled.collections.items()} == {
        name: ("total", total) for name, total in there.items()
    }
    assert all((one.unreadable, one.since, one.not_landed) == (0, None, 0) for one in pulled.collections.values())
    pull = pulled.manifest
    assert pull.rejects == []
    assert (pull.district, pull.run_id, pull.mode, pull.version) == (
        either.app.app,
        "by hand",
        "full",
        either.app.version,
    )
    assert pull.base_url.startswith(either.sandbox.base_url(either.app.app))
    ids = {user["sourced_id"] for user in pulled.rows("users")}
    assert len(ids) == there["users"]
    assert {role["user_sourced_id"] for role in pulled.rows("user_roles")} == ids


def test_the_manifest_names_every_file_with_its_digest(maple: Any) -> None:
    pulled = maple.pull()
    folder = Path(maple.landing.url) / pulled.folder.path
    named = {part.name: part for one in pulled.collections.values() for parts in one.parts.values() for part in parts}
    files = {str(file.relative_to(folder)): file for file in folder.rglob("*.parquet")}
    assert files.keys() == named.keys()
    for name, part in named.items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == part.sha256
        read = pa.parquet.read_table(files[name])
        assert read.num_rows == part.rows
        assert set(read.schema.types) == {pa.string()}
    assert [file.name for file in maple.files() if file.suffix != ".parquet"] == ["manifest.json"]


def test_as_of_is_before_the_first_request(maple: Any) -> None:
    seen_before = maple.seen()["requests"]
    moment = datetime(2026, 11, 21, 2, 15, 7, 500_000, tzinfo=timezone(timedelta(hours=-6)))
    asked: list[dict[str, int]] = []

    def now() -> datetime:
        asked.append(maple.seen()["requests"])
        return moment.astimezone(UTC) + (len(asked) - 1) * timedelta(seconds=1)

    pulled = maple.pull(now=now)
    assert asked[0] == seen_before
    assert pulled.manifest.as_of == moment
    assert re.fullmatch(r"20261121T081507Z-[0-9a-f]{8}", pulled.ref.pull_id)


def test_a_pull_says_what_it_cost(either: Any) -> None:
    before = either.seen()
    usage = either.pull().manifest.usage
    after = either.seen()
    asked = sum(after["requests"].values()) - sum(before["requests"].values())
    tokens = after["token_requests"] - before["token_requests"]
    assert usage.token_requests == tokens
    # the Base URL of 1.2 is no path of the service, so it is tried once in vain, which the sandbox does not count
    assert usage.requests == asked + tokens + (either.app.version == "1.2")
    assert 1 <= usage.most_at_once <= 5
    assert usage.bytes_received > 0


def test_a_large_collection_becomes_several_parts(maple: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection_module, "ROWS_PER_PART", 100)
    pulled = maple.pull(page_size=40)
    sizes = [part.rows for part in pulled["enrollments"].parts["enrollments"]]
    assert sum(sizes) == maple.truth()["enrollments"]
    assert set(sizes[:-1]) == {120}
    ids = [row["sourced_id"] for row in pulled.rows("enrollments")]
    assert len(set(ids)) == len(ids)


def test_the_tables_of_a_collection_become_files_together(maple: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection_module, "ROWS_PER_PART", 50)
    pulled = maple.pull(page_size=10)
    parts = pulled["users"].parts
    # parents have as many roles and agents as children, so each table decides now and then
    assert len(parts["users"]) == len(parts["user_roles"]) > 3
    assert max(part.rows for tables in parts.values() for part in tables) < 50 + 10 * 4
    assert pulled.counts() == maple.truth()


def test_unreadable_records_become_rejects_and_cost_no_other(maple: Any) -> None:
    with maple.quirks("record-not-an-object", "bad-field-type"):
        pulled = maple.pull()
    users = pulled["users"]
    assert (users.rows("users"), users.unreadable, users.unidentified) == (maple.truth()["users"] - 2, 2, 1)
    rejects = read_rows(pulled.folder, pulled.manifest.rejects, REJECT_SCHEMA).to_pylist()
    assert [(one["collection"], one["rule"], one["field"]) for one in rejects] == [
        ("users", "not_an_object", ""),
        ("users", "wrong_type", "givenName"),
    ]
    nobody, named = rejects
    assert (nobody["sourced_id"], nobody["record"]) == (None, '"this should have been a user"')
    assert msgspec.json.decode(named["record"])["sourcedId"] == named["sourced_id"]
    assert all(one["reason"].endswith(".") for one in rejects)


def test_a_collection_that_began_again_lands_once(maple: Any) -> None:
    with maple.quirks("count-changes"):
        pulled = maple.pull()
    enrollments = pulled["enrollments"]
    assert enrollments.proof.kind == "unproven"
    ids = [row["sourced_id"] for row in pulled.rows("enrollments")]
    assert len(ids) == len(set(ids)) == enrollments.rows("enrollments") == maple.truth()["enrollments"]


def test_an_empty_collection_is_recorded_as_empty(maple: Any) -> None:
    with maple.quirks("empty-users"):
        users = maple.pull()["users"]
    assert users.parts == {"users": [], "user_roles": [], "user_agents": []}
    assert users.proof.proven


def test_collections_narrow_a_pull(maple: Any) -> None:
    assert list(maple.pull(collections=["users", "orgs"]).collections) == ["orgs", "users"]


@pytest.mark.parametrize("named", [["demographics"], ["orgs", "lineItems"]])
def test_a_collection_that_is_not_pulled_is_an_error_before_any_request(named: Sequence[str], maple: Any) -> None:
    before = maple.seen()
    with pytest.raises(RollcallError) as caught:
        maple.pull(collections=named, settings={"demographics": False})
    assert caught.value.code == "collection_not_pulled"
    assert named[-1] in caught.value.message
    assert maple.seen() == before


def test_a_failing_collection_is_named_and_leaves_no_manifest_of_a_pull(birch: Any) -> None:
    with pytest.raises(PermissionRefused) as caught:
        birch.pull(settings={"demographics": True})
    assert caught.value.code == "permission_refused"
    assert caught.value.message.startswith("demographics: ")
    assert "select Demographics" in caught.value.remedy
    assert caught.value.district == "birch"
    assert list(Path(birch.landing.url).glob("district=birch/pull=*/*/manifest.json")) == []


def test_the_other_collections_stop_when_one_fails(birch: Any) -> None:
    with birch.quirks("slow-answers"), birch.counting() as asked, pytest.raises(PermissionRefused):
        birch.pull(page_size=1, settings={"demographics": True})
    assert asked["/enrollments"] < birch.truth()["enrollments"] / 2


def test_people_who_are_not_to_land_do_not_and_are_counted(maple: Any) -> None:
    outside = ("guardian", "parent", "relative")
    everybody = maple.pull()
    pulled = maple.pull(settings={"roles": dict.fromkeys(outside, "drop")})
    roles: dict[str, set[str]] = {}
    for row in everybody.rows("user_roles"):
        roles.setdefault(row["user_sourced_id"], set()).add(row["role"])
    staying = {user for user, held in roles.items() if held - set(outside)}
    assert {row["sourced_id"] for row in pulled.rows("users")} == staying
    for part in ("user_roles", "user_agents"):
        assert {row["user_sourced_id"] for row in pulled.rows(part)} <= staying
    users = pulled["users"]
    assert users.proof == everybody["users"].proof
    assert 0 < users.rows("users") < everybody["users"].rows("users")
    assert users.not_landed == everybody["users"].rows("users") - users.rows("users")
