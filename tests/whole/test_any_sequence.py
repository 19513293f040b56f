"""Runs are killed, lost, retried, repeated, and reordered in any sequence. A simple model of the rules must agree."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rollcall.errors import RollcallError
from rollcall.landing.zone import Landing
from rollcall.pipeline import run
from rollcall.publish import transaction as publish_stage
from rollcall.settings.sections import SHARES, Floor, Guards
from tests.conftest import Nights, sequences
from tests.warehouses import Warehouses
from tests.whole.district import ModeledDistrict, PullOptions
from tests.whole.provider import CLASSES, KINDS, PEOPLE
from tests.whole.rules import NAMES

#: So wide that the guard has nothing to say.
NO_GUARD = Guards(
    **dict.fromkeys(SHARES, "100%"),
    floor=Floor(people=1000, classes=1000, enrollments=1000),
)

people, classes = st.integers(0, PEOPLE - 1), st.integers(0, CLASSES - 1)
changes = st.lists(st.tuples(st.sampled_from(KINDS), people, classes), max_size=4)
refused = st.lists(st.sampled_from(("u3", "u4", "c1", "c2", "e-u3-c1", "e-u4-c2")), max_size=2, unique=True).map(tuple)
unproven = st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple)
options = st.builds(PullOptions, delta=st.booleans(), unproven=st.just(()) | unproven, refused=st.just(()) | refused)
parts = st.builds(PullOptions, delta=st.booleans(), without=st.just(("enrollments",)))
which = st.integers(0, 99)


class Sequence(RuleBasedStateMachine):
    """A district of its own, and its model."""

    def __init__(self, warehouses: Warehouses, folder: Path) -> None:
        super().__init__()
        self.warehouses = warehouses
        self.nights = Nights(warehouses.take(), Landing(str(folder)))
        self.nights.settings(guards=NO_GUARD)
        self.district = ModeledDistrict(self.nights)

    @initialize()
    def the_first_night(self) -> None:
        self.district.whole_night(self.district.pull([], PullOptions()))

    @rule(changes=changes, options=options)
    def a_night(self, changes: Any, options: PullOptions) -> None:
        assert self.district.whole_night(self.district.pull(changes, options)).status == "published"

    @rule(changes=changes, options=parts)
    def a_night_of_some_collections(self, changes: Any, options: PullOptions) -> None:
        self.district.whole_night(self.district.pull(changes, options))

    @rule(changes=changes, options=options)
    def a_night_whose_tasks_are_retried(self, changes: Any, options: PullOptions) -> None:
        pulled = self.district.pull(changes, options)
        self.district.map(pulled)
        self.district.whole_night(pulled)
        assert self.district.publish(pulled).status == "already_published"

    @rule(changes=changes, options=options, table=st.sampled_from(("classes", "users", "enrollments", "accounts")))
    def a_night_whose_connection_is_lost(self, changes: Any, options: PullOptions, table: str) -> None:
        pulled = self.district.pull([("rename", 0, 0), *changes], options)
        self.district.map(pulled)
        real = publish_stage.apply_changes

        def lose(connection: sa.Connection, changed: Any, *rest: Any, **more: Any) -> None:
            real(connection, changed, *rest, **more)
            if changed.name == table:
                connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(publish_stage, "apply_changes", lose)
            try:
                self.district.publish(pulled)
            except RollcallError:
                self.district.check()
                patch.undo()
                assert self.district.publish(pulled).status == "published"

    @rule(changes=changes, options=options)
    def a_dry_run(self, changes: Any, options: PullOptions) -> None:
        pulled = self.district.pull(changes, options)
        self.district.map(pulled)
        published = run.finish_dry_run(self.nights.engine, self.nights.district, pulled.ref, self.nights.landing)
        assert published.status == "dry_run"

    @rule(changes=changes, options=options)
    def a_night_without_a_warehouse(self, changes: Any, options: PullOptions) -> None:
        self.district.pull(changes, options)

    @rule(before=changes, after=changes, options=options, other=options)
    def a_run_that_another_one_overtakes(
        self, before: Any, after: Any, options: PullOptions, other: PullOptions
    ) -> None:
        """The one that was mapped first has the newer pull, so it is rebuilt and published after the other."""
        early, late = self.district.tick(), self.district.tick()
        # the other run may take all of a collection away, and then what is unproven of it would be held
        slow = self.district.pull(before, replace(options, unproven=()), as_of=late)
        self.district.map(slow)
        self.district.whole_night(self.district.pull(after, other, as_of=early))
        assert self.district.publish(slow).status == "published"

    @rule(before=changes, after=changes, options=options, other=options)
    def a_run_that_comes_too_late(self, before: Any, after: Any, options: PullOptions, other: PullOptions) -> None:
        slow = self.district.pull(before, options)
        self.district.map(slow)
        self.district.whole_night(self.district.pull(after, other))
        with pytest.raises(RollcallError) as caught:
            self.district.publish(slow)
        assert caught.value.code == "pull_is_older"

    @rule(which=which)
    def an_old_run_is_done_again(self, which: int) -> None:
        self.district.again(self.district.pulls[which % len(self.district.pulls)])

    @rule(changes=changes, options=options)
    def a_run_pulls_again_under_its_own_name(self, changes: Any, options: PullOptions) -> None:
        run_id = self.district.pulls[-1].ref.run_id
        assert self.district.whole_night(self.district.pull(changes, options, run_id=run_id)).status == "published"

    @rule()
    def another_mapping(self) -> None:
        self.district.map_again()

    @precondition(lambda self: len(self.district.generations) > 1)
    @rule(which=which, changes=changes, options=options, is_night_meanwhile=st.booleans())
    def a_rollback(self, which: int, changes: Any, options: PullOptions, is_night_meanwhile: bool) -> None:
        runs = sorted(self.district.runs)
        meanwhile = self.district.pull(changes, options) if is_night_meanwhile else None
        self.district.roll_back(runs[which % len(runs)], meanwhile)

    @rule()
    def a_purge(self) -> None:
        self.district.purge()

    @rule(which=which)
    def a_back_fill(self, which: int) -> None:
        self.district.back_fill(self.district.pulls[which % len(self.district.pulls)])

    @invariant()
    def model_and_warehouse_agree(self) -> None:
        if self.district.generations:
            self.district.check()

    def teardown(self) -> None:
        self.district.check_every_generation()
        self.warehouses.give_back(self.nights.engine)


@pytest.mark.hypothesis
def test_any_sequence_of_runs_leaves_what_the_rules_say(warehouses: Warehouses, tmp_path: Path) -> None:
    folders = (tmp_path / str(number) for number in itertools.count())
    run_state_machine_as_test(lambda: Sequence(warehouses, next(folders)), settings=sequences(6, steps=14))
