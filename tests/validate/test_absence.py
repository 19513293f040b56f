"""What a collection proves about those who are not in it, from how it was read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import pytest

from rollcall.landing.manifests import load, save
from rollcall.landing.pull import Pull
from rollcall.settings import District
from rollcall.validate.validation import validate


@pytest.mark.parametrize(
    ("mode", "since", "proves"),
    [
        ("full", None, True),
        ("delta", None, True),  # orgs and academic sessions of every delta, or a provider that ignores the filter
        ("delta", datetime(2026, 11, 20, tzinfo=UTC), False),
    ],
    ids=["full", "read in full in a delta", "modified since"],
)
def test_only_a_collection_read_in_full_proves_absence(
    mode: Literal["full", "delta"],
    since: datetime | None,
    proves: bool,
    landed: Callable[..., Any],
    good: Callable[..., Any],
) -> None:
    landing, ref = landed("orgs", [good("orgs")])
    folder = ref.folder(landing)
    pull = load(folder, Pull)
    collections = [msgspec.structs.replace(pull.collections[0], since=since)]
    save(folder, msgspec.structs.replace(pull, mode=mode, collections=collections))
    district = District(district="maple", name="Maple", version="1.2", usernames="email")
    assert [one.proves_absence for one in validate(landing, ref, district).collections] == [proves]
