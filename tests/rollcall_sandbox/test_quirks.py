"""Each quirk does what its name says, and nothing when it is off; for `slow-answers` see test_access."""

# ruff: noqa: S113 - a request that hangs is ended by pytest-timeout
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from rollcall.errors import RollcallError
from rollcall_sandbox import QUIRKS, Sandbox, SandboxDistrict

ELM = SandboxDistrict("elm", "1.2", students=400)


@pytest.fixture(scope="module")
def one(reading: Any) -> Iterator[Any]:
    with Sandbox([ELM]) as sandbox:
        yield reading(sandbox, ELM)


@pytest.fixture
def elm(one: Any) -> Iterator[Any]:
    """A reader of a district without quirks, which is without them again after the test."""
    yield one
    one.sandbox.set_quirks("elm", [])
    one.token()


def users(reader: Any, query: str) -> list[Any]:
    return reader.get("users", query).json()["users"]


def test_record_not_an_object(elm):
    good = users(elm, "limit=10")
    elm.sandbox.set_quirks("elm", ["record-not-an-object"])
    bad = users(elm, "limit=10")
    assert isinstance(bad[2], str)
    assert bad[:2] + bad[3:] == good[:2] + good[3:]
    assert elm.get("users", "limit=10").headers["X-Total-Count"] == str(
        elm.sandbox.truth("elm")["collections"]["users"]["total"]
    )
    assert users(elm, "limit=1&offset=2") == [bad[2]]
    assert all(isinstance(user, dict) for user in users(elm, "limit=10&offset=3"))


def test_bad_field_type(elm):
    good = users(elm, "limit=10")
    elm.sandbox.set_quirks("elm", ["bad-field-type"])
    bad = users(elm, "limit=10")
    assert bad[4] == good[4] | {"givenName": {"text": good[4]["givenName"]}}
    assert bad[:4] + bad[5:] == good[:4] + good[5:]


def test_no_totals(elm):
    elm.sandbox.set_quirks("elm", ["no-totals"])
    answer = elm.get("users", "limit=10")
    assert len(answer.json()["users"]) == 10
    assert "X-Total-Count" not in answer.headers
    assert "Link" not in answer.headers


def test_clamp_500(elm):
    total = elm.sandbox.truth("elm")["collections"]["users"]["total"]
    assert len(users(elm, "limit=5000")) == total > 500
    elm.sandbox.set_quirks("elm", ["clamp-500"])
    answer = elm.get("users", "limit=5000")
    assert len(answer.json()["users"]) == 500
    assert answer.headers["X-Total-Count"] == str(total)
    assert "limit=500&offset=500" in answer.links["next"]["url"]
    assert len(users(elm, "limit=5000&offset=500")) == total - 500
    assert len(users(elm, "limit=20")) == 20


def test_token_expires_mid_pull(elm):
    elm.sandbox.set_quirks("elm", ["token-expires-mid-pull"])
    elm.token()
    assert [elm.get("orgs").status_code for _ in range(4)] == [200, 200, 200, 401]
    elm.token()
    assert elm.get("orgs").status_code == 200


def test_empty_orgs(elm):
    elm.sandbox.set_quirks("elm", ["empty-orgs"])
    answer = elm.get("orgs")
    assert answer.json() == {"orgs": []}
    assert answer.headers["X-Total-Count"] == "0"
    assert elm.get("schools").json() == {"orgs": []}
    assert users(elm, "limit=1")


def test_empty_users(elm):
    elm.sandbox.set_quirks("elm", ["empty-users"])
    for path in ("users", "students", "teachers"):
        assert elm.get(path).json() == {"users": []}
    assert elm.get("orgs").json()["orgs"]


def test_repeat_page_one(elm):
    elm.sandbox.set_quirks("elm", ["repeat-page-one"])
    assert users(elm, "limit=10&offset=10") == users(elm, "limit=10")
    assert "offset=20" in elm.get("users", "limit=10&offset=10").links["next"]["url"]


def test_missing_envelope(elm):
    elm.sandbox.set_quirks("elm", ["missing-envelope"])
    answer = elm.get("users")
    assert (answer.status_code, answer.json()) == (200, {})
    assert elm.get("orgs").json()["orgs"]


def test_count_changes(elm):
    total = elm.sandbox.truth("elm")["collections"]["users"]["total"]
    elm.sandbox.set_quirks("elm", ["count-changes"])
    assert elm.get("users", "limit=10").headers["X-Total-Count"] == str(total)
    assert elm.get("users", "limit=10&offset=10").headers["X-Total-Count"] == str(total + 1)


def test_quirks_are_switched_over_http_and_at_the_start(elm, alone):
    url = f"http://127.0.0.1:{elm.sandbox.port}/sandbox/elm/quirks"
    assert requests.post(url, json=["no-totals", "clamp-500"]).status_code == 200
    assert "X-Total-Count" not in elm.get("orgs").headers
    assert requests.post(url, json=[]).status_code == 200
    assert "X-Total-Count" in elm.get("orgs").headers
    started = alone(SandboxDistrict("elm", "1.2", students=40, quirks=frozenset({"no-totals"})))
    assert "X-Total-Count" not in started.get("orgs").headers


def test_an_unknown_quirk_is_refused_with_the_known_ones(elm):
    with pytest.raises(RollcallError) as caught:
        SandboxDistrict("elm", "1.2", quirks=frozenset({"no-total"}))
    assert caught.value.code == "sandbox_quirk"
    assert 'Did you mean "no-totals"?' in str(caught.value)
    assert all(name in str(caught.value) for name in QUIRKS)
    answer = requests.post(f"http://127.0.0.1:{elm.sandbox.port}/sandbox/elm/quirks", json=["no-total"])
    assert answer.status_code == 400
    assert "no-totals" in answer.json()["error"]
    assert "X-Total-Count" in elm.get("orgs").headers
