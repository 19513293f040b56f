"""The rules of removal and return (rules 2 and 3) once more, in plain dictionaries and without any speed.

It knows classes, people and enrollments; everything else of a roster follows from those. Written from the rules, not
from the code: where the two differ, a test finds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

#: In the order in which references resolve.
NAMES = ("classes", "users", "enrollments")

TOMBSTONE = "the provider marked it as to be deleted"
ABSENT_TWICE = "absent from two complete full pulls"
TAKEN_ALONG = {"users": "its person was removed", "classes": "its class was removed"}

#: What a record says; an enrollment says whose it is and in which class.
Content = tuple[str, ...]


@dataclass(frozen=True)
class Sent:
    """What a pull brought.

    :param records: per collection that was read, by sourcedId; None is a record marked as to be deleted.
    :param refused: per collection, the sourcedIds of records that could not be accepted.
    :param proves: collections read in full and proven complete.
    """

    as_of: datetime
    records: dict[str, dict[str, Content | None]]
    refused: dict[str, set[str]]
    proves: frozenset[str]


@dataclass
class Row:
    """A record as it is published."""

    content: Content
    missing_since: datetime | None = None
    removed_reason: str | None = None

    @property
    def is_live(self) -> bool:
        return self.removed_reason is None


@dataclass
class Roster:
    """A published roster, removed rows included."""

    rows: dict[str, dict[str, Row]] = field(default_factory=lambda: {name: {} for name in NAMES})

    def live(self, name: str) -> set[str]:
        return {key for key, row in self.rows[name].items() if row.is_live}

    def surely_there(self, name: str) -> set[str]:
        """Live rows that were not missed, nor those they belong to: what history writes."""
        sure = {key for key in self.live(name) if self.rows[name][key].missing_since is None}
        return {
            key
            for key in sure
            if all(whose in self.surely_there(owner) for owner, whose in owners(name, self.rows[name][key].content))
        }

    def copy(self) -> Roster:
        return deepcopy(self)

    def publish(self, sent: Sent, *, agreed: Callable[[str, str], bool] = lambda _name, _key: True) -> Night:
        """Lay a pull over the roster.

        :param agreed: whether a removal may be made; asked for each, with collection and sourcedId.
        """
        night = Night()
        for name in NAMES:
            _Collection(self, name, sent, night, agreed).lay()
        return night


@dataclass
class Night:
    """What a pull did: per collection how many rows were what."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in NAMES})
    removed: set[tuple[str, str]] = field(default_factory=set)
    returned: set[tuple[str, str]] = field(default_factory=set)


def owners(name: str, content: Content) -> Iterator[tuple[str, str]]:
    """Collection and sourcedId of the records without which a record cannot be."""
    if name == "enrollments":
        yield from zip(("users", "classes"), content, strict=True)


@dataclass
class _Collection:
    roster: Roster
    name: str
    sent: Sent
    night: Night
    agreed: Callable[[str, str], bool]

    def lay(self) -> None:
        rows, came = self.roster.rows[self.name], self.sent.records.get(self.name, {})
        refused = self.sent.refused.get(self.name, set())
        accepted = {key: content for key, content in came.items() if content is not None and self._resolves(content)}
        tombstones = {key for key, content in came.items() if content is None}
        along = {key for key, content in came.items() if content and key not in accepted and self._goes_along(content)}
        refused = refused | (came.keys() - accepted.keys() - tombstones - along)
        self._count("received", len(came) + len(self.sent.refused.get(self.name, ())))
        self._count("rejected", len(refused))
        for key in rows.keys() - accepted.keys():
            self._is_not_there(key, rows[key], is_tombstone=key in tombstones, is_excused=key in refused | along)
        for key, content in accepted.items():
            self._is_there(key, content)
        if self.name not in self.sent.proves:
            for key in rows.keys() - accepted.keys() - tombstones:
                self._returns_with_its_owner(key, rows[key])

    def _resolves(self, content: Content) -> bool:
        return all(whose in self.roster.live(owner) for owner, whose in owners(self.name, content))

    def _goes_along(self, content: Content) -> bool:
        """Whether it belongs to a record that was there and is gone. It is then left out, and it is no reject."""
        return any(self._is_gone(owner, whose) for owner, whose in owners(self.name, content))

    def _is_gone(self, owner: str, whose: str) -> bool:
        is_marked = self.sent.records.get(owner, {}).get(whose, ()) is None
        is_known = whose in self.roster.rows[owner] or is_marked
        is_refused = whose in self.sent.refused.get(owner, set())
        return is_known and not is_refused and whose not in self.roster.live(owner)

    def _is_there(self, key: str, content: Content) -> None:
        row = self.roster.rows[self.name].get(key)
        if row is None:
            what = "added"
        elif not row.is_live:
            what = "returned"
            self.night.returned.add((self.name, key))
        else:
            what = "unchanged" if row.content == content else "changed"
        self._count(what)
        self.roster.rows[self.name][key] = Row(content)

    def _is_not_there(self, key: str, row: Row, *, is_tombstone: bool, is_excused: bool) -> None:
        if not row.is_live:
            if is_tombstone:  # a record marked as deleted meanwhile does not return with its owner
                row.removed_reason = TOMBSTONE
            return
        gone = [owner for owner, whose in owners(self.name, row.content) if (owner, whose) in self.night.removed]
        is_absent = self.name in self.sent.proves and not is_excused
        remove = partial(self._remove, key, row)
        if is_tombstone:
            remove(TOMBSTONE)
        elif gone:
            remove(TAKEN_ALONG[gone[0]])
        elif is_absent and row.missing_since is not None and row.missing_since < self.sent.as_of:
            remove(ABSENT_TWICE)
        elif is_absent and row.missing_since is None:
            row.missing_since = self.sent.as_of
            self._count("missing")

    def _remove(self, key: str, row: Row, reason: str) -> None:
        if self.agreed(self.name, key):
            row.removed_reason = reason
            self.night.removed.add((self.name, key))
            self._count("removed")

    def _returns_with_its_owner(self, key: str, row: Row) -> None:
        took = [owner for owner, reason in TAKEN_ALONG.items() if row.removed_reason == reason]
        whose = dict(owners(self.name, row.content))
        if took and (took[0], whose[took[0]]) in self.night.returned and self._resolves(row.content):
            self._count("returned")
            self.roster.rows[self.name][key] = Row(row.content)

    def _count(self, what: str, by: int = 1) -> None:
        self.night.counts[self.name][what] += by
