"""What readers on other connections see while the same people are published again and again, otherwise each time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from rollcall.pipeline import run
from rollcall.settings.sections import SHARES, Floor, Guards
from tests.conftest import Nights
from tests.publish.gate import Gate

#: People of a night; each has a role, an enrollment and an account.
PEOPLE = 500
NIGHTS = 6

#: What is asked, one statement after another, as a report would.
_ASKED = (
    "SELECT generation, 0, 0 FROM roster_ops.state",
    "SELECT min(family_name)::int, max(family_name)::int, count(*) FROM roster.users",
    "SELECT min(family_name)::int, max(family_name)::int, count(*) FROM roster.accounts",
    "SELECT min(class_sourced_id)::int, max(class_sourced_id)::int, count(*) FROM roster.enrollments",
    "SELECT min(title)::int, max(title)::int, count(*) FROM roster.classes WHERE _missing_since IS NULL",
)

Seen = tuple[tuple[int, ...], ...]


@pytest.fixture
def town(nights: Nights, roster: Any) -> Callable[[int], dict[str, list[dict[str, Any]]]]:
    """Everybody carries the number of the night, and another person comes each night; so it is known who is from
    which night."""
    wide = dict.fromkeys(SHARES, "100%")
    nights.settings(guards=Guards(**wide, floor=Floor(people=10_000, classes=10_000, enrollments=10_000)))

    def make(number: int) -> dict[str, list[dict[str, Any]]]:
        rows = roster(*(f"s{person}" for person in range(PEOPLE + number)))
        for user in rows["users"]:
            user["family_name"] = str(number)
        rows["classes"][0] |= {"sourced_id": str(number), "title": str(number)}
        rows["class_terms"][0]["class_sourced_id"] = str(number)
        for enrollment in rows["enrollments"]:
            enrollment["class_sourced_id"] = str(number)
        return rows

    return make


def _whole(number: int) -> Seen:
    """A night as one sees it who sees nothing else."""
    people = (number, number, PEOPLE + number)
    return ((number, 0, 0), people, people, people, (number, number, 1))


def _read(connection: sa.Connection, meanwhile: Callable[[], None] = lambda: None) -> Seen:
    """:param meanwhile: what happens after the first answer."""
    found = []
    for query in _ASKED:
        found.append(tuple(connection.execute(sa.text(query)).one()))
        if len(found) == 1:
            meanwhile()
    return tuple(found)


@pytest.fixture
def snapshot(nights: Nights) -> Iterator[sa.Connection]:
    with nights.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        yield connection


def test_who_reads_in_one_snapshot_never_sees_a_mixture(nights, town):
    nights.publish(town(1))
    seen: list[Seen] = []
    done = threading.Event()

    def read() -> None:
        with nights.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            while not done.is_set():
                seen.append(_read(connection))
                connection.rollback()

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for number in range(2, NIGHTS + 1):
            nights.publish(town(number))
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert set(seen) <= {_whole(number) for number in range(1, NIGHTS + 1)}
    assert len(set(seen)) > 1


def test_while_a_publication_stands_before_its_end_everybody_sees_the_roster_before(nights, town, snapshot):
    nights.publish(town(1))
    ref = nights.prepare(town(2))
    run.map_night(nights.engine, nights.district, ref, nights.landing)
    with Gate(nights.engine, "roster_ops.state") as gate:
        publishing = threading.Thread(
            target=run.publish_night, args=(nights.engine, nights.district, ref, nights.landing)
        )
        publishing.start()
        gate.waiting_process()
        with nights.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            assert _read(connection) == _whole(1)

        def publish_to_the_end() -> None:
            gate.open()
            publishing.join()

        assert _read(snapshot, publish_to_the_end) == _whole(1)
        snapshot.rollback()
        assert _read(snapshot) == _whole(2)
        snapshot.rollback()


def test_who_asks_table_by_table_without_a_snapshot_can_see_one(nights, town):
    """So that the tests above can fail."""
    nights.publish(town(1))
    with nights.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        seen = _read(connection, lambda: nights.publish(town(2)))
    assert (seen[0], *seen[1:4]) == (_whole(1)[0], *_whole(2)[1:4])
