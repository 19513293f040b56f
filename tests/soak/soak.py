"""`make soak`: nights under faults, for `SOAK_SECONDS` (default 3600). After each fault the model must agree.

Each step draws its fault from the seed and its number alone. `SOAK_SEED` repeats a seed, `SOAK_STEPS` ends after so
many steps: a failure prints both. `SOAK_FAULT` names the only fault.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import random
import re
import secrets
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from rollcall.errors import RollcallError
from rollcall.warehouse.ops_models import runs, state
from rollcall_local.processes import run
from tests.soak import clock
from tests.soak.airflow import VICTIMS, Airflow, can_run
from tests.soak.disk import enter_private_mounts
from tests.soak.links import Link
from tests.soak.model import Disagreement
from tests.soak.world import Ended, Hanging, World

_ZONE = ZoneInfo("America/Chicago")
_BEGINS = datetime(2026, 10, 20, tzinfo=UTC)
#: After so many nights, the clock moves to the next night that has 23 or 25 hours.
_NIGHTS_PER_CHANGE = 5
#: However slow the machine is.
_LEAST_STEPS = 3
_STAGES = ("extract", "validate", "map_roster", "publish", "report")
#: What no output may have: errors that are a line of code, people, and secrets.
_UNEXPLAINED = re.compile(r"Traceback|\(\w+_failed\)|Unexpected|report this line|@maple\.example|not-a-secret")


class Finding(AssertionError):
    """Rollcall did what it must not do."""


@dataclass
class Soak:
    """The steps and what they did.

    :param seed: with a step's number it decides everything drawn in that step.
    :param faults: by name.
    """

    world: World
    seed: int
    faults: dict[str, Callable[[Soak], str]]
    survived: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    #: Bytes of the last run without a fault, by link.
    _usual: dict[str, int] = field(default_factory=dict)
    _days: int = 0

    def __post_init__(self) -> None:
        self._changes = clock.nights_of_change(_ZONE, _BEGINS)
        self._next_day()

    def step(self, number: int) -> str:
        """One night with a fault, and the night after it. Returns what happened, in a line."""
        dice = self.dice = random.Random(f"{self.seed}:{number}")  # noqa: S311 - a replay, no secret
        world = self.world
        self._next_day()
        world.set_clocks(self._at)
        world.skew = timedelta(seconds=dice.choice((0, 0, -400, 400, 86_400)))
        if dice.random() < 0.8 or not self._usual:
            world.pass_night(world.present())
        if not self._usual:
            return self._calm("first night")
        name = self._fault(number)
        said = self.faults[name](self)
        self._settle()
        self.survived[name] += 1
        after = self._calm("next night") if dice.random() < 0.8 else "no calm night"
        return f"{name} {said}; {after}"

    def _fault(self, number: int) -> str:
        """Each once in any order, then each once again in another."""
        round_, place = divmod(number, len(self.faults))
        order = list(self.faults)
        random.Random(f"{self.seed}:round {round_}").shuffle(order)  # noqa: S311
        return order[place]

    # faults

    def kill_a_command(self) -> str:
        link, after = self._somewhere()
        process = self.world.command("sync", "maple", *self._mode())
        link.arm(after, process.kill)
        return self._said(link, after, self.world.end(process))

    def kill_a_task(self) -> str:
        """A task of a scheduled night dies and is tried again, as Airflow does it."""
        return self._night_of_tasks(lambda: self._current.kill())

    def cut_the_provider_off(self) -> str:
        return self._cut(self.world.http, "http")

    def cut_the_warehouse_off(self) -> str:
        return self._cut(self.world.warehouse, "warehouse")

    def cut_a_task_off(self) -> str:
        def cut() -> None:
            for link in (self.world.http, self.world.warehouse):
                link.cut(reset=True)

        return self._night_of_tasks(cut)

    def kill_postgres(self) -> str:
        link, after = self._somewhere()
        return self._while_down(link, after, self._crash(self.dice.random() < 0.5), self.world.start_postgres)

    def kill_the_provider(self) -> str:
        link = self.world.http
        after = self._byte("http")
        return self._while_down(link, after, self.world.kill_provider, self.world.start_provider)

    def fill_the_disk(self) -> str:
        free = self.dice.choice((0, 4096, 20_000, 100_000, self.dice.randrange(400_000)))
        self.world.largest_file = self.world.disk.leave(free)
        try:
            ended = self.world.end(self.world.command("sync", "maple", *self._mode()))
        finally:
            self.world.disk.free()
            self.world.largest_file = None
        return f"{free} bytes free: {self._outcome(ended)}"

    def run_at_once(self) -> str:
        """Two nights, a rollback, and perhaps a purge, all at the same time."""
        world, dice = self.world, self.dice
        world.set_clocks(world.present(), is_stopped=True)
        commands = [("sync", "maple"), ("sync", "maple", "--full")]
        published = self._published()
        to = dice.choice(published) if published else ""
        if to:
            commands.append(("rollback", "maple", "--to", to))
        if dice.random() < 0.4:
            commands.append(("districts", "purge", "maple", "--yes-delete", "maple"))
        dice.shuffle(commands)
        started = []
        for command in commands:
            started.append((command, world.command(*command)))
            time.sleep(dice.random() * 0.5)
        said = [f"{' '.join(command[:2])} {self._outcome(world.end(process))}" for command, process in started]
        with world.engine.connect() as connection:
            query = sa.select(runs.c.run_id).where(runs.c.kind == "rollback")
            for run_id in connection.execute(query).scalars():
                world.model.rolled_back_to.setdefault(run_id, to)
        return ", ".join(said)

    def set_the_clock_back(self) -> str:
        """The warehouse's clock is behind what it published: nothing is published until it is right again."""
        world = self.world
        right = world.present()
        world.set_clocks(right - timedelta(days=self.dice.choice((0, 0, 3)), hours=30))
        ended = world.end(world.command("sync", "maple", *self._mode()))
        world.set_clocks(right + timedelta(minutes=1))
        return self._outcome(ended)

    def set_the_clock_ahead(self) -> str:
        """A roster from the future is published; with the right clock it blocks nights until a person repairs it."""
        world = self.world
        right = world.present()
        world.set_clocks(right + timedelta(days=self.dice.choice((1, 20))))
        self._calm("ahead")
        world.set_clocks(right + timedelta(minutes=2), is_stopped=True)
        refused = world.end(world.command("sync", "maple"))
        if "state_in_future" not in refused.printed:
            raise Finding(f"A roster from the future was no reason to stop.\n{refused.printed}")
        repaired = world.end(world.command("resume", "maple", "--clock"))
        if repaired.code != 0:
            raise Finding(f"resume --clock ended with {repaired.code}\n{repaired.printed}")
        world.model.repair_clock()
        return f"{self._outcome(refused)}, then repaired"

    def kill_airflow(self) -> str:
        """The scheduler, with or without its workers, or a worker with its task, is killed during a night."""
        world = self.world
        link, after = self._somewhere()
        victim, mode, seconds = self.dice.choice(VICTIMS), self.dice.choice(("auto", "full")), self.dice.random() * 3
        said = Airflow(world).night(mode, lambda fault: link.arm(after, fault), victim, seconds)
        if not said.startswith("success"):
            raise Finding(f"A night of Airflow ended as {said}.")
        return f"{self._place(link, after)}: {said}"

    # how they are made

    def _somewhere(self) -> tuple[Link, int]:
        """A byte of a link, early, late, or in between."""
        name = self.dice.choice(("http", "warehouse", "warehouse"))
        return getattr(self.world, name), self._byte(name)

    def _byte(self, name: str) -> int:
        share = self.dice.choice((self.dice.random(), self.dice.random(), 0.85 + 0.15 * self.dice.random()))
        return int(share * self._usual[name])

    def _mode(self) -> list[str]:
        return self.dice.choice(([], ["--full"]))

    def _cut(self, link: Link, name: str) -> str:
        how = self.dice.choice(("close", "reset", "stall", "stall and reset"))
        after = self._byte(name)
        seconds = self.dice.random() * 3

        def fault() -> None:
            if how.startswith("stall"):
                link.stall()
                timer = threading.Timer(seconds, self._flow_again, (link, how))
                timer.start()
            else:
                link.cut(reset=how == "reset")

        process = self.world.command("sync", "maple", *self._mode())
        link.arm(after, fault)
        ended = self.world.end(process)
        link.flow()
        return f"{how}, {self._said(link, after, ended)}"

    def _flow_again(self, link: Link, how: str) -> None:
        if how.endswith("reset"):
            link.cut(reset=True)
        link.flow()

    def _crash(self, kill: bool) -> Callable[[], None]:
        return lambda: self.world.stop_postgres(kill=kill)

    def _while_down(self, link: Link, after: int, down: Callable[[], None], up: Callable[[], None]) -> str:
        """A night during which something goes down, and comes up again after up to two seconds."""
        process = self.world.command("sync", "maple", *self._mode())
        is_down = threading.Event()
        seconds = self.dice.random() * 2

        def fault() -> None:
            down()
            is_down.set()

        link.arm(after, fault)
        while process.exitcode is None and not is_down.is_set():
            process.join(0.02)
        if is_down.is_set():
            time.sleep(seconds)
            up()
        return self._said(link, after, self.world.end(process))

    def _night_of_tasks(self, fault: Callable[[], None]) -> str:
        """:raises Finding: if the night is not published although each task had three tries."""
        link, after = self._somewhere()
        link.arm(after, fault)
        run_id = f"scheduled__{self.world.present():%Y-%m-%dT%H:%M:%S.%f}"
        mode = self.dice.choice(("auto", "full"))
        pull, tries = None, []
        for stage in _STAGES:
            for _ in range(3):
                self._current, result = self.world.stage(stage, run_id, mode, pull)
                ended = self.world.end(self._current)
                self._outcome(ended)
                tries.append(f"{stage} {ended.code}")
                if ended.code == 0:
                    break
            else:
                raise Finding(f"A night of tasks was not published: {', '.join(tries)}\n{ended.printed}")
            if stage != "publish":
                pull = json.loads(result.read_text())
        if run_id not in self._published():
            raise Finding(f"The ledger does not have {run_id} as published: {', '.join(tries)}")
        return f"{self._place(link, after)}: {', '.join(tries)}"

    # what has to be so

    def _settle(self) -> None:
        """Whatever a fault left: the roster is one that was published, whole."""
        world = self.world
        for link in (world.http, world.warehouse):
            link.count_again()
            link.flow()
        with world.engine.connect() as connection:
            paused = connection.execute(sa.select(state.c.paused)).scalar_one_or_none()
        if paused:
            resumed = world.end(world.command("resume", "maple"))
            if resumed.code != 0:
                raise Finding(f"resume ended with {resumed.code}\n{resumed.printed}")
        world.model.follow()
        world.model.check()

    def _calm(self, what: str) -> str:
        """A night without a fault is published, and is what the model says."""
        world = self.world
        world.set_clocks(world.present() + timedelta(minutes=5))
        for link in (world.http, world.warehouse):
            link.count_again()
        ended = world.end(world.command("sync", "maple", *self._mode()))
        _require_words(ended)
        if ended.code != 0:
            raise Finding(f"The {what} ended with {ended.code}.\n{ended.printed}")
        self._usual = {"http": world.http.passed, "warehouse": world.warehouse.passed}
        generations = len(world.model.generations)
        self._settle()
        if len(world.model.generations) <= generations:
            raise Finding(f"The {what} published nothing.\n{ended.printed}")
        return f"{what}: generation {len(world.model.generations)}"

    def _outcome(self, ended: Ended) -> str:
        _require_words(ended)
        code = re.search(r"Error \((\w+)\)|^(\w+): ", ended.printed)
        outcome = f"exit {ended.code}" + (f" {code[1]}" if code and code[1] else "")
        self.ended[outcome] += 1
        return outcome

    def _said(self, link: Link, after: int, ended: Ended) -> str:
        return f"{self._place(link, after)}: {self._outcome(ended)}"

    def _place(self, link: Link, after: int) -> str:
        name = "http" if link is self.world.http else "warehouse"
        return f"after byte {after:,} of {self._usual[name]:,} to and from {name}{' (not reached)' * link.is_armed}"

    def _published(self) -> list[str]:
        with self.world.engine.connect() as connection:
            query = sa.select(runs.c.run_id).where(runs.c.status == "published").order_by(runs.c.generation)
            return list(connection.execute(query).scalars())

    def _next_day(self) -> None:
        if self._days % _NIGHTS_PER_CHANGE == 0:
            self._at = next(self._changes) - timedelta(days=1)
        self._days += 1
        self._at += timedelta(days=1)


