"""Seven nights in which people come, go, return, change, are marked as deleted and are refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from rollcall.history.pulls import begin_replay
from rollcall.history.replay import replay
from rollcall.landing.change_set import Published
from rollcall.landing.pull import PullRef
from rollcall.model.tables import TABLES
from rollcall.warehouse.models import history

Rows = dict[str, list[dict[str, Any]]]
TOMBSTONE = {"status": "tobedeleted"}


def delta_of(rows: Rows, *people: str, enrollments: Sequence[dict[str, Any]] = ()) -> Rows:
    """A delta with the records of these people and these enrollments; orgs and sessions are in full as always."""
    return {
        **{name: rows[name] for name in ("orgs", "academic_sessions")},
        "courses": [],
        "classes": [],
        "users": [row for row in rows["users"] if row["sourced_id"] in people],
        "user_roles": [row for row in rows["user_roles"] if row["user_sourced_id"] in people],
        "enrollments": list(enrollments),
    }


@pytest.fixture
def seven(roster: Callable[..., Rows]) -> list[dict[str, Any]]:
    """What :meth:`Nights.prepare` takes, night by night."""

    def enrolled(rows: Rows, name: str) -> dict[str, Any]:
        return next(row for row in rows["enrollments"] if row["user_sourced_id"] == name)

    everybody = roster("ada", "ben", "cid", "dot", "eve")
    renamed = roster("ada", "ben", "cid", "dot", "eve")
    renamed["users"][0]["family_name"] = "Married"
    ben_left = delta_of(everybody, "dot", enrollments=[enrolled(everybody, "dot")])
    ben_left["users"].append({"sourced_id": "ben", **TOMBSTONE})
    without_cid = roster("ada", "ben", "dot")
    without_cid["users"] = [row for row in without_cid["users"] if row["sourced_id"] != "ada"]
    last = roster("ada", "ben", "cid", "eve")
    last["users"][0]["family_name"] = "Married"
    last["users"][2]["email"] = "new@elm.example"
    return [
        {"rows": roster("ada", "ben", "cid")},
        {"rows": ben_left, "delta": True},
        {"rows": delta_of(renamed, "ada", "ben"), "delta": True},
        {"rows": without_cid, "rejected": {"users": ["ada"]}},
        {
            "rows": delta_of(
                everybody, "cid", enrollments=[enrolled(everybody, "cid"), {"sourced_id": "e-dot", **TOMBSTONE}]
            ),
            "delta": True,
        },
        {
            "rows": delta_of(everybody, "eve", enrollments=[enrolled(everybody, "eve")]),
            "delta": True,
            "unproven": ("users",),
        },
        {"rows": last},
    ]


@pytest.fixture
def replayed(nights: Any) -> Callable[..., Published]:
    """Replays the night of one of the pulls, as a back-fill does."""
    count = iter(range(1000))

    def one(number: int) -> Published:
        ref = begin_replay(nights.engine, nights.district, nights.landing, f"again{next(count)}", night_of_pull(number))
        assert isinstance(ref, PullRef)
        return replay(nights.engine, nights.district, ref, nights.landing)

    def night_of_pull(number: int) -> Any:
        return nights.began.date().replace(day=nights.began.day + number)

    return one


@pytest.fixture
def whole_history(nights: Any) -> Callable[[], dict[str, list[tuple[Any, ...]]]]:
    """Every row of every table of history, lineage included."""

    def read() -> dict[str, list[tuple[Any, ...]]]:
        with nights.engine.connect() as connection:
            return {
                name: sorted((tuple(row) for row in connection.execute(sa.select(history[name]))), key=repr)
                for name in TABLES
            }

    return read
