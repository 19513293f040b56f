"""Fixtures: nights written by hand and explanations at a fixed time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from rollcall.explain.explain import explain
from rollcall.explain.timeline import Explanation, PersonMatches
from rollcall.settings import Schedule
from tests.conftest import Nights

#: The time of every question. The nights of the tests begin on November 2, 2026.
MORNING = datetime(2026, 11, 20, 15, tzinfo=UTC)

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def elm(nights: Nights) -> Nights:
    """The district Elm. Its nights begin at 2:15 AM UTC."""
    nights.settings(schedule=Schedule(timezone="UTC", nightly="15 2 * * *"))
    return nights


@pytest.fixture
def ask(elm: Nights) -> Callable[[str], Explanation]:
    """Explains one person or school of Elm."""

    def ask_about(who: str) -> Explanation:
        explanation = explain(elm.engine, elm.district, who, MORNING)
        assert not isinstance(explanation, PersonMatches), explanation
        return explanation

    return ask_about


def user(rows: Rows, sourced_id: str) -> dict[str, Any]:
    """The row of a user, for changes."""
    return next(row for row in rows["users"] if row["sourced_id"] == sourced_id)


def role(user: str, name: str, org: str = "school", **more: Any) -> dict[str, Any]:
    row = {"user_sourced_id": user, "role_key": f"{name}|{org}|", "org_sourced_id": org, "role": name}
    return {**row, "role_type": "primary", **more}