def _require_words(ended: Ended) -> None:
    """:raises Finding: for output that no person should see."""
    if found := _UNEXPLAINED.search(ended.printed):
        raise Finding(f"A run printed {found.group()!r}.\n{ended.printed}")


FAULTS: dict[str, Callable[[Soak], str]] = {
    "command killed": Soak.kill_a_command,
    "task killed": Soak.kill_a_task,
    "task cut off": Soak.cut_a_task_off,
    "provider cut off": Soak.cut_the_provider_off,
    "warehouse cut off": Soak.cut_the_warehouse_off,
    "PostgreSQL killed": Soak.kill_postgres,
    "provider killed": Soak.kill_the_provider,
    "disk full": Soak.fill_the_disk,
    "nights, rollback, purge at once": Soak.run_at_once,
    "clock back": Soak.set_the_clock_back,
    "clock ahead": Soak.set_the_clock_ahead,
}
AIRFLOW: dict[str, Callable[[Soak], str]] = {"Airflow killed": Soak.kill_airflow}


def main() -> int:
    enter_private_mounts()
    seed = int(os.environ.get("SOAK_SEED") or secrets.randbelow(10**6))
    seconds = float(os.environ.get("SOAK_SECONDS") or 3600)
    only = os.environ.get("SOAK_FAULT") or ""
    steps = int(os.environ.get("SOAK_STEPS") or 0)
    logging.getLogger("rollcall").setLevel(logging.ERROR)  # what the twin says
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        with World(Path(folder), seed, _BEGINS) as world:
            faults = FAULTS | AIRFLOW if can_run(seconds) else FAULTS
            faults = {name: fault for name, fault in faults.items() if only in ("", name)}
            soak, began = Soak(world, seed, faults), time.monotonic()
            for number in itertools.count(1):
                is_over = time.monotonic() - began > seconds and number > _LEAST_STEPS
                if is_over or (steps and number > steps):
                    break
                try:
                    said = soak.step(number)
                except (Disagreement, Finding, Hanging, RollcallError, sa.exc.SQLAlchemyError) as error:
                    traceback.print_exc()
                    print(f"\nstep {number} failed: {error}\nAgain: SOAK_SEED={seed} SOAK_STEPS={number} make soak")
                    return 1
                print(f"{time.monotonic() - began:6.0f} s  step {number}: {said}", flush=True)
    print(
        f"{sum(soak.survived.values())} faults survived in {(time.monotonic() - began) / 60:.0f} minutes, "
        f"{world.model.published} publications compared: {dict(soak.survived.most_common())}"
    )
    print(f"Runs with a fault ended as: {dict(soak.ended.most_common())}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
