"""Every provider the sandbox can stand for, times every collection, its connection set up as that provider's are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from rollcall.model.tables import ROSTERING_COLLECTIONS
from rollcall_sandbox import Sandbox, SandboxDistrict
from rollcall_sandbox.quirks import BUNDLES
from tests.providers.checks import check_collection, check_politeness
from tests.providers.expectations import PROVIDERS
from tests.providers.pulling import NIGHT, Pulled, Way, pull

WAYS = {
    name: Way(
        SandboxDistrict.like(name, re.sub(r"\W", "_", name), students=50, demographics=True, nights=2), concurrency=3
    )
    for name in BUNDLES
}


@pytest.fixture(scope="module")
def pulled() -> Iterator[Callable[[str], Pulled]]:
    """What came of a provider; pulled when it is first asked for."""
    pulls: dict[str, Pulled] = {}
    with Sandbox([way.district for way in WAYS.values()], clock=lambda: NIGHT) as sandbox:

        def once(name: str) -> Pulled:
            if name not in pulls:
                pulls[name] = pull(sandbox, WAYS[name], name, PROVIDERS[name])
            return pulls[name]

        yield once


def test_every_provider_has_its_row():
    assert PROVIDERS.keys() == BUNDLES.keys()


@pytest.mark.parametrize("collection", ROSTERING_COLLECTIONS)
@pytest.mark.parametrize("name", PROVIDERS)
def test_a_collection_comes_as_the_table_says(pulled, name, collection):
    check_collection(pulled(name), WAYS[name], PROVIDERS[name], collection)


@pytest.mark.parametrize("name", PROVIDERS)
def test_no_pull_asks_for_more_than_it_may(pulled, name):
    check_politeness(pulled(name), WAYS[name], PROVIDERS[name])
