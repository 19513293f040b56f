"""The truth about a district, for tests and the demo: what a perfect client would have, and what the last night did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rollcall_sandbox.encoded import EncodedRoster
from rollcall_sandbox.nights import Night
from rollcall_sandbox.quirks_records import not_shared
from rollcall_sandbox.rendering import Renderer, Row
from rollcall_sandbox.roster import ACTIVE, COLLECTIONS, Person

# What a provider saw of its clients: requests per path, token requests, and how many were open at once.


class Gauge:
    """How many requests are open, and how many were at most."""

    def __init__(self) -> None:
        self._open = 0
        self.most = 0

    def enter(self) -> None:
        self._open += 1
        self.most = max(self.most, self._open)

    def leave(self) -> None:
        self._open -= 1

    def reset(self) -> None:
        self.most = self._open


class RequestLog:
    """The requests made to one district.

    :param host: the gauge shared by all districts of the sandbox, which are one host to a client.
    """

    def __init__(self, host: Gauge) -> None:
        self._host = host
        self._own = Gauge()
        self._requests: Counter[str] = Counter()
        self._token_requests = 0

    @contextmanager
    def request(self, path: str) -> Iterator[None]:
        """Count a request for as long as it is open; an empty path is the token endpoint."""
        if path:
            self._requests[path] += 1
        else:
            self._token_requests += 1
        gauges = (self._own, self._host)
        for gauge in gauges:
            gauge.enter()
        try:
            yield
        finally:
            for gauge in gauges:
                gauge.leave()

    def summary(self) -> dict[str, Any]:
        """Requests by path below the Base URL, and the most that were open at once here and on the whole host."""
        return {
            "requests": dict(sorted(self._requests.items())),
            "token_requests": self._token_requests,
            "most_at_once": self._own.most,
            "most_at_once_on_host": self._host.most,
        }

    def reset(self) -> None:
        self._requests.clear()
        self._token_requests = 0
        self._own.reset()
        self._host.reset()


def truth(
    records: EncodedRoster, renderer: Renderer, quirks: frozenset[str], nights: int, last: Night | None
) -> dict[str, Any]:
    """What a client ends with that loses nothing and invents nothing.

    `collections` and `roles` (of users) count the different records the provider has, so quirks that let fewer or more
    of them come change them, and quirks of paging and of failing do not. `people` are the persons behind the users.
    `orphans` counts enrollments whose user is never sent. `defective` names the records that a quirk made unreadable or
    incomplete, `not_shared` the collections that a quirk refuses with 403.

    :param nights: how many nights have passed.
    """
    users = records.all("users")
    by_role: dict[str, list[Row]] = {}
    for user in users:
        for role in renderer.views(user):
            by_role.setdefault(role, []).append(user)
    return {
        "nights": nights,
        "collections": {name: _counts(records.all(name)) for name in COLLECTIONS},
        "roles": {role: _counts(by_role[role]) for role in sorted(by_role)},
        "people": len({id(user.record) for user in users}),
        "orphans": _orphans(records, users),
        "defective": {name: sorted(ids) for name in COLLECTIONS if (ids := records.defective(name))},
        "not_shared": [name for name in COLLECTIONS if not_shared(name) in quirks],
        "last_night": _night(records, renderer, last) if last else None,
    }


def _counts(rows: list[Row]) -> dict[str, int]:
    active = sum(row.status == ACTIVE for row in rows)
    return {"total": len(rows), "active": active, "tobedeleted": len(rows) - active}


def _orphans(records: EncodedRoster, users: list[Row]) -> int:
    here = {user.record.number for user in users if isinstance(user.record, Person)}
    enrollments: Iterable[Any] = (row.record for row in records.all("enrollments"))
    return sum(enrollment.person not in here for enrollment in enrollments)


def _night(records: EncodedRoster, renderer: Renderer, night: Night) -> dict[str, Any]:
    """`count` is of people; `sourced_ids` and `family` (guardians added or removed with them) are of user records.

    `changed` counts, per collection, what is modified at or after the night: what a delta from there shows.
    """
    done: dict[str, Any] = {"number": night.number, "date": night.at.date().isoformat(), "at": night.at.isoformat()}
    done["changed"] = {name: sum(row.modified >= night.at for row in records.all(name)) for name in COLLECTIONS}
    for name, group in night.groups().items():
        done[name] = {
            "count": len(group.people),
            "sourced_ids": _ids(renderer, group.people),
            "family": _ids(renderer, group.family),
        }
    return done


def _ids(renderer: Renderer, people: list[Person]) -> list[str]:
    return [row.sourced_id for person in people for row in renderer.rows(person)]
