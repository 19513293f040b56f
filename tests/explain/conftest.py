"""Explanations of nights written by hand, asked at a fixed hour."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from rollcall.explain.explain import explain
from rollcall.explain.timeline import Explanation, PersonMatches
from rollcall.settings import Schedule
from tests.conftest import Nights

#: The morning on which everybody is asked about; the nights of the tests are those of 2 November 2026 and after.
MORNING = datetime(2026, 11, 20, 15, tzinfo=UTC)

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def elm(nights: Nights) -> Nights:
    """Elm, whose night begins at 2:15 AM UTC."""
    nights.settings(schedule=Schedule(timezone="UTC", nightly="15 2 * * *"))
    return nights


@pytest.fixture
def asked(elm: Nights) -> Callable[[str], Explanation]:
    """Explains somebody of Elm; several who fit are a failure."""

    def ask(who: str) -> Explanation:
        told = explain(elm.engine, elm.district, who, MORNING)
        assert not isinstance(told, PersonMatches), told
        return told

    return ask


def user(rows: Rows, sourced_id: str) -> dict[str, Any]:
    """The row of a user, to be changed."""
    return next(row for row in rows["users"] if row["sourced_id"] == sourced_id)


def role(user: str, name: str, org: str = "school", **more: Any) -> dict[str, Any]:
    made = {"user_sourced_id": user, "role_key": f"{name}|{org}|", "org_sourced_id": org, "role": name}
    return {**made, "role_type": "primary", **more}
