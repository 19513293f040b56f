"""What the warehouse must hold: by the plain rules of `tests.whole.rules`, and by a second warehouse without faults.

Both follow the ledger: what it says was published, in its order, is done to them. So a run that died before its commit
must have left nothing, and one that died after it everything.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from rollcall.history.clock_repair import reset_future_instants
from rollcall.history.rollback import resume, rollback
from rollcall.landing.manifests import load
from rollcall.landing.pull import Pull, PullRef
from rollcall.landing.zone import Landing
from rollcall.model.tables import TABLES
from rollcall.pipeline import run
from rollcall.publish.invariants import Scope, check_roster
from rollcall.retention.purge import purge
from rollcall.settings import find_district
from rollcall.warehouse.clock import NOW
from rollcall.warehouse.models import history, published, staging
from rollcall.warehouse.ops_models import left_out, runs, state
from rollcall_sandbox import SandboxDistrict
from rollcall_sandbox.provider import Provider
from rollcall_sandbox.truth import Gauge
from tests.whole.rules import NAMES, Content, Roster, Row, Sent

_CONTENT = {"classes": ("title",), "users": ("family_name",), "enrollments": ("user_sourced_id", "class_sourced_id")}
#: Columns that differ between two warehouses that published the same.
_OWN = {"account_id", "_digest"}


class Disagreement(AssertionError):
    """The warehouse holds something else than the model."""


@dataclass
class Replica:
    """The provider's records, without HTTP."""

    district: SandboxDistrict
    instants: list[datetime] = field(default_factory=list)

    def open(self, at: datetime) -> None:
        self.instants = [at]
        self._provider = Provider(self.district, "http://127.0.0.1", Gauge(), lambda: self.instants[-1])

    def pass_night(self, at: datetime) -> None:
        self.instants.append(at)
        self._provider.pass_nights(1)

    def records(self, collection: str) -> dict[str, tuple[Content | None, datetime]]:
        """By sourcedId what the model knows of a record (None: to be deleted), and when it was modified."""
        rows = self._provider._records
        found = {}
        for row in rows.all(collection):
            record = json.loads(rows.body(collection, row))
            modified = datetime.fromisoformat(record["dateLastModified"])
            is_gone = record["status"] == "tobedeleted"
            found[record["sourcedId"]] = (None if is_gone else _content(collection, record), modified)
        return found


def _content(collection: str, record: dict[str, Any]) -> Content:
    if collection == "enrollments":
        return record["user"]["sourcedId"], record["class"]["sourcedId"]
    return (record["title" if collection == "classes" else "familyName"],)


