"""People leave and return in any sequence, with the guard on. No one is lost without an approval, unless few are.

Approvals, rejections, remaps, nights of some collections, rollbacks and purges come between. No model of the guard,
only what it promises; and after every step the roster does not contradict itself and everybody has their account.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from rollcall.history.rollback import resume, rollback
from rollcall.holds import decisions
from rollcall.landing.zone import Landing
from rollcall.pipeline import run
from rollcall.pipeline.remap import prepare_remap
from rollcall.publish.invariants import Scope, check_roster
from rollcall.retention.purge import purge
from rollcall.settings.sections import Floor, Guards
from tests.conftest import Nights, sequences
from tests.warehouses import Warehouses
from tests.whole.district import IN_BOTH_OR_NEITHER, LOST_OWNERS
from tests.whole.provider import GUARDIAN, NO_EMAIL, PEOPLE, Provider, as_rows

#: So many may leave in a night unasked.
FLOOR = 1

people = st.lists(st.integers(1, PEOPLE - 1), min_size=1, max_size=3, unique=True)
_LIVING = "SELECT hold_id FROM roster_ops.holds WHERE closed_at IS NULL AND kind = 'removals' ORDER BY hold_id"
_PUBLISHED = "SELECT run_id FROM roster_ops.runs WHERE status = 'published' ORDER BY generation"
_NAMED = """
    SELECT r.row_key, r.is_approved AND h.status = 'approved' FROM roster_ops.holds h
    JOIN roster_ops.hold_rows r USING (hold_id) WHERE h.closed_at IS NULL AND r.table_name = 'users'"""


class Holding(RuleBasedStateMachine):
    """:param agreed: people whose removal was approved, and who have not left yet.
    :param is_rolled_back: whether readers have an earlier roster: the next pull is a full one, holds are about another
        roster, and approved people may be missing for the first time again.
    """

    def __init__(self, warehouses: Warehouses, folder: Path) -> None:
        super().__init__()
        self.warehouses = warehouses
        self.nights = Nights(warehouses.take(), Landing(str(folder)))
        self.nights.settings(guards=Guards(floor=Floor(people=FLOOR)))
        self.provider = Provider()
        self.asked_since = 0
        self.agreed: set[str] = set()
        self.is_rolled_back = False
        self.knows_left_out = True
        self._publish(since=None)

    @rule(who=people, how=st.sampled_from(("leave", "vanish")), is_delta=st.booleans())
    def people_leave(self, who: Sequence[int], how: str, is_delta: bool) -> None:
        self.provider.change([(how, person, 0) for person in who])
        self._publish(since=self.asked_since if is_delta else None)

    @rule(who=people, is_delta=st.booleans())
    def people_return(self, who: Sequence[int], is_delta: bool) -> None:
        self.provider.change([("return", person, 0) for person in who])
        self._publish(since=self.asked_since if is_delta else None)

    @rule(is_delta=st.booleans())
    def a_quiet_night(self, is_delta: bool) -> None:
        self.provider.change([])
        self._publish(since=self.asked_since if is_delta else None)

    @rule()
    def a_remap(self) -> None:
        before = self._live()
        ref = prepare_remap(self.nights.engine, self.nights.district, f"remap{self.provider.tick}", self.nights.landing)
        self.provider.tick += 1
        run.map_night(self.nights.engine, self.nights.district, ref, self.nights.landing)
        run.publish_night(self.nights.engine, self.nights.district, ref, self.nights.landing)
        self._nobody_is_lost(before, received=set())

    @rule(names=st.sampled_from((("orgs",), ("orgs", "academic_sessions", "courses", "classes"))))
    def a_night_of_some_collections(self, names: Sequence[str]) -> None:
        before = self._live()
        rows = as_rows(self.provider.pull(self.nights.began))
        some = {name: rows[name] for name in (*names, "class_terms") if name in names or "classes" in names}
        self.nights.publish(some)
        self.knows_left_out = True
        self._nobody_is_lost(before, received=set())

    @rule(which=st.integers(0, 9))
    def a_rollback(self, which: int) -> None:
        with self.nights.engine.connect() as connection:
            runs = list(connection.execute(sa.text(_PUBLISHED)).scalars())
        self.provider.tick += 1
        back = f"back{self.provider.tick}"
        done = rollback(self.nights.engine, self.nights.district, self.nights.landing, back, runs[which % len(runs)])
        resume(self.nights.engine, self.nights.district)
        self.is_rolled_back, self.knows_left_out = True, done.left_out

    @rule()
    def a_purge(self) -> None:
        purge(self.nights.engine, "elm", self.nights.landing, by="robin")
        assert self._live() == set()
        self.agreed.clear()
        self.is_rolled_back = False
        self._publish(since=None)

    @precondition(lambda self: self._holds())
    @rule(which=st.integers(0, 9), is_all=st.booleans())
    def somebody_approves(self, which: int, is_all: bool) -> None:
        hold = self._holds()[which % len(self._holds())]
        named = sorted(self._named())
        excepted = [] if is_all or len(named) < 2 or len(self._holds()) > 1 else named[:1]
        with self.nights.engine.begin() as connection:
            decisions.approve(connection, hold, by="robin", reason="they moved", excepted=excepted)
        self.agreed |= {who for who, is_approved in self._named().items() if is_approved}

    @precondition(lambda self: self._holds())
    @rule(which=st.integers(0, 9))
    def somebody_rejects(self, which: int) -> None:
        with self.nights.engine.begin() as connection:
            decisions.reject(connection, self._holds()[which % len(self._holds())], by="robin", reason="they are here")
        self.agreed &= {who for who, is_approved in self._named().items() if is_approved}

    @invariant()
    def who_is_held_is_still_there(self) -> None:
        assert self.is_rolled_back or self._named().keys() <= self._live()

    @invariant()
    def the_roster_does_not_contradict_itself(self) -> None:
        assert self.nights.scalar(LOST_OWNERS) == 0
        assert not self.knows_left_out or self.nights.scalar(IN_BOTH_OR_NEITHER) == 0
        with self.nights.engine.connect() as connection:
            check_roster(connection, Scope("elm", is_whole=True), remedy="", knows_left_out=self.knows_left_out)
        assert set(self.nights.live("accounts", "user_sourced_id")) == self._live() - {NO_EMAIL, GUARDIAN}

    def teardown(self) -> None:
        """However it went: two complete pulls and everybody's consent make it what the provider has."""
        for _ in range(2):
            self.provider.change([])
            self._publish(since=None)
        for hold in self._holds():
            with self.nights.engine.begin() as connection:
                decisions.approve(connection, hold, by="robin", reason="all of them")
        self.agreed |= self._named().keys()
        self.provider.change([])
        self._publish(since=None)
        there = {key for key, (content, _) in self.provider.records["users"].items() if content is not None}
        assert self._live() == there
        assert self._holds() == []
        self.warehouses.give_back(self.nights.engine)

    def _publish(self, since: int | None) -> None:
        """A night, and what has to be so after any."""
        before = self._live()
        since = None if self.is_rolled_back else since
        sent = self.provider.pull(
            self.nights.began, since=None if since is None else dict.fromkeys(self.provider.records, since)
        )
        self.nights.publish(as_rows(sent), delta=since is not None)
        self.asked_since = self.provider.tick
        self.knows_left_out = True
        received = {key for key, content in sent.records["users"].items() if content is not None}
        assert received <= self._live()
        self._nobody_is_lost(before, received)

    def _nobody_is_lost(self, before: set[str], received: set[str]) -> None:
        lost = before - self._live()
        assert self.is_rolled_back or not self.agreed - received - lost
        assert len(lost - self.agreed) <= FLOOR
        self.agreed = {who for who, is_approved in self._named().items() if is_approved}
        self.is_rolled_back = False

    def _live(self) -> set[str]:
        return set(self.nights.live("users", "sourced_id"))

    def _holds(self) -> list[str]:
        with self.nights.engine.connect() as connection:
            return list(connection.execute(sa.text(_LIVING)).scalars())

    def _named(self) -> dict[str, Any]:
        """People that open holds name, and whether a person approved."""
        with self.nights.engine.connect() as connection:
            return {row[0]: bool(row[1]) for row in connection.execute(sa.text(_NAMED))}


@pytest.mark.hypothesis
def test_any_sequence_of_leaving_and_returning_loses_nobody_unasked(warehouses: Warehouses, tmp_path: Path) -> None:
    folders = (tmp_path / str(number) for number in itertools.count())
    run_state_machine_as_test(
        lambda: Holding(warehouses, next(folders)),
        settings=sequences(3, steps=10),
    )
