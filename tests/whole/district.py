"""A district and its model: every action is done to both, and both must agree after it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from rollcall.errors import ActionRequired, RollcallError
from rollcall.history.published import rows_at
from rollcall.history.pulls import begin_replay
from rollcall.history.replay import replay
from rollcall.history.rollback import resume, rollback
from rollcall.landing.change_set import Published
from rollcall.landing.pull import PullRef
from rollcall.model.tables import TABLES
from rollcall.pipeline import run
from rollcall.pipeline.remap import prepare_remap
from rollcall.publish.invariants import Scope, check_roster
from rollcall.retention.purge import purge
from rollcall.settings import Sites
from rollcall.warehouse.models import history, staging
from tests.conftest import Nights
from tests.whole.provider import GUARDIAN, NO_EMAIL, Change, Provider, as_rows
from tests.whole.rules import NAMES, Content, Night, Roster, Row, Sent

#: What a record says in the warehouse.
_CONTENT = {"classes": ("title",), "users": ("family_name",), "enrollments": ("user_sourced_id", "class_sourced_id")}


_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class PullOptions:
    """How a pull is made."""

    delta: bool = False
    unproven: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pulled:
    """A pull in the landing zone.

    :param since: of a delta, the instants of the watermarks it began at.
    """

    ref: PullRef
    sent: Sent
    proven: frozenset[str]
    tick: int
    since: dict[str, datetime] | None


@dataclass(frozen=True)
class Generation:
    """What readers had: the model's roster and the warehouse's exact tables."""

    roster: Roster
    accounts: set[tuple[str, str]]
    as_of: datetime
    tables: dict[str, set[tuple[Any, ...]]]


@dataclass
class ModeledDistrict:
    """:param marks: per collection since when the next delta asks: the provider's tick and the instant."""

    nights: Nights
    provider: Provider = field(default_factory=Provider)
    roster: Roster = field(default_factory=Roster)
    accounts: set[tuple[str, str]] = field(default_factory=set)
    site: str = "school"
    marks: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    generations: list[Generation] = field(default_factory=list)
    runs: dict[str, int] = field(default_factory=dict)
    pulls: list[Pulled] = field(default_factory=list)
    current: tuple[str, str] = ("", "")
    current_as_of: datetime = _NEVER
    is_history_plain: bool = True
    is_left_out_known: bool = True
    _count: int = 0

    def __post_init__(self) -> None:
        self._clock = self.nights.began

    # what may happen

    def tick(self) -> datetime:
        self._clock += timedelta(days=1)
        return self._clock

    def name(self, what: str) -> str:
        self._count += 1
        return f"{what}{self._count}"

    def pull(
        self, changes: list[Change], options: PullOptions, *, as_of: datetime | None = None, run_id: str | None = None
    ) -> Pulled:
        """Changes at the provider, then a pull of it; a delta as soon as every collection has a watermark."""
        self.provider.change(changes)
        # of what readers have nothing of, an unproven pull is held: tests/guard/test_first_roster.py
        options = replace(
            options, unproven=tuple(name for name in options.unproven if self.nights.live(name, "_run_id"))
        )
        is_delta = options.delta and set(NAMES) <= self.marks.keys()
        sent = self.provider.pull(
            as_of or self.tick(),
            since={name: mark for name, (mark, _) in self.marks.items()} if is_delta else None,
            unproven=options.unproven,
            refused=options.refused,
            without=options.without,
        )
        began = {name: at for name, (_, at) in self.marks.items()} if is_delta else None
        ref = self.nights.prepare(
            as_rows(sent),
            delta=is_delta,
            since=min(began.values()) if began else None,
            unproven=tuple(name for name in options.unproven if name in sent.records),
            rejected={name: sorted(keys) for name, keys in sent.refused.items() if keys},
            run_id=run_id or self.name("run"),
            as_of=sent.as_of,
        )
        proven = frozenset(sent.records) - set(options.unproven)
        self.pulls.append(Pulled(ref, sent, proven, self.provider.tick, began))
        return self.pulls[-1]

    def map(self, pulled: Pulled) -> None:
        run.map_night(self.nights.engine, self.nights.district, pulled.ref, self.nights.landing)

    def publish(self, pulled: Pulled) -> Published:
        published = run.publish_night(self.nights.engine, self.nights.district, pulled.ref, self.nights.landing)
        if published.status == "published":
            self._published(pulled, published)
        return published

    def whole_night(self, pulled: Pulled) -> Published:
        self.map(pulled)
        return self.publish(pulled)

    def again(self, pulled: Pulled) -> None:
        """An old run done again: it is the roster already, is refused, or fits again after a rollback."""
        ref = pulled.ref
        if (ref.pull_id, ref.run_id) == self.current:
            assert self.whole_night(pulled).status == "already_published"
        elif pulled.sent.as_of < self.current_as_of:
            assert self._refusal(pulled) == "pull_is_older"
        elif not self._fits(pulled):
            assert self._refusal(pulled) == "delta_without_base"
        else:
            assert self.whole_night(pulled).status == "published"

    def map_again(self) -> None:
        """Another mapping for what is published, without a pull."""
        self.site = "E" if self.site == "school" else "school"
        sites = Sites(targets={"E": "The Elm"}, map={"school": "E"}) if self.site == "E" else None
        self.nights.settings(sites=sites)
        run_id = self.name("remap")
        ref = prepare_remap(self.nights.engine, self.nights.district, run_id, self.nights.landing)
        nothing = Pulled(ref, Sent(self.current_as_of, {}, {}, frozenset()), frozenset(), 0, None)
        assert self.whole_night(nothing).status == "published"

    def roll_back(self, run_id: str, meanwhile: Pulled | None) -> None:
        """To what a run published; a night meanwhile changes nothing."""
        to = self.generations[self.runs[run_id] - 1]
        back = self.name("back")
        done = rollback(self.nights.engine, self.nights.district, self.nights.landing, back, run_id)
        self.roster, self.accounts = to.roster.copy(), set(to.accounts)
        self.marks.clear()
        self.is_left_out_known = done.left_out
        self._is_now(back, "", to.as_of)
        assert self.generations[-1].tables == to.tables
        if meanwhile is not None:
            self.map(meanwhile)
            assert self.publish(meanwhile).status == "paused"
        assert resume(self.nights.engine, self.nights.district).startswith("rolled back on ")

    def purge(self) -> None:
        """Everything deleted; what the provider has then is a first night."""
        purge(self.nights.engine, "elm", self.nights.landing, by="robin")
        self.roster, self.accounts = Roster(), set()
        self.generations, self.runs, self.pulls = [], {}, []
        self.marks.clear()
        self.current, self.current_as_of = ("", ""), _NEVER
        self.is_history_plain = self.is_left_out_known = True
        assert self.whole_night(self.pull([], PullOptions())).status == "published"

    def back_fill(self, pulled: Pulled) -> None:
        """Write a past night again. Newer state stays, if there is any."""
        before = self._history()
        ref = begin_replay(
            self.nights.engine, self.nights.district, self.nights.landing, self.name("past"), pulled.sent.as_of.date()
        )
        assert isinstance(ref, PullRef)
        is_newest = pulled.sent.as_of == max(one.sent.as_of for one in self.pulls)
        is_newer = is_newest and pulled.sent.as_of > self.current_as_of and self._fits(pulled)
        published = replay(self.nights.engine, self.nights.district, ref, self.nights.landing)
        assert published.status == ("published" if is_newer else "replayed")
        if is_newer:
            self._published(Pulled(ref, pulled.sent, pulled.proven, pulled.tick, pulled.since), published)
        if self._is_ordinary():
            assert is_newer or self._history() == before
        else:
            self.is_history_plain = False

    # what has to be so

    def check(self) -> None:
        with self.nights.engine.connect() as connection:
            for name in NAMES:
                found, expected = self._staging(connection, name), self.roster.rows[name]
                differing = {key for key in found | expected if found.get(key) != expected.get(key)}
                if differing:
                    pytest.fail(f"{name}: " + str({key: (found.get(key), expected.get(key)) for key in differing}))
            for query in (LOST_OWNERS, IN_BOTH_OR_NEITHER if self.is_left_out_known else "SELECT 0"):
                assert connection.execute(sa.text(query)).scalar_one() == 0
            check_roster(connection, Scope("elm", is_whole=True), remedy="", knows_left_out=self.is_left_out_known)
            live = {name: self.roster.live(name) for name in NAMES}
            assert self._keys(connection, "user_roles", "user_sourced_id") == live["users"]
            assert self._keys(connection, "class_terms", "class_sourced_id") == live["classes"]
            accounts = self._keys(connection, "accounts", "user_sourced_id", "site_id")
            assert accounts == self.accounts
            state = connection.execute(sa.text("SELECT generation, current_as_of, paused FROM roster_ops.state")).one()
            assert tuple(state) == (len(self.generations), self.current_as_of, "")
            if self.is_history_plain:
                for name in NAMES:
                    past = history[name]
                    query = sa.select(past.c.sourced_id).where(past.c._valid_to.is_(None))
                    assert set(connection.execute(query).scalars()) == self.roster.surely_there(name), name

    def check_every_generation(self) -> None:
        with self.nights.engine.connect() as connection:
            for number, seen in enumerate(self.generations, 1):
                for name, table in TABLES.items():
                    assert _rows(rows_at(connection, "elm", table, number)) == seen.tables[name], (number, name)

    def _published(self, pulled: Pulled, published: Published) -> None:
        done = self.roster.publish(pulled.sent)
        self.accounts = {(who, self.site) for who in self.roster.live("users") - {NO_EMAIL, GUARDIAN}}
        for name in pulled.proven:
            self.marks[name] = max(self.marks.get(name, (0, pulled.sent.as_of)), (pulled.tick, pulled.sent.as_of))
        self.is_left_out_known = True
        self._counts_add_up(pulled, done, published)
        self._is_now(pulled.ref.run_id, pulled.ref.pull_id, pulled.sent.as_of)
        assert published.generation == len(self.generations)

    def _is_now(self, run_id: str, pull_id: str, as_of: datetime) -> None:
        self.current, self.current_as_of = (pull_id, run_id), as_of
        with self.nights.engine.connect() as connection:
            number = len(self.generations) + 1
            tables = {name: _rows(rows_at(connection, "elm", table, number)) for name, table in TABLES.items()}
            for name, table in TABLES.items():
                listed = [staging[name].c[column] for column in table.key]
                query = sa.select(*listed).where(staging[name].c._removed_at.is_(None))
                live = {tuple(row) for row in connection.execute(query)}
                at = [table.names.index(column) for column in table.key]
                assert {tuple(row[i] for i in at) for row in tables[name]} == live
        self.generations.append(Generation(self.roster.copy(), set(self.accounts), as_of, tables))
        self.runs[run_id] = len(self.generations)

    def _counts_add_up(self, pulled: Pulled, done: Night, published: Published) -> None:
        query = sa.text("SELECT * FROM roster_ops.run_counts WHERE run_id = :run")
        with self.nights.engine.connect() as connection:
            rows = connection.execute(query, {"run": pulled.ref.run_id}).mappings()
            ledger = {row["table_name"]: row for row in rows}
        for name in NAMES:
            expected = done.counts[name]
            if name not in ledger:  # a collection that was not pulled, and to which nothing happened
                assert name not in pulled.sent.records
                assert not expected.total(), (name, expected)
                continue
            found = Counter({kind: ledger[name][kind] for kind in _COUNTED})
            assert +found == Counter({kind: expected[kind] for kind in _COUNTED if expected[kind]}), name
            assert published.counts[name].received == found["received"]
            before = self.generations[-1].roster.live(name) if self.generations else set()
            grown = found["added"] + found["returned"] - found["removed"]
            assert len(self.roster.live(name)) == len(before) + grown
        query = sa.text("SELECT (accounts, left_out, status)::text FROM roster_ops.runs WHERE run_id = :run")
        with self.nights.engine.connect() as connection:
            run_row = connection.execute(query, {"run": pulled.ref.run_id}).scalar_one()
        left_out = len(self.roster.live("users")) - len(self.accounts)
        assert run_row == f"({len(self.accounts)},{left_out},published)"

    def _refusal(self, pulled: Pulled) -> str:
        try:
            self.whole_night(pulled)
        except (RollcallError, ActionRequired) as error:
            return error.code
        return ""

    def _fits(self, pulled: Pulled) -> bool:
        """Whether nothing lies between what readers have and what a delta asked for."""
        return pulled.since is None or all(
            name in self.marks and min(pulled.since.values()) <= self.marks[name][1] for name in pulled.sent.records
        )

    def _is_ordinary(self) -> bool:
        """Whether every pull was published, in order, and nothing was taken back."""
        order = [generation.as_of for generation in self.generations]
        return order == sorted(order) and {one.sent.as_of for one in self.pulls} == set(order)

    def _staging(self, connection: sa.Connection, name: str) -> dict[str, Row]:
        columns = staging[name].c
        wanted = [columns[column] for column in ("sourced_id", "_missing_since", "_removed_reason", *_CONTENT[name])]
        rows = {}
        for key, missing_since, reason, *content in connection.execute(sa.select(*wanted)):
            said: Content = tuple(content)
            rows[key] = Row(said, missing_since, reason)
        return rows

    def _keys(self, connection: sa.Connection, table: str, *columns: str) -> set[Any]:
        source = staging[table].c
        query = sa.select(*(source[column] for column in columns)).where(source._removed_at.is_(None))
        rows = [tuple(row) for row in connection.execute(query)]
        return {row[0] for row in rows} if len(columns) == 1 else set(rows)

    def _history(self) -> dict[str, set[tuple[Any, ...]]]:
        with self.nights.engine.connect() as connection:
            return {
                name: {tuple(row) for row in connection.execute(sa.select(history[name].c["sourced_id", *_SPAN]))}
                for name in NAMES
            }


_COUNTED = ("received", "rejected", "added", "changed", "returned", "missing", "removed")
_SPAN = ("_digest", "_valid_from", "_valid_to")

LOST_OWNERS = " + ".join(
    f"(SELECT count(*) FROM roster.{table.name} r WHERE NOT EXISTS (SELECT FROM roster.{owner} o"
    f" WHERE o.district_id = r.district_id AND o.sourced_id = r.{column}))"
    for table in TABLES.values()
    if table.name != "demographics"
    for column, owner in table.owners.items()
)
LOST_OWNERS = f"SELECT {LOST_OWNERS}"
IN_BOTH_OR_NEITHER = """
    SELECT count(*) FROM roster.users u FULL JOIN roster_ops.left_out l ON l.user_sourced_id = u.sourced_id
    WHERE u.sourced_id IS NULL OR (l.user_sourced_id IS NOT NULL) =
        EXISTS (SELECT FROM roster.accounts a WHERE a.user_sourced_id = u.sourced_id)"""


def _rows(table: pa.Table) -> set[tuple[Any, ...]]:
    return {tuple(row.values()) for row in table.to_pylist()}