@dataclass
class Model:
    """:param landing: the faulted warehouse's landing zone; the twin has its own next to it."""

    engine: sa.Engine
    twin: sa.Engine
    landing: Path
    twin_landing: Path
    replica: Replica
    roster: Roster = field(default_factory=Roster)
    generations: dict[int, Roster] = field(default_factory=dict)
    followed: set[str] = field(default_factory=set)
    rolled_back_to: dict[str, str] = field(default_factory=dict)
    published: int = 0
    #: A rollback restores who was left out only if the landing zone still has it. A purge may have deleted it.
    is_left_out_known: bool = True

    @property
    def key(self) -> str:
        return self.replica.district.app

    def follow(self) -> None:
        """Do what the ledger says was published since the last time."""
        query = sa.select(runs).where(runs.c.generation.is_not(None), runs.c.status == "published")
        with self.engine.connect() as connection:
            ledger = connection.execute(query.order_by(runs.c.generation)).all()
        if self.followed - {row.run_id for row in ledger}:
            self._start_over()
        for row in ledger:
            if row.run_id not in self.followed:
                self._do(row)
                self.followed.add(row.run_id)

    def check(self) -> None:
        """Compare everything.

        :raises Disagreement: with what differs.
        """
        with self.engine.connect() as connection:
            for name in NAMES:
                expected = self.roster.rows[name]
                _same(f"{name}, by the rules", self._staging(connection, name), expected)
            check_roster(connection, Scope(self.key, is_whole=True), remedy="", knows_left_out=self.is_left_out_known)
            generation = connection.execute(sa.select(state.c.generation)).scalar_one_or_none() or 0
            if generation != len(self.generations):
                raise Disagreement(f"generation {generation}, not {len(self.generations)}")
        left, right = _everything(self.engine), _everything(self.twin)
        for name in left:
            if name == str(left_out) and not self.is_left_out_known:
                continue
            _same(f"{name}, by the twin", left[name], right[name])

    def repair_clock(self) -> None:
        """`rollcall resume --clock` was used: a generation that no run published. Both clocks have to stand still."""
        with self.twin.connect() as connection:
            now = connection.execute(sa.select(NOW)).scalar_one()
        reset_future_instants(self.twin, find_district(self.key))
        for rows in self.roster.rows.values():
            for row in rows.values():
                row.missing_since = row.missing_since and min(row.missing_since, now)
        self.generations[len(self.generations) + 1] = self.roster.copy()

    def _do(self, row: Any) -> None:
        generation = len(self.generations) + 1
        if row.generation != generation:
            raise Disagreement(f"{row.run_id} is generation {row.generation}, not {generation}")
        district, zone = find_district(self.key), Landing(str(self.twin_landing))
        if row.kind == "rollback":
            to = self.rolled_back_to[row.run_id]
            target = self._generation_of(to)
            self.roster = self.generations[target].copy()
            rollback(self.twin, district, zone, row.run_id, to)
            resume(self.twin, district)
            self.is_left_out_known = False
        else:
            self.is_left_out_known = True
            ref = PullRef(district=self.key, pull_id=row.pull_id, run_id=row.run_id)
            self.roster.publish(self._sent(ref))
            folder = f"district={self.key}/pull={row.pull_id}"
            shutil.copytree(self.landing / folder, self.twin_landing / folder, dirs_exist_ok=True)
            run.map_night(self.twin, district, ref, zone)
            done = run.publish_night(self.twin, district, ref, zone)
            if done.status != "published":
                raise Disagreement(f"the twin has {row.run_id} as {done.status}")
        self.generations[generation] = self.roster.copy()
        self.published += 1

    def _generation_of(self, run_id: str) -> int:
        with self.engine.connect() as connection:
            query = sa.select(runs.c.generation).where(runs.c.run_id == run_id)
            return int(connection.execute(query).scalar_one())

    def _sent(self, ref: PullRef) -> Sent:
        """What the pull had to bring."""
        pull = load(ref.folder(Landing(str(self.landing))), Pull)
        since = {landed.collection: landed.since for landed in pull.collections}
        records: dict[str, dict[str, Content | None]] = {}
        for name in NAMES:
            asked = since[name]
            had = self.replica.records(name).items()
            records[name] = {key: content for key, (content, at) in had if asked is None or at >= asked}
        proves = frozenset(name for name in NAMES if since[name] is None)
        return Sent(pull.as_of, records, {name: set() for name in NAMES}, proves)

    def _start_over(self) -> None:
        """The district was purged."""
        self.roster, self.generations, self.followed = Roster(), {}, set()
        purge(self.twin, self.key, Landing(str(self.twin_landing)), by="soak")

    def _staging(self, connection: sa.Connection, name: str) -> dict[str, Row]:
        columns = staging[name].c
        wanted = [columns[column] for column in ("sourced_id", "_missing_since", "_removed_reason", *_CONTENT[name])]
        found = connection.execute(sa.select(*wanted))
        return {key: Row(tuple(content), missing, reason) for key, missing, reason, *content in found}


def _everything(engine: sa.Engine) -> dict[str, dict[Any, Any]]:
    """Every table of the roster, of its history, and of what is left out."""
    with engine.connect() as connection:
        return {str(table): dict(_rows(connection, table)) for table in _tables()}


def _tables() -> Iterator[sa.Table]:
    for name in TABLES:
        yield from (staging[name], published[name], history[name])
    yield left_out


def _rows(connection: sa.Connection, table: sa.Table) -> Iterator[tuple[Any, Any]]:
    columns = [column for column in table.c if column.name not in _OWN]
    keys = [column.name for column in table.primary_key if column.name not in _OWN]
    for row in connection.execute(sa.select(*columns)).mappings():
        yield tuple(row[name] for name in keys), tuple(map(str, row.values()))


def _same(what: str, found: dict[Any, Any], expected: dict[Any, Any]) -> None:
    differing = [key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)]
    if differing:
        shown = "\n".join(f"  {key}: {found.get(key)} instead of {expected.get(key)}" for key in differing[:5])
        raise Disagreement(f"{what}: {len(differing)} of {len(expected)} rows differ\n{shown}")
