"""Every switch of the sandbox times every collection, against the table: rows, proof, requests, most at once.

A district is pulled once for each switch, by one client; the tests of its collections look at that pull.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from rollcall.model.tables import ROSTERING_COLLECTIONS
from rollcall.oneroster import COLLECTIONS
from rollcall_sandbox import QUIRKS, Sandbox
from tests.providers.checks import check_collection, check_politeness
from tests.providers.expectations import QUIRKS as TABLE
from tests.providers.pulling import NIGHT, WAYS, Pulled, client_of, pull

Pull = Callable[[str, str], Pulled]


def districts(quirk: str) -> list[str]:
    return [name for name in TABLE[quirk].districts if WAYS[name].district.version in QUIRKS[quirk].versions]


PULLS = [(quirk, district) for quirk in QUIRKS if quirk in TABLE for district in districts(quirk)]
CASES = [(quirk, district, collection) for quirk, district in PULLS for collection in ROSTERING_COLLECTIONS]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox([way.district for way in WAYS.values()], clock=lambda: NIGHT) as running:
        yield running


@pytest.fixture(scope="module")
def pulled(sandbox: Sandbox) -> Pull:
    """What came of a district under a switch; pulled when it is first asked for."""
    pulls: dict[tuple[str, str], Pulled] = {}

    def once(quirk: str, district: str) -> Pulled:
        if (quirk, district) not in pulls:
            pulls[quirk, district] = pull(sandbox, WAYS[district], quirk, TABLE[quirk])
        return pulls[quirk, district]

    return once


def test_every_switch_has_its_row_and_is_tried():
    assert TABLE.keys() == QUIRKS.keys()
    assert [quirk for quirk in TABLE if not districts(quirk)] == []


def test_the_districts_are_as_large_as_the_table_takes_them_to_be(sandbox):
    """Several pages of users and enrollments, one of orgs, one that ends with a full page; the larger clamps met."""
    rows = {name: {key: counts["total"] for key, counts in sandbox.truth(name)["collections"].items()} for name in WAYS}

    assert rows["new"] == {
        "orgs": 6, "academicSessions": 15, "courses": 60, "classes": 99, "users": 160, "enrollments": 418,
        "demographics": 50,
    }  # fmt: skip
    assert rows["old"] == {
        "orgs": 6, "academicSessions": 15, "courses": 59, "classes": 95, "users": 167, "enrollments": 402,
        "demographics": 50,
    }  # fmt: skip
    assert rows["big"]["enrollments"] > 10_000


@pytest.mark.parametrize(("quirk", "district", "collection"), CASES)
def test_a_collection_comes_as_the_table_says(pulled, quirk, district, collection):
    check_collection(pulled(quirk, district), WAYS[district], TABLE[quirk], collection)


@pytest.mark.parametrize(("quirk", "district"), PULLS)
def test_no_pull_asks_for_more_than_it_may(pulled, quirk, district):
    check_politeness(pulled(quirk, district), WAYS[district], TABLE[quirk], is_small=district != "big")


@pytest.mark.parametrize("district", ["new", "old"])
def test_all_collections_at_the_same_time_fill_the_budget_and_keep_to_it(pulled, district):
    allowed = WAYS[district].concurrency

    assert pulled("slow-answers", district).most_at_once == (allowed, allowed)


def test_a_token_of_three_requests_costs_one_request_for_each_new_one(pulled):
    """In turn every fourth request is refused, and made once more; the first of all found the service."""
    result = pulled("token-expires-mid-pull", "old")
    wanted = 1 + sum(-(-true["total"] // 25) + 1 for true in result.true.values())
    made = 1 + sum(came.requests for came in result.collections.values())

    assert wanted == 43
    assert result.token_requests == -(-wanted // 3)
    assert made == wanted + result.token_requests - 1


@pytest.mark.parametrize("district", ["new", "old"])
@pytest.mark.parametrize("collection", ROSTERING_COLLECTIONS)
def test_a_filter_that_is_ignored_shows_in_one_request(sandbox, collection, district):
    path = f"/{COLLECTIONS[collection].path}"
    with client_of(sandbox, WAYS[district], TABLE["filter-ignored"]) as client:
        assert client.base_url
        before = sandbox.seen(district)["requests"].get(path, 0)
        assert client.filter_support(collection) == "obeyed"
        sandbox.set_quirks(district, ["filter-ignored"])
        try:
            assert client.filter_support(collection) == "ignored"
        finally:
            sandbox.set_quirks(district, [])
    assert sandbox.seen(district)["requests"][path] - before == 2
