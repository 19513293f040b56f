"""Usernames move between people in any sequence, and some moves are approved. None moves without an approval.

No model of the guard or of mapping, only what they promise (rule 10).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from rollcall.history.rollback import resume, rollback
from rollcall.holds import decisions
from rollcall.landing.zone import Landing
from rollcall.pipeline import run as night
from rollcall.pipeline.remap import prepare_remap
from rollcall.publish.invariants import Scope, check_roster
from rollcall.retention.purge import purge
from rollcall.settings.sections import Floor, Guards
from tests.conftest import Nights, sequences
from tests.guard.conftest import Town
from tests.warehouses import Warehouses
from tests.whole.district import IN_BOTH_OR_NEITHER

PEOPLE = 5

names = st.lists(st.integers(0, PEOPLE + 1), min_size=PEOPLE, max_size=PEOPLE)
_LIVING = "SELECT hold_id FROM roster_ops.holds WHERE closed_at IS NULL ORDER BY hold_id"
_PUBLISHED = "SELECT run_id FROM roster_ops.runs WHERE status = 'published' ORDER BY generation"
_NAMED = "SELECT split_part(row_key, chr(31), 1), reason, is_approved FROM roster_ops.hold_rows WHERE hold_id = :hold"


class Wandering(RuleBasedStateMachine):
    """People who all want one of a few names.

    :param agreed: per person, what was agreed to when it was agreed to; what a hold says later is no agreement.
    """

    def __init__(self, warehouses: Warehouses, folder: Path) -> None:
        super().__init__()
        self.warehouses = warehouses
        self.nights = Nights(warehouses.take(), Landing(str(folder)))
        self.nights.settings(guards=Guards(floor=Floor(people=100)))
        self.wanted: Sequence[int] = range(PEOPLE)
        self.agreed: dict[str, str] = {}
        self.count = 0
        self._publish()

    @rule(wanted=names)
    def names_wander(self, wanted: Sequence[int]) -> None:
        self.wanted = wanted
        self._publish()

    @rule(one=st.integers(0, PEOPLE - 1), other=st.integers(0, PEOPLE - 1))
    def two_exchange_theirs(self, one: int, other: int) -> None:
        wanted = list(self.wanted)
        wanted[one], wanted[other] = wanted[other], wanted[one]
        self.wanted = wanted
        self._publish()

    @rule(places=st.integers(1, PEOPLE - 1))
    def each_wants_anothers(self, places: int) -> None:
        self.wanted = [(person + places) % PEOPLE for person in range(PEOPLE)]
        self._publish()

    @rule()
    def the_same_once_more(self) -> None:
        self._publish()

    @precondition(lambda self: self._holds())
    @rule(excepted=st.integers(0, PEOPLE), which=st.integers(0, 9))
    def somebody_approves(self, excepted: int, which: int) -> None:
        hold = self._holds()[which % len(self._holds())]
        named = [who for who, _, _ in self._named(hold)]
        kept = [who for who in named if who == f"s{excepted}"] if len(named) > 1 else []
        self._approve(hold, excepted=kept)

    @precondition(lambda self: self._holds())
    @rule(places=st.integers(1, PEOPLE - 1))
    def all_is_agreed_to_and_then_other_names_are_wanted(self, places: int) -> None:
        for hold in self._holds():
            self._approve(hold)
        self.each_wants_anothers(places)
        self._publish()

    @precondition(lambda self: self._holds())
    @rule(which=st.integers(0, 9))
    def somebody_rejects(self, which: int) -> None:
        hold = self._holds()[which % len(self._holds())]
        with self.nights.engine.begin() as connection:
            decisions.reject(connection, hold, by="robin", reason="no")
        self._note(hold)

    @rule()
    def a_remap(self) -> None:
        """Nobody pulls: what was agreed to is done, and nothing else changes hands."""
        before = self._names()
        self.count += 1
        ref = prepare_remap(self.nights.engine, self.nights.district, f"remap{self.count}", self.nights.landing)
        night.map_night(self.nights.engine, self.nights.district, ref, self.nights.landing)
        night.publish_night(self.nights.engine, self.nights.district, ref, self.nights.landing)
        self._nothing_changed_hands_unasked(before)

    @rule(which=st.integers(0, 9))
    def a_rollback(self, which: int) -> None:
        with self.nights.engine.connect() as connection:
            runs = list(connection.execute(sa.text(_PUBLISHED)).scalars())
        self.count += 1
        run = runs[which % len(runs)]
        rollback(self.nights.engine, self.nights.district, self.nights.landing, f"back{self.count}", run)
        resume(self.nights.engine, self.nights.district)

    @rule()
    def a_purge(self) -> None:
        purge(self.nights.engine, "elm", self.nights.landing, by="robin")
        self.agreed.clear()
        self._publish()

    @invariant()
    def nothing_contradicts_itself(self) -> None:
        with self.nights.engine.connect() as connection:
            check_roster(connection, Scope("elm", is_whole=True), remedy="", knows_left_out=False)

    @invariant()
    def no_two_have_one_name(self) -> None:
        held = list(self._names().values())
        assert len(held) == len(set(held))

    def teardown(self) -> None:
        """However it went: when everybody wants a name of their own and all is agreed to, they have it."""
        self.wanted = range(PEOPLE)
        for _ in range(2):
            self._publish()
            for hold in self._holds():
                self._approve(hold)
        self._publish()
        assert self._names() == {f"s{person}": f"name{person}@town.example" for person in range(PEOPLE)}
        assert self._holds() == []
        self.warehouses.give_back(self.nights.engine)

    def _publish(self) -> None:
        """A night, and what has to be so after any."""
        before = self._names()
        rows = Town(PEOPLE).rows
        for user, name in zip(rows["users"], self.wanted, strict=True):
            user["email"] = f"name{name}@town.example"
        self.nights.publish(rows)
        self._nothing_changed_hands_unasked(before)

    def _nothing_changed_hands_unasked(self, before: dict[str, str]) -> None:
        now = self._names()
        assert self.nights.scalar(IN_BOTH_OR_NEITHER) == 0
        for who, name in now.items():
            if name in set(before.values()) and before.get(who) != name:
                assert f"-> {name} (" in self.agreed.get(who, ""), "unasked"

    def _names(self) -> dict[str, str]:
        return dict(self.nights.live("accounts", "user_sourced_id", "username"))

    def _holds(self) -> list[str]:
        with self.nights.engine.connect() as connection:
            return list(connection.execute(sa.text(_LIVING)).scalars())

    def _named(self, hold: str) -> list[tuple[str, str, bool]]:
        with self.nights.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(_NAMED), {"hold": hold})]

    def _approve(self, hold: str, excepted: Sequence[str] = ()) -> None:
        with self.nights.engine.begin() as connection:
            decisions.approve(connection, hold, by="robin", reason="they agreed", excepted=excepted)
        self._note(hold)

    def _note(self, hold: str) -> None:
        """Keep what a decision said."""
        for who, reason, is_approved in self._named(hold):
            self.agreed.pop(who, None)
            if is_approved:
                self.agreed[who] = reason


@pytest.mark.hypothesis
def test_any_sequence_of_wandering_names_gives_nobody_anothers_unasked(warehouses: Warehouses, tmp_path: Path) -> None:
    folders = (tmp_path / str(number) for number in itertools.count())
    run_state_machine_as_test(
        lambda: Wandering(warehouses, next(folders)),
        settings=sequences(2, steps=6),
    )
