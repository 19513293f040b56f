"""The truth about a district, for tests and the demo: what a perfect client would have, and what the last night did."""

from __future__ import annotations

from typing import Any

from include.sandbox.encoded import Encoded, EncodedRoster
from include.sandbox.nights import Night
from include.sandbox.rendering import Renderer
from include.sandbox.roster import ACTIVE, COLLECTIONS, Person


def truth(records: EncodedRoster, renderer: Renderer, nights: int, last: Night | None) -> dict[str, Any]:
    """Counts per collection and user role, and the last night; quirks do not change the truth.

    :param nights: how many nights have passed.
    """
    users = records.all("users")
    roles = sorted({role for user in users for role in user.views})
    return {
        "nights": nights,
        "collections": {name: _counts(records.all(name)) for name in COLLECTIONS},
        "roles": {role: _counts([user for user in users if role in user.views]) for role in roles},
        "last_night": _night(renderer, last) if last else None,
    }


def _counts(records: list[Encoded]) -> dict[str, int]:
    active = sum(record.status == ACTIVE for record in records)
    return {"total": len(records), "active": active, "tobedeleted": len(records) - active}


def _night(renderer: Renderer, night: Night) -> dict[str, Any]:
    """`count` is of people; `sourced_ids` and `family` (guardians who came or went with them) are of user records."""
    done: dict[str, Any] = {"number": night.number, "date": night.date.isoformat()}
    for name, group in night.groups().items():
        done[name] = {
            "count": len(group.people),
            "sourced_ids": _ids(renderer, group.people),
            "family": _ids(renderer, group.family),
        }
    return done


def _ids(renderer: Renderer, people: list[Person]) -> list[str]:
    return [user.sourced_id for person in people for user in renderer.users(person)]
